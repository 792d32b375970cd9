#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <vector>

#include "backends/common/memory.h"
#include "backends/onnxruntime/runtime.h"

namespace trident::ort {

// Memory at one place that an instance keeps for tensors which cannot be used where they lie. Only
// grows, so that a steady load does not allocate; that of the host asks for huge pages from 2 MiB
// on. Externally synchronised by its instance.
class Scratch {
 public:
  Scratch(backend::MemoryPlace place, TRITONBACKEND_MemoryManager* manager);
  Scratch(const Scratch&) = delete;
  ~Scratch();

  // `*data` becomes at least `bytes` bytes, aligned for any kernel. The former contents are lost.
  Status Ensure(size_t bytes, char** data);

 private:
  std::optional<backend::DeviceBlock> device_;
  // On the host:
  char* data_ = nullptr;
  size_t capacity_ = 0;
};

// An OrtValue over somebody else's memory, made anew only when the memory or the shape is another
// than last time. Externally synchronised by its instance.
class BoundTensor {
 public:
  // `memory` says where all the memory lies, and lives longer.
  BoundTensor(const Runtime& runtime, const OrtMemoryInfo* memory, OrtElementType type)
      : runtime_(runtime), memory_(memory), type_(type) {}
  BoundTensor(const BoundTensor&) = delete;
  ~BoundTensor();

  // Leaves value() valid until the next Bind. The memory is touched only by a run.
  Status Bind(char* data, size_t bytes, const int64_t* shape, size_t dims_count);
  OrtValue* value() const { return value_; }

 private:
  const Runtime& runtime_;
  const OrtMemoryInfo* const memory_;
  const OrtElementType type_;
  OrtValue* value_ = nullptr;
  char* data_ = nullptr;
  std::vector<int64_t> shape_;
};

// The product of the dimensions, or -1 when one is negative or the product overflows.
int64_t ElementCount(const int64_t* shape, size_t dims_count);

// Whether a tensor that is to lie at one place may as well lie at the other.
inline bool SameMemory(backend::MemoryPlace a, backend::MemoryPlace b) {
  return a.on_device() || b.on_device() ? a == b : true;
}

// Whether kernels may read and write elements of this size from `data` on. Those of a GPU take up
// to 16 bytes at once, and one misaligned access is the end of the device for the process.
inline bool IsAligned(const void* data, backend::MemoryPlace place, size_t element_bytes) {
  return reinterpret_cast<uintptr_t>(data) % (place.on_device() ? 16 : element_bytes) == 0;
}

}  // namespace trident::ort
