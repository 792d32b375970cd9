// Every setter of the server options: what it takes, and that it wants options.

#include <stdio.h>

#include "support.h"
#include "trident/extension.h"

// `setter` with these values.
#define SETS(setter, ...)                        \
  do {                                           \
    OK(setter(options, __VA_ARGS__));            \
    LACKS("options", setter(NULL, __VA_ARGS__)); \
  } while (0)
// The same of a setter of one text, which must be there.
#define SETS_TEXT(setter, text)            \
  do {                                     \
    SETS(setter, text);                    \
    LACKS("value", setter(options, NULL)); \
  } while (0)

static void TestModelOptions(TRITONSERVER_ServerOptions* options) {
  SETS_TEXT(TRITONSERVER_ServerOptionsSetServerId, "conforming");
  SETS_TEXT(TRITONSERVER_ServerOptionsSetModelRepositoryPath, g_models);
  SETS_TEXT(TRITONSERVER_ServerOptionsSetStartupModel, "single");
  SETS_TEXT(TRITONSERVER_ServerOptionsSetModelConfigName, "other");
  SETS(TRITONSERVER_ServerOptionsSetModelControlMode, TRITONSERVER_MODEL_CONTROL_EXPLICIT);
  SETS(TRITONSERVER_ServerOptionsSetStrictModelConfig, true);
  SETS(TRITONSERVER_ServerOptionsSetStrictReadiness, false);
  SETS(TRITONSERVER_ServerOptionsSetModelNamespacing, false);
  SETS(TRITONSERVER_ServerOptionsSetExitOnError, true);
  SETS(TRITONSERVER_ServerOptionsSetExitTimeout, 1);
  SETS(TRITONSERVER_TridentServerOptionsSetExitTimeoutMs, 30000);
  SETS(TRITONSERVER_ServerOptionsSetModelLoadThreadCount, 2);
  SETS(TRITONSERVER_ServerOptionsSetModelLoadRetryCount, 1);
  SETS(TRITONSERVER_TridentServerOptionsSetPollSettleTimeMs, 0);
}

static void OnEvent(const TRITONSERVER_TridentModelEvent* event, void* userp) {
  if (event->state == TRITONSERVER_TRIDENT_MODEL_READY) ++*(int*)userp;
}

static void OnDevice(const TRITONSERVER_TridentDeviceEvent* event, void* userp) {
  *(int*)userp = event->device_id;
}

static void TestPluginOptions(TRITONSERVER_ServerOptions* options) {
  SETS_TEXT(TRITONSERVER_ServerOptionsSetBackendDirectory, g_backends);
  SETS_TEXT(TRITONSERVER_ServerOptionsSetRepoAgentDirectory, "/nowhere");
  SETS_TEXT(TRITONSERVER_ServerOptionsSetCacheDirectory, g_caches);
  SETS(TRITONSERVER_ServerOptionsSetBackendConfig, "echo", "k", "v");
  LACKS("backend_name", TRITONSERVER_ServerOptionsSetBackendConfig(options, NULL, "k", "v"));
  LACKS("setting", TRITONSERVER_ServerOptionsSetBackendConfig(options, "echo", NULL, "v"));
  LACKS("value", TRITONSERVER_ServerOptionsSetBackendConfig(options, "echo", "k", NULL));
  SETS(TRITONSERVER_ServerOptionsSetCacheConfig, "local", "{\"size\": 1048576}");
  LACKS("cache_name", TRITONSERVER_ServerOptionsSetCacheConfig(options, NULL, "{}"));
  LACKS("config_json", TRITONSERVER_ServerOptionsSetCacheConfig(options, "local", NULL));
  SETS(TRITONSERVER_ServerOptionsSetResponseCacheByteSize, 1048576);
}

static TRITONSERVER_Error* Execute(TRITONBACKEND_ModelInstance* instance,
                                   TRITONBACKEND_Request** requests, uint32_t count) {
  (void)instance, (void)requests, (void)count;
  return NULL;
}

