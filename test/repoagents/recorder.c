// A repository agent in plain C that writes down what it is asked for. Proof that the agent header
// is C. A model gives it
//
//   tag   stands before each of its lines
//   fail  "initialize", or an action at which to fail
//   batch the max_batch_size without which it fails to initialise
//   meet  an action in which it waits for another that meets it
//
// recorder_take() gives what was written down since the last call: "<tag>: LOAD" and so on, with
// the last part of the location after LOAD. The caller owns it. recorder_agents() is the number of
// agents that are initialised and not finalised. recorder_meet() meets a model's agent.

#define _POSIX_C_SOURCE 200809L

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "triton/core/tritonrepoagent.h"

#define TRY(call)                            \
  do {                                       \
    TRITONSERVER_Error* try_error = (call);  \
    if (try_error != NULL) return try_error; \
  } while (0)

static pthread_mutex_t g_mutex = PTHREAD_MUTEX_INITIALIZER;
static char g_lines[4096];  // guarded by `g_mutex`
static int g_agents;        // guarded by `g_mutex`

static pthread_once_t g_once = PTHREAD_ONCE_INIT;
static pthread_barrier_t g_meeting;  // made by `g_once`

TRITONREPOAGENT_ISPEC char* recorder_take(void) {
  pthread_mutex_lock(&g_mutex);
  char* lines = strdup(g_lines);
  g_lines[0] = '\0';
  pthread_mutex_unlock(&g_mutex);
  return lines;
}

TRITONREPOAGENT_ISPEC int recorder_agents(void) {
  pthread_mutex_lock(&g_mutex);
  const int agents = g_agents;
  pthread_mutex_unlock(&g_mutex);
  return agents;
}

static void MakeMeeting(void) { pthread_barrier_init(&g_meeting, NULL, 2); }

TRITONREPOAGENT_ISPEC void recorder_meet(void) {
  pthread_once(&g_once, MakeMeeting);
  pthread_barrier_wait(&g_meeting);
}

static void Count(int change) {
  pthread_mutex_lock(&g_mutex);
  g_agents += change;
  pthread_mutex_unlock(&g_mutex);
}

static TRITONSERVER_Error* Fail(TRITONSERVER_Error_Code code, const char* message) {
  return TRITONSERVER_ErrorNew(code, message);
}

static TRITONSERVER_Error* FindParameter(TRITONREPOAGENT_Agent* agent,
                                         TRITONREPOAGENT_AgentModel* model, const char* name,
                                         const char** value) {
  uint32_t count = 0;
  *value = "";
  TRY(TRITONREPOAGENT_ModelParameterCount(agent, model, &count));
  for (uint32_t i = 0; i < count; ++i) {
    const char *key = NULL, *found = NULL;
    TRY(TRITONREPOAGENT_ModelParameter(agent, model, i, &key, &found));
    if (strcmp(key, name) == 0) *value = found;
  }
  return NULL;
}

static void Write(const char* tag, const char* what, const char* where) {
  pthread_mutex_lock(&g_mutex);
  const size_t used = strlen(g_lines);
  snprintf(g_lines + used, sizeof(g_lines) - used, "%s: %s%s\n", tag, what, where);
  pthread_mutex_unlock(&g_mutex);
}

TRITONSERVER_Error* TRITONREPOAGENT_Initialize(TRITONREPOAGENT_Agent* agent) {
  uint32_t major = 0, minor = 0;
  TRY(TRITONREPOAGENT_ApiVersion(&major, &minor));
  if (major != TRITONREPOAGENT_API_VERSION_MAJOR || minor < TRITONREPOAGENT_API_VERSION_MINOR) {
    return Fail(TRITONSERVER_ERROR_UNSUPPORTED, "recorder: the server has an older agent API");
  }
  TRY(TRITONREPOAGENT_SetState(agent, &g_agents));
  Count(1);
  return NULL;
}

