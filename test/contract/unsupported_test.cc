// What a configuration may say but this version cannot do is refused by name, never ignored.

#include "echo.h"

namespace trident::contract {
namespace {

struct Field {
  const char* name;     // of the test
  const char* refusal;  // how the error names the field
  const char* config;
};
void PrintTo(const Field& field, std::ostream* out) { *out << field.refusal; }

// What a field needs around it to be legal: one tensor in and one out.
#define INPUT(more) "input { name: \"input\" data_type: TYPE_FP32 dims: 4 " more " } "
#define OUTPUT(more) "output { name: \"output\" data_type: TYPE_FP32 dims: 4 " more " } "
#define BATCHED "backend: \"identity\" max_batch_size: 4 "
#define TENSORS INPUT("") OUTPUT("")

constexpr Field kFields[] = {
    {"SequenceBatching", "sequence_batching", BATCHED TENSORS "sequence_batching { }"},
    {"EnsembleScheduling", "ensemble_scheduling",
     "platform: \"ensemble\" max_batch_size: 4 " TENSORS
     "ensemble_scheduling { step { model_name: \"other\" model_version: -1 "
     "input_map { key: \"input\" value: \"input\" } "
     "output_map { key: \"output\" value: \"output\" } } }"},
    {"BatchInput", "batch_input",
     BATCHED TENSORS
     "batch_input { kind: BATCH_ELEMENT_COUNT target_name: \"n\" data_type: TYPE_FP32 "
     "source_input: \"input\" }"},
    {"BatchOutput", "batch_output",
     BATCHED TENSORS "batch_output { kind: BATCH_SCATTER_WITH_INPUT_SHAPE target_name: \"output\" "
                     "source_input: \"input\" }"},
    {"Warmup", "model_warmup",
     BATCHED TENSORS "model_warmup { name: \"w\" batch_size: 1 inputs { key: \"input\" "
                     "value { data_type: TYPE_FP32 dims: 4 zero_data: true } } }"},
    {"RepositoryAgents", "model_repository_agents",
     BATCHED TENSORS "model_repository_agents { agents { name: \"checksum\" } }"},
    {"Decoupled", "model_transaction_policy.decoupled",
     BATCHED TENSORS "model_transaction_policy { decoupled: true }"},
    {"RaggedBatch", "input 'input' allow_ragged_batch",
     BATCHED INPUT("allow_ragged_batch: true") OUTPUT("")},
    {"InputShapeTensor", "input 'input' is_shape_tensor",
     BATCHED INPUT("is_shape_tensor: true") OUTPUT("")},
    {"OutputShapeTensor", "output 'output' is_shape_tensor",
     BATCHED INPUT("") OUTPUT("is_shape_tensor: true")},
    {"PreserveOrdering", "dynamic_batching.preserve_ordering",
     BATCHED TENSORS "dynamic_batching { preserve_ordering: true }"},
    {"PriorityLevels", "dynamic_batching.priority_levels",
     BATCHED TENSORS "dynamic_batching { priority_levels: 2 default_priority_level: 1 }"},
    {"DefaultTimeout", "dynamic_batching.default_queue_policy.default_timeout_microseconds",
     BATCHED TENSORS
     "dynamic_batching { default_queue_policy { default_timeout_microseconds: 5 } }"},
    {"TimeoutOverride", "dynamic_batching.default_queue_policy.allow_timeout_override",
     BATCHED TENSORS "dynamic_batching { default_queue_policy { allow_timeout_override: true } }"},
    {"GpuInstances", "KIND_GPU", BATCHED TENSORS "instance_group { kind: KIND_GPU count: 1 }"},
    {"BatchStrategy", "TRITON_BATCH_STRATEGY_PATH",
     BATCHED TENSORS
     "parameters { key: \"TRITON_BATCH_STRATEGY_PATH\" value { string_value: \"x.so\" } }"},
};

class Unsupported : public testing::TestWithParam<Field> {};

TEST_P(Unsupported, IsRefusedByName) {
  Server server;
  server.repository().Add("model", GetParam().config);
  EXPECT_TRUE(FailedWith(server.Load("model"), TRITONSERVER_ERROR_UNSUPPORTED,
                         {"'model'", GetParam().refusal}));
  EXPECT_FALSE(server.Ready("model"));
}

INSTANTIATE_TEST_SUITE_P(Fields, Unsupported, testing::ValuesIn(kFields),
                         [](const auto& info) { return std::string(info.param.name); });

// The rest of the table's frame is fine on its own.
TEST(Supported, TheSameModelWithoutTheFieldLoads) {
  Server server;
  server.repository().Add("model", BATCHED TENSORS);
  EXPECT_TRUE(Succeeded(server.Load("model")));
}

// A scalar needs a reshape, which auto-completion writes itself: what it writes is checked too.
TEST(Completed, FieldsAreCheckedLikeWrittenOnes) {
  Server server;
  server.repository().AddOnnx("scalar", "scalar");
  EXPECT_TRUE(FailedWith(server.Load("scalar"), TRITONSERVER_ERROR_INVALID_ARG,
                         {"'scalar'", "output 'output'", "'reshape'"}));
}

}  // namespace
}  // namespace trident::contract
