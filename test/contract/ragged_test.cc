// Requests of different shapes in one batch, and what a backend derives from them: batch inputs and
// batch outputs.

#include "echo.h"

namespace trident::contract {
namespace {

std::string BatchInput(const std::string& kind, const std::string& target,
                       const std::string& type) {
  return "batch_input { kind: BATCH_" + kind + " target_name: \"" + target + "\" data_type: TYPE_" +
         type + " source_input: \"values\" } ";
}

std::string Output(const std::string& name, const std::string& type, const std::string& dims) {
  return "output { name: \"" + name + "\" data_type: TYPE_" + type + " " + dims + " } ";
}

const std::string kScatter =
    "batch_output { kind: BATCH_SCATTER_WITH_INPUT_SHAPE target_name: \"doubled\" "
    "source_input: \"values\" } ";

const std::string kItem = "dims: 1 reshape { shape: [ ] }";

const std::string kAllBatchInputs =
    BatchInput("ELEMENT_COUNT", "counts", "INT32") +
    BatchInput("ACCUMULATED_ELEMENT_COUNT", "totals", "FP32") +
    BatchInput("ACCUMULATED_ELEMENT_COUNT_WITH_ZERO", "bounds", "INT32") +
    BatchInput("MAX_ELEMENT_COUNT_AS_SHAPE", "longest", "FP32") +
    BatchInput("ITEM_SHAPE", "shapes", "INT32") +
    BatchInput("ITEM_SHAPE_FLATTEN", "flat_shapes", "FP32");

std::string RaggedConfig(const std::string& batch_inputs = kAllBatchInputs,
                         const std::string& more = kScatter) {
  return "backend: \"onnxruntime\" max_batch_size: 8 dynamic_batching { } "
         "instance_group { kind: KIND_CPU count: 1 } "
         "input { name: \"values\" data_type: TYPE_FP32 dims: [ -1, -1 ] "
         "allow_ragged_batch: true } " +
         Output("doubled", "FP32", "dims: [ -1, -1 ]") + Output("count", "INT32", kItem) +
         Output("total", "FP32", kItem) + Output("begin", "INT32", kItem) +
         Output("end", "INT32", kItem) + Output("max", "INT64", kItem) +
         Output("shape", "INT32", "dims: 2") + Output("flat_shape", "FP32", "dims: 2") +
         batch_inputs + more;
}

std::vector<float> Numbers(const Shape& shape, float first) {
  size_t count = 1;
  for (const int64_t dim : shape) count *= static_cast<size_t>(dim);
  std::vector<float> numbers(count);
  for (size_t i = 0; i < count; ++i) numbers[i] = first + static_cast<float>(i);
  return numbers;
}

std::string Doubled(std::vector<float> numbers) {
  for (float& number : numbers) number *= 2;
  return BytesOf(numbers);
}

class Ragged : public testing::Test {
 protected:
  void SetUp() override {
    server_.repository().AddOnnx("ragged", "ragged", RaggedConfig());
    ASSERT_TRUE(Succeeded(server_.Load("ragged")));
  }

  Request Ask(const Shape& shape, float first = 1) {
    Request request(server_, "ragged");
    request.Input("values", TRITONSERVER_TYPE_FP32, shape, BytesOf(Numbers(shape, first)));
    return request;
  }

  // One batch of them all.
  void InferTogether(std::vector<Request>& requests) {
    for (const Outcome& outcome : Request::SendTogether(server_, requests)) {
      ASSERT_TRUE(Succeeded(outcome));
    }
    for (Request& request : requests) ASSERT_TRUE(Succeeded(request.Wait().outcome));
  }

