#pragma once

#include <memory>

#include "scheduler/ensemble_run.h"
#include "scheduler/scheduler.h"

namespace trident {

// Runs requests through the steps of an ensemble. It has no instances and no queue: a request
// begins at once, on its caller's thread, and every step on the thread that ended the one before.
// Thread-safe.
class EnsembleScheduler : public Scheduler {
 public:
  EnsembleScheduler(const ModelConfig& config, const SchedulerContext& context, FindStep find_step);

  void Enqueue(std::span<RequestPtr> requests, std::span<Status> outcomes) override;
  // Also of requests whose steps run already.
  void Cancel(InferenceRequest* request) override;
  void Stop() override;

  bool Take(size_t, Batch*) override { return false; }
  bool Await(size_t) override { return false; }
  bool TryTake(size_t, Batch*, uint64_t* look_again_ns) override {
    *look_again_ns = kNever;
    return false;
  }
  bool TakeOrLeave(size_t, Batch*, uint64_t* look_again_ns) override {
    *look_again_ns = kNever;
    return false;
  }
  bool TakeInline(std::span<InferenceRequest* const>, uint64_t, InlineClaim*) override {
    return false;
  }
  void Finished(size_t) override {}
  size_t AddInstance(std::shared_ptr<Waker>) override { return 0; }
  void RemoveInstance(size_t) override {}

 private:
  const int64_t version_;
  const std::shared_ptr<EnsembleShared> shared_;
};

}  // namespace trident
