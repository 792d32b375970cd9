#pragma once

#include <cstdlib>
#include <filesystem>

#include "devices.h"
#include "digits.h"
#include "fake_onnxruntime.h"

// Servers whose ONNX Runtime has a CUDA provider, on the fake driver.
namespace trident::contract {

inline ServerSettings WithCudaProvider(const std::string& library = FAKE_ONNXRUNTIME) {
  setenv("FAKE_ONNXRUNTIME_LIBRARY", environment.onnxruntime.c_str(), 1);
  ServerSettings settings{.onnxruntime = {{"library", library}}};
  settings.more = [](TRITONSERVER_ServerOptions* options) {
    Must(TRITONSERVER_ServerOptionsSetPinnedMemoryPoolByteSize(options, 16 << 20));
  };
  return settings;
}

inline std::string OnGpu(int device, int count = 1) {
  return "instance_group { count: " + std::to_string(count) +
         " kind: KIND_GPU gpus: " + std::to_string(device) + " } ";
}

// The configuration of digits, with this instance group.
inline std::string DigitsConfigOn(const std::string& group, const std::string& more = "") {
  return "backend: \"onnxruntime\" max_batch_size: 64 "
         "input { name: \"image\" data_type: TYPE_FP32 dims: [ 1, 8, 8 ] } "
         "output { name: \"logits\" data_type: TYPE_FP32 dims: [ 10 ] } "
         "dynamic_batching { } " +
         group + more;
}

class OnnxDevice : public testing::Test {
 protected:
  // Nothing that a test's server and memory took of the devices is left when they are gone.
  ~OnnxDevice() override {
    server_.reset();
    EXPECT_EQ(Calls("violations"), violations_);
    EXPECT_EQ(Calls("device"), allocations_);
  }

  Server& server() { return *server_; }
  Outcome LoadDigits(const std::string& group, const std::string& more = "") {
    server().repository().AddOnnx("digits", "digits", DigitsConfigOn(group, more));
    return server().Load("digits");
  }
  Outcome Load(const std::string& model, const std::string& config) {
    server().repository().AddOnnx(model, model, config);
    return server().Load(model);
  }

  // `count` images from `first`, and their logits.
  std::string Images(int first, int count) const {
    return digits_.images.substr(first * kImageBytes, count * kImageBytes);
  }
  Request Ask(Memory* images, Memory* logits, size_t image_offset = 0, size_t count = 1,
              size_t logit_offset = 0) {
    Request request(server(), "digits");
    request.InputAt("image", TRITONSERVER_TYPE_FP32, {static_cast<int64_t>(count), 1, 8, 8},
                    static_cast<char*>(images->data()) + image_offset, count * kImageBytes,
                    images->where());
    request.OutputAt("logits", static_cast<char*>(logits->data()) + logit_offset,
                     count * kLogitBytes, logits->where());
    return request;
  }
  // One batch of them all.
  void RunTogether(std::vector<Request>& requests) {
    for (const Outcome& outcome : Request::SendTogether(server(), requests)) {
      ASSERT_TRUE(Succeeded(outcome));
    }
    for (Request& request : requests) ASSERT_TRUE(Succeeded(request.Wait().outcome));
  }
  // One image through device memory of this device, there and back.
  Outcome Run(int device) {
    Memory images(OnDevice(device), Images(7, 1));
    Memory logits(OnDevice(device), kLogitBytes);
    const Answer answer = Ask(&images, &logits).Infer();
    if (answer.ok()) {
      EXPECT_LT(digits_.WorstError(logits.bytes(), 7, 1), 1e-4);
    }
    return answer.outcome;
  }

  const uint64_t violations_ = Calls("violations");
  const uint64_t allocations_ = Calls("device");
  const Digits digits_;
  std::unique_ptr<Server> server_ = std::make_unique<Server>(WithCudaProvider());
};

}  // namespace trident::contract
