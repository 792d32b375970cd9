// Repository agents, through test/repoagents: what they hear and in which order, what is loaded of
// what they leave, and what becomes of a server whose agents misbehave.

#define _POSIX_C_SOURCE 200809L

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "support.h"
#include "trident/extension.h"
#include "triton/core/tritonrepoagent.h"

// "abc", which the checksums of are well known.
#define MD5_OF_ABC "900150983cd24fb0d6963f7d28e17f72"
#define SHA256_OF_ABC "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"

static void FunctionOf(const char* agent, const char* name, void* function) {
  FindFunction(g_agents, "tritonrepoagent", agent, name, function);
}

// What the recorder has written since the last call.
static char* TakeLines(void) {
  char* (*take)(void) = NULL;
  FunctionOf("recorder", "recorder_take", &take);
  return take();
}

static bool Recorded(const char* lines) {
  char* found = TakeLines();
  const bool same = strcmp(found, lines) == 0;
  if (!same) fprintf(stderr, "  expected: %s\n  recorded: %s\n", lines, found);
  free(found);
  return same;
}

static int NumberOf(const char* agent, const char* function) {
  int (*number)(void) = NULL;
  FunctionOf(agent, function, &number);
  return number();
}

static const char* MoverDirectory(void) {
  const char* (*directory)(void) = NULL;
  FunctionOf("mover", "mover_directory", &directory);
  return directory();
}

static void Meet(void) {
  void (*meet)(void) = NULL;
  FunctionOf("recorder", "recorder_meet", &meet);
  meet();
}

static TRITONSERVER_ServerOptions* NewOptions(const char* agents, const char* models,
                                              TRITONSERVER_ModelControlMode mode) {
  TRITONSERVER_ServerOptions* options = NULL;
  OK(TRITONSERVER_ServerOptionsNew(&options));
  OK(TRITONSERVER_ServerOptionsSetModelRepositoryPath(options, models));
  OK(TRITONSERVER_ServerOptionsSetBackendDirectory(options, g_backends));
  OK(TRITONSERVER_ServerOptionsSetRepoAgentDirectory(options, agents));
  OK(TRITONSERVER_ServerOptionsSetModelControlMode(options, mode));
  OK(TRITONSERVER_TridentServerOptionsSetPollSettleTimeMs(options, 0));
  return options;
}

static TRITONSERVER_Error* StartIn(TRITONSERVER_Server** server, const char* agents,
                                   const char* models, TRITONSERVER_ModelControlMode mode) {
  TRITONSERVER_ServerOptions* options = NewOptions(agents, models, mode);
  OK(TRITONSERVER_ServerOptionsSetLogError(options, false));
  TRITONSERVER_Error* error = TRITONSERVER_ServerNew(server, options);
  OK(TRITONSERVER_ServerOptionsDelete(options));
  return error;
}

static TRITONSERVER_Server* Start(void) {
  TRITONSERVER_Server* server = NULL;
  OK(StartIn(&server, g_agents, g_models, TRITONSERVER_MODEL_CONTROL_EXPLICIT));
  return server;
}

// One that writes its log to <repository>/<path>.
static TRITONSERVER_Server* StartLogging(const char* path) {
  TRITONSERVER_Server* server = NULL;
  TRITONSERVER_ServerOptions* options =
      NewOptions(g_agents, g_models, TRITONSERVER_MODEL_CONTROL_EXPLICIT);
  char log[1024];
  snprintf(log, sizeof(log), "%s/%s", g_models, path);
  OK(TRITONSERVER_ServerOptionsSetLogFile(options, log));
  OK(TRITONSERVER_ServerNew(&server, options));
  OK(TRITONSERVER_ServerOptionsDelete(options));
  return server;
}

static bool FileHas(const char* path, const char* text) {
  char full[1024], found[4096];
  snprintf(full, sizeof(full), "%s/%s", g_models, path);
  FILE* file = fopen(full, "r");
  if (!CHECK(file != NULL)) return false;
  found[fread(found, 1, sizeof(found) - 1, file)] = '\0';
  fclose(file);
  if (strstr(found, text) != NULL) return true;
  fprintf(stderr, "  no '%s' in: %s\n", text, found);
  return false;
}

