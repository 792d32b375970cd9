#pragma once

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "base/status.h"
#include "config/model_config.h"
#include "model/host_policy.h"
#include "model/rate_limiter.h"
#include "scheduler/scheduler.h"
#include "triton/core/tritonbackend.h"

namespace trident {

class Model;

// One instance of a model: a plug-in's execution context and the thread that drives it; the object
// behind TRITONBACKEND_ModelInstance. Executes one batch at a time, on its own thread or, in the
// inline lane, on a caller's. Externally synchronised by its scheduler, which hands an instance to
// one thread at a time.
class ModelInstance {
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
  // warm-up samples, both under the instance's host policy.
  static Result<std::unique_ptr<ModelInstance>> Create(Model* model, Description description);
  // Joins the thread, which must be on its way out, and finalises the plug-in's part.
  ~ModelInstance();

  // `index` is this instance's number at `scheduler`, which must outlive the thread.
  void StartThread(Scheduler* scheduler, size_t index);
  bool has_thread() const { return thread_.joinable(); }
  void JoinThread();

  // Hands `batch` to the backend; every request is answered when this returns, or later if the
  // backend keeps it. Empties `batch`.
  void Execute(Batch* batch);

  // False where threads other than its own must not execute it: its own are bound to cores or
  // memory, have another priority, or wait for the rate limiter.
  bool may_run_inline() const {
    return gate_ == nullptr && policy_.empty() && description_.nice_step == 0;
  }

  // OK, or why the plug-in says it is not ready.
  Status Ready();

  Model& model() { return *model_; }
  Description& description() { return description_; }
  TRITONBACKEND_ModelInstance* handle() {
    return reinterpret_cast<TRITONBACKEND_ModelInstance*>(this);
  }

  void* state = nullptr;  // the plug-in's

 private:
  ModelInstance(Model* model, Description description)
      : model_(model), description_(std::move(description)) {}
  Status Initialize();
  void Run(Scheduler* scheduler, size_t index);
  void RunGated(Scheduler* scheduler, size_t index);

  Model* const model_;
  Description description_;
  HostPolicy policy_;
  std::unique_ptr<ExecutionLimiter::Gate> gate_;  // null: executions are not limited
  bool initialized_ = false;
  std::thread thread_;
  std::vector<TRITONBACKEND_Request*> handed_over_;  // reused from batch to batch
};

}  // namespace trident
