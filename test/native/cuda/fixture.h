#pragma once

#include <gtest/gtest.h>

#include <cstdint>
#include <map>
#include <set>
#include <string>

#include "cuda/device.h"
#include "cuda/memory.h"
#include "cuda/stream.h"
#include "use_fake_cuda.h"

namespace trident::cuda {

constexpr int kDevices = 12;
// Before main(): nothing has used the driver yet.
inline const bool kFakeDriver = [] {
  UseFakeCuda(kDevices);
  return true;
}();

// A test with devices without a GPU, that leaves nothing behind: no memory, no open handle, no
// failure for the next one.
class CudaTest : public testing::Test {
 protected:
  void SetUp() override { before_ = Held(); }

  void TearDown() override {
    for (const std::string& name : failing_) Heal(name);
    EXPECT_EQ(Held(), before_);
    EXPECT_EQ(Row("violations").calls, 0u);
    Row("violations").calls = 0;
  }

  static FakeRow Row(const std::string& name) { return FakeRow(name); }
  static uint64_t Calls(const std::string& name) { return Row(name).calls; }

  void Fail(const std::string& name, CuResult result = kUnknown, uint32_t after = 0) {
    failing_.insert(name);
    Row(name).fail_after = after;
    Row(name).result = result;
  }
  void Heal(const std::string& name) { Row(name).result = 0; }

  static Device* At(int id) {
    auto device = Device::Find(id);
    if (!device.ok()) abort();
    return *device;
  }
  // One that no other test uses, to be lost.
  static Device* FreshDevice() {
    static int next = kDevices;
    return At(--next);
  }

  static char* Alias(const void* device_pointer) {
    return static_cast<char*>(FakeCudaHostAlias(reinterpret_cast<uint64_t>(device_pointer)));
  }

 private:
  static std::map<std::string, uint64_t> Held() {
    std::map<std::string, uint64_t> held;
    for (const char* name : {"host", "device", "opened"}) held[name] = Row(name).calls;
    return held;
  }

  std::map<std::string, uint64_t> before_;
  std::set<std::string> failing_;
};

// The code of a Status or of a Result.
inline StatusCode CodeOf(const Status& status) { return status.code(); }
template <typename T>
StatusCode CodeOf(const Result<T>& result) {
  return result.ok() ? StatusCode::kOk : result.status().code();
}

}  // namespace trident::cuda
