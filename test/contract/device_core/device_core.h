#pragma once

#include <mutex>
#include <string>
#include <vector>

#include "devices/devices.h"
#include "ensemble.h"
#include "life.h"
#include "sequences.h"

// Models of the backend "device", which copies by the driver alone, and devices to lose.
namespace trident::contract {

// A device that is lost is lost for the process: who loses one takes one of its own.
inline constexpr int kDevices = 32;
inline int NewDevice() {
  static int next = 2;
  if (next == kDevices) throw std::logic_error("there are no more devices");
  return next++;
}

inline std::string On(const std::vector<int>& devices) {
  std::string gpus;
  for (const int device : devices) gpus += (gpus.empty() ? "" : ", ") + std::to_string(device);
  return "instance_group { kind: KIND_GPU count: 1 gpus: [ " + gpus + " ] } ";
}
inline constexpr char kOnCpu[] = "instance_group { kind: KIND_CPU count: 1 } ";

inline std::string DeviceConfig(const std::string& group, const std::string& more = "",
                                const std::string& type = "FP32") {
  return "backend: \"device\" max_batch_size: 8 " + TensorConfig("input", "input", type, "-1") +
         TensorConfig("output", "output", type, "-1") + group + more;
}

class DeviceModels : public testing::Test {
 protected:
  explicit DeviceModels(ServerSettings settings = {}) : server_(std::move(settings)) {}
  void TearDown() override { EXPECT_EQ(Calls("violations"), violations_); }

  void Load(const std::string& model, const std::string& config) {
    server_.repository().Add(model, config);
    ASSERT_TRUE(Succeeded(server_.Load(model)));
  }
  // FP32 from one memory to the other.
  Request Echo(const std::string& model, Memory* from, Memory* to) {
    const auto count = static_cast<int64_t>(from->byte_size() / sizeof(float));
    Request request(server_, model);
    request.InputAt("input", TRITONSERVER_TYPE_FP32, {1, count}, from->data(), from->byte_size(),
                    from->where());
    request.OutputAt("output", to->data(), to->byte_size(), to->where());
    return request;
  }
  bool Works(const std::string& model) { return Answers(server_, model); }

  Server server_;

 private:
  const uint64_t violations_ = Calls("violations");
};

}  // namespace trident::contract
