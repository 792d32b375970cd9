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

// A backend that is part of the program.
struct ProvidedBackend {
  BackendEntryPoints entry_points;
  bool never_blocks = false;
  void* state = nullptr;
};
using ProvidedBackends = std::map<std::string, ProvidedBackend>;  // by name

// One backend initialised for one server; the object behind TRITONBACKEND_Backend.
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
  // Without a library.
  static Result<std::shared_ptr<Backend>> Provide(const std::string& name,
                                                  const ProvidedBackend& provided,
                                                  std::string config_json,
                                                  std::shared_ptr<MemoryPools> pools,
                                                  std::shared_ptr<Logger> logger);
  ~Backend();

  const std::string& name() const { return name_; }
  // Both empty without a library.
  const std::string& directory() const { return directory_; }
  std::string library_path() const { return library_ == nullptr ? "" : library_->path(); }
  std::string& config_json() { return config_json_; }
  const BackendEntryPoints& entry_points() const { return entry_points_; }
  const BackendAttribute& attribute() const { return attribute_; }
  // Execute only hands requests over.
  bool never_blocks() const { return never_blocks_; }
  const std::shared_ptr<MemoryPools>& pools() const { return pools_; }

  TRITONBACKEND_Backend* handle() { return reinterpret_cast<TRITONBACKEND_Backend*>(this); }

  void* state = nullptr;
  TRITONBACKEND_ExecutionPolicy execution_policy = TRITONBACKEND_EXECUTION_BLOCKING;

 private:
  Backend(std::string name, std::string config_json, std::shared_ptr<MemoryPools> pools,
          std::shared_ptr<Logger> logger);
  Status FindEntryPoints();
  Status Initialize();

  const std::string name_;
  std::string directory_;
  std::string config_json_;
  std::unique_ptr<DynamicLibrary> library_;  // null: it is part of the program
  const std::shared_ptr<MemoryPools> pools_;
  const std::shared_ptr<Logger> logger_;
  BackendEntryPoints entry_points_;
  BackendAttribute attribute_;
  bool never_blocks_ = false;
  bool initialized_ = false;
};

// The backends of one server, each loaded once, on first use. Thread-safe.
class BackendManager {
 public:
  struct Options {
    std::string backend_directory;
    ProvidedBackends provided;
    BackendSettings settings;
    bool auto_complete_config = false;
    double min_compute_capability = 0;
    std::shared_ptr<MemoryPools> pools;
  };
  BackendManager(Options options, std::shared_ptr<Logger> logger);

  // The backend for a model: the provided one of that name, or a library, which is looked for in
  // the version directory, the model directory and <backend directory>/<backend>/, in this order.
  // Of a model whose instances are processes the plug-in "isolation", once per backend that it
  // stands for: it has that one's name (TRITONBACKEND_BackendName) and settings, and its children
  // look for the library.
  Result<std::shared_ptr<Backend>> Get(const ModelConfig& config,
                                       const std::string& model_directory, int64_t version);

 private:
  bool HasIsolationHost(const std::string& backend) const;
  Result<std::shared_ptr<Backend>> GetIsolated(const std::string& backend);

  const Options options_;
  const std::shared_ptr<Logger> logger_;
  LoadOnce<Backend> loaded_;
  LoadOnce<Backend> isolated_;  // by the name of the backend
};

// {"cmdline": {...}}: the settings of one backend in the form backends parse.
std::string BackendConfigJson(const BackendManager::Options& options, const std::string& backend);

}  // namespace trident
