#pragma once

#include <cstdint>
#include <memory>

#include "base/status.h"
#include "cuda/device.h"

namespace trident::cuda {

// Memory of a device, allocated here or opened from another process's handle. Externally
// synchronised.
class DeviceMemory {
 public:
  // UNAVAILABLE when the device has not that much. The contents are undefined.
  static Result<std::unique_ptr<DeviceMemory>> Allocate(Device* device, uint64_t byte_size);
  // All of the allocation that `handle` names, in whose middle it may lie. INVALID_ARG when the
  // driver does not know the handle: not one of this machine's, freed, or of this very process, as
  // CUDA opens those only elsewhere.
  static Result<std::unique_ptr<DeviceMemory>> Open(Device* device, const IpcHandle& handle);
  // Frees or closes it; waits for no stream.
  ~DeviceMemory();
  DeviceMemory(const DeviceMemory&) = delete;
  DeviceMemory& operator=(const DeviceMemory&) = delete;

  Device& device() const { return *device_; }
  void* data() const { return reinterpret_cast<void*>(pointer_); }
  // What may be used from data() on.
  uint64_t byte_size() const { return byte_size_; }

 private:
  DeviceMemory(Device* device, DevicePointer pointer, uint64_t byte_size, bool opened)
      : device_(device), pointer_(pointer), byte_size_(byte_size), opened_(opened) {}

  Device* const device_;
  const DevicePointer pointer_;
  const uint64_t byte_size_;
  const bool opened_;
};

// Memory of the host that devices copy from and to without a detour. Externally synchronised.
class PinnedMemory {
 public:
  // For all devices, allocated through `first`, or another where that is lost. UNSUPPORTED without
  // a driver, UNAVAILABLE when there is not that much.
  static Result<std::unique_ptr<PinnedMemory>> Allocate(uint64_t byte_size,
                                                        Device* first = nullptr);
  ~PinnedMemory();
  PinnedMemory(const PinnedMemory&) = delete;
  PinnedMemory& operator=(const PinnedMemory&) = delete;

  void* data() const { return data_; }
  uint64_t byte_size() const { return byte_size_; }

 private:
  PinnedMemory(Device* device, void* data, uint64_t byte_size)
      : device_(device), data_(data), byte_size_(byte_size) {}

  Device* const device_;
  void* const data_;
  const uint64_t byte_size_;
};

// An allocation of a device, as the driver knows it.
struct AddressRange {
  void* base = nullptr;
  uint64_t byte_size = 0;
};

// The allocation that `pointer` is inside of. INVALID_ARG when it is not memory of `device`.
Result<AddressRange> FindRange(Device* device, const void* pointer);

// What other processes open the allocation that begins at `pointer` by, one made in this process.
Result<IpcHandle> Export(Device* device, const void* pointer);

}  // namespace trident::cuda
