#pragma once

#include <memory>

#include "base/clock.h"
#include "base/mutex.h"
#include "scheduler/batch_policy.h"
#include "scheduler/request_queue.h"
#include "scheduler/scheduler.h"

namespace trident {

// One first-in-first-out queue: Triton's default scheduler and, with a dynamic policy, its dynamic
// batcher. Only requests whose tensors agree share a batch (where the model leaves shapes open or
// inputs out). Thread-safe.
class QueueScheduler : public Scheduler {
 public:
  // `signature` and `clock` must outlive this.
  QueueScheduler(const ModelSignature& signature, BatchPolicy policy, size_t instance_count,
                 Clock& clock);

  void Enqueue(std::span<RequestPtr> requests, std::span<Status> outcomes) override;
  bool Take(size_t instance, Batch* batch) override;
  bool TryTake(size_t instance, Batch* batch, uint64_t* look_again_ns) override;
  bool TakeInline(size_t* instance) override;
  void Finished(size_t instance) override;
  RequestPtr Remove(InferenceRequest* request) override;
  void Stop() override;

 private:
  enum class Wake { kNobody, kOne, kAll, kTimed };

  Status CheckAdmission() const REQUIRES(mutex_);
  PendingRequests LookAtHead() REQUIRES(mutex_);
  Decision DecideNow() REQUIRES(mutex_);
  void PopBatch(size_t count, Batch* batch) REQUIRES(mutex_);
  Wake WhomToWake() const REQUIRES(mutex_);
  void Notify(Wake wake);

  const ModelSignature& signature_;
  const BatchPolicy policy_;
  Clock& clock_;

  Mutex mutex_;
  RequestQueue queue_ GUARDED_BY(mutex_);
  std::vector<bool> busy_ GUARDED_BY(mutex_);
  std::vector<bool> inline_ GUARDED_BY(mutex_);  // busy with a caller's thread
  size_t inline_count_ GUARDED_BY(mutex_) = 0;
  std::vector<uint32_t> head_sizes_ GUARDED_BY(mutex_);  // scratch of LookAtHead
  bool stopped_ GUARDED_BY(mutex_) = false;

  // At most one thread waits for the delay of the batch that is forming; the others sleep until
  // there is more work than that, so that one arrival wakes at most one thread
  // (all of them while a caller has claimed an instance inline).
  CondVar idle_wait_;
  CondVar timed_wait_;
  size_t idle_waiters_ GUARDED_BY(mutex_) = 0;
  bool timed_waiter_ GUARDED_BY(mutex_) = false;
  uint64_t timed_wake_items_ GUARDED_BY(mutex_) = 0;
};

// True when the requests may share a batch of this model: the same inputs are present and those
// with variable dimensions have the same shape beyond the batch dimension.
bool CanShareBatch(const ModelSignature& signature, const InferenceRequest& a,
                   const InferenceRequest& b);

}  // namespace trident
