#pragma once

#include <vector>

#include "capi/handles.h"
#include "inference/buffer.h"

namespace trident {

// Replaces `*usage` by what a backend reports of a model or an instance.
inline Status ReadMemoryUsage(TRITONSERVER_BufferAttributes** reported, uint32_t count,
                              std::vector<BufferAttributes>* usage) {
  if (reported == nullptr && count > 0) return InvalidArg("memory usage is null");
  std::vector<BufferAttributes> rows;
  for (uint32_t i = 0; i < count; ++i) {
    if (reported[i] == nullptr) return InvalidArg("row ", i, " of the memory usage is null");
    rows.push_back(*Core(reported[i]));
  }
  *usage = std::move(rows);
  return Status::Ok();
}

}  // namespace trident
