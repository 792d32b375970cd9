#include "config/json_format.h"

#include <gtest/gtest.h>

#include <clocale>
#include <cmath>
#include <string>

#include "config/text_format.h"

namespace trident {
namespace {

ModelConfig Parse(std::string_view json) {
  auto config = ParseModelConfigJson(json);
  EXPECT_TRUE(config.ok()) << config.status().message() << "\n" << json;
  return config.ok() ? *config : ModelConfig();
}

std::string Message(std::string_view json) {
  const auto config = ParseModelConfigJson(json);
  if (config.ok()) return "no error";
  EXPECT_EQ(config.status().code(), StatusCode::kInvalidArg);
  return config.status().message();
}

TEST(JsonWriterTest, PrintsScalarsAlwaysAndMessagesWhenPresent) {
  EXPECT_EQ(ModelConfigToJson(ModelConfig()),
            R"({"name":"","platform":"","backend":"","runtime":"","max_batch_size":0,"input":[],)"
            R"("output":[],"batch_input":[],"batch_output":[],"instance_group":[],)"
            R"("default_model_filename":"","cc_model_filenames":{},"metric_tags":{},)"
            R"("parameters":{},"model_warmup":[]})");
}

TEST(JsonWriterTest, PrintsFieldsThatAreNotTritonsOnlyWhereTheyAreSet) {
  const auto config = ParseModelConfigJson(
      R"({"execution":"main","isolation":"process","executionTimeoutMicroseconds":"250"})");
  ASSERT_TRUE(config.ok()) << config.status().message();
  const std::string json = ModelConfigToJson(*config);
  EXPECT_NE(json.find(R"("model_warmup":[],"execution":"main","isolation":"process",)"
                      R"("execution_timeout_microseconds":250})"),
            std::string::npos)
      << json;
}

TEST(JsonWriterTest, PrintsTritonsForm) {
  const auto config = ParseModelConfigText(
      "name: 'm' version_policy { latest { num_versions: 2 } } max_batch_size: 4"
      " input { name: 'x' data_type: TYPE_FP32 dims: [-1, 9007199254740993] }"
      " dynamic_batching { priority_queue_policy { key: 3 value { } } }"
      " parameters { key: 'k' value { string_value: 'v' } }",
      "config.pbtxt");
  ASSERT_TRUE(config.ok());
  EXPECT_EQ(
      ModelConfigToJson(*config),
      R"({"name":"m","platform":"","backend":"","runtime":"",)"
      R"("version_policy":{"latest":{"num_versions":2}},"max_batch_size":4,)"
      R"("input":[{"name":"x","data_type":"TYPE_FP32","format":"FORMAT_NONE",)"
      R"("dims":[-1,9007199254740993],"is_shape_tensor":false,"allow_ragged_batch":false,)"
      R"("optional":false,"is_non_linear_format_io":false}],"output":[],"batch_input":[],)"
      R"("batch_output":[],"dynamic_batching":{"preferred_batch_size":[],)"
      R"("max_queue_delay_microseconds":0,"preserve_ordering":false,"priority_levels":0,)"
      R"("default_priority_level":0,"priority_queue_policy":{"3":{"timeout_action":"REJECT",)"
      R"("default_timeout_microseconds":0,"allow_timeout_override":false,"max_queue_size":0}}},)"
      R"("instance_group":[],"default_model_filename":"","cc_model_filenames":{},)"
      R"("metric_tags":{},"parameters":{"k":{"string_value":"v"}},"model_warmup":[]})");
}

TEST(JsonWriterTest, EscapesStrings) {
  ModelConfig config;
  config.name = "a\"\\\n\x01/\xc3\xa9\x7f";
  EXPECT_EQ(ModelConfigToJson(config).substr(0, 40),
            "{\"name\":\"a\\\"\\\\\\u000a\\u0001/\xc3\xa9\\u007f\",\"pl");
  config.name = "a\xff";  // a file name need not be UTF-8, JSON must
  EXPECT_EQ(ModelConfigToJson(config).substr(0, 17), "{\"name\":\"a\\ufffd\"");
}

TEST(JsonWriterTest, PrintsUnknownEnumNumbersAndSpecialFloats) {
  ModelConfig config;
  config.model_metrics.emplace().metric_control.emplace_back().histogram_options.emplace().buckets =
      {0.1, 1e300, HUGE_VAL, -HUGE_VAL, NAN};
  EXPECT_NE(
      ModelConfigToJson(config).find(R"("buckets":[0.1,1e+300,"Infinity","-Infinity","NaN"])"),
      std::string::npos);
  config.instance_group.emplace_back().kind = static_cast<InstanceGroupKind>(9);
  EXPECT_NE(ModelConfigToJson(config).find(R"("kind":9)"), std::string::npos);
}

TEST(JsonReaderTest, AcceptsBothSpellingsOfNames) {
  const ModelConfig config = Parse(R"({
    "name": "m", "maxBatchSize": 4, "dynamicBatching": { "maxQueueDelayMicroseconds": "100" },
    "instance_group": [{ "hostPolicy": "cpu" }], "ccModelFilenames": { "8.0": "a.plan" } })");
  EXPECT_EQ(config.max_batch_size, 4);
  EXPECT_EQ(config.dynamic_batching->max_queue_delay_microseconds, 100u);
  EXPECT_EQ(config.instance_group[0].host_policy, "cpu");
  EXPECT_EQ(config.cc_model_filenames.at("8.0"), "a.plan");
}

TEST(JsonReaderTest, AcceptsEnumsInAnyCaseOrByNumber) {
  const ModelConfig config = Parse(
      R"({"input": [{"data_type": "type_fp32"}, {"data_type": "TYPE_Int8"}, {"data_type": 13}]})");
  EXPECT_EQ(config.input[0].data_type, DataType::kFp32);
  EXPECT_EQ(config.input[1].data_type, DataType::kInt8);
  EXPECT_EQ(config.input[2].data_type, DataType::kBytes);
}

TEST(JsonReaderTest, AcceptsNumbersInEveryForm) {
  const ModelConfig config = Parse(R"({
    "max_batch_size": 8.0,
    "input": [{ "dims": [-1, "-1", "9223372036854775807", -9223372036854775808, 1e3, 2E0] }],
    "dynamic_batching": { "priority_levels": 18446744073709551615,
                          "default_priority_level": "18446744073709551615" },
    "model_metrics": { "metric_control": [{ "histogram_options": {
      "buckets": [1, -2, 0.5, 1e-3, "2.5", "-1e2", "Infinity", "-Infinity", 18446744073709551616]
    } }] } })");
  EXPECT_EQ(config.max_batch_size, 8);
  EXPECT_EQ(config.input[0].dims, (Shape{-1, -1, INT64_MAX, INT64_MIN, 1000, 2}));
  EXPECT_EQ(config.dynamic_batching->priority_levels, UINT64_MAX);
  EXPECT_EQ(config.dynamic_batching->default_priority_level, UINT64_MAX);
  EXPECT_EQ(config.model_metrics->metric_control[0].histogram_options->buckets,
            (std::vector<double>{1, -2, .5, 1e-3, 2.5, -100, HUGE_VAL, -HUGE_VAL,
                                 18446744073709551616.0}));
}

