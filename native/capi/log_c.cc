// Log records of clients and plug-ins. These calls name no server: they reach the log of the one
// created last.

#include "base/log.h"
#include "capi/handles.h"

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

}  // extern "C"
