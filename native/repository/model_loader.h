#pragma once

#include <memory>
#include <set>
#include <string>
#include <vector>

#include "inference/parameter.h"
#include "model/model.h"
#include "repository/load_threads.h"
#include "repository/locations.h"
#include "repository/model_agents.h"
#include "repository/scan.h"

namespace trident {

// A model as it lies in its repository, or as load parameters give it.
struct FoundModel {
  ModelIdentity model;
  ModelFiles files;
  ModelConfig config;  // as written
  bool mapped = false;
  bool overridden = false;                    // by load parameters
  bool provided = false;                      // by the host, in no repository
  std::shared_ptr<TemporaryModel> temporary;  // keeps files given as bytes
};

// A model that a host gives, in no repository.
struct ProvidedModel {
  std::string config;  // JSON
  // Empty: it has no files. Otherwise they are as agents have left them, who are not asked again.
  std::string directory;
  int64_t version = 1;
};

// What to load of a model, not yet loaded.
struct ModelPlan {
  ModelIdentity model;
  ModelConfig config;     // as written and normalised; a backend may complete it later
  std::string source;     // its directory in the repository
  std::string directory;  // what is loaded: `source`, unless agents have put something in its place
  std::set<int64_t> versions;
  Fingerprint fingerprint;                    // of `source`
  bool overridden = false;                    // by load parameters
  bool provided = false;                      // by the host, in no repository
  std::shared_ptr<TemporaryModel> temporary;  // keeps files given as bytes while they are served
  std::shared_ptr<ModelAgents> agents;        // null: none

  bool in_repository() const { return temporary == nullptr && !provided; }

  bool ensemble() const { return config.ensemble_scheduling.has_value(); }
};

// Turns a model's name into loaded versions: finds it, has its agents at it, completes its
// configuration, then loads. Knows nothing of what is being served. Thread-safe.
class ModelLoader {
 public:
  struct Options {
    bool auto_complete = false;
    std::string config_name;
    std::string agent_directory;
    unsigned thread_count = 4;  // versions loading at once, over all models
    unsigned retry_count = 0;
    HostPolicies host_policies;
    std::shared_ptr<Gpus> gpus;
    std::shared_ptr<Timer> timer;
    std::shared_ptr<Executors> executors;
    std::shared_ptr<ExecutionLimiter> limiter;
    std::shared_ptr<ResponseCache> cache;
    bool latency_summaries = false;
    bool latency_histograms = false;
    std::shared_ptr<const BatchHost> batch_host;
    void* server = nullptr;
  };
  ModelLoader(Options options, const ModelLocations& locations, BackendManager& backends,
              std::shared_ptr<Logger> logger);

  // `parameters` are Triton's load parameters: "config" (JSON) and "file:<path>" (bytes).
  Result<FoundModel> Find(const ModelIdentity& model,
                          const std::vector<Parameter>& parameters) const;
  static Result<FoundModel> Provided(const ModelIdentity& model, const ProvidedModel& provided);
  // Has the model's agents prepare the load, if it has any.
  Result<ModelPlan> Plan(FoundModel found);

  // Loads one version of the plan, again and again as the options say unless `stopped`.
  Result<std::shared_ptr<Model>> Load(const ModelPlan& plan, int64_t version,
                                      const FindModel& find_model,
                                      const std::function<bool()>& stopped);

  // Where loads run.
  LoadThreads& threads() { return threads_; }

 private:
  Result<ModelConfig> ReadConfig(const std::string& model, const ModelFiles& files) const;
  Status AskAgents(FoundModel* found, ModelPlan* plan);
  Result<std::shared_ptr<Model>> TryLoad(const ModelPlan& plan, int64_t version,
                                         const FindModel& find_model);

  const Options options_;
  const ModelLocations& locations_;
  BackendManager& backends_;
  const std::shared_ptr<Logger> logger_;
  AgentManager agents_;
  LoadThreads threads_;
};

// What `plan` needs of other models.
std::vector<EnsembleStep> StepsOf(const ModelPlan& plan);
// The files that `plan` was made of are as they were.
bool FilesAsPlanned(const ModelPlan& plan);
// Version `version`, in service as `served` says, becomes what `next` says without a reload: at
// most the instances differ, or which other versions are served.
bool MayUpdate(const ModelPlan& served, const ModelPlan& next, int64_t version);

// INVALID_ARG unless each of `parameters` is a load parameter of the right type, and files come
// with a configuration.
Status CheckLoadParameters(const std::vector<Parameter>& parameters);
// Some of `parameters` are files.
bool HasFiles(const std::vector<Parameter>& parameters);

}  // namespace trident
