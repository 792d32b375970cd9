#include "model/golden_sample.h"

#include <gtest/gtest.h>

namespace trident {
namespace {

std::string Tensor(const std::string& numbers) {
  return R"({"datatype": "INT32", "shape": [1, 2], "data": )" + numbers + "}";
}

TEST(GoldenSample, HasInputsResponsesAndTolerance) {
  const auto sample =
      ParseGoldenSample(R"({"inputs": {"x": )" + Tensor("[1, 2]") + R"(}, "outputs": {"y": )" +
                        Tensor("[3, 4]") + R"(}, "tolerance": {"absolute": 1e-5}})");
  ASSERT_TRUE(sample.ok()) << sample.status().message();
  EXPECT_EQ(sample->inputs.at("x").shape, (Shape{1, 2}));
  ASSERT_EQ(sample->responses.size(), 1u);
  EXPECT_EQ(sample->responses[0].at("y").bytes, std::string("\3\0\0\0\4\0\0\0", 8));
  EXPECT_EQ(sample->tolerance.absolute, 1e-5);
  EXPECT_EQ(sample->tolerance.relative, 0);
}

TEST(GoldenSample, IsExactUnlessItSaysOtherwiseAndMayHaveManyResponses) {
  const auto sample = ParseGoldenSample(R"({"inputs": {}, "outputs": [{"y": )" + Tensor("[1, 2]") +
                                        R"(}, {}, {"z": )" + Tensor("[3, 4]") + "}]}");
  ASSERT_TRUE(sample.ok()) << sample.status().message();
  EXPECT_EQ(sample->responses.size(), 3u);
  EXPECT_EQ(sample->tolerance.absolute, 0);
  EXPECT_TRUE(ParseGoldenSample(R"({"inputs": {}, "outputs": []})")->responses.empty());
}

struct Bad {
  std::string text;
  const char* message;
};
class BadGoldenSample : public testing::TestWithParam<Bad> {};
TEST_P(BadGoldenSample, IsRefusedWithThePlace) {
  const auto sample = ParseGoldenSample(GetParam().text);
  ASSERT_FALSE(sample.ok());
  EXPECT_EQ(sample.status().code(), StatusCode::kInvalidArg);
  EXPECT_EQ(sample.status().message(), GetParam().message);
}
constexpr char kTolerance[] = R"({"inputs": {}, "outputs": {}, "tolerance": )";
INSTANTIATE_TEST_SUITE_P(
    All, BadGoldenSample,
    testing::Values(
        Bad{"", "not JSON at byte 1"}, Bad{R"({"inputs": {},)", "not JSON at byte 15"},
        Bad{"[]", "the sample must be an object"},
        Bad{R"({"inputs": {}})", "the sample must have 'inputs' and 'outputs'"},
        Bad{R"({"input": {}, "outputs": {}})",
            "unknown member 'input' of the sample; did you mean 'inputs'?"},
        Bad{R"({"inputs": [], "outputs": {}})", "'inputs' must be an object of tensors by name"},
        Bad{R"({"inputs": {}, "outputs": 1})", "'outputs' must be an object of tensors by name"},
        Bad{R"({"inputs": {}, "outputs": [1]})", "'outputs' must be an object of tensors by name"},
        Bad{R"({"inputs": {"x": 1}, "outputs": {}})",
            "input 'x': a tensor must be an object with 'datatype', 'shape' and 'data'"},
        Bad{R"({"inputs": {}, "outputs": {"y": )" + Tensor("[1]") + "}}",
            "output 'y': 'data' must be a flat array of 2 elements, as shape [1,2] says, found 1"},
        Bad{std::string(kTolerance) + "1}", "'tolerance' must be an object"},
        Bad{std::string(kTolerance) + R"({"absolut": 1}})",
            "unknown member 'absolut' of 'tolerance'; did you mean 'absolute'?"},
        Bad{std::string(kTolerance) + R"({"relative": -1}})",
            "'tolerance' must have numbers that are not negative, found -1 as 'relative'"},
        Bad{std::string(kTolerance) + R"({"absolute": "1"}})",
            "'tolerance' must have numbers that are not negative, found \"1\" as 'absolute'"}));

TEST(GoldenSample, NumbersBeyondADoubleAreRefused) {
  EXPECT_EQ(ParseGoldenSample(std::string(kTolerance) + R"({"absolute": 1e999}})").status().code(),
            StatusCode::kInvalidArg);
}

class Responses : public testing::Test {
 protected:
  static GoldenTensors Answer(int32_t number) {
    std::string bytes(reinterpret_cast<const char*>(&number), sizeof(number));
    return {{"y", {DataType::kInt32, {1}, bytes}}, {"z", {DataType::kInt32, {1}, bytes}}};
  }
  static std::string Compare(const std::vector<GoldenTensors>& expected,
                             const std::vector<GoldenTensors>& found) {
    const Status status = CompareGoldenResponses({{}, expected, {}}, found);
    EXPECT_TRUE(status.ok() || status.code() == StatusCode::kInternal);
    return status.ok() ? "same" : status.message();
  }
};

TEST_F(Responses, AreComparedByNameAndInOrder) {
  EXPECT_EQ(Compare({Answer(1)}, {Answer(1)}), "same");
  EXPECT_EQ(Compare({Answer(1)}, {Answer(2)}), "output 'y': element 0: expected 1, found 2");
  EXPECT_EQ(Compare({Answer(1), Answer(2)}, {Answer(1), Answer(2)}), "same");
  EXPECT_EQ(Compare({Answer(1), Answer(2)}, {Answer(2), Answer(1)}),
            "response 0, output 'y': element 0: expected 1, found 2");
  EXPECT_EQ(Compare({}, {}), "same");
}

TEST_F(Responses, NeedWhatTheSampleNamesAndNoMore) {
  GoldenTensors one = Answer(1);
  one.erase("y");
  EXPECT_EQ(Compare({one}, {Answer(1)}), "same");
  EXPECT_EQ(Compare({Answer(1)}, {one}), "output 'y' is missing");
  EXPECT_EQ(Compare({Answer(1)}, {}), "expected 1 response(s), found 0");
  EXPECT_EQ(Compare({Answer(1)}, {Answer(1), Answer(1)}), "expected 1 response(s), found 2");
}

}  // namespace
}  // namespace trident
