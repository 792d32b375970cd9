// Tensors whose form for clients is another one than for the backend: the configuration's reshape.

#include "echo.h"

namespace trident::contract {
namespace {

// An identity model: what the backend sees of the input comes back as the output.
Tensor EchoOf(const std::string& input, const std::string& output, const Shape& shape) {
  Server server;
  server.repository().Add("model",
                          "backend: \"identity\" max_batch_size: 4 "
                          "input { name: \"input\" data_type: TYPE_FP32 " +
                              input +
                              " } "
                              "output { name: \"output\" data_type: TYPE_FP32 " +
                              output + " }");
  EXPECT_TRUE(Succeeded(server.Load("model")));
  size_t elements = 1;
  for (const int64_t dim : shape) elements *= static_cast<size_t>(dim);
  const std::string bytes = BytesOf(std::vector<float>(elements, 1.5f));
  const Answer answer =
      Request(server, "model").Input("input", TRITONSERVER_TYPE_FP32, shape, bytes).Infer();
  EXPECT_TRUE(Succeeded(answer.outcome));
  EXPECT_EQ(answer.output("output").bytes, bytes);
  return answer.output("output");
}

TEST(Reshaped, InputsReachTheBackendInItsForm) {
  EXPECT_EQ(EchoOf("dims: [ 4 ] reshape { shape: [ 2, 2 ] }", "dims: [ 2, 2 ]", {3, 4}).shape,
            (Shape{3, 2, 2}));
}

TEST(Reshaped, OutputsReachTheClientInItsForm) {
  EXPECT_EQ(EchoOf("dims: [ 2, 2 ]", "dims: [ 4 ] reshape { shape: [ 2, 2 ] }", {3, 2, 2}).shape,
            (Shape{3, 4}));
}

TEST(Reshaped, VariableDimensionsKeepTheirValuesInOrder) {
  EXPECT_EQ(
      EchoOf("dims: [ -1, 1, -1 ] reshape { shape: [ -1, -1 ] }", "dims: [ -1, -1 ]", {2, 5, 1, 7})
          .shape,
      (Shape{2, 5, 7}));
  EXPECT_EQ(
      EchoOf("dims: [ -1, -1 ]", "dims: [ 1, -1, -1 ] reshape { shape: [ -1, -1 ] }", {2, 5, 7})
          .shape,
      (Shape{2, 1, 5, 7}));
}

// What auto-completion makes of tensors that have only a batch dimension.
TEST(Reshaped, AModelOfBareBatchesIsServedInBatches) {
  Server server;
  server.repository().AddOnnx("pick", "pick");
  ASSERT_TRUE(Succeeded(server.Load("pick")));
  const Answer answer =
      Request(server, "pick")
          .Input("index", TRITONSERVER_TYPE_INT64, {3, 1}, BytesOf(std::vector<int64_t>{7, 0, 2}))
          .Infer();
  ASSERT_TRUE(Succeeded(answer.outcome));
  EXPECT_EQ(answer.output("output").shape, (Shape{3, 1}));
  EXPECT_EQ(answer.output("output").bytes, BytesOf(std::vector<float>{70, 0, 20}));
}

}  // namespace
}  // namespace trident::contract
