#include "judge_sequence.h"

#include <algorithm>

#include "sequence_model.h"

namespace trident::simulation {

SequenceJudge::SequenceJudge(World& world, const ModelConfig& config)
    : world_(world),
      config_(config),
      batching_(*config_.sequence_batching),
      direct_(!batching_.oldest.has_value()) {
  slots_ = static_cast<uint64_t>(std::max(1, config.max_batch_size));
  if (batching_.direct && batching_.direct->minimum_slot_utilization > 0) {
    delay_ns_ = batching_.direct->max_queue_delay_microseconds * 1000;
  }
  if (!batching_.oldest) return;
  delay_ns_ = batching_.oldest->max_queue_delay_microseconds * 1000;
  const int32_t candidates = batching_.oldest->max_candidate_sequences;
  if (candidates > 0) slots_ = static_cast<uint64_t>(candidates);
}

// Runs -------------------------------------------------------------------------------------------

SequenceJudge::Key SequenceJudge::KeyOf(const Submission& submission) const {
  if (batching_.iterative_sequence) return {"", static_cast<uint64_t>(submission.number) + 1};
  const CorrelationId& id = submission.ask.correlation_id;
  return {id.text, id.number};
}

SequenceJudge::Run& SequenceJudge::Begin(const Key& key) {
  runs_.push_back(std::make_unique<Run>());
  runs_.back()->id = key;
  return *runs_.back();
}

SequenceJudge::Run* SequenceJudge::OpenRun(const Key& key) {
  for (const auto& run : runs_) {
    if (run->open && run->id == key) return run.get();
  }
  return nullptr;
}

// Where threads interleave, requests are handed out before their acceptance is known: then all of
// one id count as one run.
SequenceJudge::Run* SequenceJudge::RunOf(const Submission& submission) {
  if (world_.preemptive()) {
    Run* const run = OpenRun(KeyOf(submission));
    return run != nullptr ? run : &Begin(KeyOf(submission));
  }
  const auto found = run_of_.find(&submission);
  return found == run_of_.end() ? nullptr : found->second;
}

bool SequenceJudge::MayBeIdle(const Run& run) const {
  const uint64_t idle_ns = batching_.max_sequence_idle_microseconds * 1000;
  return run.quiet() && run.handed && world_.now() >= run.released_ns + idle_ns;
}

void SequenceJudge::Sweep() {
  if (world_.preemptive()) return;
  const uint64_t idle_ns = batching_.max_sequence_idle_microseconds * 1000;
  for (const auto& run : runs_) {
    const uint64_t last_ns = run->released_ns + idle_ns + world_.timer->lateness_ns;
    if (run->quiet() && run->handed && world_.now() > last_ns) run->open = false;
  }
  const auto over = std::stable_partition(runs_.begin(), runs_.end(),
                                          [](const auto& run) { return !run->over(); });
  std::move(over, runs_.end(), std::back_inserter(past_));
  runs_.erase(over, runs_.end());
}

size_t SequenceJudge::Holding(size_t instance) const {
  return static_cast<size_t>(std::count_if(runs_.begin(), runs_.end(), [&](const auto& run) {
    return run->handed && run->instance == instance && !run->over();
  }));
}

// Admission --------------------------------------------------------------------------------------

bool SequenceJudge::IdFits(const Submission& submission) const {
  const CorrelationId& id = submission.ask.correlation_id;
  if (id.is_string ? id.text.empty() : id.number == 0) return false;
  for (const SequenceControlInput& input : batching_.control_input) {
    for (const SequenceControl& control : input.control) {
      if (control.kind != SequenceControlKind::kCorrid) continue;
      if (id.is_string != (control.data_type == DataType::kBytes)) return false;
    }
  }
  return true;
}

bool SequenceJudge::Starts(const Submission& submission) const {
  return batching_.iterative_sequence || (submission.ask.flags & kStartFlag) != 0;
}

bool SequenceJudge::IsLegal(const Submission& submission, const Run* run) const {
  return submission.ask.items == 1 && (batching_.iterative_sequence || IdFits(submission)) &&
         (Starts(submission) || run != nullptr);
}

void SequenceJudge::CheckOutcome(const Submission& submission, const Run* run,
                                 const Status& outcome) const {
  const bool start = Starts(submission);
  const bool legal = IsLegal(submission, run);
  const StatusCode code = outcome.code();
  bool expected = false;
  if (legal && !stopped_) {
    expected = outcome.ok() || (code == StatusCode::kInvalidArg && !start && MayBeIdle(*run));
  } else if (legal) {
    expected = code == StatusCode::kUnavailable || (!start && outcome.ok());
  } else {
    expected = code == StatusCode::kInvalidArg || (stopped_ && code == StatusCode::kUnavailable);
  }
  world_.Require(expected, "request ", submission.number, legal ? ", legal," : ", not legal,",
                 " ended its submission with: ", outcome.ok() ? "OK" : outcome.message());
}

void SequenceJudge::Submitted(Submission& submission, const Status& outcome) {
  if (world_.preemptive()) return;
  Sweep();
  const Key key = KeyOf(submission);
  Run* run = OpenRun(key);
  if (submission.finals > 0) return;  // taken, and ended at once with the run it joined
  CheckOutcome(submission, run, outcome);
  // At the end of its time an idle run may be there or not.
  if (run != nullptr && MayBeIdle(*run) && IsLegal(submission, run) &&
      Starts(submission) == outcome.ok()) {
    run->open = false;
    run = nullptr;
  }
  if (!outcome.ok()) return;
  if (run == nullptr) run = &Begin(key);
  if (submission.ask.timeout_us != 0 && !run->handed) {
    const uint64_t expires = submission.submitted_ns + submission.ask.timeout_us * 1000;
    run->expires_ns = std::min(run->expires_ns, expires);
  }
  run_of_[&submission] = run;
  run->waiting.push_back(&submission);
  if ((submission.ask.flags & kEndFlag) != 0) run->open = false;
}

// Handing out ------------------------------------------------------------------------------------

void SequenceJudge::Handed(size_t index, const std::vector<RequestPtr>& batch) {
  Instance& instance = instances_[index];
  world_.Require(!instance.busy, "instance ", index, " got two batches at once");
  world_.Require(!direct_ || instance.in_flight == 0, "instance ", index,
                 " got a batch before all of the last one was released");
  instance.busy = true;
  Sweep();
  CheckForm(batch);
  world_.Require(!batch.back()->is_null, "a batch ends with a null request");
  for (size_t row = 0; row < batch.size(); ++row) {
    Submission* const submission = Submission::Of(*batch[row]);
    if (batch[row]->is_null) {
      CheckNull(*batch[row]);
      continue;
    }
    Run* const run = RunOf(*submission);
    world_.Require(run != nullptr, "request ", submission->number, " was never accepted");
    CheckTurn(index, row, *submission, *run);
    CheckControls(*batch[row], *submission);
    CheckState(*batch[row], *run, submission->handed == 0 && Starts(*submission));
    ++instance.in_flight;
    if (submission->handed == 0) instance.turns.push_back(submission);
  }
}

void SequenceJudge::CheckTurn(size_t instance, size_t row, Submission& submission, Run& run) {
  world_.Require(run.in_flight == nullptr, "request ", submission.number,
                 " runs beside another one of its sequence");
  if (!world_.preemptive()) {
    world_.Require(!run.waiting.empty() && run.waiting.front() == &submission, "request ",
                   submission.number, " overtakes another one of its sequence");
    run.waiting.pop_front();
    for (const auto& other : runs_) {
      if (other.get() == &run) break;
      world_.Require(other->id != run.id || other->over() || MayBeIdle(*other), "request ",
                     submission.number, " overtakes an earlier sequence of its id");
    }
    TakeSlot(instance, row, run);
  }
  run.instance = instance;
  run.in_flight = &submission;
}

void SequenceJudge::TakeSlot(size_t instance, size_t row, Run& run) {
  if (run.handed) {
    world_.Require(run.instance == instance && (!direct_ || run.row == row),
                   "a sequence moved from instance ", run.instance, " slot ", run.row, " to ",
                   instance, " slot ", row);
    return;
  }
  run.handed = true;
  run.instance = instance;
  run.row = row;
  for (const auto& other : runs_) {
    if (other.get() == &run || !other->handed || other->instance != instance) continue;
    if (MayBeIdle(*other)) continue;
    world_.Require(!direct_ || other->row != row, "two sequences are in slot ", row,
                   " of instance ", instance);
  }
  if (direct_) return;
  const auto idle =
      static_cast<size_t>(std::count_if(runs_.begin(), runs_.end(), [&](const auto& r) {
        return MayBeIdle(*r) && r->instance == instance;
      }));
  world_.Require(Holding(instance) <= slots_ + idle, "instance ", instance, " holds ",
                 Holding(instance), " sequences; ", slots_, " are allowed");
}

void SequenceJudge::CheckControls(InferenceRequest& request, const Submission& submission) {
  const Controls controls = ReadControls(request, batching_);
  // A rescheduled request is in the middle of its sequence.
  uint32_t flags = submission.ask.flags;
  if (batching_.iterative_sequence) flags = submission.handed == 0 ? kStartFlag : 0;
  const bool start = (flags & kStartFlag) != 0;
  const bool end = (flags & kEndFlag) != 0;
  world_.Require(controls.start.value_or(start) == start && controls.end.value_or(end) == end &&
                     controls.ready.value_or(true),
                 "request ", submission.number, " comes with wrong controls");
  if (!controls.id) return;
  if (batching_.iterative_sequence) {
    world_.Require(controls.id->number != 0, "an iterative sequence has no correlation id");
  } else {
    world_.Require(*controls.id == submission.ask.correlation_id, "request ", submission.number,
                   " comes with a wrong correlation id");
  }
}

void SequenceJudge::CheckNull(InferenceRequest& request) {
  world_.Require(direct_, "a null request outside of the direct strategy");
  world_.Require(request.output_count() == 0, "a null request asks for outputs");
  const Controls controls = ReadControls(request, batching_);
  world_.Require(!controls.start.value_or(false) && !controls.end.value_or(false) &&
                     !controls.ready.value_or(false),
                 "a null request comes with controls that are true");
  world_.Require(!controls.id || (controls.id->number == 0 && controls.id->text.empty()),
                 "a null request comes with a correlation id");
  (void)ReadState(request, batching_);
}

void SequenceJudge::CheckState(InferenceRequest& request, Run& run, bool start) {
  const std::optional<float> state = ReadState(request, batching_);
  if (!state) return;
  if (start) run.state = 0;
  world_.Require(*state == run.state, "a request sees the state ", *state,
                 "; the one before it wrote ", run.state);
}

void SequenceJudge::CheckForm(const std::vector<RequestPtr>& batch) const {
  const auto width = [&](const RequestPtr& request, const std::string& name) {
    const auto input = request->FindBackendInput(name);
    return input.ok() ? (*input)->shape().back() : 0;
  };
  const std::string state = batching_.state.empty() ? "" : batching_.state.front().input_name;
  for (const RequestPtr& request : batch) {
    world_.Require(width(request, "in") == width(batch.front(), "in") &&
                       width(request, state) == width(batch.front(), state),
                   "requests of unlike form share a batch");
  }
}

// Coming back ------------------------------------------------------------------------------------

void SequenceJudge::StateWritten(Submission& submission, float value) {
  RunOf(submission)->state = value;
}

void SequenceJudge::Releasing(Submission& submission, bool again) {
  Run& run = *RunOf(submission);
  world_.Require(run.in_flight == &submission, "request ", submission.number,
                 " comes back without having been out");
  run.in_flight = nullptr;
  run.released_ns = world_.now();
  --instances_[run.instance].in_flight;
  if (world_.preemptive()) return;
  if (again && !submission.cancel_called) {
    run.waiting.push_front(&submission);
  } else if (batching_.iterative_sequence) {
    run.open = false;
  }
}

// What is released while it waits was ended by the core; its answer may have to keep an order.
void SequenceJudge::Released(Submission& submission) {
  Run* const run = RunOf(submission);
  if (run != nullptr && std::erase(run->waiting, &submission) > 0) run->open = false;
}

void SequenceJudge::CoreAnswered(Submission& submission, const InferenceResponse*,
                                 const Status& status) {
  if (world_.preemptive()) return;
  if (RunOf(submission) == nullptr) {
    const bool expired = std::any_of(runs_.begin(), runs_.end(), [&](const auto& run) {
      return run->id == KeyOf(submission) && !run->handed && run->expires_ns <= world_.now();
    });
    world_.Require(expired && status.code() == StatusCode::kUnavailable, "request ",
                   submission.number, " was ended as soon as it came: ", status.message());
    return;
  }
  Run& run = *RunOf(submission);
  run.cancelled = run.cancelled || submission.cancel_called ||
                  std::any_of(run.waiting.begin(), run.waiting.end(),
                              [](const Submission* other) { return other->cancel_called; });
  const bool cancelled = status.code() == StatusCode::kCancelled && run.cancelled;
  const bool late =
      status.code() == StatusCode::kUnavailable && !run.handed && run.expires_ns <= world_.now();
  world_.Require(cancelled || late, "request ", submission.number,
                 " was ended by the core without a reason: ", status.message());
  world_.Require(run.in_flight != &submission, "request ", submission.number,
                 " was ended by the core while it runs");
  std::erase(run.waiting, &submission);
  run.open = false;
}

void SequenceJudge::Delivered(Submission& submission, bool final) {
  if (batching_.oldest && batching_.oldest->preserve_ordering && submission.handed > 0 &&
      !world_.preemptive()) {
    const auto& turns = instances_[RunOf(submission)->instance].turns;
    world_.Require(turns.front() == &submission, "request ", submission.number,
                   " is answered before one whose turn at the instance came earlier");
  }
  if (!final) return;
  for (Instance& instance : instances_) std::erase(instance.turns, &submission);
}

// Time -------------------------------------------------------------------------------------------

bool SequenceJudge::Idle(size_t index) const {
  const Instance& instance = instances_[index];
  return !instance.busy && (!direct_ || instance.in_flight == 0);
}

// Without a free slot, what waits for one must not outlast its time; with one, somebody must run.
void SequenceJudge::CheckBacklog(uint64_t next_ns) const {
  uint64_t holding = 0;
  uint64_t slots = 0;
  bool all_idle = true;
  bool none_removed = true;
  for (size_t i = 0; i < instances_.size(); ++i) {
    all_idle = all_idle && Idle(i);
    none_removed = none_removed && !instances_[i].removed;
    if (instances_[i].removed) continue;
    holding += Holding(i);
    slots += slots_;
  }
  for (const auto& run : runs_) {
    if (MayBeIdle(*run)) return;  // and what had to wait for it perhaps has its slot by now
  }
  for (const auto& run : runs_) {
    if (run->handed || run->waiting.empty()) continue;
    // A removed instance may have slots that were given away but not used yet.
    if (holding == slots && none_removed) {
      world_.Require(
          run->expires_ns == kNever || run->expires_ns + world_.timer->lateness_ns >= next_ns,
          "request ", run->waiting.front()->number, " waits for a slot beyond its time");
    }
    const bool first = std::none_of(runs_.begin(), runs_.end(), [&](const auto& other) {
      return other.get() != run.get() && other->id == run->id && !other->over();
    });
    world_.Require(!first || !all_idle || holding >= slots || delay_ns_ != 0, "request ",
                   run->waiting.front()->number, " waits for a slot although one is free");
  }
}

void SequenceJudge::CheckReady(size_t instance, uint64_t next_ns) const {
  size_t ready = 0;
  uint64_t oldest_ns = kNever;
  for (const auto& run : runs_) {
    if (!run->handed || run->instance != instance) continue;
    if (run->in_flight != nullptr || run->waiting.empty()) continue;
    ++ready;
    oldest_ns = std::min(oldest_ns, std::max(run->waiting.front()->submitted_ns, run->released_ns));
  }
  if (ready == 0) return;
  // Executors that are all at work leave it to the timer to come back.
  const uint64_t latest_ns = oldest_ns + delay_ns_ + world_.timer->lateness_ns;
  world_.Require(delay_ns_ != 0 && !stopped_ && latest_ns >= next_ns,
                 "a sequence with a request waits too long for the idle instance ", instance);
  const float utilization = static_cast<float>(ready) / static_cast<float>(slots_);
  world_.Require(!direct_ || utilization < batching_.direct->minimum_slot_utilization,
                 "enough slots are ready, but the idle instance ", instance, " does not run");
}

void SequenceJudge::InstantOver(uint64_t next_ns) {
  if (world_.preemptive()) return;
  Sweep();
  if (instances_.empty()) return;
  CheckBacklog(next_ns);
  for (size_t i = 0; i < instances_.size(); ++i) {
    if (Idle(i)) CheckReady(i, next_ns);
  }
}

}  // namespace trident::simulation
