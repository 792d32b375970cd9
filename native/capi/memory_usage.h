#pragma once

#include <vector>

#include "capi/handles.h"
#include "inference/buffer.h"

namespace trident {

// The rows a backend reports of a model or an instance.
inline Result<std::vector<BufferAttributes>> ReadMemoryUsage(
    TRITONSERVER_BufferAttributes** reported, uint32_t count) {
  if (reported == nullptr && count > 0) return InvalidArg("memory usage is null");
  std::vector<BufferAttributes> rows;
  for (uint32_t i = 0; i < count; ++i) {
    if (reported[i] == nullptr) return InvalidArg("row ", i, " of the memory usage is null");
    rows.push_back(*Core(reported[i]));
  }
  return rows;
}

}  // namespace trident
