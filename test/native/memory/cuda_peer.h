#pragma once

#include <algorithm>
#include <array>
#include <cstdint>
#include <cstdlib>
#include <string>

#include "cuda/child.h"
#include "cuda/hex.h"
#include "use_fake_cuda.h"

namespace trident {

// What each device of the fake driver has in these tests.
inline constexpr uint64_t kFakeMemoryBytes = 160 << 20;

inline bool UseSmallFakeCuda() {
  UseFakeCuda();
  setenv("FAKE_CUDA_MEMORY_BYTES", std::to_string(kFakeMemoryBytes).c_str(), 1);
  return true;
}

using HandleBytes = std::array<uint8_t, 64>;

inline HandleBytes Bytes(const cuda::IpcHandle& handle) {
  HandleBytes bytes;
  std::copy_n(handle.bytes, bytes.size(), bytes.begin());
  return bytes;
}

// A process that exports so many bytes of device 0 until Exit; its handle leads `lead` bytes into
// the allocation that others open.
class CudaPeer {
 public:
  explicit CudaPeer(uint64_t byte_size, int lead = 0)
      : child_({"owner", "0", std::to_string(byte_size), "7", std::to_string(lead)}),
        handle_(Bytes(cuda::FromHex(child_.Ask("handle")))) {}

  const HandleBytes& handle() const { return handle_; }
  void Exit() { child_.Wait(); }

 private:
  cuda::Child child_;
  const HandleBytes handle_;
};

// A count of the fake driver.
inline uint64_t Calls(const char* name) { return FakeRow(name).calls; }

// A call fails in this scope.
class FailingCall {
 public:
  FailingCall(const char* name, int result) : row_(name) { row_.result = result; }
  ~FailingCall() { row_.result = 0; }
  FailingCall(const FailingCall&) = delete;
  FailingCall& operator=(const FailingCall&) = delete;

 private:
  FakeRow row_;
};

}  // namespace trident
