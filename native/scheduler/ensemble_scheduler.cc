#include "scheduler/ensemble_scheduler.h"

namespace trident {

EnsembleScheduler::EnsembleScheduler(const ModelConfig& config, const SchedulerContext& context,
                                     FindStep find_step)
    : version_(context.signature.version),
      shared_(std::make_shared<EnsembleShared>(config, context.clock, std::move(find_step))) {}

void EnsembleScheduler::Enqueue(std::span<RequestPtr> requests, std::span<Status> outcomes) {
  // This scheduler may be gone before the last of the requests is under way.
  const std::shared_ptr<EnsembleShared> shared = shared_;
  std::vector<std::shared_ptr<EnsembleRun>> runs;
  {
    MutexLock lock(shared->mutex);
    for (size_t i = 0; i < requests.size(); ++i) {
      if (shared->stopped) {
        outcomes[i] = Unavailable("model '", shared->name, "' version ", version_,
                                  " is unloading and accepts no new requests");
        continue;
      }
      outcomes[i] = Status::Ok();
      InferenceRequest* const request = requests[i].get();
      request->MarkExecuting();
      runs.push_back(std::make_shared<EnsembleRun>(shared, std::move(requests[i])));
      shared->runs[request] = runs.back();
    }
  }
  // The first steps of all of them reach their models together, so that they may batch there.
  StepCalls calls;
  for (const auto& run : runs) run->Start(&calls);
  SubmitSteps(std::move(calls));
}

void EnsembleScheduler::Cancel(InferenceRequest* request) {
  std::shared_ptr<EnsembleRun> run;
  {
    MutexLock lock(shared_->mutex);
    const auto found = shared_->runs.find(request);
    if (found != shared_->runs.end()) run = found->second;
  }
  if (run != nullptr) run->Cancel();
}

void EnsembleScheduler::Stop() {
  MutexLock lock(shared_->mutex);
  shared_->stopped = true;
}

}  // namespace trident