TEST(JsonReaderTest, ReadsMapsAndNulls) {
  const ModelConfig config = Parse(R"({
    "name": null, "input": null, "parameters": { "a": { "string_value": "1" }, "b": {} },
    "dynamic_batching": { "priority_queue_policy": { "1": { "max_queue_size": 5 }, "2": {} } },
    "metric_tags": { "k": "v" }, "optimization": null })");
  EXPECT_EQ(config.parameters.at("a").string_value, "1");
  EXPECT_EQ(config.parameters.count("b"), 1u);
  EXPECT_EQ(config.dynamic_batching->priority_queue_policy.at(1).max_queue_size, 5u);
  EXPECT_EQ(config.metric_tags.at("k"), "v");
  EXPECT_FALSE(config.optimization);
  EXPECT_EQ(Parse("{}"), ModelConfig());
}

TEST(JsonReaderTest, IgnoresTheProcessLocale) {
  const std::string before = std::setlocale(LC_NUMERIC, nullptr);
  const char* comma = nullptr;
  for (const char* name : {"de_DE.UTF-8", "de_DE.utf8", "fr_FR.UTF-8"}) {
    if (comma == nullptr) comma = std::setlocale(LC_NUMERIC, name);
  }
  if (comma == nullptr) GTEST_SKIP() << "no locale with a decimal comma is installed";
  const ModelConfig config =
      Parse(R"({"sequence_batching": {"direct": {"minimum_slot_utilization": 0.25}}})");
  const std::string json = ModelConfigToJson(config);
  std::setlocale(LC_NUMERIC, before.c_str());
  EXPECT_EQ(config.sequence_batching->direct->minimum_slot_utilization, 0.25f);
  EXPECT_NE(json.find("0.25"), std::string::npos);
}