static void Unload(TRITONSERVER_Server* server, const char* model) {
  OK(TRITONSERVER_TridentServerUnloadModelAndWait(server, model, false, 30000));
}

// The field of an echo model that names these agents, each as "<name>" or "<name> <key> <value>".
static const char* Agents(int count, const char* const* agents) {
  static char text[2048];
  size_t used = (size_t)snprintf(text, sizeof(text), "model_repository_agents { ");
  for (int i = 0; i < count; ++i) {
    char name[64], key[64], value[1024];
    const int parts = sscanf(agents[i], "%63s %63s %1023s", name, key, value);
    used += (size_t)snprintf(text + used, sizeof(text) - used, "agents { name: \"%s\" ", name);
    if (parts == 3) {
      used += (size_t)snprintf(text + used, sizeof(text) - used,
                               "parameters { key: \"%s\" value: \"%s\" } ", key, value);
    }
    used += (size_t)snprintf(text + used, sizeof(text) - used, "} ");
  }
  snprintf(text + used, sizeof(text) - used, "}");
  return text;
}
#define AGENTS(...)                                                         \
  Agents((int)(sizeof((const char*[]){__VA_ARGS__}) / sizeof(const char*)), \
         (const char*[]){__VA_ARGS__})

// A model whose agents tell of what the mover makes.
static void WriteHiddenModel(const char* model) {
  char path[256];
  WriteEchoModel(model, "1", AGENTS("recorder tag a", "mover", "recorder tag b"));
  snprintf(path, sizeof(path), "%s/hidden.pbtxt", model);
  WriteFile(path,
            "backend: \"echo\" max_batch_size: 4\n"
            "input { name: \"INPUT0\" data_type: TYPE_INT32 dims: 4 }\n"
            "output { name: \"OUTPUT0\" data_type: TYPE_INT32 dims: 4 }\n"
            "model_repository_agents { agents { name: \"nobody\" } }\n");
  snprintf(path, sizeof(path), "%s/hidden.txt", model);
  WriteFile(path, "found");
}

#define LOADED "a: LOAD hidden\nb: LOAD trident-model\nb: LOAD_COMPLETE\na: LOAD_COMPLETE\n"
#define UNLOADED \
  "a: UNLOAD\nb: UNLOAD\nb: UNLOAD_COMPLETE\na: UNLOAD_COMPLETE\nb: finalized\na: finalized\n"

static void TestOrder(void) {
  WriteHiddenModel("hidden");
  TRITONSERVER_Server* server = Start();
  OK(TRITONSERVER_ServerLoadModel(server, "hidden"));
  CHECK(Recorded(LOADED));
  CHECK(ServesData(server, "hidden", "found"));
  TRITONSERVER_Message* config = NULL;
  OK(TRITONSERVER_ServerModelConfig(server, "hidden", -1, 1, &config));
  CHECK(MessageHas(config, "\"max_batch_size\":4"));
  OK(TRITONSERVER_ServerModelConfig(server, "hidden", -1, 1, &config));
  CHECK(MessageHas(config, "\"recorder\""));  // who the agents are says the repository

  OK(TRITONSERVER_ServerLoadModel(server, "hidden"));  // nothing has changed
  CHECK(Recorded(""));
  char made[1024];
  snprintf(made, sizeof(made), "%s", MoverDirectory());
  CHECK(access(made, F_OK) == 0);
  Unload(server, "hidden");
  CHECK(Recorded(UNLOADED));
  CHECK(access(made, F_OK) != 0);
  CHECK(NumberOf("mover", "mover_updates") == 3);
  OK(TRITONSERVER_ServerLoadModel(server, "hidden"));
  CHECK(Recorded(LOADED));
  OK(TRITONSERVER_ServerDelete(server));
  CHECK(Recorded(UNLOADED));
  CHECK(access(MoverDirectory(), F_OK) != 0);
}

