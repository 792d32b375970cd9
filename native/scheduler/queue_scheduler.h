#pragma once

#include <memory>

#include "scheduler/batch_policy.h"
#include "scheduler/pull_scheduler.h"
#include "scheduler/request_queue.h"

namespace trident {

// One first-in-first-out queue: Triton's default scheduler and, with a dynamic policy, its dynamic
// batcher. Only requests whose tensors agree share a batch (where the model leaves shapes open or
// inputs out). Thread-safe.
class QueueScheduler : public PullScheduler {
 public:
  QueueScheduler(const SchedulerContext& context, BatchPolicy policy);

  void Enqueue(std::span<RequestPtr> requests, std::span<Status> outcomes) override;
  void Cancel(InferenceRequest* request) override;

 private:
  static constexpr size_t kNobody = SIZE_MAX;

  Due Look(size_t instance) override;
  CondVar* Pop(size_t instance, Batch* batch) override;
  bool Empty(size_t instance) const override { return queue_.empty() || removed(instance); }
  bool MayRunInline() const override { return queue_.empty(); }
  void InstanceRemoved(size_t instance) override {
    if (watcher_ == instance) watcher_ = kNobody;
  }

  Status CheckAdmission() const REQUIRES(mutex_);
  PendingRequests LookAtHead() REQUIRES(mutex_);
  CondVar* WhomToWake() REQUIRES(mutex_);

  const ModelSignature& signature_;
  const BatchPolicy policy_;

  RequestQueue queue_ GUARDED_BY(mutex_);
  std::vector<uint32_t> head_sizes_ GUARDED_BY(mutex_);  // scratch of LookAtHead
  size_t due_count_ GUARDED_BY(mutex_) = 0;              // what the last Look found

  // At most one thread waits for the delay of the batch that is forming; the others sleep until
  // there is more work than that, so that one arrival wakes at most one thread.
  size_t watcher_ GUARDED_BY(mutex_) = kNobody;
  uint64_t watched_items_ GUARDED_BY(mutex_) = 0;
};

// True when the requests may share a batch of this model: the same inputs are present and those
// with variable dimensions have the same shape beyond the batch dimension.
bool CanShareBatch(const ModelSignature& signature, const InferenceRequest& a,
                   const InferenceRequest& b);

}  // namespace trident