TRITONSERVER_Error* TRITONREPOAGENT_Finalize(TRITONREPOAGENT_Agent* agent) {
  void* state = NULL;
  TRY(TRITONREPOAGENT_State(agent, &state));
  if (state != &g_agents) return Fail(TRITONSERVER_ERROR_INTERNAL, "recorder: another state");
  Count(-1);
  return NULL;
}

static TRITONSERVER_Error* CheckBatch(TRITONREPOAGENT_Agent* agent,
                                      TRITONREPOAGENT_AgentModel* model, const char* batch) {
  TRITONSERVER_Message* config = NULL;
  const char* base = NULL;
  size_t size = 0;
  char wanted[64], text[8192];
  TRY(TRITONREPOAGENT_ModelConfig(agent, model, 1, &config));
  TRY(TRITONSERVER_MessageSerializeToJson(config, &base, &size));
  snprintf(text, sizeof(text), "%.*s", (int)size, base);
  TRY(TRITONSERVER_MessageDelete(config));
  snprintf(wanted, sizeof(wanted), "\"max_batch_size\":%s,", batch);
  if (strstr(text, wanted) != NULL) return NULL;
  return Fail(TRITONSERVER_ERROR_INVALID_ARG, "recorder: another max_batch_size");
}

// The state of a model is its tag.
TRITONSERVER_Error* TRITONREPOAGENT_ModelInitialize(TRITONREPOAGENT_Agent* agent,
                                                    TRITONREPOAGENT_AgentModel* model) {
  const char *tag = NULL, *fail = NULL, *batch = NULL;
  TRY(FindParameter(agent, model, "tag", &tag));
  TRY(FindParameter(agent, model, "fail", &fail));
  TRY(FindParameter(agent, model, "batch", &batch));
  if (batch[0] != '\0') TRY(CheckBatch(agent, model, batch));
  if (strcmp(fail, "initialize") == 0) {
    return Fail(TRITONSERVER_ERROR_UNAVAILABLE, "recorder: no models today");
  }
  return TRITONREPOAGENT_ModelSetState(model, (void*)tag);
}

TRITONSERVER_Error* TRITONREPOAGENT_ModelFinalize(TRITONREPOAGENT_Agent* agent,
                                                  TRITONREPOAGENT_AgentModel* model) {
  (void)agent;
  void* tag = NULL;
  TRY(TRITONREPOAGENT_ModelState(model, &tag));
  Write(tag, "finalized", "");
  return NULL;
}

TRITONSERVER_Error* TRITONREPOAGENT_ModelAction(TRITONREPOAGENT_Agent* agent,
                                                TRITONREPOAGENT_AgentModel* model,
                                                TRITONREPOAGENT_ActionType action_type) {
  const char* action =
      TRITONREPOAGENT_ActionTypeString(action_type) + strlen("TRITONREPOAGENT_ACTION_");
  const char *location = NULL, *fail = NULL, *meet = NULL;
  void* tag = NULL;
  TRITONREPOAGENT_ArtifactType type = TRITONREPOAGENT_ARTIFACT_REMOTE_FILESYSTEM;
  TRY(TRITONREPOAGENT_ModelState(model, &tag));
  TRY(TRITONREPOAGENT_ModelRepositoryLocation(agent, model, &type, &location));
  if (type != TRITONREPOAGENT_ARTIFACT_FILESYSTEM) {
    return Fail(TRITONSERVER_ERROR_INTERNAL, "recorder: another file system");
  }
  char name[32] = "";
  if (action_type == TRITONREPOAGENT_ACTION_LOAD) {
    // Random letters end the name of a temporary directory.
    snprintf(name, sizeof(name), " %.13s", strrchr(location, '/') + 1);
  }
  Write(tag, action, name);
  TRY(FindParameter(agent, model, "meet", &meet));
  if (strcmp(meet, action) == 0) recorder_meet();
  TRY(FindParameter(agent, model, "fail", &fail));
  if (strcmp(fail, action) != 0) return NULL;
  return Fail(TRITONSERVER_ERROR_UNAVAILABLE, "recorder: not today");
}
