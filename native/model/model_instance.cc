#include "model/model_instance.h"

#include <cassert>
#include <future>
#include <system_error>

#include "inference/trace_tensors.h"
#include "model/backend.h"
#include "model/golden_samples.h"
#include "model/model.h"
#include "model/plugin_status.h"
#include "model/release_log.h"
#include "model/warmup.h"

namespace trident {

Result<std::unique_ptr<ModelInstance>> ModelInstance::Create(Model* model, Description description,
                                                             const GoldenSamples* golden) {
  std::unique_ptr<ModelInstance> instance(new ModelInstance(model, std::move(description)));
  TRIDENT_RETURN_IF_ERROR(instance->Health());
  const Status status = instance->on_device() ? instance->InitializeOnItsThread(golden)
                                              : instance->Initialize(golden);
  if (status.ok()) {
    if (model->batch_host() != nullptr) TRIDENT_RETURN_IF_ERROR(instance->HaveHostedThread());
    return instance;
  }
  if (instance->on_device()) cuda::CheckDevice(instance->description_.device_id);
  return status;
}

Status ModelInstance::InitializeOnItsThread(const GoldenSamples* golden) {
  if (description_.passive) return Initialize(golden);
  TRIDENT_RETURN_IF_ERROR(HaveThread());
  std::packaged_task<Status()> initialize([&] { return Initialize(golden); });
  thread_->Do([&] { initialize(); });
  return initialize.get_future().get();
}

Status ModelInstance::HaveThread() {
  if (thread_ != nullptr) return Status::Ok();
  try {
    thread_ = std::make_unique<Worker>();
  } catch (const std::system_error& error) {
    return Unavailable("can't start its thread: ", error.what());
  }
  return Status::Ok();
}

Status ModelInstance::Initialize(const GoldenSamples* golden) {
  TRIDENT_ASSIGN_OR_RETURN(policy_,
                           HostPolicy::Parse(description_.host_policy, description_.host_settings));
  // Who makes the batches warms up with them.
  const bool to_be_run = !description_.passive && model_->batch_host() == nullptr;
  Warmup warmup;
  if (to_be_run) {
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
  if (!to_be_run) return Status::Ok();
  TRIDENT_RETURN_IF_ERROR(warmup.Run(model_->shared_from_this(), this));
  if (golden != nullptr) {
    TRIDENT_RETURN_IF_ERROR(golden->Run(model_->shared_from_this(), this));
  }
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

void ModelInstance::ApplyToThread() {
  if (const Status status = policy_.Apply(); !status.ok()) {
    TRIDENT_LOG(model_->logger(), LogLevel::kWarn, "instance '", description_.name,
                "': ", status.message());
  }
  ApplyNiceStep(description_.nice_step);
}

// What the instance has a thread of its own for holds of the batches that a host gives it, too.
Status ModelInstance::HaveHostedThread() {
  if (may_run_inline()) return Status::Ok();
  TRIDENT_RETURN_IF_ERROR(HaveThread());
  OnItsThread([this] { ApplyToThread(); });
  return Status::Ok();
}

void ModelInstance::StartThread() {
  if (thread_ == nullptr) thread_ = std::make_unique<Worker>();
  thread_->Begin([this] {
    ApplyToThread();
    gate_ == nullptr ? Run() : RunGated();
  });
  serving_ = true;
}

bool ModelInstance::RunBatch(uint64_t* look_again_ns) {
  if (!scheduler_->TakeOrLeave(index_, &batch_, look_again_ns)) return false;
  Execute(&batch_);
  return true;
}

void ModelInstance::Run() {
  while (scheduler_->Take(index_, &batch_)) Execute(&batch_);
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
      ExecuteAndWait(&batch_);
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
  const bool succeeded = HandOver(batch);
  if (!deferred_) return scheduler_->Finished(index_);
  if (!GoesOn(succeeded)) EndDeferred();
}

void ModelInstance::ExecuteAndWait(Batch* batch) {
  const bool succeeded = HandOver(batch);
  if (!deferred_) return;
  {
    MutexLock lock(deferral_mutex_);
    while (succeeded && deferral_ != Deferral::kNone) ended_.Wait(deferral_mutex_);
    deferral_ = Deferral::kNone;
  }
  const std::shared_ptr<Model> model = std::move(held_);
  model->RequestEnded();
}

// False when the backend has failed. It gives the requests back that it still has then.
bool ModelInstance::HandOver(Batch* batch) {
  deferred_ = false;
  if (device_ != nullptr) {
    if (const Status health = Health(); !health.ok()) {
      Refuse(batch, health);
      return false;
    }
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
  if (status.ok()) return true;
  model_->BackendFailed();
  // A backend that fails as a whole gives all requests back, but for those it has no more.
  for (TRITONBACKEND_Request* request : handed_over_) {
    if (log.Has(request)) continue;
    if (const BatchHost* const host = model_->batch_host()) {
      (*host)({.kind = BackendReport::Kind::kRequest,
               .client_data = reinterpret_cast<InferenceRequest*>(request)->sink->client_data(),
               .outcome = status.code()});
    }
    RespondError(RequestPtr(reinterpret_cast<InferenceRequest*>(request)), status,
                 FailureReason::kBackend);
  }
  return false;
}

// Executions that go on ------------------------------------------------------------------------

Status ModelInstance::DeferExecution() {
  if (!ReleaseLog::IsOpen(released_)) {
    return InvalidArg("instance '", description_.name,
                      "' can't defer its execution: it isn't being executed on this thread");
  }
  if (deferred_) {
    return InvalidArg("instance '", description_.name, "' has deferred its execution already");
  }
  deferred_ = true;
  held_ = model_->shared_from_this();
  held_->RequestStarted();
  MutexLock lock(deferral_mutex_);
  deferral_ = Deferral::kInBackend;
  return Status::Ok();
}

// After the return of the backend. False: it has been ended meanwhile, or failed.
bool ModelInstance::GoesOn(bool succeeded) {
  MutexLock lock(deferral_mutex_);
  const bool goes_on = succeeded && deferral_ == Deferral::kInBackend;
  deferral_ = goes_on ? Deferral::kReturned : Deferral::kNone;
  return goes_on;
}

Status ModelInstance::EndExecution() {
  Deferral was = Deferral::kNone;
  {
    MutexLock lock(deferral_mutex_);
    was = std::exchange(deferral_, Deferral::kNone);
    ended_.NotifyAll();
  }
  if (was == Deferral::kNone) {
    return InvalidArg("instance '", description_.name, "' has no deferred execution to end");
  }
  if (was == Deferral::kReturned) EndDeferred();
  return Status::Ok();
}

// Once the scheduler knows, the instance may be executed again or go.
void ModelInstance::EndDeferred() {
  const std::shared_ptr<Model> model = std::move(held_);
  scheduler_->Finished(index_);
  model->RequestEnded();
}

void ModelInstance::ExecuteOnItsThread(Batch* batch) {
  OnItsThread([this, batch] { ExecuteAndWait(batch); });
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
