// TRITONSERVER_ServerOptions: what is logged and measured.

#include <cerrno>
#include <cstdio>
#include <cstring>

#include "capi/handles.h"
#include "capi/log_format.h"
#include "server/options.h"

using namespace trident;  // NOLINT: C functions live outside every namespace

// Defines `function` to store its argument of type `type` in `member`.
#define SET_VALUE(function, type, member)                                         \
  TRITONSERVER_Error* function(TRITONSERVER_ServerOptions* options, type value) { \
    TRIDENT_REQUIRE(options);                                                     \
    Core(options)->member = value;                                                \
    return nullptr;                                                               \
  }

extern "C" {

SET_VALUE(TRITONSERVER_ServerOptionsSetLogInfo, bool, log.info)
SET_VALUE(TRITONSERVER_ServerOptionsSetLogWarn, bool, log.warn)
SET_VALUE(TRITONSERVER_ServerOptionsSetLogError, bool, log.error)
SET_VALUE(TRITONSERVER_ServerOptionsSetLogVerbose, int, log.verbose)
SET_VALUE(TRITONSERVER_ServerOptionsSetMetrics, bool, metrics)
SET_VALUE(TRITONSERVER_ServerOptionsSetGpuMetrics, bool, gpu_metrics)
SET_VALUE(TRITONSERVER_ServerOptionsSetCpuMetrics, bool, cpu_metrics)
SET_VALUE(TRITONSERVER_ServerOptionsSetMetricsInterval, uint64_t, metrics_interval_ms)

TRITONSERVER_Error* TRITONSERVER_ServerOptionsSetLogFile(TRITONSERVER_ServerOptions* options,
                                                         const char* file) {
  TRIDENT_REQUIRE(options);
  return Guard([&] {
    const std::string path = file == nullptr ? "" : file;
    if (!path.empty()) {
      // Told now, because a log that can't be written has no other place to say so.
      FILE* const probe = fopen(path.c_str(), "ae");
      if (probe == nullptr) {
        return Internal("failed to open log file '", path, "': ", strerror(errno));
      }
      fclose(probe);
    }
    Core(options)->log.file = path;
    return Status::Ok();
  });
}

TRITONSERVER_Error* TRITONSERVER_ServerOptionsSetLogFormat(TRITONSERVER_ServerOptions* options,
                                                           TRITONSERVER_LogFormat format) {
  TRIDENT_REQUIRE(options);
  return Guard([&] {
    TRIDENT_ASSIGN_OR_RETURN(Core(options)->log.iso8601, IsIso8601(ReadEnum<int>(format)));
    return Status::Ok();
  });
}

TRITONSERVER_Error* TRITONSERVER_ServerOptionsSetLogCallback(TRITONSERVER_ServerOptions* options,
                                                             TRITONSERVER_LogCallbackFn_t callback,
                                                             void* userp) {
  TRIDENT_REQUIRE(options);
  return Guard([&] {
    if (callback == nullptr) {
      Core(options)->log.sink = nullptr;
      return Status::Ok();
    }
    Core(options)->log.sink = [callback, userp](const LogRecord& record) {
      callback(static_cast<TRITONSERVER_LogLevel>(record.level), record.file, record.line,
               record.timestamp_us, record.message, userp);
    };
    return Status::Ok();
  });
}

TRITONSERVER_Error* TRITONSERVER_ServerOptionsSetMetricsConfig(TRITONSERVER_ServerOptions* options,
                                                               const char* name,
                                                               const char* setting,
                                                               const char* value) {
  TRIDENT_REQUIRE(options, name, setting, value);
  return Guard([&] {
    Core(options)->metrics_configs[name].emplace_back(setting, value);
    return Status::Ok();
  });
}

}  // extern "C"
