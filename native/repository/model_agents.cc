#include "repository/model_agents.h"

#include <optional>

#include "config/text_format.h"

namespace trident {
namespace {

// The configuration that the former agent has left, if it can be read.
std::optional<ModelConfig> ConfigIn(const AgentModel::Location& location,
                                    const std::string& config_name) {
  if (location.type != TRITONREPOAGENT_ARTIFACT_FILESYSTEM) return std::nullopt;
  const auto file = ReadConfigFile(location.path, config_name);
  if (!file.ok() || !file->has_value()) return std::nullopt;
  Result<ModelConfig> config = ParseModelConfigText((*file)->text, (*file)->path);
  if (!config.ok()) return std::nullopt;
  return std::move(config).value();
}

}  // namespace

Result<std::shared_ptr<ModelAgents>> ModelAgents::Load(Source source) {
  std::shared_ptr<ModelAgents> agents(new ModelAgents(std::move(source)));
  TRIDENT_RETURN_IF_ERROR(agents->AskAll());
  return agents;
}

Status ModelAgents::AskAll() {
  AgentModel::Location location{.path = source_.directory};
  for (const RepositoryAgent& wanted : source_.config.model_repository_agents->agents) {
    TRIDENT_ASSIGN_OR_RETURN(std::shared_ptr<Agent> agent, source_.manager->Get(wanted.name));
    const std::string prefix = StrCat("repository agent '", wanted.name, "': ");
    std::optional<ModelConfig> left;
    if (!models_.empty() && !source_.overridden) left = ConfigIn(location, source_.config_name);
    Result<std::unique_ptr<AgentModel>> model = AgentModel::Create(
        std::move(agent), wanted.parameters, location, left.value_or(source_.config));
    TRIDENT_RETURN_IF_ERROR(model.status().WithPrefix(prefix));
    models_.push_back(std::move(model).value());
    TRIDENT_RETURN_IF_ERROR(models_.back()->Act(TRITONREPOAGENT_ACTION_LOAD).WithPrefix(prefix));
    location = models_.back()->location();
  }
  if (location.type != TRITONREPOAGENT_ARTIFACT_FILESYSTEM) {
    return Unsupported("repository agents have left the model at '", location.path,
                       "', and models can't be loaded from remote file systems");
  }
  directory_ = location.path;
  return Status::Ok();
}

ModelAgents::~ModelAgents() {
  Fail();
  Unload();
  CompleteUnload();
}

void ModelAgents::Complete() {
  if (stage_ != Stage::kLoading) return;
  stage_ = Stage::kServing;
  InformBackwards(TRITONREPOAGENT_ACTION_LOAD_COMPLETE);
}

void ModelAgents::Fail() {
  if (stage_ == Stage::kLoading) End(TRITONREPOAGENT_ACTION_LOAD_FAIL);
}

void ModelAgents::Unload() {
  if (stage_ != Stage::kServing) return;
  stage_ = Stage::kUnloading;
  for (const auto& model : models_) model->Inform(TRITONREPOAGENT_ACTION_UNLOAD);
}

void ModelAgents::CompleteUnload() {
  if (stage_ == Stage::kUnloading) End(TRITONREPOAGENT_ACTION_UNLOAD_COMPLETE);
}

void ModelAgents::InformBackwards(TRITONREPOAGENT_ActionType action) {
  for (auto model = models_.rbegin(); model != models_.rend(); ++model) (*model)->Inform(action);
}

// Lets go of the agents and of what they made, the last first: it may build on the former's.
void ModelAgents::End(TRITONREPOAGENT_ActionType last) {
  stage_ = Stage::kEnded;
  InformBackwards(last);
  while (!models_.empty()) models_.pop_back();
}

}  // namespace trident
