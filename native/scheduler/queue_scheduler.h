#pragma once

#include <memory>

#include "scheduler/batch_policy.h"
#include "scheduler/batch_strategy.h"
#include "scheduler/deadline_batching.h"
#include "scheduler/ordering.h"
#include "scheduler/priority_queue.h"
#include "scheduler/pull_scheduler.h"

namespace trident {

// One queue: Triton's default scheduler and, with a dynamic policy, its dynamic batcher. Only
// requests whose tensors agree share a batch (where the model leaves shapes open or inputs out).
// Timeouts end requests on the timer's thread, so also while every instance is busy. Where requests
// have deadlines, those that can't make theirs are refused by whoever looks for a batch.
// Thread-safe.
class QueueScheduler : public PullScheduler, private Alarm, private Waker {
 public:
  // `strategy` may be null; it outlives the last Take. It does not go with deadlines.
  QueueScheduler(const SchedulerContext& context, BatchPolicy policy,
                 QueuePolicies queue_policies = {}, BatchStrategy* strategy = nullptr);
  ~QueueScheduler() override;

  void Enqueue(std::span<RequestPtr> requests, std::span<Status> outcomes) override;
  void Cancel(InferenceRequest* request) override;
  // The queue's size may be read at any time.
  uint64_t waiting() const override TRIDENT_THREAD_ATTRIBUTE(no_thread_safety_analysis) {
    return queue_.size();
  }

 private:
  static constexpr size_t kNobody = SIZE_MAX;

  Due Look(size_t instance) override;
  Waker* Pop(size_t instance, Batch* batch) override;
  bool Empty(size_t instance) const override { return queue_.empty() || removed(instance); }
  bool MayRunInline(std::span<InferenceRequest* const> requests, bool caller_waits) override;
  bool InTime(std::span<InferenceRequest* const> requests) const REQUIRES(mutex_);
  void InstanceRemoved(size_t instance) override {
    if (watcher_ == instance) watcher_ = kNobody;
  }
  void Ring() override;  // as the timer's alarm
  void Wake() override;  // whoever lets go of the mutex answers those that were refused

  Status Accept(RequestPtr& request, uint64_t* deadline_ns) REQUIRES(mutex_);
  // Whoever it rejects is answered when the alarm rings, which it will: their time has come.
  void Expire(uint64_t now_ns) REQUIRES(mutex_);
  void LookAtHead() REQUIRES(mutex_);
  Decision DecideNow() REQUIRES(mutex_);
  // Lets go of the mutex meanwhile. False: some of them were cancelled; look at the head again.
  bool AskStrategy() REQUIRES(mutex_);
  // Answered once a batch has been decided upon: who sends another request for each that is refused
  // does not hold that up.
  void Refuse(const std::vector<Refusal>& refusals, uint64_t now_ns) REQUIRES(mutex_);
  Waker* WhomToWake() REQUIRES(mutex_);
  Waker* WhomToWakeForTheRest() REQUIRES(mutex_);
  void EndCancelled(RequestPtr request) const;

  const ModelSignature& signature_;
  const std::shared_ptr<Timer> timer_;
  const std::shared_ptr<ResponseOrder> order_;  // null: responses go as they come
  const BatchPolicy policy_;
  BatchStrategy* const strategy_;  // usually null

  PriorityQueue queue_ GUARDED_BY(mutex_);
  RequestQueue rejected_ GUARDED_BY(mutex_);       // to be answered by the alarm
  uint64_t alarm_ns_ GUARDED_BY(mutex_) = kNever;  // it will ring by then
  uint64_t arrivals_ GUARDED_BY(mutex_) = 0;

  // What LookAtHead has seen: the requests that could run together, and what the rule needs of
  // them.
  std::vector<InferenceRequest*> head_ GUARDED_BY(mutex_);
  std::vector<uint32_t> head_sizes_ GUARDED_BY(mutex_);
  bool head_closed_ GUARDED_BY(mutex_) = false;
  size_t due_count_ GUARDED_BY(mutex_) = 0;  // what the last Look found due, of `head_`

  // The strategy is being asked about `head_`, without the lock: one thread at a time does that,
  // and until it is back nobody ends those requests.
  bool asking_ GUARDED_BY(mutex_) = false;

  std::unique_ptr<DeadlineBatching> deadlines_ GUARDED_BY(mutex_);  // null: there are none
  struct Refused {
    RequestPtr request;
    Refusal why;
    uint64_t now_ns;
  };
  std::vector<Refused> refused_ GUARDED_BY(mutex_);  // to be answered

  // At most one thread waits for the delay of the batch that is forming; the others sleep until
  // there is more work than that, so that one arrival wakes at most one thread.
  size_t watcher_ GUARDED_BY(mutex_) = kNobody;
  uint64_t watched_until_ns_ GUARDED_BY(mutex_) = 0;
  uint64_t watched_items_ GUARDED_BY(mutex_) = 0;
  uint64_t watched_due_ns_ GUARDED_BY(mutex_) = 0;  // an arrival due before is worth a look
};

}  // namespace trident
