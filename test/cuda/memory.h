#ifndef TEST_CUDA_MEMORY_H_
#define TEST_CUDA_MEMORY_H_

#include <atomic>
#include <cstdint>
#include <memory>

#include "devices.h"

namespace trident::cuda::fake {

// Memory of a device: a file of memory behind addresses that can't be touched, and once more where
// this library reaches it. Allocated here, or opened from a handle. Gone from the addresses when
// nothing holds it. Thread-safe.
class FakeMemory {
 public:
  // `bytes` of `file`, which it owns; `lead` bytes before pointer() are not the caller's. Null when
  // the system has not that much.
  static std::shared_ptr<FakeMemory> Map(FakeDevice* device, int file, uint64_t lead,
                                         uint64_t bytes, bool opened);
  ~FakeMemory();

  FakeDevice& device() const { return *device_; }
  DevicePointer pointer() const { return reserved_ + lead_; }
  // What the driver says of it. The middle of an allocation can be opened, and then its whole is
  // known.
  DevicePointer base() const { return opened_ ? reserved_ : pointer(); }
  uint64_t byte_size() const { return opened_ ? lead_ + bytes_ : bytes_; }
  char* Alias(DevicePointer address) const { return alias_ + (address - reserved_); }
  int file() const { return file_; }
  uint64_t lead() const { return lead_; }
  uint64_t bytes() const { return bytes_; }
  bool opened() const { return opened_; }

  // From now on it is wrong to use it, and no other process can open it.
  void Free();
  bool freed() const { return freed_.load(); }

 private:
  FakeMemory(FakeDevice* device, int file, uint64_t lead, uint64_t bytes, bool opened)
      : device_(device), file_(file), lead_(lead), bytes_(bytes), opened_(opened) {}

  FakeDevice* const device_;
  const int file_;
  const uint64_t lead_;
  const uint64_t bytes_;
  const bool opened_;
  DevicePointer reserved_ = 0;
  char* alias_ = nullptr;
  std::atomic<bool> freed_{false};
};

// Pinned memory of the host. Thread-safe.
class FakePinned {
 public:
  static std::shared_ptr<FakePinned> Map(uint64_t bytes);
  ~FakePinned();
  char* data() const { return data_; }
  uint64_t byte_size() const { return bytes_; }
  void Free() { freed_ = true; }
  bool freed() const { return freed_.load(); }

 private:
  FakePinned(char* data, uint64_t bytes) : data_(data), bytes_(bytes) {}
  char* const data_;
  const uint64_t bytes_;
  std::atomic<bool> freed_{false};
};

// All the memory there is, by address.
void Remember(std::shared_ptr<FakeMemory> memory);
void Remember(std::shared_ptr<FakePinned> memory);
// Null when [address, address + bytes) is not inside one.
std::shared_ptr<FakeMemory> FindMemory(DevicePointer address, uint64_t bytes);
std::shared_ptr<FakePinned> FindPinned(const void* address, uint64_t bytes);
// What begins there, no longer remembered; null when there is none.
std::shared_ptr<FakeMemory> ForgetMemory(DevicePointer pointer);
std::shared_ptr<FakePinned> ForgetPinned(const void* data);
// True when any byte is a device's.
bool TouchesDevice(const void* address, uint64_t bytes);

}  // namespace trident::cuda::fake

#endif
