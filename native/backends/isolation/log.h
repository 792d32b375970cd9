#pragma once

#include <string>

#include "backends/common/status.h"

namespace trident::isolated {

// For failures that nobody is left to be told of.
inline void LogIfError(const std::string& what, const backend::Status& status) {
  if (status.ok()) return;
  const std::string message = what + ": " + TRITONSERVER_ErrorMessage(status.get());
  backend::Status ignored(
      TRITONSERVER_LogMessage(TRITONSERVER_LOG_ERROR, __FILE__, __LINE__, message.c_str()));
}

}  // namespace trident::isolated
