// Inputs that a request may leave out, with the onnxruntime backend: only those for which the model
// file has a default, and only without batching, as in Triton.

#include "echo.h"

namespace trident::contract {
namespace {

std::string Config(const std::string& input_more, const std::string& scale_more,
                   const std::string& more = "") {
  return "backend: \"onnxruntime\" input { name: \"scale\" data_type: TYPE_FP32 dims: 1 " +
         scale_more + " } input { name: \"input\" data_type: TYPE_FP32 dims: -1 " + input_more +
         " } output { name: \"output\" data_type: TYPE_FP32 dims: -1 } " + more;
}

class Optional : public testing::Test {
 protected:
  Outcome LoadWith(const std::string& config) {
    server_.repository().AddOnnx("scaled", "default_scale", config);
    return server_.Load("scaled");
  }

  Request Ask() {
    Request request(server_, "scaled");
    request.Input("input", TRITONSERVER_TYPE_FP32, {2}, BytesOf(std::vector<float>{1, 2}));
    return request;
  }
  Request Ask(float scale) {
    Request request = Ask();
    request.Input("scale", TRITONSERVER_TYPE_FP32, {1}, BytesOf(std::vector<float>{scale}));
    return request;
  }

  Server server_;
};

TEST_F(Optional, AnInputLeftOutHasTheFilesDefault) {
  ASSERT_TRUE(Succeeded(LoadWith(Config("", "optional: true"))));
  EXPECT_EQ(Ask().Infer().output("output").bytes, BytesOf(std::vector<float>{3, 6}));
  EXPECT_EQ(Ask(10).Infer().output("output").bytes, BytesOf(std::vector<float>{10, 20}));
  EXPECT_EQ(Ask().Infer().output("output").bytes, BytesOf(std::vector<float>{3, 6}));
}

TEST_F(Optional, OthersAreStillRequired) {
  ASSERT_TRUE(Succeeded(LoadWith(Config("", "optional: true"))));
  Request request(server_, "scaled");
  request.Input("scale", TRITONSERVER_TYPE_FP32, {1}, BytesOf(std::vector<float>{1}));
  EXPECT_TRUE(FailedWith(request.Infer().outcome, TRITONSERVER_ERROR_INVALID_ARG, {"'input'"}));
  ASSERT_TRUE(Succeeded(LoadWith(Config("", ""))));
  EXPECT_TRUE(FailedWith(Ask().Infer().outcome, TRITONSERVER_ERROR_INVALID_ARG, {"'scale'"}));
}

TEST_F(Optional, AnInputTheConfigurationOmitsKeepsItsDefault) {
  ASSERT_TRUE(Succeeded(
      LoadWith("backend: \"onnxruntime\" input { name: \"input\" data_type: TYPE_FP32 dims: -1 } "
               "output { name: \"output\" data_type: TYPE_FP32 dims: -1 } ")));
  EXPECT_EQ(Ask().Infer().output("output").bytes, BytesOf(std::vector<float>{3, 6}));
}

TEST_F(Optional, WhatHasNoDefaultCantBeLeftOut) {
  EXPECT_TRUE(FailedWith(LoadWith(Config("optional: true", "")), TRITONSERVER_ERROR_INVALID_ARG,
                         {"'input' is optional", "no default"}));
}

TEST_F(Optional, NotWithBatchingNorRagged) {
  EXPECT_TRUE(FailedWith(LoadWith(Config("", "optional: true", "max_batch_size: 4")),
                         TRITONSERVER_ERROR_INVALID_ARG,
                         {"'scale' is optional", "max_batch_size"}));
  EXPECT_TRUE(FailedWith(LoadWith(Config("", "optional: true allow_ragged_batch: true")),
                         TRITONSERVER_ERROR_INVALID_ARG,
                         {"'scale' is optional", "allow_ragged_batch"}));
}

}  // namespace
}  // namespace trident::contract