static void TestBackendsOfTheProgram(TRITONSERVER_ServerOptions* options) {
  TRITONSERVER_TridentBackend backend = {0};
  const char* const needs = "needs 'name' and 'model_instance_execute'";
  backend.name = "ours";
  FAILS(TRITONSERVER_TridentServerOptionsAddBackend(options, &backend),
        TRITONSERVER_ERROR_INVALID_ARG, needs);
  backend.model_instance_execute = Execute;
  SETS(TRITONSERVER_TridentServerOptionsAddBackend, &backend);
  LACKS("backend", TRITONSERVER_TridentServerOptionsAddBackend(options, NULL));
  FAILS(TRITONSERVER_TridentServerOptionsAddBackend(options, &backend),
        TRITONSERVER_ERROR_ALREADY_EXISTS, "'ours'");
  backend.name = NULL;
  FAILS(TRITONSERVER_TridentServerOptionsAddBackend(options, &backend),
        TRITONSERVER_ERROR_INVALID_ARG, needs);
  backend.name = "ours/and/yours";
  FAILS(TRITONSERVER_TridentServerOptionsAddBackend(options, &backend),
        TRITONSERVER_ERROR_INVALID_ARG, "not a plain name");
}

static void TestInstanceOptions(TRITONSERVER_ServerOptions* options) {
  SETS(TRITONSERVER_ServerOptionsSetHostPolicy, "p", "numa-node", "0");
  LACKS("policy_name", TRITONSERVER_ServerOptionsSetHostPolicy(options, NULL, "numa-node", "0"));
  LACKS("setting", TRITONSERVER_ServerOptionsSetHostPolicy(options, "p", NULL, "0"));
  LACKS("value", TRITONSERVER_ServerOptionsSetHostPolicy(options, "p", "numa-node", NULL));
  SETS(TRITONSERVER_ServerOptionsSetRateLimiterMode, TRITONSERVER_RATE_LIMIT_EXEC_COUNT);
  SETS(TRITONSERVER_ServerOptionsAddRateLimiterResource, "R", 4, -1);
  LACKS("resource_name", TRITONSERVER_ServerOptionsAddRateLimiterResource(options, NULL, 4, -1));
  SETS(TRITONSERVER_TridentServerOptionsSetInlineBudgetNs, 0);
  SETS(TRITONSERVER_TridentServerOptionsSetSpinMicroseconds, 0);
}

static void TestDeviceOptions(TRITONSERVER_ServerOptions* options) {
  SETS(TRITONSERVER_ServerOptionsSetPinnedMemoryPoolByteSize, 0);
  SETS(TRITONSERVER_ServerOptionsSetCudaMemoryPoolByteSize, 0, 0);
  SETS(TRITONSERVER_ServerOptionsSetCudaVirtualAddressSize, 0, 0);
  SETS(TRITONSERVER_ServerOptionsSetMinSupportedComputeCapability, 6.0);
  SETS(TRITONSERVER_ServerOptionsSetEnablePeerAccess, false);
  SETS(TRITONSERVER_ServerOptionsSetBufferManagerThreadCount, 1);
  SETS(TRITONSERVER_ServerOptionsSetModelLoadDeviceLimit, TRITONSERVER_INSTANCEGROUPKIND_GPU, 0,
       0.5);
}

static void OnLog(TRITONSERVER_LogLevel level, const char* filename, int line,
                  uint64_t timestamp_us, const char* message, void* userp) {
  (void)level, (void)filename, (void)line, (void)timestamp_us, (void)message, (void)userp;
}

