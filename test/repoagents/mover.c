// A repository agent that has a model loaded from a directory that it makes: of `hidden.pbtxt` and
// `hidden.txt` in the model's directory it makes the configuration and the file of version 1. On
// the way it checks what the server promises. With the parameter "to" it only points at that path;
// with "remote", at a remote file system.
//
// mover_directory() is what it made last; mover_updates() the number of updates it tried in another
// action than LOAD and was refused.

#define _POSIX_C_SOURCE 200809L

#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "triton/core/tritonrepoagent.h"

#define TRY(call)                            \
  do {                                       \
    TRITONSERVER_Error* try_error = (call);  \
    if (try_error != NULL) return try_error; \
  } while (0)
#define EXPECT(condition)                                                                  \
  do {                                                                                     \
    if (!(condition)) {                                                                    \
      return TRITONSERVER_ErrorNew(TRITONSERVER_ERROR_INTERNAL, "mover: not " #condition); \
    }                                                                                      \
  } while (0)

static char g_directory[1024];
static int g_updates;

TRITONREPOAGENT_ISPEC const char* mover_directory(void) { return g_directory; }
TRITONREPOAGENT_ISPEC int mover_updates(void) { return g_updates; }

// Consumes `error`: it is of this code and says `text`.
static int Says(TRITONSERVER_Error* error, TRITONSERVER_Error_Code code, const char* text) {
  const int says = error != NULL && TRITONSERVER_ErrorCode(error) == code &&
                   strstr(TRITONSERVER_ErrorMessage(error), text) != NULL;
  TRITONSERVER_ErrorDelete(error);
  return says;
}

static TRITONSERVER_Error* Copy(const char* from_directory, const char* from,
                                const char* to_directory, const char* to) {
  char path[2048], text[4096];
  snprintf(path, sizeof(path), "%s/%s", from_directory, from);
  FILE* source = fopen(path, "r");
  EXPECT(source != NULL);
  const size_t size = fread(text, 1, sizeof(text), source);
  fclose(source);
  snprintf(path, sizeof(path), "%s/%s", to_directory, to);
  FILE* copy = fopen(path, "w");
  EXPECT(copy != NULL);
  EXPECT(fwrite(text, 1, size, copy) == size);
  EXPECT(fclose(copy) == 0);
  return NULL;
}

static TRITONSERVER_Error* CheckConfig(TRITONREPOAGENT_Agent* agent,
                                       TRITONREPOAGENT_AgentModel* model) {
  TRITONSERVER_Message* config = NULL;
  EXPECT(Says(TRITONREPOAGENT_ModelConfig(agent, model, 2, &config), TRITONSERVER_ERROR_INVALID_ARG,
              "supported versions are: 1"));
  TRY(TRITONREPOAGENT_ModelConfig(agent, model, 1, &config));
  const char* base = NULL;
  size_t size = 0;
  TRY(TRITONSERVER_MessageSerializeToJson(config, &base, &size));
  char text[8192];
  snprintf(text, sizeof(text), "%.*s", (int)size, base);
  TRY(TRITONSERVER_MessageDelete(config));
  EXPECT(strstr(text, "\"mover\"") != NULL);
  return NULL;
}

static TRITONSERVER_Error* Move(TRITONREPOAGENT_Agent* agent, TRITONREPOAGENT_AgentModel* model,
                                const char* location) {
  const char *made = NULL, *again = NULL;
  char path[2048];
  EXPECT(Says(TRITONREPOAGENT_ModelRepositoryLocationRelease(agent, model, location),
              TRITONSERVER_ERROR_UNAVAILABLE, "No mutable location to be deleted"));
  EXPECT(Says(TRITONREPOAGENT_ModelRepositoryLocationAcquire(
                  agent, model, TRITONREPOAGENT_ARTIFACT_REMOTE_FILESYSTEM, &made),
              TRITONSERVER_ERROR_INVALID_ARG, "expects 'TRITONREPOAGENT_ARTIFACT_FILESYSTEM'"));
  TRY(TRITONREPOAGENT_ModelRepositoryLocationAcquire(agent, model,
                                                     TRITONREPOAGENT_ARTIFACT_FILESYSTEM, &made));
  TRY(TRITONREPOAGENT_ModelRepositoryLocationAcquire(agent, model,
                                                     TRITONREPOAGENT_ARTIFACT_FILESYSTEM, &again));
  EXPECT(strcmp(made, again) == 0);
  snprintf(g_directory, sizeof(g_directory), "%s", made);
  TRY(Copy(location, "hidden.pbtxt", made, "config.pbtxt"));
  snprintf(path, sizeof(path), "%s/1", made);
  EXPECT(mkdir(path, 0700) == 0);
  TRY(Copy(location, "hidden.txt", made, "1/data.txt"));
  EXPECT(Says(
      TRITONREPOAGENT_ModelRepositoryUpdate(agent, model, TRITONREPOAGENT_ARTIFACT_FILESYSTEM, ""),
      TRITONSERVER_ERROR_INVALID_ARG, "can not be empty"));
  return TRITONREPOAGENT_ModelRepositoryUpdate(agent, model, TRITONREPOAGENT_ARTIFACT_FILESYSTEM,
                                               made);
}

TRITONSERVER_Error* TRITONREPOAGENT_ModelAction(TRITONREPOAGENT_Agent* agent,
                                                TRITONREPOAGENT_AgentModel* model,
                                                TRITONREPOAGENT_ActionType action_type) {
  TRITONREPOAGENT_ArtifactType type = TRITONREPOAGENT_ARTIFACT_FILESYSTEM;
  const char *location = NULL, *name = NULL, *value = NULL;
  uint32_t count = 0;
  TRY(TRITONREPOAGENT_ModelRepositoryLocation(agent, model, &type, &location));
  if (action_type != TRITONREPOAGENT_ACTION_LOAD) {
    g_updates +=
        Says(TRITONREPOAGENT_ModelRepositoryUpdate(agent, model, type, location),
             TRITONSERVER_ERROR_INVALID_ARG,
             "location can only be updated during TRITONREPOAGENT_ACTION_LOAD, current action type "
             "is TRITONREPOAGENT_ACTION_");
    return NULL;
  }
  TRY(CheckConfig(agent, model));
  TRY(TRITONREPOAGENT_ModelParameterCount(agent, model, &count));
  EXPECT(Says(TRITONREPOAGENT_ModelParameter(agent, model, count, &name, &value),
              TRITONSERVER_ERROR_INVALID_ARG, "index out of range for model parameters"));
  if (count == 0) return Move(agent, model, location);
  TRY(TRITONREPOAGENT_ModelParameter(agent, model, 0, &name, &value));
  type = strcmp(name, "remote") == 0 ? TRITONREPOAGENT_ARTIFACT_REMOTE_FILESYSTEM
                                     : TRITONREPOAGENT_ARTIFACT_FILESYSTEM;
  return TRITONREPOAGENT_ModelRepositoryUpdate(agent, model, type, value);
}
