#include "base/shape.h"

#include <gtest/gtest.h>

#include <limits>
#include <random>

#include "base/checked.h"
#include "base/status.h"

namespace trident {
namespace {

using Wide = unsigned __int128;

constexpr uint64_t kMax = std::numeric_limits<uint64_t>::max();
constexpr int64_t kLargest = std::numeric_limits<int64_t>::max();

Result<uint64_t> Bytes(DataType type, const Shape& shape) {
  return TensorByteSize(type, shape.data(), shape.size());
}
Result<uint64_t> Elements(const Shape& shape) { return ElementCount(shape.data(), shape.size()); }

TEST(Checked, AgreesWithWideArithmetic) {
  const uint32_t seed = std::random_device{}();
  SCOPED_TRACE(StrCat("seed ", seed));
  std::mt19937_64 random(seed);
  const auto number = [&] { return random() >> (random() % 64); };
  for (int i = 0; i < 100000; ++i) {
    const uint64_t a = number(), b = number();
    uint64_t out = 0;
    ASSERT_EQ(CheckedAdd(a, b, &out), Wide{a} + b <= kMax);
    if (Wide{a} + b <= kMax) {
      ASSERT_EQ(out, a + b);
    }
    ASSERT_EQ(CheckedMultiply(a, b, &out), Wide{a} * b <= kMax);
    if (Wide{a} * b <= kMax) {
      ASSERT_EQ(out, a * b);
    }
  }
}

TEST(Shape, Text) {
  EXPECT_EQ(ShapeToString(Shape{}), "[]");
  EXPECT_EQ(ShapeToString({1, -1, 28}), "[1,-1,28]");
}

TEST(Shape, ElementCounts) {
  EXPECT_EQ(*Elements({}), 1u);
  EXPECT_EQ(*Elements({2, 3, 4}), 24u);
  EXPECT_EQ(*Elements({5, 0}), 0u);
  EXPECT_EQ(*Elements({kLargest}), static_cast<uint64_t>(kLargest));
  EXPECT_EQ(Elements({2, -1}).status().code(), StatusCode::kInvalidArg);
  EXPECT_EQ(Elements({std::numeric_limits<int64_t>::min()}).status().code(),
            StatusCode::kInvalidArg);
  EXPECT_EQ(Elements({kLargest, 3}).status().code(), StatusCode::kInvalidArg);
}

TEST(Shape, ByteSizes) {
  EXPECT_EQ(*Bytes(DataType::kFp32, {1, 8, 8}), 256u);
  EXPECT_EQ(*Bytes(DataType::kBf16, {3}), 6u);
  EXPECT_EQ(*Bytes(DataType::kInt8, {kLargest}), static_cast<uint64_t>(kLargest));
  // Each of these wraps to something small in unchecked arithmetic.
  const int64_t big = int64_t{1} << 32;
  for (const Shape& shape : {Shape{big, big}, {big, big / 8}, {kLargest}, {big, big, big, big}}) {
    EXPECT_EQ(Bytes(DataType::kFp64, shape).status().code(), StatusCode::kInvalidArg);
  }
  EXPECT_EQ(Bytes(DataType::kBytes, {1}).status().code(), StatusCode::kInvalidArg);
  EXPECT_EQ(Bytes(DataType::kInvalid, {1}).status().code(), StatusCode::kInvalidArg);
}

TEST(Shape, Patterns) {
  const Shape shape{1, 28, 28};
  const auto matches = [&](const Shape& pattern) {
    return ShapeMatches(shape.data(), shape.size(), pattern);
  };
  EXPECT_TRUE(matches({1, 28, 28}));
  EXPECT_TRUE(matches({-1, -1, -1}));
  EXPECT_FALSE(matches({1, 28}));
  EXPECT_FALSE(matches({1, 28, 27}));
  EXPECT_TRUE(HasWildcard({1, -1}));
  EXPECT_FALSE(HasWildcard({1, 2}));
  EXPECT_FALSE(HasWildcard({}));
}

TEST(DataType, NamesAndSizesGoBothWays) {
  struct Row {
    DataType type;
    const char* name;
    const char* config_name;
    uint32_t byte_size;
  };
  const Row rows[] = {
      {DataType::kBool, "BOOL", "TYPE_BOOL", 1},
      {DataType::kUint8, "UINT8", "TYPE_UINT8", 1},
      {DataType::kUint16, "UINT16", "TYPE_UINT16", 2},
      {DataType::kUint32, "UINT32", "TYPE_UINT32", 4},
      {DataType::kUint64, "UINT64", "TYPE_UINT64", 8},
      {DataType::kInt8, "INT8", "TYPE_INT8", 1},
      {DataType::kInt16, "INT16", "TYPE_INT16", 2},
      {DataType::kInt32, "INT32", "TYPE_INT32", 4},
      {DataType::kInt64, "INT64", "TYPE_INT64", 8},
      {DataType::kFp16, "FP16", "TYPE_FP16", 2},
      {DataType::kFp32, "FP32", "TYPE_FP32", 4},
      {DataType::kFp64, "FP64", "TYPE_FP64", 8},
      {DataType::kBytes, "BYTES", "TYPE_STRING", 0},
      {DataType::kBf16, "BF16", "TYPE_BF16", 2},
  };
  for (const Row& row : rows) {
    EXPECT_STREQ(DataTypeName(row.type), row.name);
    EXPECT_EQ(DataTypeFromName(row.name), row.type);
    EXPECT_STREQ(DataTypeConfigName(row.type), row.config_name);
    EXPECT_EQ(DataTypeFromConfigName(row.config_name), row.type);
    EXPECT_EQ(DataTypeByteSize(row.type), row.byte_size);
  }
  for (const char* bad : {"", "FP8", "fp32", "<invalid>", "TYPE_FP32"}) {
    EXPECT_EQ(DataTypeFromName(bad), DataType::kInvalid) << bad;
  }
  for (const int bad : {-1, 0, 15, 1000}) {
    EXPECT_STREQ(DataTypeName(static_cast<DataType>(bad)), "<invalid>");
    EXPECT_EQ(DataTypeByteSize(static_cast<DataType>(bad)), 0u);
  }
}

TEST(Shape, HasByteSizeAgreesWithTensorByteSize) {
  const Shape shapes[] = {{},          {0},         {3}, {2, 3, 4}, {-1}, {2, -1}, {INT64_MAX, 2},
                          {INT64_MAX}, {1, 1, 8, 8}};
  for (const DataType type : {DataType::kFp32, DataType::kBool, DataType::kBytes}) {
    for (const Shape& shape : shapes) {
      const auto bytes = TensorByteSize(type, shape.data(), shape.size());
      for (const uint64_t asked :
           {uint64_t{0}, uint64_t{1}, uint64_t{3}, uint64_t{4}, uint64_t{12}, uint64_t{24},
            uint64_t{96}, uint64_t{256}, uint64_t{INT64_MAX}}) {
        EXPECT_EQ(HasByteSize(type, shape.data(), shape.size(), asked),
                  bytes.ok() && *bytes == asked)
            << ShapeToString(shape) << " " << asked;
      }
    }
  }
}

}  // namespace
}  // namespace trident
