#pragma once

#include <cstdint>
#include <memory>

#include "base/status.h"
#include "cuda/device.h"

namespace trident::cuda {

// Where bytes lie: in memory of the host, or of a device.
struct Place {
  static constexpr int kHost = -1;
  int device_id = kHost;

  bool on_device() const { return device_id != kHost; }
  bool operator==(const Place&) const = default;
};

// An order of work on one device, independent of all other work on it. Its methods make the device
// the calling thread's for their duration. Externally synchronised.
class Stream {
 public:
  static Result<std::unique_ptr<Stream>> Create(Device* device);
  // Waits for what is under way.
  ~Stream();
  Stream(const Stream&) = delete;
  Stream& operator=(const Stream&) = delete;

  Device& device() const { return *device_; }
  CuStream handle() const { return handle_; }

  // Copies when all that was asked of this stream before is done. At least one of the places is on
  // a device, if need be another than the stream's. Both memories must last until then; pageable
  // host memory is waited for.
  Status Copy(void* to, Place to_place, const void* from, Place from_place, uint64_t byte_size);
  Status Fill(void* to, uint8_t value, uint64_t byte_size);

  // Waits until all is done. The error of any part of it.
  Status Synchronize();

 private:
  Stream(Device* device, CuStream handle) : device_(device), handle_(handle) {}

  Device* const device_;
  const CuStream handle_;
};

}  // namespace trident::cuda
