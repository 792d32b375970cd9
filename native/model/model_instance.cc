#include "model/model_instance.h"

#include <cassert>
#include <future>
#include <system_error>

#include "inference/trace_tensors.h"
#include "model/backend.h"
#include "model/model.h"
#include "model/plugin_status.h"
#include "model/release_log.h"
#include "model/warmup.h"

namespace trident {

Result<std::unique_ptr<ModelInstance>> ModelInstance::Create(Model* model,
                                                             Description description) {
  std::unique_ptr<ModelInstance> instance(new ModelInstance(model, std::move(description)));
  TRIDENT_RETURN_IF_ERROR(instance->Health());
  const Status status =
      instance->on_device() ? instance->InitializeOnItsThread() : instance->Initialize();
  if (status.ok()) return instance;
  if (instance->on_device()) cuda::CheckDevice(instance->description_.device_id);
  return status;
}

Status ModelInstance::InitializeOnItsThread() {
  if (description_.passive) return Initialize();
  try {
    thread_ = std::make_unique<Worker>();
  } catch (const std::system_error& error) {
    return Unavailable("can't start its thread: ", error.what());
  }
  std::packaged_task<Status()> initialize([this] { return Initialize(); });
  thread_->Do([&] { initialize(); });
  return initialize.get_future().get();
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
  if (description_.kind == TRITONSERVER_INSTANCEGROUPKIND_GPU) {
    TRIDENT_ASSIGN_OR_RETURN(device_, model_->gpus().Enter(description_.device_id));
    if (model_->backend().execution_policy == TRITONBACKEND_EXECUTION_DEVICE_BLOCKING) {
      device_turn_ = &model_->DeviceTurn(description_.device_id);
    }
  }
  TRIDENT_RETURN_IF_ERROR(CallInitialize());
  if (device_ != nullptr) {
    TRIDENT_RETURN_IF_ERROR(model_->gpus().CheckLoadLimit(description_.name, device_));
  }
  if (description_.passive) return Status::Ok();
  TRIDENT_RETURN_IF_ERROR(warmup.Run(model_->shared_from_this(), this));
  if (ExecutionLimiter* limiter = model_->limiter()) {
    const RateLimiter* config = description_.rate_limiter ? &*description_.rate_limiter : nullptr;
    TRIDENT_ASSIGN_OR_RETURN(gate_, limiter->Register(config, description_.device_id));
  }
  return Status::Ok();
}

Status ModelInstance::CallInitialize() {
  std::optional<cuda::ScopedDevice> device;
  TRIDENT_RETURN_IF_ERROR(EnterDevice(&device));
  initialized_ = true;  // Triton finalises what failed to initialise, too
  auto* initialize = model_->backend().entry_points().instance_initialize;
  return initialize == nullptr ? Status::Ok() : CallPlugin(initialize, handle());
}

// While `scope` lives, the device that the instance is on, if any, is the calling thread's.
Status ModelInstance::EnterDevice(std::optional<cuda::ScopedDevice>* scope) const {
  if (device_ == nullptr) return Status::Ok();
  return scope->emplace(device_).status();
}

ModelInstance::~ModelInstance() {
  EndService();
  OnItsThread([this] { CallFinalize(); });
}

// On the thread of its own, if it has one; waits.
void ModelInstance::OnItsThread(std::function<void()> work) {
  thread_ == nullptr ? work() : thread_->Do(std::move(work));
}

void ModelInstance::CallFinalize() {
  auto* finalize = model_->backend().entry_points().instance_finalize;
  if (!initialized_ || finalize == nullptr) return;
  std::optional<cuda::ScopedDevice> device;
  (void)EnterDevice(&device);  // the plug-in frees what it can without one, too
  const Status status = CallPlugin(finalize, handle());
  if (!status.ok()) {
    TRIDENT_LOG(model_->logger(), LogLevel::kError, "instance '", description_.name,
                "' failed to finalize: ", status.message());
  }
}

void ModelInstance::BeginService(Scheduler* scheduler, size_t index, Executors* executors) {
  scheduler_ = scheduler;
  index_ = index;
  executors_ = executors;
  if (may_run_inline()) waker_ = executors->Add(this);
  [[maybe_unused]] const size_t added = scheduler->AddInstance(waker_);
  assert(added == index);
}

void ModelInstance::StartThread() {
  if (thread_ == nullptr) thread_ = std::make_unique<Worker>();
  thread_->Begin([this] {
    if (const Status status = policy_.Apply(); !status.ok()) {
      TRIDENT_LOG(model_->logger(), LogLevel::kWarn, "instance '", description_.name,
                  "': ", status.message());
    }
    ApplyNiceStep(description_.nice_step);
    gate_ == nullptr ? Run() : RunGated();
  });
  serving_ = true;
}

bool ModelInstance::RunBatch(uint64_t* look_again_ns) {
  if (!scheduler_->TakeOrLeave(index_, &batch_, look_again_ns)) return false;
  Execute(&batch_);
  scheduler_->Finished(index_);
  return true;
}

void ModelInstance::Run() {
  while (scheduler_->Take(index_, &batch_)) {
    Execute(&batch_);
    scheduler_->Finished(index_);
  }
}

// The batch is taken when the resources are there, so that it can still grow until then.
void ModelInstance::RunGated() {
  bool due = false;
  while (due || scheduler_->Await(index_)) {
    due = false;
    if (!gate_->Acquire()) continue;
    uint64_t ignored = 0;
    const bool taken = scheduler_->TryTake(index_, &batch_, &ignored);
    if (taken) {
      Execute(&batch_);
      scheduler_->Finished(index_);
    }
    due = scheduler_->IsDue(index_);
    gate_->Release(taken, due);
  }
}

void ModelInstance::EndService() {
  if (scheduler_ == nullptr) return;
  if (gate_ != nullptr) gate_->GiveUp();
  if (serving_) {
    thread_->Wait();
    if (!on_device()) thread_ = nullptr;
  } else {
    if (waker_ != nullptr) executors_->Retire(waker_.get());
    OnItsThread([this] { Run(); });
  }
  scheduler_ = nullptr;
}

inline Status ModelInstance::CallExecute() {
  return CallPlugin(model_->backend().entry_points().instance_execute, handle(),
                    handed_over_.data(), static_cast<uint32_t>(handed_over_.size()));
}

void ModelInstance::Execute(Batch* batch) {
  if (device_ != nullptr) {
    if (const Status health = Health(); !health.ok()) return Refuse(batch, health);
  }
  handed_over_.clear();
  handed_over_.reserve(batch->size());
  for (RequestPtr& request : *batch) {
    request->MarkExecuting();
    if (request->trace() != nullptr) {
      TraceBackendInputs(*request, description_.host_policy.c_str());
    }
    handed_over_.push_back(reinterpret_cast<TRITONBACKEND_Request*>(request.release()));
  }
  batch->clear();
  const ReleaseLog log(handed_over_, &released_);
  const Status status = device_ == nullptr ? CallExecute() : CallExecuteOnDevice();
  if (status.ok()) return;
  model_->BackendFailed();
  // A backend that fails as a whole gives all requests back, but for those it has no more.
  for (TRITONBACKEND_Request* request : handed_over_) {
    if (log.Has(request)) continue;
    RespondError(RequestPtr(reinterpret_cast<InferenceRequest*>(request)), status,
                 FailureReason::kBackend);
  }
}

// What a lost device was to do is over.
void ModelInstance::Refuse(Batch* batch, const Status& why) {
  for (RequestPtr& request : *batch) {
    RespondError(std::move(request), why, FailureReason::kBackend);
  }
  batch->clear();
}

Status ModelInstance::Health() const {
  if (!on_device()) return Status::Ok();
  const Status health = cuda::HealthOf(description_.device_id);
  if (health.ok()) return health;
  return health.WithPrefix(
      StrCat("model '", model_->name(), "' can't run on device ", description_.device_id, ": "));
}

Status ModelInstance::CallExecuteOnDevice() {
  const cuda::ScopedDevice device(device_);
  TRIDENT_RETURN_IF_ERROR(device.status());
  if (device_turn_ == nullptr) return CallExecute();
  const MutexLock turn(*device_turn_);
  return CallExecute();
}

Status ModelInstance::Ready() {
  auto* ready = model_->backend().entry_points().instance_ready;
  if (ready == nullptr) return Status::Ok();
  std::optional<cuda::ScopedDevice> device;
  TRIDENT_RETURN_IF_ERROR(EnterDevice(&device));
  return CallPlugin(ready, handle());
}

}  // namespace trident
