#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "backends/onnxruntime/runtime.h"

namespace trident::ort {

// Memory that an instance keeps for tensors which cannot be used where they lie. Only grows, so
// that a steady load does not allocate; from 2 MiB on it asks for huge pages. Externally
// synchronised by its instance.
class Scratch {
 public:
  Scratch() = default;
  Scratch(const Scratch&) = delete;
  ~Scratch();

  // At least `bytes` bytes, aligned for any kernel. The former contents are lost.
  char* Ensure(size_t bytes);
  // What the last Ensure returned.
  const char* data() const { return data_; }

 private:
  char* data_ = nullptr;
  size_t capacity_ = 0;
};

// An OrtValue over somebody else's memory, made anew only when the memory or the shape is another
// than last time. Externally synchronised by its instance.
class BoundTensor {
 public:
  BoundTensor(const Runtime& runtime, OrtElementType type) : runtime_(runtime), type_(type) {}
  BoundTensor(BoundTensor&& other) noexcept;
  ~BoundTensor();

  // Leaves value() valid until the next Bind. The memory is touched only by a run.
  Status Bind(char* data, size_t bytes, const int64_t* shape, size_t dims_count);
  OrtValue* value() const { return value_; }

 private:
  const Runtime& runtime_;
  const OrtElementType type_;
  OrtValue* value_ = nullptr;
  char* data_ = nullptr;
  std::vector<int64_t> shape_;
};

// The product of the dimensions, or -1 when one is negative or the product overflows.
int64_t ElementCount(const int64_t* shape, size_t dims_count);

inline bool OnHost(TRITONSERVER_MemoryType type) {
  return type == TRITONSERVER_MEMORY_CPU || type == TRITONSERVER_MEMORY_CPU_PINNED;
}

inline bool IsAligned(const void* data, size_t element_bytes) {
  return reinterpret_cast<uintptr_t>(data) % element_bytes == 0;
}

}  // namespace trident::ort
