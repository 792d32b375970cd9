// A repository agent in C that calls every function an agent can, with good and with bad arguments.
// The model needs one parameter: "key" with the value "value".

#include <string.h>

#include "checks.h"
#include "triton/core/tritonrepoagent.h"

static const TRITONSERVER_Error_Code kInvalid = TRITONSERVER_ERROR_INVALID_ARG;
static const TRITONREPOAGENT_ArtifactType kFiles = TRITONREPOAGENT_ARTIFACT_FILESYSTEM;

static char g_agent_state, g_model_state;

TRITONSERVER_Error* TRITONREPOAGENT_Initialize(TRITONREPOAGENT_Agent* agent) {
  void* state = agent;
  LACKS("agent", TRITONREPOAGENT_State(NULL, &state));
  LACKS("state", TRITONREPOAGENT_State(agent, NULL));
  OK(TRITONREPOAGENT_State(agent, &state));
  CHECK(state == NULL);
  LACKS("agent", TRITONREPOAGENT_SetState(NULL, &g_agent_state));
  OK(TRITONREPOAGENT_SetState(agent, &g_agent_state));
  return NULL;
}

TRITONSERVER_Error* TRITONREPOAGENT_Finalize(TRITONREPOAGENT_Agent* agent) {
  void* state = NULL;
  OK(TRITONREPOAGENT_State(agent, &state));
  CHECK(state == &g_agent_state);
  return NULL;
}

static void CheckParameters(TRITONREPOAGENT_Agent* agent, TRITONREPOAGENT_AgentModel* model) {
  uint32_t count = 0;
  const char *key = NULL, *value = NULL;
  LACKS("model", TRITONREPOAGENT_ModelParameterCount(agent, NULL, &count));
  LACKS("count", TRITONREPOAGENT_ModelParameterCount(agent, model, NULL));
  OK(TRITONREPOAGENT_ModelParameterCount(agent, model, &count));
  CHECK(count == 1);
  LACKS("model", TRITONREPOAGENT_ModelParameter(agent, NULL, 0, &key, &value));
  LACKS("parameter_name", TRITONREPOAGENT_ModelParameter(agent, model, 0, NULL, &value));
  LACKS("parameter_value", TRITONREPOAGENT_ModelParameter(agent, model, 0, &key, NULL));
  FAILS(TRITONREPOAGENT_ModelParameter(agent, model, 1, &key, &value), kInvalid, "out of range");
  OK(TRITONREPOAGENT_ModelParameter(agent, model, 0, &key, &value));
  CHECK(strcmp(key, "key") == 0 && strcmp(value, "value") == 0);
}

static void CheckConfig(TRITONREPOAGENT_Agent* agent, TRITONREPOAGENT_AgentModel* model) {
  TRITONSERVER_Message* config = NULL;
  LACKS("model", TRITONREPOAGENT_ModelConfig(agent, NULL, 1, &config));
  LACKS("model_config", TRITONREPOAGENT_ModelConfig(agent, model, 1, NULL));
  FAILS(TRITONREPOAGENT_ModelConfig(agent, model, 2, &config), kInvalid, "version");
  OK(TRITONREPOAGENT_ModelConfig(agent, model, 1, &config));
  const char* text = NULL;
  size_t size = 0;
  OK(TRITONSERVER_MessageSerializeToJson(config, &text, &size));
  CHECK(size > 0 && text[0] == '{');
  OK(TRITONSERVER_MessageDelete(config));
}

TRITONSERVER_Error* TRITONREPOAGENT_ModelInitialize(TRITONREPOAGENT_Agent* agent,
                                                    TRITONREPOAGENT_AgentModel* model) {
  void* state = model;
  LACKS("model", TRITONREPOAGENT_ModelState(NULL, &state));
  LACKS("state", TRITONREPOAGENT_ModelState(model, NULL));
  OK(TRITONREPOAGENT_ModelState(model, &state));
  CHECK(state == NULL);
  LACKS("model", TRITONREPOAGENT_ModelSetState(NULL, &g_model_state));
  OK(TRITONREPOAGENT_ModelSetState(model, &g_model_state));
  CheckParameters(agent, model);
  CheckConfig(agent, model);
  return NULL;
}

