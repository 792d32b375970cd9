#pragma once

#include <cstring>
#include <memory>
#include <stdexcept>
#include <string>

#include "client.h"
#include "cuda/memory.h"
#include "fake_cuda.h"

// Devices of the fake driver, which the test program runs on.
namespace trident::contract {

// The last ones are for the tests that lose them: they stay lost for the process.
inline constexpr int kDeviceCount = 5;
inline constexpr int kLosableDevice = 3;
inline constexpr int kLostByOnnxRuntime = 4;

inline Where OnDevice(int id) { return {TRITONSERVER_MEMORY_GPU, id}; }

// A test's memory, on a device or the host, which it reads and writes without the driver's copies.
class Memory {
 public:
  Memory(Where where, size_t byte_size) : where_(where), host_(byte_size, '?') {
    if (where.type != TRITONSERVER_MEMORY_GPU || byte_size == 0) return;
    auto device = cuda::Device::Find(where.id);
    if (!device.ok()) throw std::runtime_error(device.status().message());
    auto allocated = cuda::DeviceMemory::Allocate(*device, byte_size);
    if (!allocated.ok()) throw std::runtime_error(allocated.status().message());
    device_ = std::move(allocated).value();
  }
  Memory(Where where, const std::string& bytes) : Memory(where, bytes.size()) {
    memcpy(Bytes(), bytes.data(), bytes.size());
  }

  Where where() const { return where_; }
  size_t byte_size() const { return host_.size(); }
  void* data() { return device_ != nullptr ? device_->data() : host_.data(); }
  std::string bytes() { return {Bytes(), byte_size()}; }

 private:
  char* Bytes() {
    if (device_ == nullptr) return host_.data();
    void* alias = FakeCudaHostAlias(reinterpret_cast<uint64_t>(device_->data()));
    return static_cast<char*>(alias);
  }

  Where where_;
  std::string host_;  // of a device's memory, only its size
  std::unique_ptr<cuda::DeviceMemory> device_;
};

// How often `function` of the driver has been called, or what a special row counts.
inline uint64_t Calls(const std::string& function) {
  return __atomic_load_n(&FakeCudaFind(function.c_str())->calls, __ATOMIC_SEQ_CST);
}

// What a row counts in bytes.
inline uint64_t BytesIn(const std::string& row) {
  return __atomic_load_n(&FakeCudaFind(row.c_str())->bytes, __ATOMIC_SEQ_CST);
}

// Copies of tensors between the host and devices.
inline uint64_t HostCopies() {
  return Calls("cuMemcpyHtoDAsync_v2") + Calls("cuMemcpyDtoHAsync_v2");
}

// Has a function of the driver fail, after `good` calls that don't, until the end of the scope.
class Fault {
 public:
  Fault(const std::string& function, int result, uint32_t good = 0)
      : row_(FakeCudaFind(function.c_str())) {
    __atomic_store_n(&row_->fail_after, good, __ATOMIC_SEQ_CST);
    __atomic_store_n(&row_->result, result, __ATOMIC_SEQ_CST);
  }
  ~Fault() { __atomic_store_n(&row_->result, 0, __ATOMIC_SEQ_CST); }
  Fault(const Fault&) = delete;
  Fault& operator=(const Fault&) = delete;

 private:
  FakeCudaRow* const row_;
};

}  // namespace trident::contract
