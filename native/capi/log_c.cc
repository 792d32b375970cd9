// Log records of clients and plug-ins. These calls name no server: they reach the log of the one
// created last.

#include "base/log.h"

#include "capi/handles.h"

using namespace trident;  // NOLINT: C functions live outside every namespace

namespace {

bool IsLevel(TRITONSERVER_LogLevel level) {
  return level >= TRITONSERVER_LOG_INFO && level <= TRITONSERVER_LOG_VERBOSE;
}

}  // namespace

extern "C" {

bool TRITONSERVER_LogIsEnabled(TRITONSERVER_LogLevel level) {
  return IsLevel(level) && Logger::Current()->IsEnabled(static_cast<LogLevel>(level));
}

TRITONSERVER_Error* TRITONSERVER_LogMessage(TRITONSERVER_LogLevel level, const char* filename,
                                            int line, const char* msg) {
  TRIDENT_REQUIRE(filename, msg);
  return Guard([&] {
    if (!IsLevel(level)) return InvalidArg("unknown logging level '", static_cast<int>(level), "'");
    const std::shared_ptr<Logger> logger = Logger::Current();
    if (logger->IsEnabled(static_cast<LogLevel>(level))) {
      logger->Log(static_cast<LogLevel>(level), filename, line, msg);
    }
    return Status::Ok();
  });
}

}  // extern "C"
