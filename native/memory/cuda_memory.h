#pragma once

#include <cstdint>
#include <memory>
#include <span>

#include "base/status.h"
#include "cuda/memory.h"
#include "cuda/stream.h"

namespace trident {

struct CudaAllocation;
class CudaRecycler;

// A part of a device's memory, and a hold on it: what was allocated or opened here lasts until no
// hold is left. It is then freed or closed on a thread of its own, since the driver may wait for
// the device meanwhile. A value; thread-safe as such.
class CudaMemory {
 public:
  // None.
  CudaMemory() = default;

  // All of these: UNSUPPORTED without a driver, INVALID_ARG without such a device or for 0 bytes.

  // UNAVAILABLE when the device has not that much, even without what `recycler` keeps. The contents
  // are undefined.
  static Result<CudaMemory> Allocate(int64_t device_id, uint64_t byte_size,
                                     CudaRecycler* recycler = nullptr);
  // A part of the allocation that `handle` names; `byte_size` 0 means up to its end. A handle is
  // opened once, however many hold its memory; one of this process leads to the memory it was made
  // of. INVALID_ARG when it has not 64 bytes, its memory is gone, elsewhere, or too small.
  static Result<CudaMemory> Open(std::span<const uint8_t> handle, int64_t device_id,
                                 uint64_t offset, uint64_t byte_size);
  // Memory that somebody else frees, unless it is part of what was allocated or opened here: then
  // it is held. INVALID_ARG when it is not inside one allocation of the device.
  static Result<CudaMemory> Wrap(const void* pointer, int64_t device_id, uint64_t byte_size);
  // For those who keep memory for reuse.
  static CudaMemory Of(std::shared_ptr<CudaAllocation> allocation, uint64_t byte_size);

  explicit operator bool() const { return allocation_ != nullptr; }

  // Not of none.
  cuda::Device& device() const;
  cuda::Place place() const { return {device().id()}; }
  uint8_t* data() const { return data_; }
  uint64_t byte_size() const { return byte_size_; }

  // INVALID_ARG when [offset, offset + byte_size) is not inside it.
  Status CheckInside(uint64_t offset, uint64_t byte_size) const;
  // What other processes open all of the allocation by, in whose middle this part may lie.
  Result<cuda::IpcHandle> Export() const;
  // Keeps the memory.
  const std::shared_ptr<CudaAllocation>& hold() const { return allocation_; }

 private:
  std::shared_ptr<CudaAllocation> allocation_;
  uint8_t* data_ = nullptr;
  uint64_t byte_size_ = 0;
};

}  // namespace trident
