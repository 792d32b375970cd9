#include "scheduler/queue_scheduler.h"

#include <algorithm>

#include "scheduler/share_batch.h"

namespace trident {
namespace {

// How soon the alarm comes back when it finds the strategy being asked.
constexpr uint64_t kRingAgainNs = 1000 * 1000;

}  // namespace

QueueScheduler::QueueScheduler(const SchedulerContext& context, BatchPolicy policy,
                               QueuePolicies queue_policies, BatchStrategy* strategy)
    : PullScheduler(context),
      signature_(context.signature),
      timer_(context.timer),
      order_(context.order),
      policy_(std::move(policy)),
      strategy_(policy_.dynamic ? strategy : nullptr),
      queue_(std::move(queue_policies)) {
  if (queue_.policies().deadlines) deadlines_ = std::make_unique<DeadlineBatching>();
}

QueueScheduler::~QueueScheduler() { timer_->Forget(this); }

// Arrivals ---------------------------------------------------------------------------------------

Status QueueScheduler::Accept(RequestPtr& request, uint64_t* deadline_ns) {
  if (stopped()) {
    return Unavailable("model '", signature_.name, "' version ", signature_.version,
                       " is unloading and accepts no new requests");
  }
  const InferenceRequest& arriving = *request;
  std::optional<uint64_t> deadline = queue_.PushBack(request);
  if (!deadline && queue_.has_timeouts() && !asking_) {
    // Perhaps full of requests whose time is over.
    Expire(clock_.Now());
    deadline = queue_.PushBack(request);
  }
  if (!deadline) {
    const uint64_t level = queue_.policies().LevelOf(request->priority);
    const uint32_t bound = queue_.policies().PolicyOf(level).max_size;
    return Unavailable("queue of model '", signature_.name, "'",
                       level == 0 ? "" : StrCat(" at priority level ", level), " is full: ", bound,
                       " requests wait, max_queue_size is ", bound);
  }
  ++arrivals_;
  if (deadlines_ != nullptr) {
    deadlines_->Arrived(arriving);
    if (arriving.deadline_ns() < watched_due_ns_) watched_items_ = 0;
  }
  *deadline_ns = *deadline;
  return Status::Ok();
}

void QueueScheduler::Enqueue(std::span<RequestPtr> requests, std::span<Status> outcomes) {
  if (order_ != nullptr) {
    for (RequestPtr& request : requests) order_->Reserve(request.get());
  }
  Waker* wake = nullptr;
  uint64_t ring_ns = kNever;
  std::vector<RequestPtr> cancelled;
  {
    MutexLock lock(mutex_);
    for (size_t i = 0; i < requests.size(); ++i) {
      // Whoever cancelled it looked for it here, and came too early.
      if (requests[i]->IsCancelled()) {
        outcomes[i] = Status::Ok();
        cancelled.push_back(std::move(requests[i]));
        continue;
      }
      uint64_t deadline_ns = kNever;
      outcomes[i] = Accept(requests[i], &deadline_ns);
      if (deadline_ns < alarm_ns_) alarm_ns_ = ring_ns = deadline_ns;
    }
    wake = WhomToWake();
  }
  if (ring_ns != kNever) timer_->RingBy(this, ring_ns);
  if (wake != nullptr) wake->Wake();
  for (RequestPtr& request : cancelled) EndCancelled(std::move(request));
}

Waker* QueueScheduler::WhomToWake() {
  // Who asks the strategy looks again afterwards.
  if (queue_.empty() || asking_) return nullptr;
  if (watcher_ == kNobody) return AnySleeper();
  // A request that may not join the forming batch closes it early, and one that goes before others
  // makes another batch of them: where that can be, every arrival is worth a look.
  const bool worth_a_look = queue_.items() >= watched_items_ || signature_.compare_inputs ||
                            strategy_ != nullptr || queue_.policies().MayOvertake();
  return worth_a_look ? Sleeper(watcher_) : nullptr;
}

// Without one that has left the queue or fell back, others may be a batch that is due at once.
Waker* QueueScheduler::WhomToWakeForTheRest() {
  if (queue_.empty()) watcher_ = kNobody;
  if (queue_.empty() || asking_) return nullptr;
  return watcher_ == kNobody ? AnySleeper() : Sleeper(watcher_);
}

// Batches ----------------------------------------------------------------------------------------

void QueueScheduler::LookAtHead() {
  head_.clear();
  head_sizes_.clear();
  head_closed_ = false;
  uint64_t items = 0;
  for (PriorityQueue::Cursor at(queue_); at.get() != nullptr; at.Advance()) {
    InferenceRequest* const request = at.get();
    RequestQueue::Prefetch(*request);
    if (!head_.empty() && !CanShareBatch(signature_, *head_.front(), *request)) {
      head_closed_ = true;
      return;
    }
    head_sizes_.push_back(request->batch_size());
    items += request->batch_size();
    if (!head_.empty() && items > policy_.max_batch_size) return;
    head_.push_back(request);
    if (!policy_.dynamic) return;
  }
}

bool QueueScheduler::AskStrategy() {
  asking_ = true;
  mutex_.Unlock();
  const size_t accepted = std::max<size_t>(1, strategy_->Accept(head_));
  mutex_.Lock();
  std::vector<RequestPtr> cancelled;
  for (InferenceRequest* request : head_) {
    if (request->IsCancelled()) cancelled.push_back(queue_.Remove(request));
  }
  if (!cancelled.empty()) {
    head_.clear();
    mutex_.Unlock();
    for (RequestPtr& request : cancelled) EndCancelled(std::move(request));
    mutex_.Lock();
  } else if (accepted < head_.size()) {
    head_.resize(accepted);
    head_sizes_.resize(accepted);
    head_closed_ = true;
  }
  asking_ = false;
  // Others may have gone to sleep over it, and after Stop nobody else would wake them.
  while (Waker* other = stopped() ? AnySleeper() : nullptr) WakeLater(other);
  return cancelled.empty();
}

Decision QueueScheduler::DecideNow() {
  // The clock is read only where something depends on it.
  const bool reads_clock = policy_.max_queue_delay_ns != 0 || queue_.has_timeouts();
  for (;;) {
    const uint64_t now_ns = reads_clock ? clock_.Now() : 0;
    Expire(now_ns);
    LookAtHead();
    const uint64_t arrivals = arrivals_;
    if (strategy_ != nullptr && !head_.empty() && !AskStrategy()) continue;
    uint64_t oldest_ns = kNever;
    for (const InferenceRequest* request : head_) {
      oldest_ns = std::min(oldest_ns, request->start_ns());
    }
    const PendingRequests pending = {head_sizes_, head_closed_, oldest_ns};
    if (deadlines_ == nullptr) {
      const Decision decision = Decide(pending, policy_, now_ns);
      if (decision.take > 0 || arrivals == arrivals_) return decision;
      continue;
    }
    const TimedDecision timed =
        deadlines_->Decide(head_, pending, queue_, policy_, durations(), now_ns);
    if (timed.refused.empty()) return timed.decision;
    Refuse(timed.refused, now_ns);
  }
}

void QueueScheduler::Refuse(const std::vector<Refusal>& refusals, uint64_t now_ns) {
  if (refused_.empty()) WakeLater(this);
  for (const Refusal& refusal : refusals) {
    refused_.push_back({queue_.Remove(head_[refusal.index]), refusal, now_ns});
  }
}

void QueueScheduler::Wake() {
  std::vector<Refused> refused;
  {
    MutexLock lock(mutex_);
    refused.swap(refused_);
  }
  // What ends here may be the last that kept this scheduler alive.
  for (auto& [request, why, now_ns] : refused) {
    const Status status = CanNotMakeIt(*request, why, now_ns);
    RespondError(std::move(request), status, FailureReason::kRejected);
  }
}

PullScheduler::Due QueueScheduler::Look(size_t instance) {
  if (watcher_ == instance) watcher_ = kNobody;
  if (removed(instance) || asking_) return {};
  const Decision decision = DecideNow();
  if (removed(instance)) {
    // While the lock was let go: the batch, or the watch over it, is somebody else's.
    if (Waker* other = AnySleeper()) WakeLater(other);
    return {};
  }
  due_count_ = decision.take;
  // After Stop nothing more arrives, so there is nothing to wait for.
  if (due_count_ == 0 && stopped()) due_count_ = head_.size();
  if (due_count_ > 0) return {.now = true};
  if (decision.look_again_ns == kNever) return {};
  // The durations, or what has come since, may ask for an earlier look than the watch that is kept.
  if (watcher_ != kNobody && decision.look_again_ns >= watched_until_ns_) return {};
  watcher_ = instance;
  watched_until_ns_ = decision.look_again_ns;
  watched_items_ = decision.look_again_at_items;
  watched_due_ns_ = decision.look_again_if_due_before_ns;
  return {.look_again_ns = decision.look_again_ns};
}

Waker* QueueScheduler::Pop(size_t, Batch* batch) {
  for (size_t i = 0; i < due_count_; ++i) {
    // What came while the strategy was asked may stand before those it has seen.
    batch->push_back(strategy_ == nullptr ? queue_.PopFront() : queue_.Remove(head_[i]));
  }
  due_count_ = 0;
  // An empty queue needs no watcher, whose instance a caller may claim.
  if (queue_.empty()) watcher_ = kNobody;
  return WhomToWake();  // what is left may be a batch for somebody else
}

bool QueueScheduler::MayRunInline(std::span<InferenceRequest* const> requests, bool caller_waits) {
  // On the caller's thread a request would overtake those whose answers are held back. Who asks the
  // strategy is about to take a batch, though the queue may be empty for a moment.
  if (!queue_.empty() || order_ != nullptr || asking_) return false;
  if (deadlines_ != nullptr && !InTime(requests)) return false;
  // Alone it waits for others as in the queue, but not for those whom only this thread could bring.
  if (requests.size() == 1 && (caller_waits || policy_.max_queue_delay_ns == 0)) return true;
  if (strategy_ != nullptr || requests.size() > policy_.max_batch_size) return false;
  head_sizes_.clear();
  for (const InferenceRequest* request : requests) {
    if (!CanShareBatch(signature_, *requests.front(), *request)) return false;
    head_sizes_.push_back(request->batch_size());
  }
  // As if they had just come; a batch that would wait for more is not for now.
  return Decide({head_sizes_, false, 0}, policy_, 0).take == requests.size();
}

// Whether all would be answered when they are due if they ran now; who would not is for the queue
// to refuse.
bool QueueScheduler::InTime(std::span<InferenceRequest* const> requests) const {
  uint64_t items = 0;
  for (const InferenceRequest* request : requests) items += request->batch_size();
  const uint64_t duration_ns = durations().Estimate(items).value_or(0);
  return std::all_of(requests.begin(), requests.end(), [&](const InferenceRequest* request) {
    return AnswerDue(queue_.policies(), 0, request->deadline_us) >= duration_ns;
  });
}

// Early ends -------------------------------------------------------------------------------------

void QueueScheduler::Expire(uint64_t now_ns) {
  queue_.Expire(now_ns, &rejected_);
  if (queue_.empty()) watcher_ = kNobody;
}

void QueueScheduler::Cancel(InferenceRequest* request) {
  RequestPtr waiting;
  Waker* wake = nullptr;
  {
    MutexLock lock(mutex_);
    // Who asks the strategy about it ends it afterwards.
    if (asking_ && std::find(head_.begin(), head_.end(), request) != head_.end()) return;
    waiting = queue_.Remove(request);
    if (waiting == nullptr) waiting = rejected_.Remove(request);
    wake = WhomToWakeForTheRest();
  }
  if (wake != nullptr) wake->Wake();
  if (waiting != nullptr) EndCancelled(std::move(waiting));
}

void QueueScheduler::EndCancelled(RequestPtr request) const {
  const Status status =
      Error(StatusCode::kCancelled, "request was cancelled while it waited for model '",
            signature_.name, "'");
  RespondError(std::move(request), status, FailureReason::kCanceled);
}

void QueueScheduler::Ring() {
  std::vector<RequestPtr> rejected;
  uint64_t now_ns = 0, next_ns = 0;
  Waker* wake = nullptr;
  {
    MutexLock lock(mutex_);
    now_ns = clock_.Now();
    if (asking_) {
      next_ns = now_ns + kRingAgainNs;
    } else {
      Expire(now_ns);
      next_ns = queue_.NextExpiryAtLeast();
      wake = WhomToWakeForTheRest();
    }
    alarm_ns_ = next_ns;
    while (!rejected_.empty()) rejected.push_back(rejected_.PopFront());
  }
  if (next_ns != kNever) timer_->RingBy(this, next_ns);
  if (wake != nullptr) wake->Wake();
  // What ends here may be the last that kept this scheduler alive.
  for (RequestPtr& request : rejected) {
    const std::string& model = request->target()->signature().name;
    const Status status =
        request->deadline_ns() <= now_ns
            ? DeadlinePassed(*request, now_ns)
            : Unavailable("Request timeout expired: it waited too long for an instance of model '",
                          model, "'");
    RespondError(std::move(request), status, FailureReason::kRejected);
  }
}

}  // namespace trident
