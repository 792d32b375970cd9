#pragma once

#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "base/dynamic_library.h"
#include "base/log.h"
#include "base/status.h"
#include "config/model_config.h"
#include "memory/memory_pools.h"
#include "model/load_once.h"
#include "triton/core/tritonbackend.h"

namespace trident {

// Settings of backends as the host gives them: for every backend under "", else by backend name.
using BackendSettings = std::map<std::string, std::vector<std::pair<std::string, std::string>>>;

// The entry points a backend library offers; the optional ones may be null.
struct BackendEntryPoints {
  TRITONSERVER_Error* (*initialize)(TRITONBACKEND_Backend*) = nullptr;
  TRITONSERVER_Error* (*finalize)(TRITONBACKEND_Backend*) = nullptr;
  TRITONSERVER_Error* (*get_attribute)(TRITONBACKEND_Backend*,
                                       TRITONBACKEND_BackendAttribute*) = nullptr;
  TRITONSERVER_Error* (*model_initialize)(TRITONBACKEND_Model*) = nullptr;
  TRITONSERVER_Error* (*model_finalize)(TRITONBACKEND_Model*) = nullptr;
  TRITONSERVER_Error* (*instance_initialize)(TRITONBACKEND_ModelInstance*) = nullptr;
  TRITONSERVER_Error* (*instance_finalize)(TRITONBACKEND_ModelInstance*) = nullptr;
  TRITONSERVER_Error* (*instance_ready)(TRITONBACKEND_ModelInstance*) = nullptr;
  TRITONSERVER_Error* (*instance_execute)(TRITONBACKEND_ModelInstance*, TRITONBACKEND_Request**,
                                          uint32_t) = nullptr;
};

// What a backend says of itself in GetBackendAttribute.
struct BackendAttribute {
  std::vector<InstanceGroup> preferred_groups;
  bool parallel_instance_loading = false;
};

// One backend library initialised for one server; the object behind TRITONBACKEND_Backend.
// Finalised when the last model that uses it is gone and the server lets go. Its state pointer and
// execution policy belong to the plug-in; all else is immutable after construction.
class Backend {
 public:
  // `library_path` names the file; `config_json` is what TRITONBACKEND_BackendConfig returns.
  static Result<std::shared_ptr<Backend>> Load(const std::string& name,
                                               const std::string& library_path,
                                               std::string config_json,
                                               std::shared_ptr<MemoryPools> pools,
                                               std::shared_ptr<Logger> logger);
  ~Backend();

  const std::string& name() const { return name_; }
  const std::string& directory() const { return directory_; }
  const std::string& library_path() const { return library_->path(); }
  std::string& config_json() { return config_json_; }
  const BackendEntryPoints& entry_points() const { return entry_points_; }
  const BackendAttribute& attribute() const { return attribute_; }
  const std::shared_ptr<MemoryPools>& pools() const { return pools_; }

  TRITONBACKEND_Backend* handle() { return reinterpret_cast<TRITONBACKEND_Backend*>(this); }

  void* state = nullptr;
  TRITONBACKEND_ExecutionPolicy execution_policy = TRITONBACKEND_EXECUTION_BLOCKING;

 private:
  Backend() = default;
  Status FindEntryPoints();

  std::string name_;
  std::string directory_;
  std::string config_json_;
  std::unique_ptr<DynamicLibrary> library_;
  std::shared_ptr<MemoryPools> pools_;
  std::shared_ptr<Logger> logger_;
  BackendEntryPoints entry_points_;
  BackendAttribute attribute_;
  bool initialized_ = false;
};

// The backends of one server, each loaded once, on first use. Thread-safe.
class BackendManager {
 public:
  struct Options {
    std::string backend_directory;
    BackendSettings settings;
    bool auto_complete_config = false;
    double min_compute_capability = 0;
    std::shared_ptr<MemoryPools> pools;
  };
  BackendManager(Options options, std::shared_ptr<Logger> logger);

  // The backend for a model: its library is looked for in the version directory, the model
  // directory and <backend directory>/<backend>/, in this order.
  Result<std::shared_ptr<Backend>> Get(const ModelConfig& config,
                                       const std::string& model_directory, int64_t version);

 private:
  const Options options_;
  const std::shared_ptr<Logger> logger_;
  LoadOnce<Backend> loaded_;
};

// {"cmdline": {...}}: the settings of one backend in the form backends parse.
std::string BackendConfigJson(const BackendManager::Options& options, const std::string& backend);

}  // namespace trident