// What is watched is the repository, not what the agents make of it.
static void TestPolls(void) {
  char models[1024];
  snprintf(models, sizeof(models), "%s/polled", g_models);
  WriteHiddenModel("polled/hidden");
  TRITONSERVER_Server* server = NULL;
  OK(StartIn(&server, g_agents, models, TRITONSERVER_MODEL_CONTROL_POLL));
  CHECK(Recorded(LOADED));
  OK(TRITONSERVER_ServerPollModelRepository(server));
  CHECK(Recorded(""));
  WriteFile("polled/hidden/hidden.txt", "found later");
  OK(TRITONSERVER_ServerPollModelRepository(server));
  CHECK(ServesData(server, "hidden", "found later"));
  OK(TRITONSERVER_ServerDelete(server));
}

static TRITONSERVER_Error* LoadOver(TRITONSERVER_Server* server, const char* config,
                                    const char* data) {
  TRITONSERVER_Parameter* given =
      TRITONSERVER_ParameterNew("config", TRITONSERVER_PARAMETER_STRING, config);
  TRITONSERVER_Parameter* file =
      data == NULL ? NULL : TRITONSERVER_ParameterBytesNew("file:1/data.txt", data, strlen(data));
  const TRITONSERVER_Parameter* parameters[] = {given, file};
  TRITONSERVER_Error* error = TRITONSERVER_ServerLoadModelWithParameters(
      server, "overridden", parameters, file == NULL ? 1 : 2);
  TRITONSERVER_ParameterDelete(given);
  TRITONSERVER_ParameterDelete(file);
  return error;
}

// Load parameters change what every agent sees. Which agents there are says whoever has the files.
static void TestOverrides(void) {
#define OVER(agents)                                                                            \
  "{\"backend\": \"echo\", \"max_batch_size\": 3,"                                              \
  " \"input\": [{\"name\": \"INPUT0\", \"data_type\": \"TYPE_INT32\", \"dims\": [4]}],"         \
  " \"output\": [{\"name\": \"OUTPUT0\", \"data_type\": \"TYPE_INT32\", \"dims\": [4]}]" agents \
  "}"
  TRITONSERVER_Server* server = Start();
  WriteEchoModel("overridden", "1", AGENTS("recorder tag a", "recorder batch 3"));
  free(TakeLines());
  FAILS(TRITONSERVER_ServerLoadModel(server, "overridden"), TRITONSERVER_ERROR_INVALID_ARG,
        "recorder: another max_batch_size");
  CHECK(Recorded("a: LOAD overridden\na: LOAD_FAIL\na: finalized\n"));
  OK(LoadOver(server, OVER(""), NULL));
  CHECK(
      Recorded("a: LOAD overridden\n: LOAD overridden\n"
               ": LOAD_COMPLETE\na: LOAD_COMPLETE\n"));
  OK(LoadOver(server, OVER(", \"model_repository_agents\": {\"agents\": [{\"name\": \"nobody\"}]}"),
              NULL));
  OK(LoadOver(server, OVER(""), "given"));
  CHECK(ServesData(server, "overridden", "given"));
  Unload(server, "overridden");
  free(TakeLines());
  OK(LoadOver(
      server,
      OVER(", \"model_repository_agents\": {\"agents\": ["
           "{\"name\": \"recorder\", \"parameters\": {\"tag\": \"b\"}},"
           "{\"name\": \"recorder\", \"parameters\": {\"batch\": \"3\", \"tag\": \"c\"}}]}"),
      "given"));
  CHECK(
      Recorded("b: LOAD trident-model\nc: LOAD trident-model\nc: LOAD_COMPLETE\n"
               "b: LOAD_COMPLETE\n"));
  OK(TRITONSERVER_ServerDelete(server));
  free(TakeLines());
#undef OVER
}

