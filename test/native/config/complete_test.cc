#include "config/complete.h"

#include <gtest/gtest.h>

namespace trident {
namespace {

using Files = std::vector<std::string>;

TEST(InferBackendTest, ReadsFilesThenTheName) {
  struct Case {
    const char* name;
    Files files;
    const char* backend;
  };
  for (const Case& c : {
           Case{"m", {"model.onnx"}, "onnxruntime"},
           {"m", {"notes.txt", "model.py"}, "python"},
           {"m", {"model.plan"}, "tensorrt"},
           {"m", {"model.xml", "model.bin"}, "openvino"},
           {"m", {"model.pt"}, "pytorch"},
           {"m", {"model.pt2"}, "pytorch"},
           {"m", {"model.savedmodel"}, "tensorflow"},
           {"m", {"model.graphdef"}, "tensorflow"},
           {"m", {"model.py", "model.onnx", "model.plan"}, "tensorrt"},
           {"m", {"model.py", "model.pt", "model.onnx"}, "onnxruntime"},
           {"copy.identity", {}, "identity"},
           {"copy.identity", {"model.onnx"}, "onnxruntime"},
           {"a.b.c", {"weights"}, "b.c"},
           {"m", {}, ""},
           {"m", {"other.onnx"}, ""},
           {"m.", {}, ""},
       }) {
    EXPECT_EQ(InferBackend(c.name, c.files), c.backend) << c.name;
  }
}

struct CompleteCase {
  const char* given_backend;
  const char* given_platform;
  const char* given_file;
  Files files;
  const char* backend;
  const char* platform;
  const char* file;
};

class CompleteBackendTest : public testing::TestWithParam<CompleteCase> {};

TEST_P(CompleteBackendTest, FillsWhatIsMissing) {
  const CompleteCase& c = GetParam();
  ModelConfig config;
  config.backend = c.given_backend;
  config.platform = c.given_platform;
  config.default_model_filename = c.given_file;
  const Status status = CompleteBackend("m.custom", c.files, &config);
  ASSERT_TRUE(status.ok()) << status.message();
  EXPECT_EQ(config.name, "m.custom");
  EXPECT_EQ(config.backend, c.backend);
  EXPECT_EQ(config.platform, c.platform);
  EXPECT_EQ(config.default_model_filename, c.file);
}

INSTANTIATE_TEST_SUITE_P(
    Cases, CompleteBackendTest,
    testing::Values(
        // Nothing given: files, then the name.
        CompleteCase{"", "", "", {"model.onnx"}, "onnxruntime", "onnxruntime_onnx", "model.onnx"},
        CompleteCase{
            "", "", "", {"model.plan", "model.onnx"}, "tensorrt", "tensorrt_plan", "model.plan"},
        CompleteCase{"", "", "", {"model.xml"}, "openvino", "", "model.xml"},
        CompleteCase{"", "", "", {"model.pt2"}, "pytorch", "torch_aoti", "model.pt2"},
        CompleteCase{"", "", "", {"model.py"}, "python", "", "model.py"},
        CompleteCase{"", "", "", {}, "custom", "", "model.custom"},
        // The backend given.
        CompleteCase{"onnxruntime", "", "", {}, "onnxruntime", "onnxruntime_onnx", "model.onnx"},
        CompleteCase{
            "onnxruntime", "", "net.onnx", {}, "onnxruntime", "onnxruntime_onnx", "net.onnx"},
        CompleteCase{"pytorch", "", "", {}, "pytorch", "pytorch_libtorch", "model.pt"},
        CompleteCase{"pytorch", "", "", {"model.pt2"}, "pytorch", "torch_aoti", "model.pt2"},
        CompleteCase{"python", "", "", {"model.onnx"}, "python", "", "model.py"},
        CompleteCase{"identity", "", "", {"model.onnx"}, "identity", "", ""},
        CompleteCase{"tensorflow", "", "", {}, "tensorflow", "", ""},
        CompleteCase{"tensorflow",
                     "",
                     "",
                     {"model.graphdef"},
                     "tensorflow",
                     "tensorflow_graphdef",
                     "model.graphdef"},
        // The platform given: older configurations name no backend.
        CompleteCase{
            "", "onnxruntime_onnx", "", {}, "onnxruntime", "onnxruntime_onnx", "model.onnx"},
        CompleteCase{"", "tensorrt_plan", "net.plan", {}, "tensorrt", "tensorrt_plan", "net.plan"},
        CompleteCase{"", "pytorch_libtorch", "", {}, "pytorch", "pytorch_libtorch", "model.pt"},
        CompleteCase{"", "libtorch", "", {}, "pytorch", "pytorch_libtorch", "model.pt"},
        CompleteCase{"", "torch_aoti", "", {}, "pytorch", "torch_aoti", "model.pt2"},
        CompleteCase{"", "ensemble", "", {"model.onnx"}, "", "ensemble", ""},
        CompleteCase{"", "unheard_of", "", {"model.onnx"}, "", "unheard_of", ""},
        // The file given.
        CompleteCase{"", "", "model.onnx", {}, "onnxruntime", "onnxruntime_onnx", "model.onnx"},
        CompleteCase{"", "", "net.bin", {"model.onnx"}, "", "", "net.bin"}));

TEST(CompleteBackendErrorTest, NothingTellsTheBackend) {
  ModelConfig config;
  const Status status = CompleteBackend("digits", {"readme.txt"}, &config);
  EXPECT_EQ(status.code(), StatusCode::kInvalidArg);
  EXPECT_EQ(status.message().rfind(
                "Invalid model name: Could not determine backend for model 'digits'", 0),
            0u);
}

TEST(CompleteBackendErrorTest, KeepsTheGivenName) {
  ModelConfig config;
  config.name = "given";
  ASSERT_TRUE(CompleteBackend("directory", {"model.onnx"}, &config).ok());
  EXPECT_EQ(config.name, "given");
}

ModelConfig Completed() {
  ModelConfig config;
  config.name = "other";
  config.backend = "other";
  config.max_batch_size = 4;
  config.input.emplace_back().name = "x";
  config.output.emplace_back().name = "y";
  config.instance_group.emplace_back().count = 9;
  config.model_transaction_policy = {true};
  return config;
}

TEST(MergeAutoCompletedTest, TakesOverOnlyWhatABackendMayDecide) {
  ModelConfig base;
  base.name = "m";
  base.backend = "onnxruntime";
  ModelConfig completed = Completed();
  completed.dynamic_batching.emplace();
  ASSERT_TRUE(MergeAutoCompleted(&base, completed).ok());
  EXPECT_EQ(base.name, "m");
  EXPECT_EQ(base.backend, "onnxruntime");
  EXPECT_EQ(base.max_batch_size, 4);
  EXPECT_EQ(base.input, completed.input);
  EXPECT_EQ(base.output, completed.output);
  EXPECT_TRUE(base.instance_group.empty());
  EXPECT_TRUE(base.IsDecoupled());
  ASSERT_TRUE(base.dynamic_batching);
  EXPECT_EQ(base.dynamic_batching->preferred_batch_size, (std::vector<int32_t>{4}));
  EXPECT_TRUE(base.version_policy->latest);
}

TEST(MergeAutoCompletedTest, KeepsAGivenSchedulerAndTransactionPolicy) {
  ModelConfig base;
  base.model_transaction_policy = {true};
  base.dynamic_batching.emplace().preferred_batch_size = {2};
  ModelConfig completed;
  completed.dynamic_batching.emplace().preferred_batch_size = {8};
  ASSERT_TRUE(MergeAutoCompleted(&base, completed).ok());
  EXPECT_EQ(base.dynamic_batching->preferred_batch_size, (std::vector<int32_t>{2}));
  EXPECT_TRUE(base.IsDecoupled());
}

TEST(MergeAutoCompletedTest, RefusesAnotherScheduler) {
  ModelConfig base;
  base.name = "m";
  base.sequence_batching.emplace();
  const ModelConfig before = base;
  ModelConfig completed = Completed();
  for (int i = 0; i < 2; ++i) {
    const Status status = MergeAutoCompleted(&base, completed);
    EXPECT_EQ(status.code(), StatusCode::kInternal);
    EXPECT_NE(status.message().find("model 'm'"), std::string::npos);
    EXPECT_NE(status.message().find("sequence_batching"), std::string::npos);
    EXPECT_EQ(base, before);
    completed.dynamic_batching.emplace();
  }
}

}  // namespace
}  // namespace trident
