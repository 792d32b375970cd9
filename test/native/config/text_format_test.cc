#include "config/text_format.h"

#include <gtest/gtest.h>

#include <cmath>
#include <string>

namespace trident {
namespace {

ModelConfig Parse(std::string_view text) {
  auto config = ParseModelConfigText(text, "config.pbtxt");
  EXPECT_TRUE(config.ok()) << config.status().message() << "\n" << text;
  return config.ok() ? *config : ModelConfig();
}

std::string Message(std::string_view text) {
  const auto config = ParseModelConfigText(text, "config.pbtxt");
  if (config.ok()) return "no error";
  EXPECT_EQ(config.status().code(), StatusCode::kInvalidArg);
  return config.status().message();
}

TEST(TextFormatTest, ReadsATypicalConfiguration) {
  const ModelConfig config = Parse(R"(
    name: "digits"            # the directory's name
    backend: "onnxruntime"
    max_batch_size: 64
    input [
      { name: "image" data_type: TYPE_FP32 dims: [ 1, 8, 8 ] },
      { name: "mask", data_type: TYPE_BOOL, dims: [ -1 ], optional: true }
    ]
    output { name: "logits" data_type: TYPE_FP32 dims: 10 label_filename: "labels.txt" }
    dynamic_batching {
      preferred_batch_size: [ 16, 32 ]
      max_queue_delay_microseconds: 500
      priority_queue_policy { key: 2 value { timeout_action: DELAY max_queue_size: 7 } }
    }
    instance_group: < count: 2 kind: KIND_CPU >
    parameters { key: "intra_op_thread_count" value: { string_value: "1" } }
    version_policy: { specific { versions: [1, 3] } }
  )");
  EXPECT_EQ(config.name, "digits");
  EXPECT_EQ(config.max_batch_size, 64);
  ASSERT_EQ(config.input.size(), 2u);
  EXPECT_EQ(config.input[0].data_type, DataType::kFp32);
  EXPECT_EQ(config.input[0].dims, (Shape{1, 8, 8}));
  EXPECT_EQ(config.input[1].dims, (Shape{-1}));
  EXPECT_TRUE(config.input[1].optional);
  ASSERT_EQ(config.output.size(), 1u);
  EXPECT_EQ(config.output[0].dims, (Shape{10}));
  ASSERT_TRUE(config.dynamic_batching);
  EXPECT_EQ(config.dynamic_batching->preferred_batch_size, (std::vector<int32_t>{16, 32}));
  EXPECT_EQ(config.dynamic_batching->priority_queue_policy.at(2).timeout_action,
            TimeoutAction::kDelay);
  ASSERT_EQ(config.instance_group.size(), 1u);
  EXPECT_EQ(config.instance_group[0].kind, InstanceGroupKind::kCpu);
  EXPECT_EQ(config.parameters.at("intra_op_thread_count").string_value, "1");
  EXPECT_EQ(config.version_policy->specific->versions, (std::vector<int64_t>{1, 3}));
  EXPECT_FALSE(config.optimization);
}

TEST(TextFormatTest, EmptyTextIsAnEmptyConfiguration) {
  EXPECT_EQ(Parse(""), ModelConfig());
  EXPECT_EQ(Parse(" \t\r\n\v\f# only a comment"), ModelConfig());
  EXPECT_EQ(Parse("\xef\xbb\xbfname: 'm'").name, "m");  // byte order mark
}

TEST(TextFormatTest, AcceptsEveryFormOfMessage) {
  for (const char* text : {"input { name: 'a' }", "input: { name: 'a' }", "input < name: 'a' >",
                           "input: < name: 'a' >", "input [{ name: 'a' }]",
                           "input: [ < name: 'a' > ]", "input{name:'a'};", "input{name:'a';},"}) {
    const ModelConfig config = Parse(text);
    ASSERT_EQ(config.input.size(), 1u) << text;
    EXPECT_EQ(config.input[0].name, "a") << text;
  }
}

TEST(TextFormatTest, RepeatedFieldsCollectOverOccurrencesAndLists) {
  const ModelConfig config =
      Parse("input { dims: 1 dims: [2, 3] dims: [] dims: [4] } input [] input [{}, {}]");
  ASSERT_EQ(config.input.size(), 3u);
  EXPECT_EQ(config.input[0].dims, (Shape{1, 2, 3, 4}));
}

TEST(TextFormatTest, EmptyMessagesArePresent) {
  const ModelConfig config = Parse("dynamic_batching { } version_policy { all { } }");
  EXPECT_TRUE(config.dynamic_batching);
  EXPECT_TRUE(config.version_policy->all);
}

TEST(TextFormatTest, MapEntriesDefaultTheirPartsAndTheLastOneWins) {
  const ModelConfig config = Parse(
      "metric_tags { key: 'a' value: '1' } metric_tags { value: '2' } metric_tags { key: 'b' }"
      "metric_tags [{ value: '3' key: 'a' }, <>]"
      "parameters { key: 'p' }");
  EXPECT_EQ(config.metric_tags,
            (std::map<std::string, std::string>{{"", ""}, {"a", "3"}, {"b", ""}}));
  EXPECT_EQ(config.parameters.at("p").string_value, "");
}

TEST(TextFormatTest, ReadsIntegersOfAllKinds) {
  struct Case {
    const char* text;
    int32_t value;
  };
  for (const Case& c : {Case{"0", 0},
                        {"7", 7},
                        {"-7", -7},
                        {"- 7", -7},
                        {"-\n7", -7},
                        {"2147483647", 2147483647},
                        {"-2147483648", -2147483647 - 1},
                        {"0x1F", 31},
                        {"0X1f", 31},
                        {"-0x80000000", -2147483647 - 1},
                        {"017", 15},
                        {"00", 0},
                        {"-0", 0},
                        {"0000000000000000000000001", 1}}) {
    EXPECT_EQ(Parse(std::string("max_batch_size: ") + c.text).max_batch_size, c.value) << c.text;
  }
  const ModelConfig config = Parse(
      "input { dims: [9223372036854775807, -9223372036854775808, 0x7fffffffffffffff] }"
      "dynamic_batching { priority_levels: 18446744073709551615 }"
      "optimization { gather_kernel_buffer_threshold: 4294967295 }");
  EXPECT_EQ(config.input[0].dims, (Shape{INT64_MAX, INT64_MIN, INT64_MAX}));
  EXPECT_EQ(config.dynamic_batching->priority_levels, UINT64_MAX);
  EXPECT_EQ(config.optimization->gather_kernel_buffer_threshold, UINT32_MAX);
}

TEST(TextFormatTest, ReadsFloatsOfAllKinds) {
  const ModelConfig config = Parse(
      "model_metrics { metric_control { histogram_options { buckets: [1, -2.5, .5, 1., 1e3, "
      "1.5E-2, 2f, 2.5F, 1e+2f, inf, -inf, Infinity, -INFINITY, -1, 123456789012345678901] } } }");
  const auto& buckets = config.model_metrics->metric_control[0].histogram_options->buckets;
  const std::vector<double> expected = {
      1,         -2.5,     .5,        1,   1e3,
      .015,      2,        2.5,       100, HUGE_VAL,
      -HUGE_VAL, HUGE_VAL, -HUGE_VAL, -1,  123456789012345678901.0};
  EXPECT_EQ(buckets, expected);
  const ModelConfig nans = Parse(
      "sequence_batching { control_input { control { fp32_false_true: [nan, -NaN, 0.1] } } }");
  const auto& pair = nans.sequence_batching->control_input[0].control[0].fp32_false_true;
  EXPECT_TRUE(std::isnan(pair[0]) && std::isnan(pair[1]));
  EXPECT_EQ(pair[2], 0.1f);
}

TEST(TextFormatTest, ReadsBooleansOfAllKinds) {
  for (const char* yes : {"true", "True", "t", "1", "0x1", "01"}) {
    EXPECT_TRUE(Parse(std::string("response_cache { enable: ") + yes + "}").response_cache->enable);
  }
  for (const char* no : {"false", "False", "f", "0", "0x0", "00"}) {
    EXPECT_FALSE(Parse(std::string("response_cache { enable: ") + no + "}").response_cache->enable);
  }
}

TEST(TextFormatTest, ReadsEnumsByNameAndNumber) {
  const ModelConfig config = Parse(
      "input { data_type: 11 format: FORMAT_NCHW } input { data_type: TYPE_STRING format: 0x1 }");
  EXPECT_EQ(config.input[0].data_type, DataType::kFp32);
  EXPECT_EQ(config.input[0].format, TensorFormat::kNchw);
  EXPECT_EQ(config.input[1].data_type, DataType::kBytes);
  EXPECT_EQ(config.input[1].format, TensorFormat::kNhwc);
}

TEST(TextFormatTest, ResolvesEveryEscape) {
  struct Case {
    const char* text;
    std::string value;
  };
  for (const Case& c : {
           Case{R"("a\a\b\f\n\r\t\v\?\\\'\"")", "a\a\b\f\n\r\t\v?\\'\""},
           {R"('\1\12\123\1234')", "\1\12\123S4"},
           {R"('\x7\x41\x414')", "\7AA4"},
           {R"("\u00e9\u20AC")", "\xc3\xa9\xe2\x82\xac"},
           {R"("\U0001F600")", "\xf0\x9f\x98\x80"},
           {R"("\ud83d\ude00")", "\xf0\x9f\x98\x80"},
           {R"("\303\251")", "\xc3\xa9"},
           {R"("it's" ' a "quote"')", "it's a \"quote\""},
           {"'one'\"two\" # comment\n  'three'", "onetwothree"},
           {R"("\0")", std::string(1, '\0')},
           {"\"caf\xc3\xa9\"", "caf\xc3\xa9"},
           {"''", ""},
       }) {
    EXPECT_EQ(Parse(std::string("name: ") + c.text).name, c.value) << c.text;
  }
}

struct ErrorCase {
  const char* text;
  const char* message;  // after "config.pbtxt:"
};

class TextErrors : public testing::TestWithParam<ErrorCase> {};

TEST_P(TextErrors, NamePlaceAndReason) {
  EXPECT_EQ(Message(GetParam().text), std::string("config.pbtxt:") + GetParam().message)
      << GetParam().text;
}

INSTANTIATE_TEST_SUITE_P(
    Names, TextErrors,
    testing::Values(ErrorCase{"max_batchsize: 1",
                              "1:1: unknown field 'max_batchsize' in ModelConfig; did you mean "
                              "'max_batch_size'?"},
                    ErrorCase{
                        "\n\n  input {\n    datatype: TYPE_FP32 }",
                        "4:5: unknown field 'datatype' in ModelInput; did you mean 'data_type'?"},
                    ErrorCase{"zebra: 1", "1:1: unknown field 'zebra' in ModelConfig"},
                    ErrorCase{"maxBatchSize: 1",
                              "1:1: unknown field 'maxBatchSize' in ModelConfig; did you mean "
                              "'max_batch_size'?"},
                    ErrorCase{"metric_tags { kye: 'a' }",
                              "1:15: unknown field 'kye' in map entry; did you mean 'key'?"},
                    ErrorCase{"metric_tags { keys: 'a' }",
                              "1:15: unknown field 'keys' in map entry; did you mean 'key'?"},
                    ErrorCase{"version_policy { all { x: 1 } }",
                              "1:24: unknown field 'x' in ModelVersionPolicy.All"},
                    ErrorCase{"4: 1", "1:1: expected a field name, found '4'"},
                    ErrorCase{"'name': 'x'", "1:1: expected a field name, found string 'name'"},
                    ErrorCase{"[a.b]: 1", "1:1: extensions are not part of model configuration"},
                    ErrorCase{"name: 'a';; backend: 'b'", "1:11: expected a field name, found ';'"},
                    ErrorCase{"name: 'a'\n}", "2:1: expected a field name, found '}'"}));

INSTANTIATE_TEST_SUITE_P(
    Structure, TextErrors,
    testing::Values(
        ErrorCase{"name 'x'", "1:6: expected ':' after 'name', found string 'x'"},
        ErrorCase{"name:", "1:6: expected a quoted string for 'name', found end of file"},
        ErrorCase{"name: { }", "1:7: expected a quoted string for 'name', found '{'"},
        ErrorCase{"name: ['a']", "1:7: field 'name' takes one value, not a list"},
        ErrorCase{"dynamic_batching [{}]",
                  "1:18: field 'dynamic_batching' takes one value, not a list"},
        ErrorCase{"input: 3", "1:8: expected '{' after 'input', found '3'"},
        ErrorCase{"input", "1:6: expected '{' after 'input', found end of file"},
        ErrorCase{"input {\n name: 'a'\n",
                  "3:1: end of file before the '}' that closes 'input' opened at 1:7"},
        ErrorCase{"input < name: 'a' }", "1:19: expected a field name, found '}'"},
        ErrorCase{"input { dims: [1, 2 }",
                  "1:21: expected ',' or ']' in the list of 'dims', found '}'"},
        ErrorCase{"input { dims: [1, ] }", "1:19: expected an integer for 'dims', found ']'"},
        ErrorCase{"input { dims: [,1] }", "1:16: expected an integer for 'dims', found ','"},
        ErrorCase{"input { dims: [[1]] }", "1:16: expected an integer for 'dims', found '['"},
        ErrorCase{"input { dims: [1",
                  "1:17: expected ',' or ']' in the list of 'dims', found "
                  "end of file"},
        ErrorCase{"input [ { } { } ]",
                  "1:13: expected ',' or ']' in the list of 'input', found "
                  "'{'"},
        ErrorCase{"name: 'a' name: 'b'", "1:11: field 'name' is given more than once"},
        ErrorCase{"max_batch_size: 0 max_batch_size: 0",
                  "1:19: field 'max_batch_size' is given more than once"},
        ErrorCase{"optimization {} optimization {}",
                  "1:17: field 'optimization' is given more than once"},
        ErrorCase{"metric_tags { key: 'a' key: 'b' }", "1:24: field 'key' is given more than once"},
        ErrorCase{"dynamic_batching { }\nsequence_batching { }",
                  "2:1: field 'sequence_batching' cannot be given together with "
                  "'dynamic_batching': only one scheduling_choice is allowed"},
        ErrorCase{"version_policy { latest { } all { } }",
                  "1:29: field 'all' cannot be given together with 'latest': only one "
                  "policy_choice is allowed"},
        ErrorCase{"version_policy { all { } all { } }",
                  "1:26: field 'all' is given more than once"}));

INSTANTIATE_TEST_SUITE_P(
    Values, TextErrors,
    testing::Values(
        ErrorCase{"max_batch_size: 2147483648", "1:17: 2147483648 is out of range for int32"},
        ErrorCase{"max_batch_size: -2147483649", "1:17: -2147483649 is out of range for int32"},
        ErrorCase{"max_batch_size: 99999999999999999999999999",
                  "1:17: 99999999999999999999999999 is out of range for int32"},
        ErrorCase{"optimization { gather_kernel_buffer_threshold: -1 }",
                  "1:48: -1 is out of range for uint32"},
        ErrorCase{"dynamic_batching { priority_levels: 18446744073709551616 }",
                  "1:37: 18446744073709551616 is out of range for uint64"},
        ErrorCase{"input { dims: 9223372036854775808 }",
                  "1:15: 9223372036854775808 is out of range for int64"},
        ErrorCase{"max_batch_size: 1.5",
                  "1:17: expected an integer for 'max_batch_size', found "
                  "'1.5'"},
        ErrorCase{"max_batch_size: '1'",
                  "1:17: expected an integer for 'max_batch_size', found "
                  "string '1'"},
        ErrorCase{"max_batch_size: --1",
                  "1:18: expected an integer for 'max_batch_size', found "
                  "'-'"},
        ErrorCase{"max_batch_size: 08",
                  "1:17: a number with a leading zero is octal; '08' has the "
                  "digit 8 or 9"},
        ErrorCase{"max_batch_size: 0x", "1:17: hexadecimal number without digits"},
        ErrorCase{"max_batch_size: 12abc",
                  "1:19: a number must be followed by a space or "
                  "separator"},
        ErrorCase{"max_batch_size: 1.2.3",
                  "1:20: a number must be followed by a space or "
                  "separator"},
        ErrorCase{"max_batch_size: 010f",
                  "1:20: a number must be followed by a space or "
                  "separator"},
        ErrorCase{"max_batch_size: 1e", "1:17: exponent without digits"},
        ErrorCase{"max_batch_size: +1", "1:17: unexpected character '+'"},
        ErrorCase{"sequence_batching { direct { minimum_slot_utilization: 1e39 } }",
                  "1:56: 1e39 is out of range for float"},
        ErrorCase{"sequence_batching { direct { minimum_slot_utilization: 0x1 } }",
                  "1:56: expected a decimal number for 'minimum_slot_utilization', found '1'"},
        ErrorCase{"sequence_batching { direct { minimum_slot_utilization: half } }",
                  "1:56: expected a decimal number for 'minimum_slot_utilization', found 'half'"},
        ErrorCase{"response_cache { enable: yes }",
                  "1:26: expected true or false for 'enable', found 'yes'"},
        ErrorCase{"response_cache { enable: 2 }",
                  "1:26: expected true or false for 'enable', found '2'"},
        ErrorCase{"input { data_type: TYPE_FP23 }",
                  "1:20: unknown value 'TYPE_FP23' for 'data_type'; did you mean 'TYPE_FP32'?"},
        ErrorCase{"input { data_type: FP32 }",
                  "1:20: unknown value 'FP32' for 'data_type'; did you mean 'TYPE_FP32'?"},
        ErrorCase{"input { data_type: 15 }", "1:20: unknown value 15 for 'data_type'"},
        ErrorCase{"input { data_type: -1 }", "1:20: unknown value -1 for 'data_type'"},
        ErrorCase{"input { data_type: 99999999999999999999 }",
                  "1:20: 18446744073709551615 is out of range for enum"},
        ErrorCase{"input { data_type: 'TYPE_FP32' }",
                  "1:20: expected a name or number for 'data_type', found string 'TYPE_FP32'"}));

INSTANTIATE_TEST_SUITE_P(
    Strings, TextErrors,
    testing::Values(
        ErrorCase{"name: digits", "1:7: expected a quoted string for 'name', found 'digits'"},
        ErrorCase{"name: 'digits", "1:7: string without closing quote on its line"},
        ErrorCase{"name: 'digits\n'", "1:7: string without closing quote on its line"},
        ErrorCase{"name: 'a\\", "1:9: unknown escape '\\'"},
        ErrorCase{"name: 'a\\q'", "1:9: unknown escape '\\q'"},
        ErrorCase{"name: 'a\\xg'", "1:9: '\\x' needs a hexadecimal digit"},
        ErrorCase{"name: '\\400'", "1:8: octal escape is greater than \\377"},
        ErrorCase{"name: '\\u12'", "1:8: '\\u' needs 4 hexadecimal digits"},
        ErrorCase{"name: '\\U0012345'", "1:8: '\\U' needs 8 hexadecimal digits"},
        ErrorCase{"name: '\\U00110000'", "1:8: unicode escape is beyond U+10FFFF"},
        ErrorCase{"name: '\\ud800'", "1:8: unicode escape is half of a surrogate pair"},
        ErrorCase{"name: '\\ud800\\u0041'", "1:8: unicode escape is half of a surrogate pair"},
        ErrorCase{"name: '\\udc00'", "1:8: unicode escape is half of a surrogate pair"},
        ErrorCase{"name: '\\xff'", "1:7: the string for 'name' is not UTF-8"},
        ErrorCase{"name: '\xc3'", "1:7: the string for 'name' is not UTF-8"},
        ErrorCase{"# caf\xc3\xa9\nname: 'caf\xc3\xa9' nam: 'x'",
                  "2:14: unknown field 'nam' in ModelConfig; did you mean 'name'?"},
        ErrorCase{"\tname: @", "1:8: unexpected character '@'"},
        ErrorCase{"name: 'a' /* no */", "1:11: unexpected character '/'"}));

TEST(TextFormatTest, NulIsNoText) {
  EXPECT_EQ(Message(std::string_view("name\0: 'x'", 10)),
            "config.pbtxt:1:5: unexpected character '\\x00'");
  EXPECT_EQ(Message(std::string_view("name: 'x\0'", 10)),
            "config.pbtxt:1:9: NUL character in string");
}

TEST(TextFormatTest, NestingBombsAreRefusedAtOnce) {
  for (const char* part : {"input {", "input: <", "input [", "{", "[", "<", "dims: [",
                           "parameters { value {", "a{", "- "}) {
    std::string bomb;
    while (bomb.size() < 4'000'000) bomb += part;
    EXPECT_NE(Message(bomb), "no error") << part;
  }
}

TEST(TextFormatTest, LongTokensGiveShortErrors) {
  const std::string big(4'000'000, 'x');
  EXPECT_LT(Message(big + ": 1").size(), 300u);
  EXPECT_LT(Message("max_batch_size: '" + big + "'").size(), 300u);
  EXPECT_LT(Message("max_batch_size: " + std::string(4'000'000, '9')).size(), 300u);
  EXPECT_LT(Message("input { data_type: " + big + " }").size(), 300u);
  EXPECT_EQ(Parse("name: '" + big + "'").name.size(), big.size());
}

}  // namespace
}  // namespace trident
