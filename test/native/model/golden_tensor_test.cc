#include "model/golden_tensor.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

namespace trident {
namespace {

Result<GoldenTensor> Parse(const std::string& text) {
  return ParseGoldenTensor(nlohmann::json::parse(text));
}
// A vector of as many elements as `data` has.
std::string TextOf(const std::string& datatype, const std::string& data) {
  const size_t count = nlohmann::json::parse(data).size();
  return R"({"datatype": ")" + datatype + R"(", "shape": [)" + std::to_string(count) +
         R"(], "data": )" + data + "}";
}
GoldenTensor Tensor(const std::string& datatype, const std::string& data) {
  Result<GoldenTensor> tensor = Parse(TextOf(datatype, data));
  EXPECT_TRUE(tensor.ok()) << tensor.status().message();
  return tensor.ok() ? *tensor : GoldenTensor();
}

// The difference, or "same".
std::string Compare(const std::string& datatype, const std::string& expected,
                    const std::string& found, GoldenTolerance tolerance = {}) {
  const Status status =
      CompareGoldenTensor(Tensor(datatype, expected), Tensor(datatype, found), tolerance);
  EXPECT_TRUE(status.ok() || status.code() == StatusCode::kInternal);
  return status.ok() ? "same" : status.message();
}

// Every datatype: what stands in a file is the bytes that a backend has.
struct Encoding {
  const char* datatype;
  const char* data;
  std::string bytes;
};
class GoldenEncoding : public testing::TestWithParam<Encoding> {};
TEST_P(GoldenEncoding, IsThatOfTensors) {
  const auto& [datatype, data, bytes] = GetParam();
  const GoldenTensor tensor = Tensor(datatype, data);
  EXPECT_STREQ(DataTypeName(tensor.datatype), datatype);
  EXPECT_EQ(tensor.bytes, bytes);
}
INSTANTIATE_TEST_SUITE_P(
    Datatypes, GoldenEncoding,
    testing::Values(Encoding{"BOOL", "[true, false]", std::string("\1\0", 2)},
                    Encoding{"UINT8", "[0, 255]", std::string("\0\xff", 2)},
                    Encoding{"INT8", "[-128, 127]", "\x80\x7f"},
                    Encoding{"UINT16", "[65535]", "\xff\xff"},
                    Encoding{"INT16", "[-2]", "\xfe\xff"},
                    Encoding{"UINT32", "[4294967295]", "\xff\xff\xff\xff"},
                    Encoding{"INT32", "[-2147483648]", std::string("\0\0\0\x80", 4)},
                    Encoding{"UINT64", "[18446744073709551615]", std::string(8, '\xff')},
                    Encoding{"INT64", "[-9223372036854775808, 9007199254740993]",
                             std::string("\0\0\0\0\0\0\0\x80\1\0\0\0\0\0\x20\0", 16)},
                    Encoding{"FP16", "[1, -2.5]", std::string("\0\x3c\0\xc1", 4)},
                    Encoding{"BF16", "[1]", "\x80\x3f"},
                    Encoding{"FP32", "[1, \"Infinity\"]",
                             std::string("\0\0\x80\x3f\0\0\x80\x7f", 8)},
                    Encoding{"FP64", "[-0.5]", std::string("\0\0\0\0\0\0\xe0\xbf", 8)},
                    Encoding{"BYTES", "[\"\", \"ab\"]", std::string("\0\0\0\0\2\0\0\0ab", 10)}));

struct Bad {
  const char* json;
  const char* message;
};
class BadGoldenTensor : public testing::TestWithParam<Bad> {};
TEST_P(BadGoldenTensor, IsRefused) {
  const Result<GoldenTensor> tensor = Parse(GetParam().json);
  ASSERT_FALSE(tensor.ok());
  EXPECT_EQ(tensor.status().code(), StatusCode::kInvalidArg);
  EXPECT_EQ(tensor.status().message(), GetParam().message);
}
constexpr char kForm[] = "a tensor must be an object with 'datatype', 'shape' and 'data'";
INSTANTIATE_TEST_SUITE_P(
    All, BadGoldenTensor,
    testing::Values(Bad{"[]", kForm}, Bad{"{}", kForm},
                    Bad{R"({"datatype": "FP32", "shape": [1]})", kForm},
                    Bad{R"({"datatype": "FP32", "shape": [0], "data": [], "more": 1})", kForm},
                    Bad{R"({"datatype": "FLOAT", "shape": [0], "data": []})",
                        "'datatype' must be one like \"FP32\", found \"FLOAT\""},
                    Bad{R"({"datatype": 1, "shape": [0], "data": []})",
                        "'datatype' must be one like \"FP32\", found 1"},
                    Bad{R"({"datatype": "FP32", "shape": 1, "data": []})",
                        "'shape' must be an array of at most 32 dimensions"},
                    Bad{R"({"datatype": "FP32", "shape": [-1], "data": []})",
                        "'shape' must have integers that are not negative, found -1"},
                    Bad{R"({"datatype": "FP32", "shape": [1.5], "data": []})",
                        "'shape' must have integers that are not negative, found 1.5"},
                    Bad{R"({"datatype": "FP32", "shape": [2, 2], "data": [1, 2, 3]})",
                        "'data' must be a flat array of 4 elements, as shape [2,2] says, found 3"},
                    Bad{R"({"datatype": "FP32", "shape": [1], "data": 1})",
                        "'data' must be a flat array of 1 elements, as shape [1] says"},
                    Bad{R"({"datatype": "INT32", "shape": [2], "data": [1, 1.5]})",
                        "'data' has 1.5 as element 1, which is no INT32"},
                    Bad{R"({"datatype": "UINT8", "shape": [1], "data": [256]})",
                        "'data' has 256 as element 0, which is no UINT8"},
                    Bad{R"({"datatype": "UINT64", "shape": [1], "data": [-1]})",
                        "'data' has -1 as element 0, which is no UINT64"},
                    Bad{R"({"datatype": "INT8", "shape": [1], "data": [-129]})",
                        "'data' has -129 as element 0, which is no INT8"},
                    Bad{R"({"datatype": "INT64", "shape": [1], "data": [9223372036854775808]})",
                        "'data' has 9223372036854775808 as element 0, which is no INT64"},
                    Bad{R"({"datatype": "BOOL", "shape": [1], "data": [1]})",
                        "'data' has 1 as element 0, which is no BOOL"},
                    Bad{R"({"datatype": "FP32", "shape": [1], "data": ["1"]})",
                        "'data' has \"1\" as element 0, which is no FP32"},
                    Bad{R"({"datatype": "FP32", "shape": [1], "data": [1e39]})",
                        "'data' has 1e+39 as element 0, which is no FP32"},
                    Bad{R"({"datatype": "FP16", "shape": [1], "data": [65520]})",
                        "'data' has 65520 as element 0, which is no FP16"},
                    Bad{R"({"datatype": "BYTES", "shape": [1], "data": [7]})",
                        "'data' has 7 as element 0, which is no BYTES"}));

TEST(GoldenTensor, ShapesThatNoTensorHasAreRefusedBeforeAnythingIsAllocated) {
  const Result<GoldenTensor> tensor =
      Parse(R"({"datatype": "FP32", "shape": [4611686018427387904, 16], "data": []})");
  ASSERT_FALSE(tensor.ok());
  EXPECT_EQ(tensor.status().code(), StatusCode::kInvalidArg);
}

TEST(CompareGolden, FloatingNumbersMayDifferByTheTolerance) {
  for (const char* type : {"FP16", "BF16", "FP32", "FP64"}) {
    EXPECT_EQ(Compare(type, "[1, 2]", "[1, 2]"), "same") << type;
    EXPECT_EQ(Compare(type, "[1, 2]", "[1, 2.5]"), "element 1: expected 2, found 2.5") << type;
    EXPECT_EQ(Compare(type, "[1, 2]", "[1, 2.5]", {.absolute = 0.5}), "same") << type;
    EXPECT_EQ(Compare(type, "[1, -2]", "[1, -2.5]", {.relative = 0.25}), "same") << type;
    EXPECT_EQ(Compare(type, "[2]", "[3]", {.absolute = 0.5, .relative = 0.25}), "same") << type;
    EXPECT_EQ(Compare(type, "[2]", "[3.5]", {.absolute = 0.5, .relative = 0.25}),
              "element 0: expected 2, found 3.5")
        << type;
  }
  EXPECT_EQ(Compare("FP32", "[0.1]", "[0.2]"), "element 0: expected 0.1, found 0.2");
}

TEST(CompareGolden, NanIsNanAndInfinityOnlyItself) {
  const GoldenTolerance wide{.absolute = 1e300, .relative = 1e300};
  EXPECT_EQ(Compare("FP32", R"(["NaN"])", R"(["NaN"])"), "same");
  EXPECT_EQ(Compare("FP32", R"(["NaN"])", "[1]", wide), "element 0: expected nan, found 1");
  EXPECT_EQ(Compare("FP32", "[1]", R"(["NaN"])", wide), "element 0: expected 1, found nan");
  EXPECT_EQ(Compare("FP64", R"(["Infinity"])", R"(["Infinity"])"), "same");
  EXPECT_EQ(Compare("FP64", R"(["Infinity"])", R"(["-Infinity"])", wide),
            "element 0: expected inf, found -inf");
  EXPECT_EQ(Compare("FP64", R"(["Infinity"])", "[1]", wide), "element 0: expected inf, found 1");
}

TEST(CompareGolden, AllElseIsExact) {
  const GoldenTolerance wide{.absolute = 100, .relative = 100};
  EXPECT_EQ(Compare("INT32", "[-1, 5]", "[-1, 4]", wide), "element 1: expected 5, found 4");
  EXPECT_EQ(Compare("UINT64", "[18446744073709551615]", "[18446744073709551614]", wide),
            "element 0: expected 18446744073709551615, found 18446744073709551614");
  EXPECT_EQ(Compare("INT8", "[-3]", "[3]", wide), "element 0: expected -3, found 3");
  EXPECT_EQ(Compare("BOOL", "[true, false]", "[true, true]", wide),
            "element 1: expected false, found true");
  EXPECT_EQ(Compare("BYTES", R"(["a", "b"])", R"(["a", "b"])"), "same");
  EXPECT_EQ(Compare("BYTES", R"(["a", "b"])", R"(["a", "c"])", wide),
            "element 1: expected \"b\", found \"c\"");
}

TEST(CompareGolden, TypesShapesAndSizesAreTheSame) {
  const GoldenTensor expected = Tensor("FP32", "[1, 2]");
  GoldenTensor found = expected;
  found.datatype = DataType::kInt32;
  EXPECT_EQ(CompareGoldenTensor(expected, found, {}).message(),
            "expected datatype FP32, found INT32");
  found = expected;
  found.shape = {1, 2};
  EXPECT_EQ(CompareGoldenTensor(expected, found, {}).message(), "expected shape [2], found [1,2]");
  found = expected;
  found.bytes.pop_back();
  EXPECT_EQ(CompareGoldenTensor(expected, found, {}).message(), "expected 8 bytes, found 7");

  const GoldenTensor strings = Tensor("BYTES", R"(["a", "b"])");
  for (const std::string& bytes : {std::string(), std::string("\1\0\0\0a", 5),
                                   std::string("\1\0\0\0a\2\0\0\0b", 10), std::string("\1\0", 2)}) {
    found = strings;
    found.bytes = bytes;
    EXPECT_EQ(CompareGoldenTensor(strings, found, {}).message(), "its bytes are not 2 strings");
  }
}

}  // namespace
}  // namespace trident
