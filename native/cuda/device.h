#pragma once

#include <atomic>
#include <cstdint>
#include <span>
#include <string>

#include "base/mutex.h"
#include "base/status.h"
#include "cuda/driver.h"

namespace trident::cuda {

// A GPU that this process sees, with the context that all libraries of a process share (its primary
// context). Lives as long as the process. Thread-safe.
class Device {
 public:
  // UNSUPPORTED as Driver; another error when the driver can't describe a device.
  static Result<std::span<Device* const>> All();
  // INVALID_ARG when there is no such device.
  static Result<Device*> Find(int64_t id);

  int id() const { return id_; }
  const std::string& name() const { return name_; }
  const std::string& uuid() const { return uuid_; }  // "GPU-" and five groups of hexadecimal digits
  uint64_t memory_bytes() const { return memory_bytes_; }
  int compute_major() const { return compute_major_; }
  int compute_minor() const { return compute_minor_; }
  const DriverApi& api() const { return *api_; }

  // Made by the first call, which costs device memory and can take a second.
  Result<CuContext> Context();
  // Free bytes of the device's memory.
  Result<uint64_t> FreeBytes();
  // OK, or UNAVAILABLE when an error has made the device unusable for this process, whoever in it
  // has used the device. Costs a driver call; OK where nobody has yet.
  Status Probe();
  // Lets kernels and copies of this device use memory of `peer` without a detour through the host,
  // where the machine can.
  Status EnablePeerAccess(Device* peer);

 private:
  friend struct DeviceList;
  Device(const DriverApi* api, CuDevice handle, int id) : api_(api), handle_(handle), id_(id) {}
  static Status Describe(Device* device);
  CuResult Retain(CuContext* context);

  const DriverApi* const api_;
  const CuDevice handle_;
  const int id_;
  std::string name_;
  std::string uuid_;
  uint64_t memory_bytes_ = 0;
  int compute_major_ = 0;
  int compute_minor_ = 0;
  Mutex mutex_;
  std::atomic<CuContext> context_{nullptr};  // once made, it stays; written under mutex_
};

// Makes a device the calling thread's, as cudaSetDevice does, until the end of the scope; what was
// the thread's before is so again. Used by one thread.
class ScopedDevice {
 public:
  explicit ScopedDevice(Device* device);
  ~ScopedDevice();
  ScopedDevice(const ScopedDevice&) = delete;
  ScopedDevice& operator=(const ScopedDevice&) = delete;

  // OK, or why it is not the thread's.
  const Status& status() const { return status_; }

 private:
  const DriverApi& api_;
  Status status_;
};

// Lets the calling thread make calls that may wait for the device, as allocations do, while another
// captures a graph of a stream: otherwise they fail and ruin the capture. Used by one thread.
class ScopedRelaxedCapture {
 public:
  explicit ScopedRelaxedCapture(const DriverApi& api);
  ~ScopedRelaxedCapture();
  ScopedRelaxedCapture(const ScopedRelaxedCapture&) = delete;
  ScopedRelaxedCapture& operator=(const ScopedRelaxedCapture&) = delete;

 private:
  const DriverApi& api_;
  int mode_ = kCaptureModeRelaxed;  // then the thread's before
};

}  // namespace trident::cuda
