#include "repository/agent_model.h"

#include "model/plugin_status.h"

namespace trident {
namespace {

// The action that `next` must follow; none: it is the first.
std::optional<TRITONREPOAGENT_ActionType> Predecessor(TRITONREPOAGENT_ActionType next) {
  switch (next) {
    case TRITONREPOAGENT_ACTION_LOAD:
      break;
    case TRITONREPOAGENT_ACTION_LOAD_COMPLETE:
    case TRITONREPOAGENT_ACTION_LOAD_FAIL:
      return TRITONREPOAGENT_ACTION_LOAD;
    case TRITONREPOAGENT_ACTION_UNLOAD:
      return TRITONREPOAGENT_ACTION_LOAD_COMPLETE;
    case TRITONREPOAGENT_ACTION_UNLOAD_COMPLETE:
      return TRITONREPOAGENT_ACTION_UNLOAD;
  }
  return std::nullopt;
}

}  // namespace

const char* AgentActionName(int action) {
  switch (action) {
    case TRITONREPOAGENT_ACTION_LOAD:
      return "TRITONREPOAGENT_ACTION_LOAD";
    case TRITONREPOAGENT_ACTION_LOAD_COMPLETE:
      return "TRITONREPOAGENT_ACTION_LOAD_COMPLETE";
    case TRITONREPOAGENT_ACTION_LOAD_FAIL:
      return "TRITONREPOAGENT_ACTION_LOAD_FAIL";
    case TRITONREPOAGENT_ACTION_UNLOAD:
      return "TRITONREPOAGENT_ACTION_UNLOAD";
    case TRITONREPOAGENT_ACTION_UNLOAD_COMPLETE:
      return "TRITONREPOAGENT_ACTION_UNLOAD_COMPLETE";
  }
  return "<invalid>";
}

Result<std::unique_ptr<AgentModel>> AgentModel::Create(std::shared_ptr<Agent> agent,
                                                       const Parameters& parameters,
                                                       Location location, ModelConfig config) {
  const auto initialize = agent->entry_points().model_initialize;
  std::unique_ptr<AgentModel> model(
      new AgentModel(std::move(agent), parameters, std::move(location), std::move(config)));
  if (initialize != nullptr) {
    TRIDENT_RETURN_IF_ERROR(CallPlugin(initialize, model->agent_->handle(), model->handle()));
  }
  model->initialized_ = true;
  return model;
}

AgentModel::~AgentModel() {
  const auto finalize = agent_->entry_points().model_finalize;
  if (!initialized_ || finalize == nullptr) return;
  const Status status = CallPlugin(finalize, agent_->handle(), handle());
  if (!status.ok()) {
    TRIDENT_LOG(agent_->logger(), LogLevel::kError, "repository agent '", agent_->name(),
                "' failed to finalize a model: ", status.message());
  }
}

Status AgentModel::Act(TRITONREPOAGENT_ActionType action) {
  const auto predecessor = Predecessor(action);
  if (!last_.has_value() && predecessor.has_value()) {
    return Internal("Unexpected lifecycle start state ", AgentActionName(action));
  }
  if (last_ != predecessor) {
    return Internal("Unexpected lifecycle state transition from ", AgentActionName(*last_), " to ",
                    AgentActionName(action));
  }
  last_ = action;
  return CallPlugin(agent_->entry_points().model_action, agent_->handle(), handle(), action);
}

void AgentModel::Inform(TRITONREPOAGENT_ActionType action) {
  const Status status = Act(action);
  if (!status.ok()) {
    TRIDENT_LOG(agent_->logger(), LogLevel::kError, "repository agent '", agent_->name(),
                "' returns error on ", AgentActionName(action), ": ", status.message());
  }
}

Status AgentModel::SetLocation(Location location) {
  if (last_ != TRITONREPOAGENT_ACTION_LOAD) {
    return InvalidArg(
        "location can only be updated during TRITONREPOAGENT_ACTION_LOAD, current action type is ",
        last_.has_value() ? AgentActionName(*last_) : "not set");
  }
  if (location.path.empty()) return InvalidArg("the location of a model can not be empty");
  location_ = std::move(location);
  return Status::Ok();
}

Result<const char*> AgentModel::AcquireDirectory(TRITONREPOAGENT_ArtifactType type) {
  if (type != TRITONREPOAGENT_ARTIFACT_FILESYSTEM) {
    return InvalidArg("Unexpected artifact type, expects 'TRITONREPOAGENT_ARTIFACT_FILESYSTEM'");
  }
  if (directory_ == nullptr) {
    TRIDENT_ASSIGN_OR_RETURN(directory_, TemporaryModel::Create({}));
  }
  return directory_->directory().c_str();
}

Status AgentModel::ReleaseDirectory() {
  if (directory_ == nullptr) return Unavailable("No mutable location to be deleted");
  directory_.reset();
  return Status::Ok();
}

}  // namespace trident
