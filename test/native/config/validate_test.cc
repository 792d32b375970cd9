#include "config/validate.h"

#include <gtest/gtest.h>

#include <string>

#include "config/normalize.h"
#include "config/text_format.h"

namespace trident {
namespace {

struct Case {
  const char* text;     // what is added to a valid configuration
  const char* message;  // "" when it must stay valid
};

Status Check(const std::string& text) {
  auto config = ParseModelConfigText(text, "config.pbtxt");
  if (!config.ok()) return config.status();
  Normalize(&*config);
  TRIDENT_RETURN_IF_ERROR(Validate(*config));
  TRIDENT_RETURN_IF_ERROR(ValidateTensors(*config));
  return Status::Ok();
}

void Expect(const Status& status, const char* message, const std::string& text) {
  EXPECT_EQ(status.message(), message) << text;
  EXPECT_EQ(status.code(), *message == '\0' ? StatusCode::kOk : StatusCode::kInvalidArg) << text;
}

// Whole configurations.
class ConfigRule : public testing::TestWithParam<Case> {};
TEST_P(ConfigRule, Holds) { Expect(Check(GetParam().text), GetParam().message, GetParam().text); }

INSTANTIATE_TEST_SUITE_P(
    Identity, ConfigRule,
    testing::Values(
        Case{"name: 'm' backend: 'identity'", ""},
        Case{"backend: 'identity'", "model configuration must specify 'name'"},
        Case{"name: 'm'", "model 'm': must specify 'platform' or 'backend'"},
        Case{"name: 'm' platform: 'what'",
             "model 'm': unexpected 'platform' \"what\" without 'backend'"},
        Case{"name: 'm' backend: 'own' platform: 'what'", ""},
        Case{"name: 'm' backend: 'onnxruntime' platform: 'onnxruntime_onnx'", ""},
        Case{"name: 'm' backend: 'onnxruntime'", ""},
        Case{"name: 'm' backend: 'pytorch' platform: 'torch_aoti'", ""},
        Case{"name: 'm' backend: 'python' platform: 'what'", ""},
        Case{"name: 'm' backend: 'onnxruntime' platform: 'tensorrt_plan'",
             "model 'm': unexpected 'platform' and 'backend' pair \"tensorrt_plan\", "
             "\"onnxruntime\""},
        Case{"name: 'm' backend: 'b' platform: 'ensemble'",
             "model 'm': an ensemble has 'platform' \"ensemble\" and no 'backend', got \"b\""},
        Case{"name: 'm' platform: 'ensemble'",
             "model 'm': 'ensemble_scheduling' must be set, as 'platform' is \"ensemble\""},
        Case{"name: 'm' backend: 'b' ensemble_scheduling { }",
             "model 'm': 'ensemble_scheduling' cannot be set, as 'platform' is \"\" and not "
             "\"ensemble\""},
        Case{"name: 'm' backend: 'b' max_batch_size: -1",
             "model 'm': 'max_batch_size' must not be negative, got -1"}));

INSTANTIATE_TEST_SUITE_P(
    Execution, ConfigRule,
    testing::Values(
        Case{"name: 'm' backend: 'javascript' execution: 'main'", ""},
        Case{"name: 'm' backend: 'javascript' execution: ''", ""},
        Case{"name: 'm' backend: 'own' execution: '' isolation: '' "
             "execution_timeout_microseconds: 0",
             ""},
        Case{"name: 'm' backend: 'own' isolation: 'process' execution_timeout_microseconds: 5", ""},
        Case{"name: 'm' backend: 'javascript' execution: 'main' isolation: 'process'", ""},
        Case{"name: 'm' backend: 'javascript' execution_timeout_microseconds: 5", ""},
        Case{"name: 'm' backend: 'javascript' execution_timeout_microseconds: 2147483647000", ""},
        Case{"name: 'm' backend: 'javascript' execution_timeout_microseconds: 2147483647001",
             "model 'm': 'execution_timeout_microseconds' must be at most 2147483647000, got "
             "2147483647001"},
        Case{"name: 'm' backend: 'javascript' execution: 'worker'",
             "model 'm': 'execution' must be \"main\" or not be set, got \"worker\""},
        Case{"name: 'm' backend: 'own' execution: 'main'",
             "model 'm': 'execution' is for models of backend \"javascript\", which run on "
             "JavaScript threads"},
        Case{"name: 'm' backend: 'own' isolation: 'thread'",
             "model 'm': 'isolation' must be \"process\" or not be set, got \"thread\""},
        Case{"name: 'm' platform: 'ensemble' isolation: 'process' "
             "input { name: 'x' data_type: TYPE_FP32 dims: 4 } "
             "output { name: 'y' data_type: TYPE_FP32 dims: 4 } "
             "ensemble_scheduling { step { model_name: 'a' model_version: -1 "
             "input_map { key: 'x' value: 'x' } output_map { key: 'y' value: 'y' } } }",
             "model 'm': 'isolation' is not allowed with 'ensemble_scheduling': an ensemble has no "
             "instances; isolate the models of its steps"},
        Case{"name: 'm' backend: 'own' execution_timeout_microseconds: 5",
             "model 'm': 'execution_timeout_microseconds' needs 'isolation' \"process\" or backend "
             "\"javascript\": no other execution can be given up"}));

// Additions to a valid configuration of a model with batching.
class Rule : public testing::TestWithParam<Case> {};
TEST_P(Rule, Holds) {
  const std::string text = std::string("name: 'm' backend: 'b' max_batch_size: 8 ") +
                           "input { name: 'x' data_type: TYPE_FP32 dims: 4 } "
                           "output { name: 'y' data_type: TYPE_FP32 dims: 4 } " +
                           GetParam().text;
  const std::string message = GetParam().message;
  Expect(Check(text), message.empty() ? "" : ("model 'm': " + message).c_str(), text);
}

INSTANTIATE_TEST_SUITE_P(
    DynamicBatching, Rule,
    testing::Values(
        Case{"dynamic_batching { preferred_batch_size: [1, 8] }", ""},
        Case{"dynamic_batching { preferred_batch_size: 0 }",
             "'dynamic_batching.preferred_batch_size' must be positive, got 0"},
        Case{"dynamic_batching { preferred_batch_size: [4, 9] }",
             "'dynamic_batching.preferred_batch_size' must be at most 'max_batch_size' 8, got 9"},
        Case{"dynamic_batching { priority_levels: 2 default_priority_level: 2 "
             "priority_queue_policy { key: 1 } }",
             ""},
        Case{"dynamic_batching { priority_levels: 2 }",
             "'default_priority_level' must be in range [1, 2], got 0"},
        Case{"dynamic_batching { priority_levels: 2 default_priority_level: 3 }",
             "'default_priority_level' must be in range [1, 2], got 3"},
        Case{"dynamic_batching { priority_levels: 2 default_priority_level: 1 "
             "priority_queue_policy { key: 3 } }",
             "'priority_queue_policy' must have levels in range [1, 2], got 3"},
        Case{"dynamic_batching { priority_levels: 2 default_priority_level: 1 "
             "priority_queue_policy { } }",
             "'priority_queue_policy' must have levels in range [1, 2], got 0"},
        Case{"dynamic_batching { priority_levels: 1 default_priority_level: 1 "
             "preserve_ordering: true }",
             ""},
        Case{"dynamic_batching { priority_levels: 2 default_priority_level: 1 "
             "preserve_ordering: true }",
             "only one priority level is allowed with 'preserve_ordering', got 2"},
        Case{"dynamic_batching { preserve_ordering: true default_queue_policy { "
             "timeout_action: DELAY } }",
             ""},  // no timeout, no delay
        Case{"dynamic_batching { preserve_ordering: true default_queue_policy { "
             "timeout_action: DELAY default_timeout_microseconds: 1 } }",
             "a queue policy with 'timeout_action' DELAY is not allowed with 'preserve_ordering'"},
        Case{"dynamic_batching { preserve_ordering: true priority_levels: 1 "
             "default_priority_level: 1 priority_queue_policy { key: 1 value { timeout_action: "
             "DELAY default_timeout_microseconds: 1 } } }",
             "a queue policy with 'timeout_action' DELAY is not allowed with "
             "'preserve_ordering'"},
        Case{"dynamic_batching { deadline { slo_microseconds: 15600 adaptive_queue_delay: true } "
             "default_queue_policy { timeout_action: DELAY } }",
             ""},
        Case{"dynamic_batching { preserve_ordering: true deadline { } }",
             "'preserve_ordering' is not allowed with 'deadline': a response that is held back for "
             "the order would miss the deadline its batch has met"},
        Case{"dynamic_batching { deadline { } default_queue_policy { timeout_action: DELAY "
             "default_timeout_microseconds: 1 } }",
             "a queue policy with 'timeout_action' DELAY is not allowed with 'deadline': a request "
             "that is late is refused"}));

INSTANTIATE_TEST_SUITE_P(
    CacheAndMetrics, Rule,
    testing::Values(
        Case{"response_cache { enable: true }", ""},
        Case{"response_cache { } sequence_batching { }", ""},
        Case{"response_cache { enable: true } sequence_batching { }",
             "'response_cache' does not work with 'sequence_batching'; please disable the response "
             "cache"},
        Case{"response_cache { enable: true } model_transaction_policy { decoupled: true }",
             "'response_cache' does not work with a 'decoupled' transaction policy; please disable "
             "the response cache"},
        Case{"metric_tags { key: 'site_1' value: 'any \\n text' }", ""},
        Case{"metric_tags { key: 'a-b' value: '' }",
             "'metric_tags' has 'a-b', which can't be a label of metrics: its name would be "
             "'_a-b'"},
        Case{"model_metrics { metric_control { metric_identifier { family: 'f' } "
             "histogram_options { buckets: [1, 2] } } }",
             ""},
        Case{"model_metrics { metric_control { } }",
             "'metric_control' must specify 'metric_identifier'"},
        Case{"model_metrics { metric_control { metric_identifier { } } }",
             "'metric_identifier' must specify 'family'"},
        Case{"model_metrics { metric_control { metric_identifier { family: 'f' } } }",
             "'metric_control' of 'f' must specify 'histogram_options'"},
        Case{"model_metrics { metric_control { metric_identifier { family: 'f' } "
             "histogram_options { } } }",
             "'histogram_options' of 'f' must specify 'buckets'"},
        Case{"model_metrics { metric_control { metric_identifier { family: 'f' } "
             "histogram_options { buckets: [1, 1] } } }",
             "'buckets' of 'f' must be numbers in ascending order"},
        Case{"model_metrics { metric_control { metric_identifier { family: 'f' } "
             "histogram_options { buckets: nan } } }",
             "'buckets' of 'f' must be numbers in ascending order"}));

INSTANTIATE_TEST_SUITE_P(
    SequenceBatching, Rule,
    testing::Values(
        Case{"sequence_batching { control_input [{ name: 'S' control { int32_false_true: [0, 1] } "
             "}, { name: 'C' control { kind: CONTROL_SEQUENCE_CORRID data_type: TYPE_UINT64 } }] }",
             ""},
        Case{"sequence_batching { control_input { } }",
             "every sequence 'control_input' must have a 'name'"},
        Case{"sequence_batching { control_input [{ name: 'S' }, { name: 'S' }] }",
             "sequence control tensor 'S' is specified for several controls"},
        Case{"sequence_batching { control_input [{ name: 'A' control { kind: "
             "CONTROL_SEQUENCE_READY bool_false_true: [0, 1] } }, { name: 'B' control { kind: "
             "CONTROL_SEQUENCE_READY bool_false_true: [0, 1] } }] }",
             "sequence control CONTROL_SEQUENCE_READY is specified for several tensors"},
        Case{"sequence_batching { control_input { name: 'A' control { kind: CONTROL_SEQUENCE_END } "
             "} }",
             "sequence control CONTROL_SEQUENCE_END must specify one of 'int32_false_true', "
             "'fp32_false_true' and 'bool_false_true'"},
        Case{"sequence_batching { control_input { name: 'A' control { fp32_false_true: [0, 1] "
             "int32_false_true: [0, 1] } } }",
             "sequence control CONTROL_SEQUENCE_START must specify only one of 'int32_false_true', "
             "'fp32_false_true' and 'bool_false_true'"},
        Case{"sequence_batching { control_input { name: 'A' control { int32_false_true: 1 } } }",
             "'int32_false_true' of sequence control CONTROL_SEQUENCE_START must have exactly 2 "
             "entries, got 1"},
        Case{"sequence_batching { control_input { name: 'A' control { fp32_false_true: [1, 2, 3] } "
             "} }",
             "'fp32_false_true' of sequence control CONTROL_SEQUENCE_START must have exactly 2 "
             "entries, got 3"},
        Case{"sequence_batching { control_input { name: 'A' control { bool_false_true: true } } }",
             "'bool_false_true' of sequence control CONTROL_SEQUENCE_START must have exactly 2 "
             "entries, got 1"},
        Case{"sequence_batching { control_input { name: 'A' control { kind: "
             "CONTROL_SEQUENCE_CORRID data_type: TYPE_INT32 int32_false_true: [0, 1] } } }",
             "sequence control CONTROL_SEQUENCE_CORRID must not specify 'int32_false_true', "
             "'fp32_false_true' or 'bool_false_true'"},
        Case{"sequence_batching { control_input { name: 'A' control { kind: "
             "CONTROL_SEQUENCE_CORRID data_type: TYPE_FP32 } } }",
             "sequence control CONTROL_SEQUENCE_CORRID must have 'data_type' TYPE_UINT64, "
             "TYPE_INT64, TYPE_UINT32, TYPE_INT32 or TYPE_STRING, got TYPE_FP32"},
        Case{"sequence_batching { oldest { preferred_batch_size: -1 } }",
             "'sequence_batching.oldest.preferred_batch_size' must be positive, got -1"},
        Case{"sequence_batching { oldest { preferred_batch_size: 9 } }",
             "'sequence_batching.oldest.preferred_batch_size' must be at most 'max_batch_size' 8, "
             "got 9"},
        Case{"sequence_batching { direct { minimum_slot_utilization: 1 } }", ""},
        Case{"sequence_batching { direct { minimum_slot_utilization: 1.5 } }",
             "'minimum_slot_utilization' must be in range (0.0, 1.0], got 1.5"},
        Case{"sequence_batching { direct { minimum_slot_utilization: -0.5 } }",
             "'minimum_slot_utilization' must be in range (0.0, 1.0], got -0.5"},
        Case{"sequence_batching { direct { minimum_slot_utilization: nan } }",
             "'minimum_slot_utilization' must be in range (0.0, 1.0], got nan"}));

INSTANTIATE_TEST_SUITE_P(
    BatchTensors, Rule,
    testing::Values(
        Case{"batch_input { kind: BATCH_ITEM_SHAPE target_name: 'S' data_type: TYPE_INT32 "
             "source_input: 'x' }",
             ""},
        Case{"batch_input { kind: BATCH_ITEM_SHAPE data_type: TYPE_INT32 }",
             "batch input BATCH_ITEM_SHAPE expects 1 'source_input', got 0"},
        Case{"batch_input { data_type: TYPE_INT32 source_input: ['x', 'x'] }",
             "batch input BATCH_ELEMENT_COUNT expects 1 'source_input', got 2"},
        Case{"batch_input { data_type: TYPE_INT64 source_input: 'x' }",
             "batch input BATCH_ELEMENT_COUNT must have 'data_type' TYPE_INT32 or TYPE_FP32, got "
             "TYPE_INT64"},
        Case{"batch_input { data_type: TYPE_FP32 source_input: 'z' }",
             "batch input BATCH_ELEMENT_COUNT names unknown 'source_input' 'z'"},
        Case{"batch_output { target_name: 'y' source_input: 'x' }", ""},
        Case{"batch_output { target_name: 'y' }",
             "batch output BATCH_SCATTER_WITH_INPUT_SHAPE expects 1 'source_input', got 0"},
        Case{"batch_output { target_name: 'y' source_input: 'z' }",
             "batch output BATCH_SCATTER_WITH_INPUT_SHAPE names unknown 'source_input' 'z'"},
        Case{"batch_output { target_name: 'z' source_input: 'x' }",
             "batch output BATCH_SCATTER_WITH_INPUT_SHAPE names unknown 'target_name' 'z'"},
        Case{"batch_output { target_name: ['y', 'y'] source_input: 'x' }",
             "batch output BATCH_SCATTER_WITH_INPUT_SHAPE names 'target_name' 'y' more than "
             "once"}));

#define DIMS_32 "[1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1]"

INSTANTIATE_TEST_SUITE_P(
    Tensors, Rule,
    testing::Values(
        Case{"input { data_type: TYPE_INT8 dims: 1 }", "input 1 must specify 'name'"},
        Case{"output { data_type: TYPE_INT8 dims: 1 }", "output 1 must specify 'name'"},
        Case{"input { name: 'x' data_type: TYPE_INT8 dims: 1 }",
             "input 'x': is given more than once"},
        Case{"output { name: 'x' data_type: TYPE_INT8 dims: 1 }", ""},
        Case{"input { name: 'a' dims: 1 }", "input 'a': must specify 'data_type'"},
        Case{"input { name: 'a' data_type: TYPE_INVALID dims: 1 }",
             "input 'a': must specify 'data_type'"},
        Case{"output { name: 'a' data_type: TYPE_BOOL }", "output 'a': must specify 'dims'"},
        Case{"input { name: 'a' data_type: TYPE_BOOL dims: [-1, 0] }",
             "input 'a': 'dims' must be integers >= 1, or -1 for any size, got [-1,0]"},
        Case{"output { name: 'a' data_type: TYPE_BOOL dims: -2 }",
             "output 'a': 'dims' must be integers >= 1, or -1 for any size, got [-2]"},
        Case{"input { name: 'a' data_type: TYPE_BOOL dims: " DIMS_32 "}",
             "input 'a': 'dims' must give at most 32 dimensions including the batch dimension, got "
             "33"},
        Case{"input { name: 'a' data_type: TYPE_BOOL dims: [4294967296, 4294967296] }",
             "input 'a': element count of shape [4294967296,4294967296] overflows 63 bits"},
        Case{"input { name: 'a' data_type: TYPE_BOOL dims: [-1, 9223372036854775807] }", ""}));

INSTANTIATE_TEST_SUITE_P(
    Reshape, Rule,
    testing::Values(
        Case{"input { name: 'a' data_type: TYPE_BOOL dims: [2, 3] reshape { shape: 6 } }", ""},
        Case{"input { name: 'a' data_type: TYPE_BOOL dims: 1 reshape { } }", ""},
        Case{"input { name: 'a' data_type: TYPE_BOOL dims: [2, 4, -1, 6] reshape { shape: [8, -1, "
             "1, 6] } }",
             ""},
        Case{"input { name: 'a' data_type: TYPE_BOOL dims: 2 reshape { } }",
             "input 'a': 'dims' [2] and 'reshape' [] differ in size"},
        Case{"output { name: 'a' data_type: TYPE_BOOL dims: [2, 3] reshape { shape: 5 } }",
             "output 'a': 'dims' [2,3] and 'reshape' [5] differ in size"},
        Case{"input { name: 'a' data_type: TYPE_BOOL dims: [2, -1] reshape { shape: [-1, 2] } }",
             "input 'a': 'dims' [2,-1] and 'reshape' [-1,2] differ in size"},
        Case{"input { name: 'a' data_type: TYPE_BOOL dims: [-1, -1] reshape { shape: -1 } }",
             "input 'a': 'dims' [-1,-1] and 'reshape' [-1] differ in their number of variable "
             "dimensions"},
        Case{"input { name: 'a' data_type: TYPE_BOOL dims: 1 reshape { shape: 0 } }",
             "input 'a': 'reshape' must be integers >= 1, or -1 for any size, got [0]"}));

INSTANTIATE_TEST_SUITE_P(
    Formats, Rule,
    testing::Values(
        Case{"input { name: 'a' data_type: TYPE_INT8 dims: [1, 2, 3] format: FORMAT_NHWC }", ""},
        Case{"input { name: 'a' data_type: TYPE_INT8 dims: [1, 2] format: FORMAT_NCHW }",
             "input 'a': 'format' FORMAT_NCHW requires 3 'dims', got [1,2]"},
        Case{"input { name: 'a' data_type: TYPE_INT8 dims: 1 is_shape_tensor: true }",
             "input 'a': 'is_shape_tensor' is only supported for TensorRT models"},
        Case{"output { name: 'a' data_type: TYPE_INT8 dims: 1 is_shape_tensor: true }",
             "output 'a': 'is_shape_tensor' is only supported for TensorRT models"},
        Case{"input { name: 'a' data_type: TYPE_INT8 dims: 1 is_non_linear_format_io: true }",
             "input 'a': 'is_non_linear_format_io' is only supported for TensorRT models"},
        Case{"input { name: 'a' data_type: TYPE_INT8 dims: [1, 2] is_non_linear_format_io: true } "
             "platform: 'tensorrt_plan'",
             "input 'a': 'is_non_linear_format_io' requires 3 'dims', got [1,2]"},
        Case{"output { name: 'a' data_type: TYPE_INT8 dims: [1, 2, 3] is_non_linear_format_io: "
             "true is_shape_tensor: true } platform: 'tensorrt_plan'",
             ""}));

TEST(ValidateTensorsTest, ModelsWithoutBatchingHaveTheirWholeRankAndNoScalars) {
  const std::string base = "name: 'm' backend: 'b' input { name: 'a' data_type: TYPE_BOOL dims: ";
  EXPECT_EQ(Check(base + DIMS_32 "}").message(), "");
  EXPECT_EQ(Check(base + "1 reshape { } }").message(),
            "model 'm': input 'a': 'reshape' must not be empty, as a model without batching has no "
            "scalars");
}

TEST(ValidateTensorsTest, LabelFilesStayInTheModelDirectory) {
  const std::string base =
      "name: 'm' backend: 'b' output { name: 'y' data_type: TYPE_BOOL dims: 1 label_filename: '";
  for (const char* inside : {"labels.txt", "a/../labels.txt", "./a/b", "/labels.txt", "..a", ""}) {
    EXPECT_TRUE(Check(base + inside + "' }").ok()) << inside;
  }
  for (const char* outside : {"..", "../labels.txt", "a/../../labels.txt", "/../labels.txt"}) {
    const Status status = Check(base + outside + "' }");
    EXPECT_EQ(status.code(), StatusCode::kUnsupported);
    EXPECT_EQ(status.message(), std::string("model 'm': output 'y': 'label_filename' \"") +
                                    outside + "\" is outside the model directory");
  }
}

TEST(ValidateTest, StructsFromElsewhereAreCheckedForOneofsToo) {
  ModelConfig config;
  config.name = "m";
  config.backend = "b";
  EXPECT_EQ(Validate(config).message(), "model 'm': must specify 'version_policy'");
  config.version_policy.emplace();
  EXPECT_EQ(Validate(config).message(), "model 'm': must specify 'version_policy'");
  Normalize(&config);
  config.dynamic_batching.emplace();
  config.sequence_batching.emplace();
  EXPECT_EQ(Validate(config).message(),
            "model 'm': only one of 'dynamic_batching', 'sequence_batching' and "
            "'ensemble_scheduling' is allowed");
  config.dynamic_batching.reset();
  config.sequence_batching->direct.emplace();
  config.sequence_batching->oldest.emplace();
  EXPECT_EQ(Validate(config).message(),
            "model 'm': 'sequence_batching' takes only one of 'direct' and 'oldest'");
}

}  // namespace
}  // namespace trident
