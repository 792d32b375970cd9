#pragma once

#include <functional>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "base/mutex.h"
#include "inference/parameter.h"
#include "model/model.h"
#include "repository/locations.h"
#include "repository/scan.h"

namespace trident {

// A model as a load found it: what to load, not yet loaded.
struct ModelPlan {
  ModelConfig config;
  std::string directory;
  std::set<int64_t> versions;
  uint64_t fingerprint = 0;
  bool overridden = false;                    // by load parameters
  std::shared_ptr<TemporaryModel> temporary;  // keeps files given as bytes while they are served
};

// One version after its load: a model, or why there is none.
struct LoadedVersion {
  int64_t version = 0;
  std::shared_ptr<Model> model;
  Status status;
};

// Turns a model's name into loaded versions: finds it, reads it, completes its configuration, then
// loads. Knows nothing of what is being served. Thread-safe.
class ModelLoader {
 public:
  struct Options {
    bool auto_complete = false;
    std::string config_name;
    unsigned thread_count = 4;  // versions loading at once, over all models
    unsigned retry_count = 0;
    HostPolicies host_policies;
    std::shared_ptr<Timer> timer;
    void* server = nullptr;
  };
  ModelLoader(Options options, const ModelLocations& locations, BackendManager& backends,
              std::shared_ptr<Logger> logger);

  // `parameters` are Triton's load parameters: "config" (JSON) and "file:<path>" (bytes).
  Result<ModelPlan> Plan(const std::string& name, const std::vector<Parameter>& parameters) const;

  // Loads all versions of the plan, in parallel; one entry per version.
  std::vector<LoadedVersion> LoadVersions(const ModelPlan& plan);

 private:
  class LoadSlot;

  Result<ModelConfig> ReadConfig(const std::string& name, bool mapped,
                                 const std::string* override_json, const ModelFiles& files) const;
  LoadedVersion LoadVersion(const ModelPlan& plan, int64_t version);
  Result<std::shared_ptr<Model>> TryLoad(const ModelPlan& plan, int64_t version);

  const Options options_;
  const ModelLocations& locations_;
  BackendManager& backends_;
  const std::shared_ptr<Logger> logger_;

  Mutex mutex_;
  CondVar slot_free_;
  unsigned loading_ GUARDED_BY(mutex_) = 0;
};

// Runs `work(i)` for i < count, on this thread and up to `threads` - 1 others. Throws
// std::bad_alloc, on this thread, if any of them did.
void ParallelFor(size_t count, unsigned threads, const std::function<void(size_t)>& work);

}  // namespace trident
