#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "backends/common/model_config.h"
#include "backends/common/status.h"
#include "backends/isolation/child.h"
#include "base/mutex.h"
#include "isolation/child_process.h"
#include "isolation/wire.h"

namespace trident::isolated {

// What an instance of a model is to its child.
struct InstanceDescription {
  std::string name;
  std::string kind;  // "KIND_CPU"
  int32_t device_id = 0;
  std::string host_policy;
  std::vector<std::pair<std::string, std::string>> host_settings;
  std::vector<std::string> profiles;
  std::vector<std::pair<std::string, int64_t>> secondary_devices;  // kind and id
  bool operator==(const InstanceDescription&) const = default;
};

backend::Status Describe(TRITONBACKEND_ModelInstance* handle, InstanceDescription* description);

// A model whose instances run in processes. Where its backend is to complete the configuration, a
// first process is started for that, which the first instance takes over if it fits. Thread-safe.
class Model {
 public:
  static backend::Status Create(TRITONBACKEND_Model* handle, std::unique_ptr<Model>* model);

  const backend::ModelConfig& config() const { return config_; }
  const isolation::Program& program() const { return program_; }
  // 0: none.
  uint64_t execution_timeout_us() const { return execution_timeout_us_; }
  // What a child is told to load to be that instance.
  isolation::Load LoadFor(const InstanceDescription& instance) const;
  // For the first instance: a loaded child that is that instance. Null: it is to be started.
  std::shared_ptr<Child> TakeChild(const InstanceDescription& instance);

 private:
  backend::Status ReadBackend(TRITONBACKEND_Model* handle);
  backend::Status ReadConfig(TRITONBACKEND_Model* handle);
  backend::Status Complete(TRITONBACKEND_Model* handle);
  InstanceDescription FirstInstance() const;

  backend::ModelConfig config_;
  isolation::Program program_;
  isolation::Load load_;  // but for what is the instance's
  uint64_t execution_timeout_us_ = 0;

  Mutex mutex_;
  std::shared_ptr<Child> first_child_ GUARDED_BY(mutex_);
  InstanceDescription first_instance_;
};

}  // namespace trident::isolated
