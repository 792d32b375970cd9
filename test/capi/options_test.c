// Server options: what they refuse, and what ServerNew refuses of them.

#include <string.h>

#include "support.h"
#include "trident/extension.h"

static const TRITONSERVER_Error_Code kInvalid = TRITONSERVER_ERROR_INVALID_ARG;

static void TestValues(TRITONSERVER_ServerOptions* options) {
  FAILS(TRITONSERVER_ServerOptionsSetModelControlMode(options, (TRITONSERVER_ModelControlMode)3),
        kInvalid, "unknown control mode '3'");
  FAILS(TRITONSERVER_ServerOptionsSetRateLimiterMode(options, (TRITONSERVER_RateLimitMode)2),
        kInvalid, "unknown rate limit mode '2'");
  FAILS(TRITONSERVER_ServerOptionsSetLogFormat(options, (TRITONSERVER_LogFormat)2), kInvalid,
        "unknown log format '2'");
  FAILS(TRITONSERVER_ServerOptionsSetHostPolicy(options, "p", "colour", "red"),
        TRITONSERVER_ERROR_UNSUPPORTED, "'colour'");
  OK(TRITONSERVER_ServerOptionsSetHostPolicy(options, "p", "numa-node", "0"));
  FAILS(TRITONSERVER_ServerOptionsSetModelLoadDeviceLimit(
            options, TRITONSERVER_INSTANCEGROUPKIND_GPU, -1, 0.5),
        kInvalid, "expects device ID >= 0, got -1");
  FAILS(TRITONSERVER_ServerOptionsSetModelLoadDeviceLimit(
            options, TRITONSERVER_INSTANCEGROUPKIND_GPU, 0, 1.5),
        kInvalid, "range [0.0, 1.0], got 1.5");
  FAILS(TRITONSERVER_ServerOptionsSetModelLoadDeviceLimit(
            options, TRITONSERVER_INSTANCEGROUPKIND_CPU, 0, 0.5),
        kInvalid, "KIND_CPU");
  OK(TRITONSERVER_ServerOptionsSetModelLoadDeviceLimit(options, TRITONSERVER_INSTANCEGROUPKIND_GPU,
                                                       0, 1.0));
  FAILS(TRITONSERVER_ServerOptionsSetLogFile(options, "/nowhere/at/all.log"),
        TRITONSERVER_ERROR_INTERNAL, "/nowhere/at/all.log");
  OK(TRITONSERVER_ServerOptionsSetLogFile(options, NULL));
  OK(TRITONSERVER_ServerOptionsSetMetricsConfig(options, "", "summary_latencies", "true"));
  OK(TRITONSERVER_ServerOptionsAddRateLimiterResource(options, "R", 4, -1));
}

static void TestLogSettings(TRITONSERVER_Server* server) {
  OK(TRITONSERVER_TridentServerSetLogSettings(server, true, false, true, 2,
                                              TRITONSERVER_LOG_ISO8601));
  CHECK(TRITONSERVER_LogIsEnabled(TRITONSERVER_LOG_INFO));
  CHECK(!TRITONSERVER_LogIsEnabled(TRITONSERVER_LOG_WARN));
  CHECK(TRITONSERVER_LogIsEnabled(TRITONSERVER_LOG_VERBOSE));
  FAILS(TRITONSERVER_TridentServerSetLogSettings(server, false, false, false, 0,
                                                 (TRITONSERVER_LogFormat)2),
        kInvalid, "unknown log format '2'");
  CHECK(TRITONSERVER_LogIsEnabled(TRITONSERVER_LOG_INFO));
}

static void TestRefusedByServerNew(TRITONSERVER_ServerOptions* options) {
  TRITONSERVER_Server* server = NULL;
  FAILS(TRITONSERVER_ServerNew(&server, options), kInvalid, "model repository");
  OK(TRITONSERVER_ServerOptionsSetModelRepositoryPath(options, g_models));
  OK(TRITONSERVER_ServerOptionsSetStartupModel(options, "*"));
  OK(TRITONSERVER_ServerOptionsSetStartupModel(options, "single"));
  FAILS(TRITONSERVER_ServerNew(&server, options), kInvalid, "'*'");
  OK(TRITONSERVER_ServerOptionsSetResponseCacheByteSize(options, 0));  // changes nothing
  OK(TRITONSERVER_ServerOptionsSetResponseCacheByteSize(options, 1000));
  OK(TRITONSERVER_ServerOptionsSetCacheConfig(options, "redis", "{}"));
  FAILS(TRITONSERVER_ServerNew(&server, options), kInvalid, "single cache");
  CHECK(server == NULL);
}

typedef struct {
  int records;
  bool found;
} Log;

static void OnLog(TRITONSERVER_LogLevel level, const char* filename, int line,
                  uint64_t timestamp_us, const char* message, void* userp) {
  Log* log = userp;
  ++log->records;
  log->found = log->found || (level == TRITONSERVER_LOG_WARN && line == 42 && timestamp_us > 0 &&
                              strcmp(filename, "here.c") == 0 && strcmp(message, "mind") == 0);
}

static void TestLogCallback(void) {
  TRITONSERVER_ServerOptions* options = NULL;
  TRITONSERVER_Server* server = NULL;
  Log log = {0, false};
  OK(TRITONSERVER_ServerOptionsNew(&options));
  OK(TRITONSERVER_ServerOptionsSetModelRepositoryPath(options, g_models));
  OK(TRITONSERVER_ServerOptionsSetModelControlMode(options, TRITONSERVER_MODEL_CONTROL_EXPLICIT));
  OK(TRITONSERVER_ServerOptionsSetLogCallback(options, OnLog, &log));
  OK(TRITONSERVER_ServerOptionsSetLogInfo(options, false));
  OK(TRITONSERVER_ServerNew(&server, options));
  CHECK(GOOD(TRITONSERVER_LogIsEnabled(TRITONSERVER_LOG_WARN)));
  CHECK(!GOOD(TRITONSERVER_LogIsEnabled(TRITONSERVER_LOG_INFO)));
  CHECK(!BAD(TRITONSERVER_LogIsEnabled((TRITONSERVER_LogLevel)9)));
  FAILS(TRITONSERVER_LogMessage((TRITONSERVER_LogLevel)9, "here.c", 1, "x"), kInvalid,
        "unknown logging level '9'");
  const int before = log.records;
  OK(TRITONSERVER_LogMessage(TRITONSERVER_LOG_INFO, "here.c", 41, "unheard"));
  CHECK(log.records == before);
  OK(TRITONSERVER_LogMessage(TRITONSERVER_LOG_WARN, "here.c", 42, "mind"));
  CHECK(log.records == before + 1 && log.found);
  TestLogSettings(server);
  OK(TRITONSERVER_ServerDelete(server));
  OK(TRITONSERVER_ServerOptionsDelete(options));
}

void TestOptions(void) {
  TRITONSERVER_ServerOptions* options = NULL;
  OK(TRITONSERVER_ServerOptionsNew(&options));
  TestValues(options);
  TestRefusedByServerNew(options);
  OK(TRITONSERVER_ServerOptionsDelete(options));
  TestLogCallback();
}