// An ensemble of one step, for which `agents` are asked.
static void WriteChain(const char* model, const char* step, const char* agents) {
  char path[256], config[2048];
  snprintf(config, sizeof(config),
           "platform: \"ensemble\" max_batch_size: 8\n"
           "input { name: \"INPUT0\" data_type: TYPE_INT32 dims: 4 }\n"
           "output { name: \"OUTPUT0\" data_type: TYPE_INT32 dims: 4 }\n"
           "ensemble_scheduling { step { model_name: \"%s\" model_version: -1\n"
           "  input_map { key: \"INPUT0\" value: \"INPUT0\" }\n"
           "  output_map { key: \"OUTPUT0\" value: \"OUTPUT0\" } } }\n%s\n",
           step, agents);
  snprintf(path, sizeof(path), "%s/config.pbtxt", model);
  WriteFile(path, config);
  snprintf(path, sizeof(path), "%s/1/nothing", model);
  WriteFile(path, "");
}

// An ensemble is loaded anew when its step was, and so asks its agents anew.
static void TestEnsemble(void) {
  WriteChain("chain", "step", AGENTS("recorder tag e"));
  WriteEchoModel("step", "1", "");
  TRITONSERVER_Server* server = Start();
  OK(TRITONSERVER_ServerLoadModel(server, "chain"));
  CHECK(Recorded("e: LOAD chain\ne: LOAD_COMPLETE\n"));
  Unload(server, "step");
  OK(TRITONSERVER_ServerLoadModel(server, "step"));
  Unload(server, "chain");
  CHECK(
      Recorded("e: UNLOAD\ne: UNLOAD_COMPLETE\ne: finalized\n"
               "e: LOAD chain\ne: LOAD_COMPLETE\n"
               "e: UNLOAD\ne: UNLOAD_COMPLETE\ne: finalized\n"));
  OK(TRITONSERVER_ServerDelete(server));
}

typedef struct {
  TRITONSERVER_Server* server;
  const char* model;
} ModelToLoad;

static void* LoadOne(void* argument) {
  const ModelToLoad* wanted = argument;
  OK(TRITONSERVER_ServerLoadModel(wanted->server, wanted->model));
  return NULL;
}

// Two loads that want the same step at once: both ask its agents, one loads it.
static void TestSharedStep(void) {
  WriteChain("left", "shared", "");
  WriteChain("right", "shared", "");
  WriteEchoModel("shared", "1", AGENTS("recorder meet LOAD"));
  TRITONSERVER_Server* server = Start();
  free(TakeLines());
  ModelToLoad loads[] = {{server, "left"}, {server, "right"}};
  pthread_t threads[2];
  for (int i = 0; i < 2; ++i) pthread_create(&threads[i], NULL, LoadOne, &loads[i]);
  for (int i = 0; i < 2; ++i) pthread_join(threads[i], NULL);
  CHECK(
      Recorded(": LOAD shared\n: LOAD shared\n: LOAD_COMPLETE\n"
               ": LOAD_FAIL\n: finalized\n"));
  OK(TRITONSERVER_ServerDelete(server));
}

// Whoever unloads a model is not kept by its agents.
static void TestSlowUnload(void) {
  WriteEchoModel("slow", "1", AGENTS("recorder meet UNLOAD"));
  TRITONSERVER_Server* server = Start();
  OK(TRITONSERVER_ServerLoadModel(server, "slow"));
  OK(TRITONSERVER_ServerUnloadModel(server, "slow"));
  bool ready = true;
  OK(TRITONSERVER_ServerModelIsReady(server, "slow", 1, &ready));
  CHECK(!ready);
  Meet();
  OK(TRITONSERVER_ServerDelete(server));
}

