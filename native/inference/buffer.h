#pragma once

#include <cstdint>

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

}  // namespace trident