// The location is changed to an acquired directory and back, for that has no files.
static void CheckLocation(TRITONREPOAGENT_Agent* agent, TRITONREPOAGENT_AgentModel* model) {
  TRITONREPOAGENT_ArtifactType type = TRITONREPOAGENT_ARTIFACT_REMOTE_FILESYSTEM;
  const char *location = NULL, *acquired = NULL, *again = NULL;
  LACKS("model", TRITONREPOAGENT_ModelRepositoryLocation(agent, NULL, &type, &location));
  LACKS("artifact_type", TRITONREPOAGENT_ModelRepositoryLocation(agent, model, NULL, &location));
  LACKS("location", TRITONREPOAGENT_ModelRepositoryLocation(agent, model, &type, NULL));
  OK(TRITONREPOAGENT_ModelRepositoryLocation(agent, model, &type, &location));
  CHECK(type == TRITONREPOAGENT_ARTIFACT_FILESYSTEM);
  char before[1024] = "";
  strncpy(before, location, sizeof(before) - 1);

  FAILS(TRITONREPOAGENT_ModelRepositoryLocationRelease(agent, model, "/tmp"),
        TRITONSERVER_ERROR_UNAVAILABLE, "No mutable location");
  LACKS("model", TRITONREPOAGENT_ModelRepositoryLocationAcquire(agent, NULL, kFiles, &acquired));
  LACKS("location", TRITONREPOAGENT_ModelRepositoryLocationAcquire(agent, model, kFiles, NULL));
  FAILS(TRITONREPOAGENT_ModelRepositoryLocationAcquire(
            agent, model, TRITONREPOAGENT_ARTIFACT_REMOTE_FILESYSTEM, &acquired),
        kInvalid, "Unexpected artifact type");
  OK(TRITONREPOAGENT_ModelRepositoryLocationAcquire(agent, model, kFiles, &acquired));
  OK(TRITONREPOAGENT_ModelRepositoryLocationAcquire(agent, model, kFiles, &again));
  CHECK(strcmp(acquired, again) == 0);

  LACKS("model", TRITONREPOAGENT_ModelRepositoryUpdate(agent, NULL, kFiles, acquired));
  LACKS("location", TRITONREPOAGENT_ModelRepositoryUpdate(agent, model, kFiles, NULL));
  FAILS(TRITONREPOAGENT_ModelRepositoryUpdate(agent, model, kFiles, ""), kInvalid, "empty");
  OK(TRITONREPOAGENT_ModelRepositoryUpdate(agent, model, kFiles, acquired));
  OK(TRITONREPOAGENT_ModelRepositoryLocation(agent, model, &type, &location));
  CHECK(strcmp(location, acquired) == 0);
  OK(TRITONREPOAGENT_ModelRepositoryUpdate(agent, model, kFiles, before));
  LACKS("model", TRITONREPOAGENT_ModelRepositoryLocationRelease(agent, NULL, acquired));
  OK(TRITONREPOAGENT_ModelRepositoryLocationRelease(agent, model, acquired));
}

TRITONSERVER_Error* TRITONREPOAGENT_ModelAction(TRITONREPOAGENT_Agent* agent,
                                                TRITONREPOAGENT_AgentModel* model,
                                                TRITONREPOAGENT_ActionType action) {
  void* state = NULL;
  OK(TRITONREPOAGENT_ModelState(model, &state));
  CHECK(state == &g_model_state);
  if (action == TRITONREPOAGENT_ACTION_LOAD) {
    CheckLocation(agent, model);
  } else {
    FAILS(TRITONREPOAGENT_ModelRepositoryUpdate(agent, model, kFiles, "/tmp"), kInvalid,
          "location can only be updated during TRITONREPOAGENT_ACTION_LOAD");
  }
  return NULL;
}
