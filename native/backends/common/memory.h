#pragma once

#include <cstdint>
#include <memory>

#include "backends/common/status.h"
#include "base/status.h"
#include "cuda/memory.h"
#include "triton/core/tritonbackend.h"

namespace trident::backend {

// Where a buffer lies, as the backend API says it.
struct MemoryPlace {
  TRITONSERVER_MemoryType type = TRITONSERVER_MEMORY_CPU;
  int64_t type_id = 0;

  bool on_device() const { return type == TRITONSERVER_MEMORY_GPU; }
  bool operator==(const MemoryPlace&) const = default;
};

inline MemoryPlace OnDevice(int64_t device_id) { return {TRITONSERVER_MEMORY_GPU, device_id}; }

// Whether neighbouring tensors may be used as one: those of a device, only where one allocation
// holds the bytes. Allocations may be neighbours, too, but no copy goes from one into the next.
bool IsOneBlock(MemoryPlace place, const char* data, uint64_t byte_size);

// What the rooms of the core tell, as a plug-in's outcome.
Status FromCore(const trident::Status& status);

// The memory manager of the server that this instance is of.
Status FindMemoryManager(TRITONBACKEND_ModelInstance* instance,
                         TRITONBACKEND_MemoryManager** manager);

// A block of the server's memory pools. Externally synchronised.
class PooledMemory {
 public:
  static Status Allocate(TRITONBACKEND_MemoryManager* manager, MemoryPlace place,
                         uint64_t byte_size, std::unique_ptr<PooledMemory>* memory);
  ~PooledMemory();
  PooledMemory(const PooledMemory&) = delete;
  PooledMemory& operator=(const PooledMemory&) = delete;

  char* data() const { return data_; }
  uint64_t byte_size() const { return byte_size_; }

 private:
  PooledMemory(TRITONBACKEND_MemoryManager* manager, MemoryPlace place, char* data,
               uint64_t byte_size)
      : manager_(manager), place_(place), data_(data), byte_size_(byte_size) {}

  TRITONBACKEND_MemoryManager* const manager_;
  const MemoryPlace place_;
  char* const data_;
  const uint64_t byte_size_;
};

// Memory of one device that an instance keeps for tensors which cannot be used where they lie. Only
// grows, so that a steady load does not allocate. Externally synchronised by its instance, which
// has no work under way that uses the block when it asks for a larger one.
class DeviceBlock {
 public:
  DeviceBlock(TRITONBACKEND_MemoryManager* manager, int64_t device_id)
      : manager_(manager), device_id_(device_id) {}

  // `*data` becomes at least `byte_size` bytes, the former contents being lost: of the server's
  // pool or, when that has not enough left, of the device itself.
  Status Ensure(uint64_t byte_size, char** data);

 private:
  Status Allocate(uint64_t byte_size);

  TRITONBACKEND_MemoryManager* const manager_;
  const int64_t device_id_;
  char* data_ = nullptr;
  uint64_t byte_size_ = 0;
  // Whichever of the two holds it.
  std::unique_ptr<PooledMemory> pooled_;
  std::unique_ptr<cuda::DeviceMemory> owned_;
};

}  // namespace trident::backend
