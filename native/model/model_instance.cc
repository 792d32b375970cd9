#include "model/model_instance.h"

#include "model/backend.h"
#include "model/model.h"
#include "model/plugin_status.h"
#include "model/warmup.h"

namespace trident {

Result<std::unique_ptr<ModelInstance>> ModelInstance::Create(Model* model,
                                                             Description description) {
  std::unique_ptr<ModelInstance> instance(new ModelInstance(model, std::move(description)));
  TRIDENT_RETURN_IF_ERROR(instance->Initialize());
  return instance;
}

Status ModelInstance::Initialize() {
  TRIDENT_ASSIGN_OR_RETURN(policy_,
                           HostPolicy::Parse(description_.host_policy, description_.host_settings));
  Warmup warmup;
  if (!description_.passive) {
    TRIDENT_ASSIGN_OR_RETURN(warmup, Warmup::Read(*model_->config(), model_->directory()));
  }
  const ScopedHostPolicy scope(policy_);
  TRIDENT_RETURN_IF_ERROR(scope.status());
  initialized_ = true;  // Triton finalises what failed to initialise, too
  if (auto* initialize = model_->backend().entry_points().instance_initialize) {
    TRIDENT_RETURN_IF_ERROR(TakePluginError(initialize(handle())));
  }
  if (description_.passive) return Status::Ok();
  TRIDENT_RETURN_IF_ERROR(warmup.Run(model_->shared_from_this(), this));
  if (ExecutionLimiter* limiter = model_->limiter()) {
    const RateLimiter* config = description_.rate_limiter ? &*description_.rate_limiter : nullptr;
    TRIDENT_ASSIGN_OR_RETURN(gate_, limiter->Register(config, description_.device_id));
  }
  return Status::Ok();
}

ModelInstance::~ModelInstance() {
  JoinThread();
  auto* finalize = model_->backend().entry_points().instance_finalize;
  if (!initialized_ || finalize == nullptr) return;
  const Status status = TakePluginError(finalize(handle()));
  if (!status.ok()) {
    TRIDENT_LOG(model_->logger(), LogLevel::kError, "instance '", description_.name,
                "' failed to finalize: ", status.message());
  }
}

void ModelInstance::StartThread(Scheduler* scheduler, size_t index) {
  if (thread_.joinable()) return;
  thread_ = std::thread([this, scheduler, index] {
    if (const Status status = policy_.Apply(); !status.ok()) {
      TRIDENT_LOG(model_->logger(), LogLevel::kWarn, "instance '", description_.name,
                  "': ", status.message());
    }
    ApplyNiceStep(description_.nice_step);
    gate_ == nullptr ? Run(scheduler, index) : RunGated(scheduler, index);
  });
}

void ModelInstance::Run(Scheduler* scheduler, size_t index) {
  Batch batch;
  while (scheduler->Take(index, &batch)) {
    Execute(&batch);
    scheduler->Finished(index);
  }
}

// The batch is taken when the resources are there, so that it can still grow until then.
void ModelInstance::RunGated(Scheduler* scheduler, size_t index) {
  Batch batch;
  bool due = false;
  while (due || scheduler->Await(index)) {
    due = false;
    if (!gate_->Acquire()) continue;
    uint64_t ignored = 0;
    const bool taken = scheduler->TryTake(index, &batch, &ignored);
    if (taken) {
      Execute(&batch);
      scheduler->Finished(index);
    }
    due = scheduler->IsDue(index);
    gate_->Release(taken, due);
  }
}

void ModelInstance::JoinThread() {
  if (gate_ != nullptr) gate_->GiveUp();
  if (thread_.joinable()) thread_.join();
}

void ModelInstance::Execute(Batch* batch) {
  handed_over_.clear();
  handed_over_.reserve(batch->size());
  for (RequestPtr& request : *batch) {
    request->MarkExecuting();
    handed_over_.push_back(reinterpret_cast<TRITONBACKEND_Request*>(request.release()));
  }
  batch->clear();
  const Status status = TakePluginError(model_->backend().entry_points().instance_execute(
      handle(), handed_over_.data(), static_cast<uint32_t>(handed_over_.size())));
  if (status.ok()) return;
  // A backend that fails as a whole gives all requests back.
  for (TRITONBACKEND_Request* request : handed_over_) {
    RespondError(RequestPtr(reinterpret_cast<InferenceRequest*>(request)), status);
  }
}

Status ModelInstance::Ready() {
  auto* ready = model_->backend().entry_points().instance_ready;
  return ready == nullptr ? Status::Ok() : TakePluginError(ready(handle()));
}

}  // namespace trident
