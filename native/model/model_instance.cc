#include "model/model_instance.h"

#include "model/backend.h"
#include "model/model.h"
#include "model/plugin_status.h"

namespace trident {

Result<std::unique_ptr<ModelInstance>> ModelInstance::Create(Model* model,
                                                             Description description) {
  std::unique_ptr<ModelInstance> instance(new ModelInstance(model, std::move(description)));
  instance->initialized_ = true;  // Triton finalises what failed to initialise, too
  if (auto* initialize = model->backend().entry_points().instance_initialize) {
    TRIDENT_RETURN_IF_ERROR(TakePluginError(initialize(instance->handle())));
  }
  return instance;
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
    Batch batch;
    while (scheduler->Take(index, &batch)) {
      Execute(&batch);
      scheduler->Finished(index);
    }
  });
}

void ModelInstance::JoinThread() {
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
