// Log records of clients and plug-ins, whose calls name no server: they reach the log of the one
// created last. And what a server's log wants to know.

#include "base/log.h"
#include "capi/handles.h"
#include "capi/log_format.h"
#include "server/server.h"
#include "trident/extension.h"

using namespace trident;  // NOLINT: C functions live outside every namespace

namespace {

bool IsLevel(LogLevel level) { return level >= LogLevel::kInfo && level <= LogLevel::kVerbose; }

}  // namespace

extern "C" {

bool TRITONSERVER_LogIsEnabled(TRITONSERVER_LogLevel level) {
  const auto core_level = ReadEnum<LogLevel>(level);
  return IsLevel(core_level) && Logger::Current()->IsEnabled(core_level);
}

TRITONSERVER_Error* TRITONSERVER_LogMessage(TRITONSERVER_LogLevel level, const char* filename,
                                            int line, const char* msg) {
  TRIDENT_REQUIRE(filename, msg);
  return Guard([&] {
    const auto core_level = ReadEnum<LogLevel>(level);
    if (!IsLevel(core_level)) {
      return InvalidArg("unknown logging level '", ReadEnum<int>(level), "'");
    }
    const std::shared_ptr<Logger> logger = Logger::Current();
    if (logger->IsEnabled(core_level)) logger->Log(core_level, filename, line, msg);
    return Status::Ok();
  });
}

TRITONSERVER_Error* TRITONSERVER_TridentServerSetLogSettings(TRITONSERVER_Server* server, bool info,
                                                             bool warn, bool error,
                                                             int verbose_level,
                                                             TRITONSERVER_LogFormat format) {
  TRIDENT_REQUIRE(server);
  return Guard([&] {
    LogDetail detail{info, warn, error, verbose_level};
    TRIDENT_ASSIGN_OR_RETURN(detail.iso8601, IsIso8601(ReadEnum<int>(format)));
    Core(server)->logger().SetDetail(detail);
    return Status::Ok();
  });
}

}  // extern "C"