struct ErrorCase {
  const char* json;
  const char* message;  // after the prefix
};

class JsonErrors : public testing::TestWithParam<ErrorCase> {};

TEST_P(JsonErrors, NamePathAndReason) {
  EXPECT_EQ(Message(GetParam().json), std::string("Invalid config override: ") + GetParam().message)
      << GetParam().json;
}

INSTANTIATE_TEST_SUITE_P(
    Names, JsonErrors,
    testing::Values(
        ErrorCase{R"({"max_batchsize": 1})",
                  "unknown field 'max_batchsize' in ModelConfig; did you mean 'max_batch_size'?"},
        ErrorCase{R"({"maxBatchsize": 1})",
                  "unknown field 'maxBatchsize' in ModelConfig; did you mean 'maxBatchSize'?"},
        ErrorCase{R"({"input": [{}, {"nmae": "x"}]})",
                  "input[1]: unknown field 'nmae' in ModelInput; did you mean 'name'?"},
        ErrorCase{R"({"parameters": {"a": {"value": "x"}}})",
                  "parameters[\"a\"]: unknown field 'value' in ModelParameter; did you mean "
                  "'string_value'?"},
        ErrorCase{R"({"name": "a", "name": "b"})", "name: field 'name' is given more than once"},
        ErrorCase{R"({"max_batch_size": 1, "maxBatchSize": 1})",
                  "max_batch_size: field 'max_batch_size' is given more than once"},
        ErrorCase{R"({"metric_tags": {"a": "1", "a": "2"}})",
                  "metric_tags[\"a\"]: key is given more than once"},
        ErrorCase{R"({"dynamic_batching": {}, "sequence_batching": {}})",
                  "sequence_batching: field 'sequence_batching' cannot be given together with "
                  "'dynamic_batching': only one scheduling_choice is allowed"}));

INSTANTIATE_TEST_SUITE_P(
    Values, JsonErrors,
    testing::Values(
        ErrorCase{R"([])", "expected an object, found an array"},
        ErrorCase{R"(3)", "expected an object, found 3"},
        ErrorCase{R"("x")", "expected an object, found a string"},
        ErrorCase{R"(null)", "expected an object, found null"},
        ErrorCase{R"({"name": 3})", "name: expected a string, found 3"},
        ErrorCase{R"({"name": {}})", "name: expected a string, found an object"},
        ErrorCase{R"({"name": []})", "name: expected a string, found an array"},
        ErrorCase{R"({"max_batch_size": true})", "max_batch_size: expected an integer, found true"},
        ErrorCase{R"({"max_batch_size": 1.5})", "max_batch_size: expected an integer, found 1.5"},
        ErrorCase{R"({"max_batch_size": "x"})", "max_batch_size: expected an integer, found \"x\""},
        ErrorCase{R"({"max_batch_size": ""})", "max_batch_size: expected an integer, found \"\""},
        ErrorCase{R"({"max_batch_size": "--1"})",
                  "max_batch_size: expected an integer, found \"--1\""},
        ErrorCase{R"({"max_batch_size": 2147483648})",
                  "max_batch_size: 2147483648 is out of range for int32"},
        ErrorCase{R"({"max_batch_size": -2147483649})",
                  "max_batch_size: -2147483649 is out of range for int32"},
        ErrorCase{R"({"max_batch_size": 1e300})",
                  "max_batch_size: 1e300 is out of range for int32"},
        ErrorCase{R"({"input": [{"dims": [1, 18446744073709551616]}]})",
                  "input[0].dims[1]: 18446744073709551616 is out of range for int64"},
        ErrorCase{R"({"optimization": {"gather_kernel_buffer_threshold": -1}})",
                  "optimization.gather_kernel_buffer_threshold: -1 is out of range for uint32"},
        ErrorCase{R"({"sequence_batching": {"direct": {"minimum_slot_utilization": 1e39}}})",
                  "sequence_batching.direct.minimum_slot_utilization: 1e39 is out of range for "
                  "float"},
        ErrorCase{R"({"sequence_batching": {"direct": {"minimum_slot_utilization": "x"}}})",
                  "sequence_batching.direct.minimum_slot_utilization: expected a number, found "
                  "\"x\""},
        ErrorCase{R"({"sequence_batching": {"direct": {"minimum_slot_utilization": "--1"}}})",
                  "sequence_batching.direct.minimum_slot_utilization: expected a number, found "
                  "\"--1\""},
        ErrorCase{R"({"response_cache": {"enable": 1}})",
                  "response_cache.enable: expected true or false, found 1"},
        ErrorCase{R"({"response_cache": {"enable": "true"}})",
                  "response_cache.enable: expected true or false, found \"true\""},
        ErrorCase{R"({"input": [{"data_type": "TYPE_FP23"}]})",
                  "input[0].data_type: unknown value 'TYPE_FP23' for 'data_type'; did you mean "
                  "'TYPE_FP32'?"},
        ErrorCase{R"({"input": [{"data_type": 15}]})",
                  "input[0].data_type: unknown value 15 for 'data_type'"},
        ErrorCase{R"({"input": [{"data_type": 1.5}]})",
                  "input[0].data_type: expected a name or number, found 1.5"},
        ErrorCase{R"({"input": {}})", "input: expected an array, found an object"},
        ErrorCase{R"({"input": "x"})", "input: expected an array, found a string"},
        ErrorCase{R"({"input": [3]})", "input[0]: expected an object, found 3"},
        ErrorCase{R"({"input": [null]})", "input[0]: expected an object, found null"},
        ErrorCase{R"({"input": [{"dims": [[1]]}]})",
                  "input[0].dims[0]: expected an integer, found an array"},
        ErrorCase{R"({"input": [{"dims": [null]}]})",
                  "input[0].dims[0]: expected an integer, found null"},
        ErrorCase{R"({"metric_tags": [1]})", "metric_tags: expected an object, found an array"},
        ErrorCase{R"({"metric_tags": {"a": null}})",
                  "metric_tags[\"a\"]: expected a string, found null"},
        ErrorCase{R"({"parameters": {"a": "x"}})",
                  "parameters[\"a\"]: expected an object, found a string"},
        ErrorCase{R"({"parameters": {"a": []}})",
                  "parameters[\"a\"]: expected an object, found an array"},
        ErrorCase{R"({"dynamic_batching": {"priority_queue_policy": {"x": {}}}})",
                  "dynamic_batching.priority_queue_policy[\"x\"]: expected an integer, found "
                  "\"x\""},
        ErrorCase{R"({"dynamic_batching": {"priority_queue_policy": {"-1": {}}}})",
                  "dynamic_batching.priority_queue_policy[\"-1\"]: -1 is out of range for "
                  "uint64"}));

