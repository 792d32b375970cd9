#pragma once

#include <cstdint>

#include "base/status.h"

namespace trident {

// Where bytes live; values equal TRITONSERVER_memorytype_enum.
enum class MemoryType : int { kCpu = 0, kCpuPinned = 1, kGpu = 2 };

const char* MemoryTypeName(MemoryType type);

struct BufferAttributes {
  MemoryType memory_type = MemoryType::kCpu;
  int64_t memory_type_id = 0;
  uint64_t byte_size = 0;
  void* cuda_ipc_handle = nullptr;  // not owned
};

// Bytes somebody else owns; they must stay valid and unchanged while a request uses them.
struct ConstBuffer {
  const void* data = nullptr;
  BufferAttributes attributes;
};

// CheckBuffer where it takes more than a look.
Status CheckUnusualBuffer(const void* data, const BufferAttributes& attributes);
// Whether `data` can be memory as `attributes` describe it. INVALID_ARG for an unknown memory type,
// a device this process does not see, and null for more than no bytes; UNSUPPORTED for a device
// without a driver. What an address points to is for who gave it.
inline Status CheckBuffer(const void* data, const BufferAttributes& attributes) {
  if (attributes.memory_type == MemoryType::kCpu && data != nullptr) return Status::Ok();
  return CheckUnusualBuffer(data, attributes);
}

}  // namespace trident