static void TestLogAndMetricsOptions(TRITONSERVER_ServerOptions* options) {
  SETS(TRITONSERVER_ServerOptionsSetLogFile, "");
  SETS(TRITONSERVER_ServerOptionsSetLogInfo, false);
  SETS(TRITONSERVER_ServerOptionsSetLogWarn, true);
  SETS(TRITONSERVER_ServerOptionsSetLogError, true);
  SETS(TRITONSERVER_ServerOptionsSetLogVerbose, 0);
  SETS(TRITONSERVER_ServerOptionsSetLogFormat, TRITONSERVER_LOG_ISO8601);
  SETS(TRITONSERVER_ServerOptionsSetLogCallback, OnLog, NULL);
  OK(TRITONSERVER_ServerOptionsSetLogCallback(options, NULL, NULL));  // the default again
  SETS(TRITONSERVER_ServerOptionsSetMetrics, true);
  SETS(TRITONSERVER_ServerOptionsSetGpuMetrics, false);
  SETS(TRITONSERVER_ServerOptionsSetCpuMetrics, false);
  SETS(TRITONSERVER_ServerOptionsSetMetricsInterval, 1000);
  SETS(TRITONSERVER_ServerOptionsSetMetricsConfig, "", "summary_latencies", "true");
  LACKS("name", TRITONSERVER_ServerOptionsSetMetricsConfig(options, NULL, "k", "v"));
  LACKS("setting", TRITONSERVER_ServerOptionsSetMetricsConfig(options, "", NULL, "v"));
  LACKS("value", TRITONSERVER_ServerOptionsSetMetricsConfig(options, "", "k", NULL));
}

void TestSetters(void) {
  TRITONSERVER_ServerOptions* options = NULL;
  TRITONSERVER_Server* server = NULL;
  TRITONSERVER_Message* message = NULL;
  int ready = 0;
  int lost = -1;
  LACKS("options", TRITONSERVER_ServerOptionsNew(NULL));
  OK(TRITONSERVER_ServerOptionsNew(&options));
  TestModelOptions(options);
  TestPluginOptions(options);
  TestBackendsOfTheProgram(options);
  TestInstanceOptions(options);
  TestDeviceOptions(options);
  TestLogAndMetricsOptions(options);
  SETS(TRITONSERVER_TridentServerOptionsSetModelEventFn, OnEvent, &ready);
  SETS(TRITONSERVER_TridentServerOptionsSetDeviceEventFn, OnDevice, &lost);
  OK(TRITONSERVER_ServerNew(&server, options));
  OK(TRITONSERVER_ServerOptionsDelete(options));  // the server has its own copy
  CHECK(ready == 1 && lost == -1);
  OK(TRITONSERVER_ServerMetadata(server, &message));
  CHECK(MessageHas(message, "\"name\":\"conforming\""));
  OK(TRITONSERVER_ServerDelete(server));
}

// A poll finds what has come since.
void TestPolling(void) {
  TRITONSERVER_ServerOptions* options = NULL;
  TRITONSERVER_Server* server = NULL;
  char repository[1024];
  bool ready = false;
  WriteFile("watched/one/1/data.txt", "");
  WriteFile("watched/one/config.pbtxt", "backend: \"echo\"");
  snprintf(repository, sizeof(repository), "%s/watched", g_models);
  OK(TRITONSERVER_ServerOptionsNew(&options));
  OK(TRITONSERVER_ServerOptionsSetModelRepositoryPath(options, repository));
  OK(TRITONSERVER_ServerOptionsSetBackendDirectory(options, g_backends));
  OK(TRITONSERVER_ServerOptionsSetModelControlMode(options, TRITONSERVER_MODEL_CONTROL_POLL));
  OK(TRITONSERVER_TridentServerOptionsSetPollSettleTimeMs(options, 0));
  OK(TRITONSERVER_ServerNew(&server, options));
  OK(TRITONSERVER_ServerOptionsDelete(options));
  WriteFile("watched/two/1/data.txt", "");
  WriteFile("watched/two/config.pbtxt", "backend: \"echo\"");
  OK(TRITONSERVER_ServerPollModelRepository(server));
  OK(TRITONSERVER_ServerModelIsReady(server, "two", -1, &ready));
  CHECK(ready);
  FAILS(TRITONSERVER_ServerLoadModel(server, "two"), TRITONSERVER_ERROR_UNAVAILABLE, "");
  OK(TRITONSERVER_ServerDelete(server));
}