INSTANTIATE_TEST_SUITE_P(
    Syntax, JsonErrors,
    testing::Values(
        ErrorCase{"", "not JSON at line 1, column 1: unexpected end"},
        ErrorCase{"{", "not JSON at line 1, column 2: unexpected end"},
        ErrorCase{"{}\n  x", "not JSON at line 2, column 3: unexpected 'x'"},
        ErrorCase{"{\"name\":\n \"a\",}", "not JSON at line 2, column 6: unexpected '}'"},
        ErrorCase{"{\"name\": 'a'}", "not JSON at line 1, column 10: unexpected '''"},
        ErrorCase{"{\"name\": \"a", "not JSON at line 1, column 12: unexpected end"},
        ErrorCase{"{\"name\": \"\xff\"}", "not JSON at line 1, column 11: unexpected '\\xff'"},
        ErrorCase{"{\"max_batch_size\": 1e999}",
                  "not JSON at line 1, column 24: number out of range"}));

TEST(JsonReaderTest, NestingBombsAreRefusedAtOnce) {
  for (const char* part :
       {"[", "{\"input\":", "{\"input\":[", "{\"a\":", "{\"parameters\":{\"a\":"}) {
    std::string bomb;
    while (bomb.size() < 4'000'000) bomb += part;
    EXPECT_NE(Message(bomb), "no error") << part;
    EXPECT_NE(Message("{\"input\":[{\"dims\":" + bomb), "no error") << part;
  }
}

TEST(JsonReaderTest, LongTokensGiveShortErrors) {
  const std::string big(4'000'000, 'x');
  EXPECT_LT(Message("{\"" + big + "\": 1}").size(), 300u);
  EXPECT_LT(Message("{\"max_batch_size\": \"" + big + "\"}").size(), 300u);
  EXPECT_LT(Message("{\"max_batch_size\": " + std::string(4'000'000, '9') + "}").size(), 300u);
  EXPECT_LT(Message("{\"name\": \"" + big).size(), 300u);
  EXPECT_LT(Message("{\"parameters\": {\"" + big + "\": 1}}").size(), 300u);
}

}  // namespace
}  // namespace trident
