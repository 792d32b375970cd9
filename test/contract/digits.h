#pragma once

#include <algorithm>
#include <cmath>
#include <cstring>
#include <map>

#include "echo.h"
#include "environment.h"

namespace trident::contract {

inline constexpr int kDigits = 360;
inline constexpr size_t kPixels = 64;
inline constexpr size_t kImageBytes = kPixels * sizeof(float);
inline constexpr size_t kClasses = 10;
inline constexpr size_t kLogitBytes = kClasses * sizeof(float);

// Images of handwritten digits, what they show, and what the network that trained on others said.
struct Digits {
  std::string images = ReadFile(environment.digits + "/data/images.f32");
  std::string logits = ReadFile(environment.digits + "/data/logits.f32");
  std::string labels = ReadFile(environment.digits + "/data/labels.u8");

  const char* image(int i) const { return images.data() + i * kImageBytes; }
  float logit(int i, size_t c) const { return FloatAt(logits, i * kClasses + c); }

  static float FloatAt(const std::string& bytes, size_t index) {
    float value = 0;
    memcpy(&value, bytes.data() + index * sizeof(value), sizeof(value));
    return value;
  }

  // The largest difference between `bytes`, the answer for `count` images from `first`, and the
  // recorded one.
  float WorstError(const std::string& bytes, int first, int count) const {
    float worst = 0;
    for (size_t i = 0; i < count * kClasses; ++i) {
      worst = std::max(worst, std::fabs(FloatAt(bytes, i) - FloatAt(logits, first * kClasses + i)));
    }
    return worst;
  }

  // A request for `count` images from `first`, read where they lie.
  Request Ask(const Server& server, int first, int count) const {
    Request request(server, "digits");
    request.InputAt("image", TRITONSERVER_TYPE_FP32, {count, 1, 8, 8}, image(first),
                    count * kImageBytes);
    return request;
  }
};

inline constexpr const char* kDigitsConfig =
    "backend: \"onnxruntime\" max_batch_size: 64 "
    "input { name: \"image\" data_type: TYPE_FP32 dims: [ 1, 8, 8 ] } "
    "output { name: \"logits\" data_type: TYPE_FP32 dims: [ 10 ] } "
    "instance_group { count: 1 kind: KIND_CPU } dynamic_batching { } ";

// Tests of a server that has loaded them.
class DigitsTest : public testing::Test {
 protected:
  using Batches = std::map<int64_t, int64_t>;

  void SetUp() override {
    server_.repository().AddOnnx("digits", "digits", kDigitsConfig);
    ASSERT_TRUE(Succeeded(server_.Load("digits")));
  }

  const Digits digits_;
  Server server_;
};

}  // namespace trident::contract
