#pragma once

#include "capi/handles.h"

namespace trident {

// True for ISO8601, false for Triton's own format; other numbers, which C callers may pass, are
// INVALID_ARG.
inline Result<bool> IsIso8601(int number) {
  if (number == TRITONSERVER_LOG_DEFAULT) return false;
  if (number == TRITONSERVER_LOG_ISO8601) return true;
  return InvalidArg("unknown log format '", number, "'");
}

}  // namespace trident
