#pragma once

#include <cstdint>
#include <memory>

#include "base/status.h"

namespace trident {

// Bytes that grow without moving: address space is reserved at once, and the machine gives pages
// when they are first touched, zeroed. Thread-safe.
class GrowableMemory {
 public:
  // UNAVAILABLE when the address space can't be had.
  static Result<std::unique_ptr<GrowableMemory>> Reserve(uint64_t capacity_bytes);
  ~GrowableMemory();
  GrowableMemory(const GrowableMemory&) = delete;
  GrowableMemory& operator=(const GrowableMemory&) = delete;

  void* data() const { return data_; }
  uint64_t capacity() const { return capacity_; }

 private:
  GrowableMemory(void* data, uint64_t capacity) : data_(data), capacity_(capacity) {}

  void* const data_;
  const uint64_t capacity_;
};

}  // namespace trident
