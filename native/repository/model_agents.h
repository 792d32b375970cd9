#pragma once

#include <memory>
#include <string>
#include <vector>

#include "repository/agent_model.h"

namespace trident {

/* The agents of one load of one model, in the order of its configuration.
 *
 *     Load --Complete--> serving --Unload--> --CompleteUnload--> ended
 *       +----Fail---------------------------------------------------^
 *
 * Each step does nothing unless it is its turn: the versions of a model share its agents. What has
 * not ended does so with the object. Externally synchronised by the load, then the unload, that it
 * belongs to. */
class ModelAgents {
 public:
  struct Source {
    std::string directory;    // of the model, in its repository
    ModelConfig config;       // as it lies there, or as load parameters give it
    bool overridden = false;  // by load parameters, whatever agents leave
    std::string config_name;  // as ReadConfigFile takes it
    AgentManager* manager = nullptr;
  };
  // Has each agent do its LOAD where the former has left the model. On failure the agents that were
  // asked hear that the load has failed.
  static Result<std::shared_ptr<ModelAgents>> Load(Source source);
  ~ModelAgents();
  ModelAgents(const ModelAgents&) = delete;
  ModelAgents& operator=(const ModelAgents&) = delete;
  // The same again, for a load from where this one began.
  Result<std::shared_ptr<ModelAgents>> LoadAgain() const { return Load(source_); }

  // Where the last agent has left the model.
  const std::string& directory() const { return directory_; }

  void Complete();
  void Fail();
  void Unload();          // the model has left service
  void CompleteUnload();  // its requests have ended, and it is gone

 private:
  enum class Stage { kLoading, kServing, kUnloading, kEnded };
  explicit ModelAgents(Source source) : source_(std::move(source)) {}
  Status AskAll();
  void InformBackwards(TRITONREPOAGENT_ActionType action);
  void End(TRITONREPOAGENT_ActionType last);

  const Source source_;
  std::string directory_;
  std::vector<std::unique_ptr<AgentModel>> models_;
  Stage stage_ = Stage::kLoading;
};

}  // namespace trident
