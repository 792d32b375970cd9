#pragma once

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/mutex.h"
#include "base/status.h"
#include "config/model_config.h"
#include "cuda/device.h"
#include "model/executors.h"
#include "model/host_policy.h"
#include "model/rate_limiter.h"
#include "model/worker.h"
#include "scheduler/scheduler.h"
#include "triton/core/tritonbackend.h"

namespace trident {

class GoldenSamples;
class Model;

// One instance of a model, a plug-in's execution context; the object behind
// TRITONBACKEND_ModelInstance. Executes one batch at a time, on a thread of the server's executors
// or, in the inline lane, on a caller's; if that may not be any thread, on one of its own.
// Externally synchronised by its scheduler, which hands an instance to one thread at a time.
class ModelInstance : private Driven {
 public:
  struct Description {
    std::string name;
    TRITONSERVER_InstanceGroupKind kind = TRITONSERVER_INSTANCEGROUPKIND_CPU;
    int32_t device_id = 0;
    bool passive = false;
    std::string host_policy;
    HostPolicy::Settings host_settings;
    std::string host_policy_json;
    int nice_step = 0;
    std::optional<RateLimiter> rate_limiter;
    std::vector<std::string> profiles;
    std::vector<SecondaryDevice> secondary_devices;
    bool operator==(const Description&) const = default;
  };

  // Calls the plug-in's initialisation and, unless the instance is passive, runs the model's
  // warm-up samples and `golden` samples, if any, all under the instance's host policy and, for one
  // that serves on a device, on its own thread.
  static Result<std::unique_ptr<ModelInstance>> Create(Model* model, Description description,
                                                       const GoldenSamples* golden = nullptr);
  // Ends the service, if it has not ended, and finalises the plug-in's part.
  ~ModelInstance() override;

  // Adds this instance to `scheduler`, where it will be number `index`, driven by `executors` or,
  // from StartThread on, by a thread of its own. Both outlive the service.
  void BeginService(Scheduler* scheduler, size_t index, Executors* executors);
  // Of those with one of their own, which does not serve yet; may throw std::system_error.
  void StartThread();
  bool needs_thread() const { return !may_run_inline() && !serving_; }
  // Waits until no thread is at this instance. It must have been removed, or its scheduler stopped:
  // what is left for it to do the calling thread does, unless it has a thread of its own.
  void EndService();

  // Hands `batch`, which the scheduler has given for this instance, to the backend, and empties it.
  // Every request is answered when this returns, or later if the backend keeps it. The execution
  // ends, and the scheduler hears of it, when this returns, or with EndExecution: then the instance
  // is somebody else's, or gone, unless the caller drives it.
  void Execute(Batch* batch);
  // The same with a batch that no scheduler has given, or that is to hear of the end from the
  // caller; returns when the execution has ended.
  void ExecuteAndWait(Batch* batch);
  // That on the thread of its own, if it has one, while it does not serve: for batch hosts.
  void ExecuteOnItsThread(Batch* batch);

  // The backend's word in Execute that the execution goes on when that has returned, until
  // EndExecution, which any thread may call. INVALID_ARG where it does not fit.
  Status DeferExecution();
  Status EndExecution();

  // False where threads other than its own must not execute it: its own are bound to cores or
  // memory, have another priority, wait for the rate limiter, or use a device, of which libraries
  // keep handles and memory per thread.
  bool may_run_inline() const {
    return gate_ == nullptr && device_ == nullptr && policy_.empty() && description_.nice_step == 0;
  }

  // In service, and without threads of its own.
  bool at_executors() const { return waker_ != nullptr; }

  // OK, or why the plug-in says it is not ready.
  Status Ready();
  // OK, or UNAVAILABLE when the device it is on is lost.
  Status Health() const;

  Model& model() { return *model_; }
  Description& description() { return description_; }
  TRITONBACKEND_ModelInstance* handle() {
    return reinterpret_cast<TRITONBACKEND_ModelInstance*>(this);
  }

  void* state = nullptr;  // the plug-in's

 private:
  ModelInstance(Model* model, Description description)
      : model_(model), description_(std::move(description)) {}
  Status InitializeOnItsThread(const GoldenSamples* golden);
  Status Initialize(const GoldenSamples* golden);
  Status HaveThread();
  void OnItsThread(std::function<void()> work);
  void ApplyToThread();
  Status HaveHostedThread();
  void CallFinalize();
  void Refuse(Batch* batch, const Status& why);
  bool on_device() const { return description_.kind == TRITONSERVER_INSTANCEGROUPKIND_GPU; }
  Status EnterDevice(std::optional<cuda::ScopedDevice>* scope) const;
  Status CallInitialize();
  bool HandOver(Batch* batch);
  Status CallExecute();
  Status CallExecuteOnDevice();
  bool GoesOn(bool succeeded);
  void EndDeferred();
  bool RunBatch(uint64_t* look_again_ns) override;
  void Run();
  void RunGated();

  Model* const model_;
  Description description_;
  HostPolicy policy_;
  cuda::Device* device_ = nullptr;  // null: it is on none
  Mutex* device_turn_ = nullptr;    // null: it executes beside the others on its device
  std::unique_ptr<ExecutionLimiter::Gate> gate_;  // null: executions are not limited
  bool initialized_ = false;
  Scheduler* scheduler_ = nullptr;  // while it is in service
  size_t index_ = 0;
  Executors* executors_ = nullptr;
  std::shared_ptr<Waker> waker_;  // null: it has a thread of its own
  // Of its own: from the start on a device or for a batch host, else while it serves.
  std::unique_ptr<Worker> thread_;
  bool serving_ = false;  // `thread_` runs batches
  // Reused from batch to batch.
  Batch batch_;
  std::vector<TRITONBACKEND_Request*> handed_over_;
  std::vector<TRITONBACKEND_Request*> released_;

  // An execution that is deferred ends when the backend has returned from it and ended it.
  enum class Deferral { kNone, kInBackend, kReturned };
  bool deferred_ = false;        // of the thread that executes
  std::shared_ptr<Model> held_;  // while one is: counted as a request, so that no drain takes it
  Mutex deferral_mutex_;
  CondVar ended_;
  Deferral deferral_ GUARDED_BY(deferral_mutex_) = Deferral::kNone;
};

}  // namespace trident
