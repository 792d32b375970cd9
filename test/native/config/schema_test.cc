#include "config/schema.h"

#include <gtest/gtest.h>

#include <map>
#include <string>

namespace trident {
namespace {

// Every message a ModelConfig can hold, with its fields as "name:kind/label", in declaration order.
void Collect(const MessageSchema& schema, std::map<std::string, std::string>* messages) {
  constexpr const char* kKinds[] = {"bool",  "int32",  "uint32", "int64", "uint64",
                                    "float", "double", "string", "enum",  "message"};
  constexpr const char* kLabels[] = {"", "?", "*", "#"};
  std::string fields;
  for (const FieldSchema& field : schema.fields) {
    fields += fields.empty() ? "" : " ";
    fields += std::string(field.name) + ":" + kKinds[static_cast<int>(field.kind)] +
              kLabels[static_cast<int>(field.label)];
    if (!field.oneof.empty()) fields += "(" + std::string(field.oneof) + ")";
    const MessageSchema* inner =
        field.label == FieldLabel::kMap ? field.message->Find("value")->message : field.message;
    if (inner != nullptr) Collect(*inner, messages);
  }
  (*messages)[std::string(schema.name)] = fields;
}

TEST(SchemaTest, EveryFieldOfModelConfigHasItsRow) {
  // ? optional, * repeated, # map, (oneof)
  const std::map<std::string, std::string> expected = {
      {"BatchInput", "kind:enum target_name:string* data_type:enum source_input:string*"},
      {"BatchOutput", "target_name:string* kind:enum source_input:string*"},
      {"ModelConfig",
       "name:string platform:string backend:string runtime:string "
       "version_policy:message? max_batch_size:int32 input:message* output:message* "
       "batch_input:message* batch_output:message* optimization:message? "
       "dynamic_batching:message?(scheduling_choice) "
       "sequence_batching:message?(scheduling_choice) "
       "ensemble_scheduling:message?(scheduling_choice) instance_group:message* "
       "default_model_filename:string cc_model_filenames:string# metric_tags:string# "
       "parameters:message# model_warmup:message* model_operations:message? "
       "model_transaction_policy:message? model_repository_agents:message? "
       "response_cache:message? model_metrics:message? execution:string? isolation:string? "
       "execution_timeout_microseconds:uint64?"},
      {"ModelDeadlineBatching", "slo_microseconds:uint64 adaptive_queue_delay:bool"},
      {"ModelDynamicBatching",
       "preferred_batch_size:int32* max_queue_delay_microseconds:uint64 "
       "preserve_ordering:bool priority_levels:uint64 default_priority_level:uint64 "
       "default_queue_policy:message? priority_queue_policy:message# deadline:message?"},
      {"ModelEnsembling", "step:message* max_inflight_requests:uint32"},
      {"ModelEnsembling.Step",
       "model_name:string model_version:int64 input_map:string# output_map:string# "
       "model_namespace:string"},
      {"ModelInput",
       "name:string data_type:enum format:enum dims:int64* reshape:message? "
       "is_shape_tensor:bool allow_ragged_batch:bool optional:bool "
       "is_non_linear_format_io:bool"},
      {"ModelInstanceGroup",
       "name:string kind:enum count:int32 rate_limiter:message? gpus:int32* "
       "secondary_devices:message* profile:string* passive:bool host_policy:string"},
      {"ModelInstanceGroup.SecondaryDevice", "kind:enum device_id:int64"},
      {"ModelMetrics", "metric_control:message*"},
      {"ModelMetrics.MetricControl",
       "metric_identifier:message? histogram_options:message?(metric_options)"},
      {"ModelMetrics.MetricControl.HistogramOptions", "buckets:double*"},
      {"ModelMetrics.MetricControl.MetricIdentifier", "family:string"},
      {"ModelOperations", "op_library_filename:string*"},
      {"ModelOptimizationPolicy",
       "graph:message? priority:enum cuda:message? execution_accelerators:message? "
       "input_pinned_memory:message? output_pinned_memory:message? "
       "gather_kernel_buffer_threshold:uint32 eager_batching:bool"},
      {"ModelOptimizationPolicy.Cuda",
       "graphs:bool busy_wait_events:bool graph_spec:message* output_copy_stream:bool"},
      {"ModelOptimizationPolicy.Cuda.GraphSpec",
       "batch_size:int32 input:message# graph_lower_bound:message?"},
      {"ModelOptimizationPolicy.Cuda.GraphSpec.LowerBound", "batch_size:int32 input:message#"},
      {"ModelOptimizationPolicy.Cuda.GraphSpec.Shape", "dim:int64*"},
      {"ModelOptimizationPolicy.ExecutionAccelerators",
       "gpu_execution_accelerator:message* cpu_execution_accelerator:message*"},
      {"ModelOptimizationPolicy.ExecutionAccelerators.Accelerator",
       "name:string parameters:string#"},
      {"ModelOptimizationPolicy.Graph", "level:int32"},
      {"ModelOptimizationPolicy.PinnedMemoryBuffer", "enable:bool"},
      {"ModelOutput",
       "name:string data_type:enum dims:int64* reshape:message? label_filename:string "
       "is_shape_tensor:bool is_non_linear_format_io:bool"},
      {"ModelParameter", "string_value:string"},
      {"ModelQueuePolicy",
       "timeout_action:enum default_timeout_microseconds:uint64 "
       "allow_timeout_override:bool max_queue_size:uint32"},
      {"ModelRateLimiter", "resources:message* priority:uint32"},
      {"ModelRateLimiter.Resource", "name:string global:bool count:uint32"},
      {"ModelRepositoryAgents", "agents:message*"},
      {"ModelRepositoryAgents.Agent", "name:string parameters:string#"},
      {"ModelResponseCache", "enable:bool"},
      {"ModelSequenceBatching",
       "direct:message?(strategy_choice) oldest:message?(strategy_choice) "
       "max_sequence_idle_microseconds:uint64 control_input:message* state:message* "
       "iterative_sequence:bool"},
      {"ModelSequenceBatching.Control",
       "kind:enum int32_false_true:int32* fp32_false_true:float* bool_false_true:bool* "
       "data_type:enum"},
      {"ModelSequenceBatching.ControlInput", "name:string control:message*"},
      {"ModelSequenceBatching.InitialState",
       "data_type:enum dims:int64* zero_data:bool?(state_data) "
       "data_file:string?(state_data) name:string"},
      {"ModelSequenceBatching.State",
       "input_name:string output_name:string data_type:enum dims:int64* "
       "initial_state:message* use_same_buffer_for_input_output:bool "
       "use_growable_memory:bool"},
      {"ModelSequenceBatching.StrategyDirect",
       "max_queue_delay_microseconds:uint64 minimum_slot_utilization:float"},
      {"ModelSequenceBatching.StrategyOldest",
       "max_candidate_sequences:int32 preferred_batch_size:int32* "
       "max_queue_delay_microseconds:uint64 preserve_ordering:bool"},
      {"ModelTensorReshape", "shape:int64*"},
      {"ModelTransactionPolicy", "decoupled:bool"},
      {"ModelVersionPolicy",
       "latest:message?(policy_choice) all:message?(policy_choice) "
       "specific:message?(policy_choice)"},
      {"ModelVersionPolicy.All", ""},
      {"ModelVersionPolicy.Latest", "num_versions:uint32"},
      {"ModelVersionPolicy.Specific", "versions:int64*"},
      {"ModelWarmup", "name:string batch_size:uint32 inputs:message# count:uint32"},
      {"ModelWarmup.Input",
       "data_type:enum dims:int64* zero_data:bool?(input_data_type) "
       "random_data:bool?(input_data_type) input_data_file:string?(input_data_type)"},
  };
  std::map<std::string, std::string> actual;
  Collect(ModelConfigSchema(), &actual);
  for (const auto& [name, fields] : expected) EXPECT_EQ(actual[name], fields) << name;
  EXPECT_EQ(actual.size(), expected.size());
}

TEST(SchemaTest, JsonNamesAreLowerCamelCase) {
  EXPECT_EQ(ModelConfigSchema().Find("cc_model_filenames")->json_name, "ccModelFilenames");
  EXPECT_EQ(ModelConfigSchema().Find("name")->json_name, "name");
  EXPECT_EQ(ModelConfigSchema().FindJson("maxBatchSize"),
            ModelConfigSchema().Find("max_batch_size"));
  EXPECT_EQ(ModelConfigSchema().Find("maxBatchSize"), nullptr);
}

TEST(SchemaTest, SuggestsTheNearestNameOnly) {
  const std::vector<std::string_view> names = {"input", "output", "max_batch_size"};
  EXPECT_EQ(DidYouMean("max_batchsize", names), "; did you mean 'max_batch_size'?");
  EXPECT_EQ(DidYouMean("Inputs", names), "; did you mean 'input'?");
  EXPECT_EQ(DidYouMean("zzz", names), "");
  EXPECT_EQ(DidYouMean(std::string(1 << 20, 'i'), names), "");
}

TEST(SchemaTest, ExcerptsAreShortAndPrintable) {
  EXPECT_EQ(Excerpt("a\n\xc3"), "a\\x0a\\xc3");
  EXPECT_EQ(Excerpt(std::string(1000, 'x')), std::string(64, 'x') + "...");
}

}  // namespace
}  // namespace trident
