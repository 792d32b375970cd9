#include "judge_queue.h"

#include <algorithm>

#include "base/checked.h"

namespace trident::simulation {

QueueJudge::QueueJudge(World& world, const ModelConfig& config)
    : world_(world), config_(config), dynamic_(config.dynamic_batching.has_value()) {
  if (dynamic_) batching_ = *config.dynamic_batching;
  max_items_ = static_cast<uint64_t>(std::max(1, config.max_batch_size));
  delay_ns_ = batching_.max_queue_delay_microseconds * 1000;
  for (const ModelInput& input : config.input) {
    compares_ =
        compares_ || input.optional || (HasWildcard(input.dims) && !input.allow_ragged_batch);
  }
}

// Policies ---------------------------------------------------------------------------------------

uint64_t QueueJudge::LevelOf(const Submission& submission) const {
  if (batching_.priority_levels == 0) return 0;
  const uint64_t asked = submission.ask.priority;
  return asked == 0 || asked > batching_.priority_levels ? batching_.default_priority_level : asked;
}

const QueuePolicy& QueueJudge::PolicyOf(uint64_t level) const {
  static const QueuePolicy none;
  const auto own = batching_.priority_queue_policy.find(level);
  if (own != batching_.priority_queue_policy.end()) return own->second;
  return batching_.default_queue_policy ? *batching_.default_queue_policy : none;
}

uint64_t QueueJudge::DeadlineOf(const Submission& submission) const {
  const QueuePolicy& policy = PolicyOf(LevelOf(submission));
  uint64_t timeout_us = policy.default_timeout_microseconds;
  const uint64_t own = submission.ask.timeout_us;
  if (policy.allow_timeout_override && own != 0 && own < timeout_us) timeout_us = own;
  const uint64_t waits_until =
      timeout_us == 0 ? kNever : submission.submitted_ns + timeout_us * 1000;
  return std::min(waits_until, DueOf(submission));
}

uint64_t QueueJudge::DueOf(const Submission& submission) const {
  if (!batching_.deadline) return kNever;
  const uint64_t own = submission.ask.deadline_us;
  const uint64_t within_us = own != 0 ? own : batching_.deadline->slo_microseconds;
  return within_us == 0 ? kNever : submission.submitted_ns + within_us * 1000;
}

bool QueueJudge::Rejects(const Submission& submission) const {
  return PolicyOf(LevelOf(submission)).timeout_action == TimeoutAction::kReject;
}

// No estimate of a batch can be larger than the longest execution so far, had each of the items
// that fit together taken as long.
bool QueueJudge::MayBeLate(const Submission& submission) const {
  uint64_t longest_ns = longest_ns_;
  for (const Instance& instance : instances_) {
    if (instance.busy) longest_ns = std::max(longest_ns, world_.now() - instance.claimed_ns);
  }
  const uint64_t due_ns = DueOf(submission);
  return due_ns != kNever && due_ns <= world_.now() + longest_ns * max_items_;
}

// Order and size ---------------------------------------------------------------------------------

QueueJudge::Queue QueueJudge::InOrder(uint64_t now_ns) const {
  struct Place {
    uint64_t level;
    uint64_t expired_ns;  // 0: not yet
    size_t arrival;
    auto operator<=>(const Place&) const = default;
  };
  std::vector<std::pair<Place, Submission*>> places;
  for (Submission* waiting : waiting_) {
    const uint64_t deadline = DeadlineOf(*waiting);
    if (deadline < now_ns && Rejects(*waiting)) continue;
    const uint64_t expired_ns = deadline <= now_ns && !Rejects(*waiting) ? deadline : 0;
    places.push_back({{LevelOf(*waiting), expired_ns, places.size()}, waiting});
  }
  std::sort(places.begin(), places.end());
  Queue queue;
  for (const auto& [place, waiting] : places) queue.push_back(waiting);
  return queue;
}

QueueJudge::Queue QueueJudge::SurelyWaiting() const {
  Queue queue = InOrder(world_.now());
  std::erase_if(queue, [&](const Submission* waiting) {
    return Rejects(*waiting) && DeadlineOf(*waiting) == world_.now();
  });
  return queue;
}

bool QueueJudge::Alike(const Submission& a, const Submission& b) const {
  if (!compares_) return true;
  const auto optional = [](const ModelInput& input) { return input.optional; };
  const bool any_optional = std::any_of(config_.input.begin(), config_.input.end(), optional);
  if (any_optional && a.ask.with_more != b.ask.with_more) return false;
  const ModelInput& in = config_.input.front();
  return !HasWildcard(in.dims) || in.allow_ragged_batch || a.ask.width == b.ask.width;
}

QueueJudge::Pending QueueJudge::LookAt(const Queue& queue) const {
  Pending pending;
  const auto& preferred = batching_.preferred_batch_size;
  const uint64_t largest =
      preferred.empty()
          ? max_items_
          : static_cast<uint64_t>(*std::max_element(preferred.begin(), preferred.end()));
  for (const Submission* next : queue) {
    const uint64_t items = next->ask.items;
    if (pending.count > 0) {
      if (!Alike(*queue.front(), *next)) {
        pending.closed = true;
        break;
      }
      if (pending.items + items > largest && pending.marked == 0) pending.marked = pending.count;
      if (pending.items + items > max_items_) {
        pending.closed = true;
        break;
      }
    }
    pending.items += items;
    ++pending.count;
    pending.oldest_ns = std::min(pending.oldest_ns, next->submitted_ns);
    const bool is_preferred =
        preferred.empty() ? pending.items == max_items_
                          : std::find(preferred.begin(), preferred.end(),
                                      static_cast<int32_t>(pending.items)) != preferred.end();
    if (is_preferred) pending.marked = pending.count;
  }
  if (pending.items >= largest) pending.closed = true;
  return pending;
}

bool QueueJudge::DelayIsOver(const Pending& pending, uint64_t now_ns) const {
  return delay_ns_ != 0 && now_ns >= pending.oldest_ns + delay_ns_;
}

// Takes out of `queue` what may not have been there when `batch` was taken, unless it is in it:
// what is rejected at this very instant and, with deadlines, what came at it. That may be a
// client's answer to a refusal, who hears of that once the batch has been taken.
bool QueueJudge::IsPrefix(const std::vector<RequestPtr>& batch, Queue* queue) const {
  const auto goes = [&](const Submission* waiting) {
    return std::any_of(batch.begin(), batch.end(), [&](const RequestPtr& request) {
      return Submission::Of(*request) == waiting;
    });
  };
  std::erase_if(*queue, [&](const Submission* waiting) {
    const bool ends = Rejects(*waiting) && DeadlineOf(*waiting) == world_.now();
    const bool comes = batching_.deadline && waiting->submitted_ns == world_.now();
    return (ends || comes) && !goes(waiting);
  });
  if (queue->size() < batch.size()) return false;
  return std::equal(batch.begin(), batch.end(), queue->begin(),
                    [](const RequestPtr& request, const Submission* waiting) {
                      return Submission::Of(*request) == waiting;
                    });
}

void QueueJudge::CheckSize(const Queue& queue, size_t taken) const {
  if (!dynamic_) {
    world_.Require(taken == 1, "a model that does not batch got ", taken, " requests at once");
    return;
  }
  const Pending pending = LookAt(queue);
  if (batching_.deadline) {
    world_.Require(taken <= pending.count, "a batch of ", taken, " requests; ", pending.count,
                   " fit together");
    return;
  }
  const bool over = DelayIsOver(pending, world_.now());
  if (pending.marked > 0 && !over) {
    world_.Require(taken == pending.marked, "a batch of ", taken, " requests; the preferred size ",
                   "is reached with ", pending.marked);
    return;
  }
  world_.Require(taken == pending.count, "a batch of ", taken, " requests; ", pending.count,
                 " fit together");
  world_.Require(pending.closed || delay_ns_ == 0 || over || stopped_,
                 "a batch that could have grown left before its delay was over");
}

void QueueJudge::Claim(size_t instance) {
  world_.Require(!instances_[instance].busy, "instance ", instance, " got two batches at once");
  instances_[instance].busy = true;
  instances_[instance].claimed_ns = world_.now();
}

void QueueJudge::Finished(size_t instance) {
  instances_[instance].busy = false;
  longest_ns_ = std::max(longest_ns_, world_.now() - instances_[instance].claimed_ns);
}

void QueueJudge::HandedInline(size_t instance, const std::vector<RequestPtr>& batch) {
  Claim(instance);
  world_.Require(!batching_.preserve_ordering, "a batch runs out of order on its caller's thread");
  Queue taken;
  for (const RequestPtr& request : batch) taken.push_back(Submission::Of(*request));
  if (taken.size() > 1) CheckSize(taken, taken.size());
  if (world_.preemptive()) return;
  world_.Require(!stopped_, "a batch runs on its caller's thread after the stop");
  world_.Require(SurelyWaiting().empty(), "a batch runs on its caller's thread while others wait");
}

void QueueJudge::NoteBatch(const std::vector<RequestPtr>& batch, const Queue& queue) const {
  for (const Submission* submission : queue) {
    const uint64_t deadline = DeadlineOf(*submission);
    world_.Note("waits, of level, in time", submission->number,
                static_cast<int64_t>(LevelOf(*submission)),
                deadline == kNever ? -1 : static_cast<int64_t>(deadline - world_.now()));
  }
  for (const RequestPtr& request : batch) {
    world_.Note("of these goes", Submission::Of(*request)->number);
  }
}

void QueueJudge::Handed(size_t instance, const std::vector<RequestPtr>& batch) {
  Claim(instance);
  for (const RequestPtr& request : batch) {
    const Submission& submission = *Submission::Of(*request);
    world_.Require(submission.handed == 0, "request ", submission.number, " is executed twice");
    world_.Require(Alike(submission, *Submission::Of(*batch.front())), "request ",
                   submission.number, " shares a batch with one of another form");
    world_.Require(!dynamic_ || !Rejects(submission) || DeadlineOf(submission) >= world_.now(),
                   "request ", submission.number, " is executed after its timeout");
  }
  if (!world_.preemptive()) {
    Queue queue = InOrder(world_.now());
    if (!IsPrefix(batch, &queue)) queue = InOrder(world_.now() - 1);
    NoteBatch(batch, queue);
    world_.Require(IsPrefix(batch, &queue), "a batch is not what was first in the queue");
    CheckSize(queue, batch.size());
  }
  for (const RequestPtr& request : batch) std::erase(waiting_, Submission::Of(*request));
}

// Time -------------------------------------------------------------------------------------------

void QueueJudge::CheckTimeouts(uint64_t next_ns) const {
  if (!dynamic_) return;
  for (const Submission* waiting : waiting_) {
    if (!Rejects(*waiting)) continue;
    const uint64_t deadline = DeadlineOf(*waiting);
    world_.Require(deadline == kNever || deadline + world_.timer->lateness_ns >= next_ns,
                   "request ", waiting->number, " still waits after its timeout");
  }
}

void QueueJudge::CheckDelay(uint64_t next_ns) const {
  const bool somebody_free = std::any_of(instances_.begin(), instances_.end(),
                                         [](Instance one) { return !one.busy && !one.removed; });
  const Queue queue = SurelyWaiting();
  if (!somebody_free || queue.empty() || batching_.deadline) return;
  world_.Require(dynamic_, "request ", queue.front()->number, " waits while an instance is free");
  const Pending pending = LookAt(queue);
  // While a late timer has news, nobody knows what to look at.
  for (const Submission* waiting : waiting_) {
    const uint64_t deadline = DeadlineOf(*waiting);
    if (deadline <= world_.now() && deadline + world_.timer->lateness_ns >= world_.now()) return;
  }
  world_.Require(!pending.closed && pending.marked == 0 && delay_ns_ != 0 && !stopped_,
                 "a batch that can't grow waits while an instance is free");
  world_.Require(pending.oldest_ns + delay_ns_ >= next_ns, "request ", queue.front()->number,
                 " waits longer than its delay while an instance is free");
}

void QueueJudge::InstantOver(uint64_t next_ns) {
  if (waiting_.empty()) return;
  CheckTimeouts(next_ns);
  if (!world_.preemptive()) CheckDelay(next_ns);
}

// Ends -------------------------------------------------------------------------------------------

void QueueJudge::Submitted(Submission& submission, const Status& outcome) {
  const uint64_t level = LevelOf(submission);
  const uint64_t limit = dynamic_ ? PolicyOf(level).max_queue_size : 0;
  uint64_t waiting = 0;
  uint64_t ending = 0;  // at this very instant: there or not
  for (const Submission* other : waiting_) {
    if (LevelOf(*other) != level) continue;
    ++waiting;
    // Those refused together leave at once, and are answered one after the other.
    const bool expires = Rejects(*other) && DeadlineOf(*other) <= world_.now();
    if (expires || MayBeLate(*other)) ++ending;
  }
  if (!world_.preemptive()) {
    const bool full = limit != 0 && waiting >= limit;
    if (outcome.ok()) {
      world_.Require(!stopped_, "a stopped scheduler accepted request ", submission.number);
      world_.Require(!full || waiting - ending < limit, "request ", submission.number,
                     " was accepted by a full queue of ", waiting);
    } else {
      world_.Require(full || stopped_, "request ", submission.number,
                     " was refused although there was room: ", outcome.message());
      world_.Require(outcome.code() == StatusCode::kUnavailable, "request ", submission.number,
                     " was refused for another reason than it is: ", outcome.message());
    }
  }
  if (!outcome.ok()) return;
  if (submission.waiting()) waiting_.push_back(&submission);
  if (submission.finals == 0) unanswered_.push_back(&submission);
}

void QueueJudge::CoreAnswered(Submission& submission, const InferenceResponse*,
                              const Status& status) {
  const bool cancelled = status.code() == StatusCode::kCancelled && submission.cancel_called;
  const bool late = status.code() == StatusCode::kUnavailable && dynamic_ && Rejects(submission) &&
                    DeadlineOf(submission) <= world_.now();
  const bool refused = status.code() == StatusCode::kUnavailable && MayBeLate(submission);
  world_.Require(submission.handed == 0 && (cancelled || late || refused), "request ",
                 submission.number, " was ended by the core without a reason: ", status.message());
}

void QueueJudge::Released(Submission& submission) { std::erase(waiting_, &submission); }

void QueueJudge::Delivered(Submission& submission, bool final) {
  if (batching_.preserve_ordering && !world_.preemptive()) {
    world_.Require(!unanswered_.empty() && unanswered_.front() == &submission, "request ",
                   submission.number, " is answered before one that came earlier");
  }
  if (final) std::erase(unanswered_, &submission);
}

}  // namespace trident::simulation
