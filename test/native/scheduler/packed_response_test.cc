#include "scheduler/packed_response.h"

#include <gtest/gtest.h>

#include <random>

namespace trident {
namespace {

CachedResponse Example() {
  const float numbers[] = {1.5f, -2, 3};
  CachedResponse response;
  response.outputs = {
      {"numbers", DataType::kFp32, {3, 1}, std::string(reinterpret_cast<const char*>(numbers), 12)},
      {"texts", DataType::kBytes, {1}, std::string("\x02\0\0\0ab", 6)},
      {"nothing", DataType::kInt64, {0, 7}, ""},
      {"", DataType::kBool, {}, "\x01"}};
  response.parameters = {Parameter::String("s", "text"), Parameter::Int("i", -3),
                         Parameter::Bool("b", true), Parameter::Double("d", 0.1)};
  return response;
}

std::string Packed(const CachedResponse& response) {
  std::string bytes(PackedSize(response), '?');
  Pack(response, bytes.data());
  return bytes;
}

TEST(PackedResponse, ComesOutAsItWentIn) {
  const CachedResponse in = Example();
  const auto unpacked = Unpack(Packed(in));
  ASSERT_TRUE(unpacked.ok()) << unpacked.status().message();
  const CachedResponse& out = **unpacked;
  ASSERT_EQ(out.outputs.size(), in.outputs.size());
  for (size_t i = 0; i < in.outputs.size(); ++i) {
    EXPECT_EQ(out.outputs[i].name, in.outputs[i].name);
    EXPECT_EQ(out.outputs[i].datatype, in.outputs[i].datatype);
    EXPECT_EQ(out.outputs[i].shape, in.outputs[i].shape);
    EXPECT_EQ(out.outputs[i].bytes, in.outputs[i].bytes);
  }
  ASSERT_EQ(out.parameters.size(), in.parameters.size());
  for (size_t i = 0; i < in.parameters.size(); ++i) {
    EXPECT_EQ(out.parameters[i].name, in.parameters[i].name);
    EXPECT_EQ(out.parameters[i].type, in.parameters[i].type);
  }
  EXPECT_EQ(out.parameters[0].string_value, "text");
  EXPECT_EQ(out.parameters[1].int_value, -3);
  EXPECT_EQ(out.parameters[2].bool_value, true);
  EXPECT_EQ(out.parameters[3].double_value, 0.1);
}

TEST(PackedResponse, MayBeEmpty) {
  const auto unpacked = Unpack(Packed({}));
  ASSERT_TRUE(unpacked.ok());
  EXPECT_TRUE((*unpacked)->outputs.empty());
}

TEST(PackedResponse, IsRefusedWhenAByteIsMissingOrTooMany) {
  const std::string whole = Packed(Example());
  for (size_t size = 0; size < whole.size(); ++size) {
    EXPECT_EQ(Unpack(whole.substr(0, size)).status().code(), StatusCode::kInternal) << size;
  }
  EXPECT_FALSE(Unpack(whole + "x").ok());
  EXPECT_FALSE(Unpack("x" + whole.substr(1)).ok());
}

// Whatever a damaged one says is either refused or has outputs whose bytes fit their shapes.
TEST(PackedResponse, DamageDoesNoHarm) {
  std::mt19937_64 random(20240607);
  const std::string whole = Packed(Example());
  for (int round = 0; round < 20'000; ++round) {
    std::string damaged = whole;
    for (uint64_t hits = 1 + random() % 3; hits > 0; --hits) {
      damaged[random() % damaged.size()] = static_cast<char>(random());
    }
    const auto unpacked = Unpack(damaged);
    if (!unpacked.ok()) continue;
    for (const CachedResponse::Output& output : (*unpacked)->outputs) {
      if (DataTypeByteSize(output.datatype) == 0) continue;
      EXPECT_TRUE(HasByteSize(output.datatype, output.shape.data(), output.shape.size(),
                              output.bytes.size()));
    }
  }
}

}  // namespace
}  // namespace trident
