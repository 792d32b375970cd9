#pragma once

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "config/model_config.h"
#include "repository/agent.h"
#include "repository/scan.h"

namespace trident {

/* One load of one model, as one agent sees it; the object behind TRITONREPOAGENT_AgentModel.
 *
 *     Create --> LOAD --> LOAD_COMPLETE --> UNLOAD --> UNLOAD_COMPLETE
 *                  +----> LOAD_FAIL
 *
 * Externally synchronised by the load, then the unload, that it belongs to. */
class AgentModel {
 public:
  // Where a model's files are.
  struct Location {
    TRITONREPOAGENT_ArtifactType type = TRITONREPOAGENT_ARTIFACT_FILESYSTEM;
    std::string path;
  };
  using Parameters = std::map<std::string, std::string>;

  // `config` is what the model in `location` goes by; `parameters` are what the configuration gives
  // the agent.
  static Result<std::unique_ptr<AgentModel>> Create(std::shared_ptr<Agent> agent,
                                                    const Parameters& parameters, Location location,
                                                    ModelConfig config);
  ~AgentModel();
  AgentModel(const AgentModel&) = delete;
  AgentModel& operator=(const AgentModel&) = delete;

  // INTERNAL, without asking the agent, when `action` does not follow the last one.
  Status Act(TRITONREPOAGENT_ActionType action);
  // Act, whose failure is only logged.
  void Inform(TRITONREPOAGENT_ActionType action);

  // For the plug-in
  const Location& location() const { return location_; }
  // INVALID_ARG except during LOAD.
  Status SetLocation(Location location);
  // The path of a directory of the agent's own, empty at first; the same one until it is released.
  Result<const char*> AcquireDirectory(TRITONREPOAGENT_ArtifactType type);
  // UNAVAILABLE when there is none.
  Status ReleaseDirectory();
  const std::vector<std::pair<std::string, std::string>>& parameters() const { return parameters_; }
  const ModelConfig& config() const { return config_; }

  TRITONREPOAGENT_AgentModel* handle() {
    return reinterpret_cast<TRITONREPOAGENT_AgentModel*>(this);
  }

  void* state = nullptr;

 private:
  AgentModel(std::shared_ptr<Agent> agent, const Parameters& parameters, Location location,
             ModelConfig config)
      : agent_(std::move(agent)),
        parameters_(parameters.begin(), parameters.end()),
        config_(std::move(config)),
        location_(std::move(location)) {}

  const std::shared_ptr<Agent> agent_;
  const std::vector<std::pair<std::string, std::string>> parameters_;
  const ModelConfig config_;
  Location location_;
  std::unique_ptr<TemporaryModel> directory_;       // null: not acquired
  std::optional<TRITONREPOAGENT_ActionType> last_;  // action
  bool initialized_ = false;
};

// The name of an action, "<invalid>" for any other number.
const char* AgentActionName(int action);

}  // namespace trident
