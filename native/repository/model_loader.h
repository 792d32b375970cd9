#pragma once

#include <memory>
#include <set>
#include <string>
#include <vector>

#include "inference/parameter.h"
#include "model/model.h"
#include "repository/load_threads.h"
#include "repository/locations.h"
#include "repository/scan.h"

namespace trident {

// A model as a load found it: what to load, not yet loaded.
struct ModelPlan {
  ModelIdentity model;
  ModelConfig config;  // as written and normalised; a backend may complete it later
  std::string directory;
  std::set<int64_t> versions;
  Fingerprint fingerprint;
  bool overridden = false;                    // by load parameters
  std::shared_ptr<TemporaryModel> temporary;  // keeps files given as bytes while they are served

  bool ensemble() const { return config.ensemble_scheduling.has_value(); }
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
    std::shared_ptr<Executors> executors;
    std::shared_ptr<ExecutionLimiter> limiter;
    std::shared_ptr<ResponseCache> cache;
    bool latency_summaries = false;
    bool latency_histograms = false;
    void* server = nullptr;
  };
  ModelLoader(Options options, const ModelLocations& locations, BackendManager& backends,
              std::shared_ptr<Logger> logger);

  // `parameters` are Triton's load parameters: "config" (JSON) and "file:<path>" (bytes).
  Result<ModelPlan> Plan(const ModelIdentity& model,
                         const std::vector<Parameter>& parameters) const;

  // Loads one version of the plan, again and again as the options say unless `stopped`.
  Result<std::shared_ptr<Model>> Load(const ModelPlan& plan, int64_t version,
                                      const FindModel& find_model,
                                      const std::function<bool()>& stopped);

  // Where loads run.
  LoadThreads& threads() { return threads_; }

 private:
  Result<ModelConfig> ReadConfig(const std::string& name, bool mapped,
                                 const std::string* override_json, const ModelFiles& files) const;
  Result<std::shared_ptr<Model>> TryLoad(const ModelPlan& plan, int64_t version,
                                         const FindModel& find_model);

  const Options options_;
  const ModelLocations& locations_;
  BackendManager& backends_;
  const std::shared_ptr<Logger> logger_;
  LoadThreads threads_;
};

// What `plan` needs of other models.
std::vector<EnsembleStep> StepsOf(const ModelPlan& plan);
// Version `version`, in service as `served` says, becomes what `next` says without a reload: at
// most the instances differ, or which other versions are served.
bool MayUpdate(const ModelPlan& served, const ModelPlan& next, int64_t version);

// INVALID_ARG unless each of `parameters` is a load parameter of the right type, and files come
// with a configuration.
Status CheckLoadParameters(const std::vector<Parameter>& parameters);
// Some of `parameters` are files.
bool HasFiles(const std::vector<Parameter>& parameters);

}  // namespace trident
