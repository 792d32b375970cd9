#pragma once

#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "base/status.h"
#include "config/model_config.h"
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
    std::string host_policy_json;
    std::vector<std::string> profiles;
    std::vector<SecondaryDevice> secondary_devices;
  };

  // Calls the plug-in's initialisation.
  static Result<std::unique_ptr<ModelInstance>> Create(Model* model, Description description);
  // Joins the thread, which must be on its way out, and finalises the plug-in's part.
  ~ModelInstance();

  // `index` is this instance's number at `scheduler`, which must outlive the thread.
  void StartThread(Scheduler* scheduler, size_t index);
  void JoinThread();

  // Hands `batch` to the backend; every request is answered when this returns, or later if the
  // backend keeps it. Empties `batch`.
  void Execute(Batch* batch);

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

  Model* const model_;
  Description description_;
  bool initialized_ = false;
  std::thread thread_;
  std::vector<TRITONBACKEND_Request*> handed_over_;  // reused from batch to batch
};

}  // namespace trident