static void TestLife(void) {
  WriteEchoModel("one", "1", AGENTS("recorder tag one"));
  WriteEchoModel("two", "1", AGENTS("recorder tag two"));
  TRITONSERVER_Server* server = Start();
  OK(TRITONSERVER_ServerLoadModel(server, "one"));
  OK(TRITONSERVER_ServerLoadModel(server, "two"));
  CHECK(NumberOf("recorder", "recorder_agents") == 1);
  TRITONSERVER_Server* other = Start();
  OK(TRITONSERVER_ServerLoadModel(other, "one"));
  CHECK(NumberOf("recorder", "recorder_agents") == 2);
  OK(TRITONSERVER_ServerDelete(server));
  CHECK(NumberOf("recorder", "recorder_agents") == 1);
  OK(TRITONSERVER_ServerDelete(other));
  CHECK(NumberOf("recorder", "recorder_agents") == 0);
}

// Whoever fails, every agent that was asked hears of it.
static void TestFailedLoads(void) {
  TRITONSERVER_Server* server = Start();
  free(TakeLines());
  WriteEchoModel("failed", "1",
                 AGENTS("recorder tag a", "recorder fail LOAD", "recorder tag never"));
  FAILS(TRITONSERVER_ServerLoadModel(server, "failed"), TRITONSERVER_ERROR_UNAVAILABLE,
        "repository agent 'recorder': recorder: not today");
  CHECK(
      Recorded("a: LOAD failed\n: LOAD failed\n: LOAD_FAIL\na: LOAD_FAIL\n"
               ": finalized\na: finalized\n"));
  WriteEchoModel("failed", "1", AGENTS("recorder tag a", "recorder fail initialize"));
  FAILS(TRITONSERVER_ServerLoadModel(server, "failed"), TRITONSERVER_ERROR_UNAVAILABLE,
        "repository agent 'recorder': recorder: no models today");
  CHECK(Recorded("a: LOAD failed\na: LOAD_FAIL\na: finalized\n"));
  char config[1024];
  snprintf(config, sizeof(config), "backend: \"nobody\" %s", AGENTS("recorder tag a"));
  WriteFile("failed/config.pbtxt", config);
  FAILS(TRITONSERVER_ServerLoadModel(server, "failed"), TRITONSERVER_ERROR_INVALID_ARG,
        "unable to find backend library");
  CHECK(Recorded("a: LOAD failed\na: LOAD_FAIL\na: finalized\n"));
  OK(TRITONSERVER_ServerDelete(server));
}

static void TestRefusedAgents(void) {
  const TRITONSERVER_Error_Code invalid = TRITONSERVER_ERROR_INVALID_ARG;
  const struct {
    const char* agent;
    TRITONSERVER_Error_Code code;
    const char* message;
  } cases[] = {
      {"nobody", invalid,
       "unable to find 'libtritonrepoagent_nobody.so' for repo agent 'nobody', searched: "},
      {"../recorder", invalid, "repository agent name '../recorder' is not a plain name"},
      {"incomplete", TRITONSERVER_ERROR_NOT_FOUND,
       "unable to find required entrypoint 'TRITONREPOAGENT_ModelAction' in shared library: "},
      {"thrower in ModelInitialize", TRITONSERVER_ERROR_INTERNAL,
       "repository agent 'thrower': it threw an exception: thrower: ModelInitialize"},
      {"thrower in TRITONREPOAGENT_ACTION_LOAD", TRITONSERVER_ERROR_INTERNAL,
       "it threw an exception"},
      {"thrower nameless ModelInitialize", TRITONSERVER_ERROR_INTERNAL,
       "repository agent 'thrower': it threw an exception"},
      {"mover remote s3://bucket/model", TRITONSERVER_ERROR_UNSUPPORTED,
       "repository agents have left the model at 's3://bucket/model'"},
      {"mover to /nowhere/at/all", TRITONSERVER_ERROR_INTERNAL, "failed to read directory"},
      {"checksum 1/data.txt " MD5_OF_ABC, invalid, "failed to parse key: 1/data.txt"},
      {"checksum crc:1/data.txt 0", TRITONSERVER_ERROR_UNSUPPORTED,
       "Unsupported checksum algorithm: crc"},
      {"checksum MD5:2/data.txt 0", invalid, "failed to open text file for read 2/data.txt: "},
      {"checksum MD5:1 0", invalid, "failed to open text file for read 1: "},
      {"checksum md5:1/data.txt 0", invalid,
       "Mismatched MD5 hash for file 1/data.txt, expect: 0, got: " MD5_OF_ABC},
      {"checksum SHA256:1/data.txt 0", invalid,
       "Mismatched SHA256 hash for file 1/data.txt, expect: 0, got: " SHA256_OF_ABC},
  };
  TRITONSERVER_Server* server = Start();
  for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); ++i) {
    WriteEchoModel("refused", "1", AGENTS(cases[i].agent));
    WriteFile("refused/1/data.txt", "abc");
    FAILS(TRITONSERVER_ServerLoadModel(server, "refused"), cases[i].code, cases[i].message);
  }
  OK(TRITONSERVER_ServerDelete(server));
  server = NULL;
  FAILS(StartIn(&server, "", g_models, TRITONSERVER_MODEL_CONTROL_EXPLICIT), invalid,
        "--repoagent-directory can not be empty");
  CHECK(server == NULL);
}

