#include "scheduler/sequence_scheduler.h"

#include <algorithm>

#include "base/checked.h"
#include "scheduler/share_batch.h"

namespace trident {
namespace {

uint64_t After(uint64_t ns, uint64_t delay_ns) {
  uint64_t sum = 0;
  return CheckedAdd(ns, delay_ns, &sum) ? sum : kNever;
}

std::string Text(const CorrelationId& id) {
  return id.is_string ? id.text : std::to_string(id.number);
}

}  // namespace

SequenceScheduler::SequenceScheduler(const SchedulerContext& context, SequencePolicy policy)
    : PullScheduler(context),
      signature_(context.signature),
      policy_(std::move(policy)),
      table_(policy_.slots),
      timer_(context.timer),
      logger_(context.logger),
      compare_states_(policy_.states != nullptr &&
                      std::any_of(policy_.states->begin(), policy_.states->end(),
                                  [](const StateSpec& spec) { return spec.variable; })) {}

SequenceScheduler::~SequenceScheduler() {
  ForgetAlarm();
  std::vector<RequestPtr> waiting;  // answered by being dropped
  {
    MutexLock lock(mutex_);
    table_.ForEach([&](Sequence* sequence) { Drop(sequence, 0, &waiting); });
  }
}

void SequenceScheduler::InstanceAdded(size_t instance) {
  table_.AddInstance();
  watchers_.emplace_back(this, instance);
  handed_out_.push_back(0);
  left_.push_back(false);
  lost_.push_back(Status::Ok());
  Aftermath after;  // the timer needs no change: it rings too early at worst
  while (SequenceSlot* slot = table_.Assign()) Settle(slot->sequence, &after);
  if (after.wake != nullptr) WakeLater(after.wake);
}

void SequenceScheduler::LoseInstance(size_t instance, const Status& why) {
  {
    MutexLock lock(mutex_);
    lost_[instance] = why;
  }
  RemoveInstance(instance);
}

// Coming in --------------------------------------------------------------------------------------

void SequenceScheduler::Enqueue(std::span<RequestPtr> requests, std::span<Status> outcomes) {
  Aftermath after;
  {
    WakingLock lock(this);
    const uint64_t now = clock_.Now();
    for (size_t i = 0; i < requests.size(); ++i) {
      outcomes[i] = Admit(&requests[i], now, &after);
    }
    Advance(now, &after);
  }
  Finish(&after);
}

Status SequenceScheduler::CheckRequest(const InferenceRequest& request) const {
  if (request.batch_size() > 1) {
    return InvalidArg(request.LogPrefix(), "inference request to model '", signature_.name,
                      "' must specify batch-size 1 due to requirements of sequence batcher");
  }
  if (policy_.iterative) return Status::Ok();
  const CorrelationId& id = request.correlation_id;
  if (id.is_string ? id.text.empty() : id.number == 0) {
    return InvalidArg(request.LogPrefix(), "inference request to model '", signature_.name,
                      "' must specify a non-zero or non-empty correlation ID");
  }
  if (policy_.controls == nullptr) return Status::Ok();
  return policy_.controls->Check(id, signature_.name).WithPrefix(request.LogPrefix());
}

Status SequenceScheduler::Admit(RequestPtr* owned, uint64_t now_ns, Aftermath* after) {
  InferenceRequest* const request = owned->get();
  TRIDENT_RETURN_IF_ERROR(CheckRequest(*request));
  const bool start = policy_.iterative || (request->flags & kSequenceStart) != 0;
  if (start && stopped()) {
    return Unavailable(request->LogPrefix(), "model '", signature_.name, "' version ",
                       signature_.version, " is stopping and starts no new sequences");
  }
  if (policy_.iterative) {
    request->correlation_id = {.number = ++last_id_};
    request->flags = kSequenceStart;
  }
  const CorrelationId& id = request->correlation_id;
  Sequence* sequence = table_.Find(id);
  if (sequence == nullptr && !start) {
    return InvalidArg(request->LogPrefix(), "inference request for sequence ", Text(id),
                      " to model '", signature_.name,
                      "' must specify the START flag on the first request of the sequence");
  }
  if (sequence != nullptr && sequence->slot != nullptr && left_[sequence->slot->instance]) {
    return Unavailable(request->LogPrefix(), "model '", signature_.name, "' version ",
                       signature_.version, " has stopped; its sequence ", Text(id), " can't go on");
  }
  if (sequence != nullptr && sequence->slot != nullptr) {
    const Status& lost = lost_[sequence->slot->instance];
    if (!lost.ok() && !start) {
      return lost.WithPrefix(StrCat(request->LogPrefix(), "sequence ", Text(id), " can't go on: "));
    }
    if (!lost.ok()) {  // it starts again elsewhere
      table_.Close(sequence);
      Settle(sequence, after);
      sequence = nullptr;
    }
  }
  if (sequence != nullptr && start) after->restarted.push_back(id);
  if (sequence == nullptr) {
    sequence = table_.Begin(id);
    if (policy_.controls != nullptr) sequence->correlation = policy_.controls->MakeCorrelation(id);
  }
  uint64_t timeout_ns = 0;
  if (sequence->slot == nullptr && request->timeout_us != 0 &&
      CheckedMultiply(request->timeout_us, 1000, &timeout_ns)) {
    table_.ExpireBy(sequence, After(now_ns, timeout_ns));
  }
  request->sequence = sequence;
  sequence->waiting.push_back(std::move(*owned));
  ++waiting_;
  if ((request->flags & kSequenceEnd) != 0) table_.Close(sequence);
  if (sequence->slot != nullptr) Settle(sequence, after);
  // Cancelled between its submission and now: nobody will tell us again.
  if (request->IsCancelled()) CancelWaiting(request, after);
  return Status::Ok();
}

// Going out --------------------------------------------------------------------------------------

const InferenceRequest* SequenceScheduler::Head(const SequenceSlot& slot) {
  const Sequence* const sequence = slot.sequence;
  if (sequence == nullptr || sequence->handed_out || sequence->waiting.empty()) return nullptr;
  return sequence->waiting.front().get();
}

const std::shared_ptr<SequenceStates>& SequenceScheduler::HeadStates(SequenceSlot& slot) {
  Sequence& sequence = *slot.sequence;
  if (policy_.states != nullptr && !sequence.states_ready) {
    const bool start = (sequence.waiting.front()->flags & kSequenceStart) != 0;
    if (start || sequence.states == nullptr) {
      sequence.states = SequenceStates::Begin(policy_.states);
    }
    sequence.states_ready = true;
  }
  return sequence.states;
}

bool SequenceScheduler::CanShare(SequenceSlot& a, SequenceSlot& b) {
  if (&a == &b) return true;
  if (!CanShareBatch(signature_, *Head(a), *Head(b))) return false;
  return !compare_states_ || HeadStates(a)->SameForm(*HeadStates(b));
}

void SequenceScheduler::HandOut(SequenceSlot& slot, Batch* batch) {
  Sequence& sequence = *slot.sequence;
  const std::shared_ptr<SequenceStates>& states = HeadStates(slot);
  RequestPtr request = std::move(sequence.waiting.front());
  sequence.waiting.pop_front();
  --waiting_;
  sequence.handed_out = true;
  sequence.states_ready = false;
  request->RemoveOverrideInputs();
  if (policy_.controls != nullptr) policy_.controls->AddTo(request.get(), sequence.correlation);
  if (states != nullptr) SequenceStates::Attach(states, request.get());
  request->set_release_watcher(&watchers_[slot.instance]);
  ++handed_out_[slot.instance];
  batch->push_back(std::move(request));
}

void SequenceScheduler::HandOutNull(size_t instance, const InferenceRequest& like,
                                    const SequenceStates* states, Batch* batch) {
  uint64_t largest = like.largest_input();
  if (states != nullptr) largest = std::max(largest, states->largest_state());
  if (zeros_ == nullptr || zeros_->size() < largest) {
    zeros_ = std::make_shared<std::vector<char>>(largest);
  }
  const std::shared_ptr<const void> zeros(zeros_, zeros_->data());
  RequestPtr request = like.MakeNull(zeros, like.start_ns());
  if (policy_.controls != nullptr) policy_.controls->AddToNull(request.get());
  if (states != nullptr) SequenceStates::Attach(states->MakeNull(zeros), request.get());
  request->set_release_watcher(&watchers_[instance]);
  ++handed_out_[instance];
  batch->push_back(std::move(request));
}

// Coming back ------------------------------------------------------------------------------------

bool SequenceScheduler::Released(size_t instance, InferenceRequest* request, uint32_t flags) {
  // A request that is kept may run and end on other threads before this one is done here: it no
  // longer keeps the model, and with it this scheduler, alive.
  const std::shared_ptr<InferenceTarget> target = request->target();
  target->RequestStarted();
  Aftermath after;
  bool kept = false;
  {
    WakingLock lock(this);
    --handed_out_[instance];
    if (!request->is_null) kept = TakeBack(request, flags, &after);
    if (handed_out_[instance] == 0) Wake(instance, &after);
    Advance(clock_.Now(), &after);
  }
  Finish(&after);
  target->RequestEnded();
  return kept;
}

bool SequenceScheduler::TakeBack(InferenceRequest* request, uint32_t flags, Aftermath* after) {
  Sequence* const sequence = request->sequence;
  request->sequence = nullptr;
  sequence->handed_out = false;
  bool kept = false;
  if (policy_.iterative) {
    kept = (flags & kReleaseReschedule) != 0;
    RequestPtr owned(kept ? request : nullptr);
    if (kept && !request->IsCancelled()) {
      request->flags = 0;
      request->MarkQueued();
      request->sequence = sequence;
      sequence->waiting.push_front(std::move(owned));
      ++waiting_;
    } else {
      if (kept) after->cancelled.push_back(std::move(owned));
      table_.Close(sequence);
    }
  }
  Settle(sequence, after);
  return kept;
}

// Ending -----------------------------------------------------------------------------------------

// Takes what waits in `sequence` from position `from` on out of it.
void SequenceScheduler::Drop(Sequence* sequence, size_t from, std::vector<RequestPtr>* dropped) {
  waiting_ -= sequence->waiting.size() - from;
  for (size_t i = from; i < sequence->waiting.size(); ++i) {
    sequence->waiting[i]->sequence = nullptr;
    dropped->push_back(std::move(sequence->waiting[i]));
  }
  sequence->waiting.erase(sequence->waiting.begin() + static_cast<std::ptrdiff_t>(from),
                          sequence->waiting.end());
}

void SequenceScheduler::CancelWaiting(InferenceRequest* request, Aftermath* after) {
  Sequence* const sequence = request->sequence;
  if (sequence == nullptr) return;
  const auto at = std::find_if(sequence->waiting.begin(), sequence->waiting.end(),
                               [&](const RequestPtr& waiting) { return waiting.get() == request; });
  if (at == sequence->waiting.end()) return;  // with the backend
  if (sequence->slot == nullptr) {
    Drop(sequence, 0, &after->cancelled);
    table_.Remove(sequence);
    return;
  }
  Drop(sequence, static_cast<size_t>(at - sequence->waiting.begin()), &after->cancelled);
  table_.Close(sequence);
  Settle(sequence, after);
}

void SequenceScheduler::Cancel(InferenceRequest* request) {
  Aftermath after;
  {
    WakingLock lock(this);
    CancelWaiting(request, &after);
    if (after.cancelled.empty()) return;
    Advance(clock_.Now(), &after);
  }
  Finish(&after);
}

void SequenceScheduler::Ring() {
  Aftermath after;
  {
    WakingLock lock(this);
    alarm_ns_ = kNever;
    const uint64_t now = clock_.Now();
    for (Sequence* idle = table_.LongestIdle();
         idle != nullptr && After(idle->idle_since_ns, policy_.max_idle_ns) <= now;
         idle = table_.LongestIdle()) {
      table_.Close(idle);
      Settle(idle, &after);
    }
    Advance(now, &after);
  }
  Finish(&after);
}

// The rest ---------------------------------------------------------------------------------------

// Draws the consequences after something about a running sequence has changed.
void SequenceScheduler::Settle(Sequence* sequence, Aftermath* after) {
  SequenceSlot& slot = *sequence->slot;
  const bool waits = !sequence->waiting.empty();
  if (!waits && slot.ready) SlotUnready(slot);
  if (sequence->handed_out) return;
  if (waits) {
    table_.MarkActive(sequence);
    if (slot.ready) return;
    SlotReady(slot);
    Wake(slot.instance, after);
  } else if (sequence->open) {
    table_.MarkIdle(sequence, clock_.Now());
  } else {
    table_.Remove(sequence);
    // A removed instance may have waited for this.
    if (removed(slot.instance)) Wake(slot.instance, after);
  }
}

// Time and freed slots: ends what has waited too long in the backlog, moves up what may run.
void SequenceScheduler::Advance(uint64_t now_ns, Aftermath* after) {
  for (Sequence* next = table_.NextToExpire(); next != nullptr && next->expires_ns <= now_ns;
       next = table_.NextToExpire()) {
    Drop(next, 0, &after->expired);
    table_.Remove(next);
  }
  while (SequenceSlot* slot = table_.Assign()) Settle(slot->sequence, after);
  if (stopped()) {  // any instance may have waited for the last of the work
    for (size_t i = 0; i < instance_count(); ++i) Wake(i, after);
  }
  uint64_t next_ns = kNever;
  if (const Sequence* idle = table_.LongestIdle()) {
    next_ns = After(idle->idle_since_ns, policy_.max_idle_ns);
  }
  if (const Sequence* next = table_.NextToExpire()) next_ns = std::min(next_ns, next->expires_ns);
  if (next_ns < alarm_ns_) alarm_ns_ = after->ring_by_ns = next_ns;
}

void SequenceScheduler::Wake(size_t instance, Aftermath* after) {
  Waker* const sleeper = Sleeper(instance);
  if (sleeper == nullptr) return;
  if (after->wake != nullptr) WakeLater(after->wake);
  after->wake = sleeper;
}

// Called without the lock; touches no member after the first response, which may be the last thing
// that kept this scheduler alive.
void SequenceScheduler::Finish(Aftermath* after) {
  if (after->ring_by_ns != kNever) timer_->RingBy(this, after->ring_by_ns);
  if (after->wake != nullptr) after->wake->Wake();
  if (logger_ != nullptr) {
    for (const CorrelationId& id : after->restarted) {
      TRIDENT_LOG(*logger_, LogLevel::kWarn, "sequence ", Text(id), " of model '", signature_.name,
                  "' starts again before it has ended; it goes on from its initial state");
    }
  }
  const std::string name = signature_.name;
  for (RequestPtr& request : after->cancelled) {
    RespondError(std::move(request),
                 Error(StatusCode::kCancelled, "a request of this sequence of ", "model '", name,
                       "' was cancelled while it waited"),
                 FailureReason::kCanceled);
  }
  for (RequestPtr& request : after->expired) {
    RespondError(std::move(request),
                 Unavailable("timeout of the corresponding sequence has been "
                             "expired before model '",
                             name, "' had a slot"),
                 FailureReason::kRejected);
  }
}

bool SequenceScheduler::Empty(size_t instance) const {
  if (handed_out_[instance] > 0) return false;  // may make its sequence go on
  if (!stopped()) return table_.running(instance) == 0;
  if (!removed(instance) && !table_.backlog_empty()) return false;
  for (size_t i = 0; i < table_.slots_made(instance); ++i) {
    const Sequence* const sequence = table_.slot(instance, i).sequence;
    if (sequence != nullptr && !sequence->waiting.empty()) return false;
  }
  return true;
}

}  // namespace trident