  Server server_;
};

template <typename T>
void ExpectNumbers(const Answer& answer, const std::string& output, const std::vector<T>& numbers) {
  EXPECT_EQ(answer.output(output).bytes, BytesOf(numbers)) << output;
}

// Statement: allow_ragged_batch batches requests with different shapes, without padding.
// Statement: each kind of batch input is made from the shapes of its source.
TEST_F(Ragged, RequestsOfAnyShapesShareABatch) {
  std::vector<Request> requests;
  const Shape shapes[] = {{1, 2, 3}, {1, 1, 2}, {1, 4, 1}};
  for (const Shape& shape : shapes) requests.push_back(Ask(shape, 10));
  InferTogether(requests);
  EXPECT_EQ(server_.Batches("ragged"), (std::map<int64_t, int64_t>{{3, 1}}));

  const int32_t counts[] = {6, 2, 4};
  int32_t total = 0;
  for (size_t i = 0; i < requests.size(); ++i) {
    const Answer& answer = requests[i].answers().back();
    const auto rows = static_cast<int32_t>(shapes[i][1]);
    const auto columns = static_cast<int32_t>(shapes[i][2]);
    EXPECT_EQ(answer.output("doubled").shape, shapes[i]);
    EXPECT_EQ(answer.output("doubled").bytes, Doubled(Numbers(shapes[i], 10)));
    ExpectNumbers<int32_t>(answer, "count", {counts[i]});
    ExpectNumbers<int32_t>(answer, "begin", {total});
    total += counts[i];
    ExpectNumbers<int32_t>(answer, "end", {total});
    ExpectNumbers<float>(answer, "total", {static_cast<float>(total)});
    ExpectNumbers<int64_t>(answer, "max", {6});
    ExpectNumbers<int32_t>(answer, "shape", {rows, columns});
    ExpectNumbers<float>(answer, "flat_shape",
                         {static_cast<float>(rows), static_cast<float>(columns)});
    EXPECT_EQ(answer.output("count").shape, (Shape{1, 1}));
  }
}

// Counts are by request, shapes by item.
TEST_F(Ragged, EachItemOfARequestHasItsShape) {
  std::vector<Request> requests;
  requests.push_back(Ask({2, 1, 3}));
  requests.push_back(Ask({1, 5, 1}));
  for (Request& request : requests) request.Output("shape").Output("flat_shape").Output("doubled");
  InferTogether(requests);
  const Answer& two = requests[0].answers().back();
  const Answer& one = requests[1].answers().back();
  ExpectNumbers<int32_t>(two, "shape", {1, 3, 1, 3});
  ExpectNumbers<float>(two, "flat_shape", {1, 3, 1, 3});
  EXPECT_EQ(two.output("doubled").shape, (Shape{2, 1, 3}));
  ExpectNumbers<int32_t>(one, "shape", {5, 1});
  EXPECT_EQ(one.output("doubled").bytes, Doubled(Numbers({5}, 1)));
}

TEST_F(Ragged, RequestsWithoutElementsTakePart) {
  std::vector<Request> requests;
  requests.push_back(Ask({1, 0, 3}));
  requests.push_back(Ask({1, 1, 1}));
  requests.push_back(Ask({1, 2, 0}));
  InferTogether(requests);
  EXPECT_EQ(requests[0].answers().back().output("doubled").shape, (Shape{1, 0, 3}));
  ExpectNumbers<int32_t>(requests[0].answers().back(), "count", {0});
  ExpectNumbers<float>(requests[1].answers().back(), "doubled", {2});
  ExpectNumbers<int32_t>(requests[2].answers().back(), "end", {1});
}

TEST_F(Ragged, BatchesFollowOneAnother) {
  for (const int64_t length : {3, 3, 0, 50, 1}) {
    const Answer answer = Ask({1, length, 1}).Infer();
    ASSERT_TRUE(Succeeded(answer.outcome));
    ExpectNumbers<int32_t>(answer, "end", {static_cast<int32_t>(length)});
    ExpectNumbers<int64_t>(answer, "max", {length});
    EXPECT_EQ(answer.output("doubled").bytes, Doubled(Numbers({length}, 1)));
  }
}

TEST_F(Ragged, AnOutputThatFitsNoShapeFailsWhoWantsIt) {
  server_.repository().AddOnnx(
      "ragged", "ragged",
      "backend: \"onnxruntime\" max_batch_size: 8 dynamic_batching { } "
      "instance_group { kind: KIND_CPU count: 1 } "
      "input { name: \"values\" data_type: TYPE_FP32 dims: [ -1, -1 ] allow_ragged_batch: true } " +
          Output("doubled", "FP32", "dims: [ -1, -1 ]") +
          Output("count", "INT32", "dims: [ -1, -1 ]") + kAllBatchInputs + kScatter +
          "batch_output { kind: BATCH_SCATTER_WITH_INPUT_SHAPE target_name: \"count\" "
          "source_input: \"values\" } ");
  ASSERT_TRUE(Succeeded(server_.Load("ragged")));
  std::vector<Request> requests;
  requests.push_back(Ask({1, 2, 2}));
  requests.push_back(Ask({1, 1, 1}));
  requests[1].Output("doubled");
  for (const Outcome& outcome : Request::SendTogether(server_, requests)) {
    ASSERT_TRUE(Succeeded(outcome));
  }
  EXPECT_TRUE(FailedWith(requests[0].Wait().outcome, TRITONSERVER_ERROR_INTERNAL,
                         {"'count'", "expected 5 elements", "'values'", "[2]"}));
  EXPECT_TRUE(Succeeded(requests[1].Wait().outcome));
}

TEST_F(Ragged, ConfigurationsTheFileDoesNotBearOutAreRefused) {
  const struct {
    std::string config;
    std::initializer_list<std::string> texts;
  } cases[] = {
      {RaggedConfig(kAllBatchInputs + BatchInput("ELEMENT_COUNT", "nothing", "INT32")),
       {"batch input 'nothing'", "not in the model file"}},
      {RaggedConfig(BatchInput("ELEMENT_COUNT", "counts", "FP32")),
       {"batch input 'counts'", "TYPE_INT32", "TYPE_FP32"}},
      {RaggedConfig(BatchInput("ITEM_SHAPE_FLATTEN", "shapes", "INT32")),
       {"batch input 'shapes'", "expected 1 dimensions", "[-1,2]"}},
      {RaggedConfig(BatchInput("ELEMENT_COUNT", "counts", "INT32")), {"needs input 'totals'"}},
  };
  for (const auto& [config, texts] : cases) {
    server_.repository().AddOnnx("bad", "ragged", config);
    EXPECT_TRUE(FailedWith(server_.Load("bad"), TRITONSERVER_ERROR_INVALID_ARG, texts));
  }
  server_.repository().AddOnnx("square", "identity_fp32",
                               "backend: \"onnxruntime\" max_batch_size: 8 "
                               "input { name: \"input\" data_type: TYPE_FP32 dims: -1 "
                               "allow_ragged_batch: true } " +
                                   Output("output", "FP32", "dims: -1"));
  EXPECT_TRUE(FailedWith(server_.Load("square"), TRITONSERVER_ERROR_INVALID_ARG,
                         {"input 'input'", "ragged", "[-1]", "[-1,-1]"}));
}

TEST(RaggedIdentity, AnswersEachRequestInItsShape) {
  Server server;
  server.repository().Add("echo",
                          "backend: \"identity\" max_batch_size: 8 dynamic_batching { } "
                          "instance_group { kind: KIND_CPU count: 1 } "
                          "input { name: \"input\" data_type: TYPE_FP32 dims: -1 "
                          "allow_ragged_batch: true } "
                          "output { name: \"output\" data_type: TYPE_FP32 dims: -1 }");
  ASSERT_TRUE(Succeeded(server.Load("echo")));
  std::vector<Request> requests;
  for (int i = 0; i < 4; ++i) {
    requests.push_back(EchoRequest(server, "echo", std::vector<float>(i, 7)));
  }
  for (const Outcome& outcome : Request::SendTogether(server, requests)) {
    ASSERT_TRUE(Succeeded(outcome));
  }
  for (int i = 0; i < 4; ++i) {
    EXPECT_EQ(requests[i].Wait().output("output").bytes, BytesOf(std::vector<float>(i, 7)));
  }
  EXPECT_EQ(server.Batches("echo"), (std::map<int64_t, int64_t>{{4, 1}}));
}

}  // namespace
}  // namespace trident::contract
