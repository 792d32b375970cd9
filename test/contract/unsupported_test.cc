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
    {"InputShapeTensor", "input 'input' is_shape_tensor",
     BATCHED INPUT("is_shape_tensor: true") OUTPUT("")},
    {"OutputShapeTensor", "output 'output' is_shape_tensor",
     BATCHED INPUT("") OUTPUT("is_shape_tensor: true")},
    {"InputNonLinearFormat", "input 'input' is_non_linear_format_io",
     BATCHED INPUT("is_non_linear_format_io: true") OUTPUT("")},
    {"OutputNonLinearFormat", "output 'output' is_non_linear_format_io",
     BATCHED INPUT("") OUTPUT("is_non_linear_format_io: true")},
    {"GpuInstancesWithoutADriver",
     "instance group 'model_0' has kind KIND_GPU but no GPUs are available: there is no CUDA "
     "driver",
     BATCHED TENSORS "instance_group { kind: KIND_GPU count: 1 }"},
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

// Other backends may do with these what they like.
TEST(UnsupportedByOnnxRuntime, IsRefusedByName) {
  Server server;
  for (const std::string field : {"model_operations { op_library_filename: \"ops.so\" }",
                                  "optimization { execution_accelerators { "
                                  "cpu_execution_accelerator { name: \"openvino\" } } }"}) {
    const std::string config = EchoConfig("onnxruntime", TRITONSERVER_TYPE_FP32, field);
    server.repository().AddOnnx("model", "identity_fp32", config);
    EXPECT_TRUE(FailedWith(
        server.Load("model"), TRITONSERVER_ERROR_UNSUPPORTED,
        {"'model'", field.find("op_") != std::string::npos ? "model_operations.op_library_filename"
                                                           : "cpu_execution_accelerator"}));
  }
  const std::string gpu = EchoConfig("onnxruntime", TRITONSERVER_TYPE_FP32,
                                     "optimization { execution_accelerators { "
                                     "gpu_execution_accelerator { name: \"tensorrt\" } } }");
  server.repository().AddOnnx("model", "identity_fp32", gpu);
  EXPECT_TRUE(Succeeded(server.Load("model"))) << "there is no GPU instance to accelerate";
}

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
