// TRITONREPOAGENT_Agent and TRITONREPOAGENT_AgentModel. Where a function takes both, the model
// knows its agent.

#include "capi/config_version.h"
#include "capi/handles.h"
#include "config/json_format.h"
#include "repository/agent_model.h"

using namespace trident;  // NOLINT: C functions live outside every namespace

extern "C" {

TRITONSERVER_Error* TRITONREPOAGENT_ModelRepositoryLocation(
    TRITONREPOAGENT_Agent*, TRITONREPOAGENT_AgentModel* model,
    TRITONREPOAGENT_ArtifactType* artifact_type, const char** location) {
  TRIDENT_REQUIRE(model, artifact_type, location);
  *artifact_type = Core(model)->location().type;
  *location = Core(model)->location().path.c_str();
  return nullptr;
}

TRITONSERVER_Error* TRITONREPOAGENT_ModelRepositoryLocationAcquire(
    TRITONREPOAGENT_Agent*, TRITONREPOAGENT_AgentModel* model,
    TRITONREPOAGENT_ArtifactType artifact_type, const char** location) {
  TRIDENT_REQUIRE(model, location);
  return Guard([&] {
    TRIDENT_ASSIGN_OR_RETURN(*location, Core(model)->AcquireDirectory(artifact_type));
    return Status::Ok();
  });
}

// An agent has one acquired directory of a model, so that, as in Triton, its name says nothing.
TRITONSERVER_Error* TRITONREPOAGENT_ModelRepositoryLocationRelease(
    TRITONREPOAGENT_Agent*, TRITONREPOAGENT_AgentModel* model, const char*) {
  TRIDENT_REQUIRE(model);
  return Guard([&] { return Core(model)->ReleaseDirectory(); });
}

TRITONSERVER_Error* TRITONREPOAGENT_ModelRepositoryUpdate(
    TRITONREPOAGENT_Agent*, TRITONREPOAGENT_AgentModel* model,
    TRITONREPOAGENT_ArtifactType artifact_type, const char* location) {
  TRIDENT_REQUIRE(model, location);
  return Guard([&] { return Core(model)->SetLocation({artifact_type, location}); });
}

TRITONSERVER_Error* TRITONREPOAGENT_ModelParameterCount(TRITONREPOAGENT_Agent*,
                                                        TRITONREPOAGENT_AgentModel* model,
                                                        uint32_t* count) {
  TRIDENT_REQUIRE(model, count);
  *count = static_cast<uint32_t>(Core(model)->parameters().size());
  return nullptr;
}

TRITONSERVER_Error* TRITONREPOAGENT_ModelParameter(TRITONREPOAGENT_Agent*,
                                                   TRITONREPOAGENT_AgentModel* model,
                                                   uint32_t index, const char** parameter_name,
                                                   const char** parameter_value) {
  TRIDENT_REQUIRE(model, parameter_name, parameter_value);
  return Guard([&]() -> Status {
    const auto& parameters = Core(model)->parameters();
    if (index >= parameters.size()) return InvalidArg("index out of range for model parameters");
    *parameter_name = parameters[index].first.c_str();
    *parameter_value = parameters[index].second.c_str();
    return Status::Ok();
  });
}

TRITONSERVER_Error* TRITONREPOAGENT_ModelConfig(TRITONREPOAGENT_Agent*,
                                                TRITONREPOAGENT_AgentModel* model,
                                                uint32_t config_version,
                                                TRITONSERVER_Message** model_config) {
  TRIDENT_REQUIRE(model, model_config);
  return Guard([&] {
    TRIDENT_RETURN_IF_ERROR(CheckConfigVersion(config_version));
    *model_config =
        HandleOf<TRITONSERVER_Message>(new std::string(ModelConfigToJson(Core(model)->config())));
    return Status::Ok();
  });
}

TRITONSERVER_Error* TRITONREPOAGENT_ModelState(TRITONREPOAGENT_AgentModel* model, void** state) {
  TRIDENT_REQUIRE(model, state);
  *state = Core(model)->state;
  return nullptr;
}

TRITONSERVER_Error* TRITONREPOAGENT_ModelSetState(TRITONREPOAGENT_AgentModel* model, void* state) {
  TRIDENT_REQUIRE(model);
  Core(model)->state = state;
  return nullptr;
}

TRITONSERVER_Error* TRITONREPOAGENT_State(TRITONREPOAGENT_Agent* agent, void** state) {
  TRIDENT_REQUIRE(agent, state);
  *state = Core(agent)->state;
  return nullptr;
}

TRITONSERVER_Error* TRITONREPOAGENT_SetState(TRITONREPOAGENT_Agent* agent, void* state) {
  TRIDENT_REQUIRE(agent);
  Core(agent)->state = state;
  return nullptr;
}

}  // extern "C"