// Only LOAD can stop a load: the rest is logged.
static void TestMisbehaviour(void) {
  const struct {
    const char *agent, *logged;
  } cases[] = {
      {"recorder fail LOAD_COMPLETE",
       "repository agent 'recorder' returns error on TRITONREPOAGENT_ACTION_LOAD_COMPLETE: "
       "recorder: not today"},
      {"recorder fail UNLOAD", "error on TRITONREPOAGENT_ACTION_UNLOAD: recorder: not today"},
      {"recorder fail UNLOAD_COMPLETE",
       "error on TRITONREPOAGENT_ACTION_UNLOAD_COMPLETE: recorder: not today"},
      {"thrower in TRITONREPOAGENT_ACTION_LOAD_COMPLETE",
       "error on TRITONREPOAGENT_ACTION_LOAD_COMPLETE: it threw an exception: thrower: "},
      {"thrower in TRITONREPOAGENT_ACTION_UNLOAD",
       "error on TRITONREPOAGENT_ACTION_UNLOAD: it threw an exception: thrower: "},
      {"thrower in TRITONREPOAGENT_ACTION_UNLOAD_COMPLETE",
       "error on TRITONREPOAGENT_ACTION_UNLOAD_COMPLETE: it threw an exception: thrower: "},
      {"thrower nameless TRITONREPOAGENT_ACTION_UNLOAD",
       "error on TRITONREPOAGENT_ACTION_UNLOAD: it threw an exception"},
      {"thrower in ModelFinalize",
       "repository agent 'thrower' failed to finalize a model: it threw an exception: thrower: "},
      {"checksum md5:1/data.txt " MD5_OF_ABC, ""},
      {"checksum SHA256:1/data.txt " SHA256_OF_ABC, ""},
  };
  for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); ++i) {
    WriteEchoModel("guarded", "1", AGENTS(cases[i].agent));
    WriteFile("guarded/1/data.txt", "abc");
    WriteFile("agents.log", "");
    TRITONSERVER_Server* server = StartLogging("agents.log");
    OK(TRITONSERVER_ServerLoadModel(server, "guarded"));
    CHECK(ServesData(server, "guarded", "abc"));
    Unload(server, "guarded");
    OK(TRITONSERVER_ServerDelete(server));
    CHECK(FileHas("agents.log", cases[i].logged));
  }
}

// The agent checks what it is given.
static void TestWhatAgentsCall(void) {
  TRITONSERVER_Server* server = Start();
  WriteEchoModel("conforming", "1", AGENTS("conformance key value"));
  OK(TRITONSERVER_ServerLoadModel(server, "conforming"));
  Unload(server, "conforming");
  OK(TRITONSERVER_ServerDelete(server));
}

void TestAgents(void) {
  TestWhatAgentsCall();
  TestOrder();
  TestPolls();
  free(TakeLines());
  TestOverrides();
  TestEnsemble();
  TestSharedStep();
  TestSlowUnload();
  TestLife();
  TestFailedLoads();
  TestRefusedAgents();
  TestMisbehaviour();
}
