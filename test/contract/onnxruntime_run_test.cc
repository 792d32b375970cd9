// Answers and copies of the ONNX Runtime backend.

#include "digits.h"

namespace trident::contract {
namespace {

class DigitsModel : public DigitsTest {};

TEST_F(DigitsModel, RecognisesAsManyAsTheRecordedRun) {
  int right = 0;
  for (int i = 0; i < kDigits; ++i) {
    const Answer answer = digits_.Ask(server_, i, 1).Infer();
    ASSERT_TRUE(Succeeded(answer.outcome));
    const std::string& logits = answer.output("logits").bytes;
    EXPECT_LT(digits_.WorstError(logits, i, 1), 1e-4) << "image " << i;
    size_t best = 0;
    for (size_t c = 1; c < kClasses; ++c) {
      if (Digits::FloatAt(logits, c) > Digits::FloatAt(logits, best)) best = c;
    }
    right += best == static_cast<size_t>(digits_.labels[i]) ? 1 : 0;
  }
  EXPECT_EQ(right, 353);
  EXPECT_EQ(server_.Batches("digits"), (Batches{{1, kDigits}}));
}

// One request of n images, and n requests of one image each that form a batch: the same run, so the
// same bits.
TEST_F(DigitsModel, EveryBatchSizeGivesTheSameAnswers) {
  for (int n = 1; n <= 64; ++n) {
    const int first = n * 4;
    const Answer whole = digits_.Ask(server_, first, n).Infer();
    ASSERT_TRUE(Succeeded(whole.outcome));
    const Tensor& logits = whole.output("logits");
    EXPECT_EQ(logits.shape, (Shape{n, 10}));
    EXPECT_LT(digits_.WorstError(logits.bytes, first, n), 1e-4) << "batch size " << n;

    std::vector<Request> parts;
    for (int i = 0; i < n; ++i) parts.push_back(digits_.Ask(server_, first + i, 1));
    for (const Outcome& outcome : Request::SendTogether(server_, parts)) {
      ASSERT_TRUE(Succeeded(outcome));
    }
    for (int i = 0; i < n; ++i) {
      const Answer& part = parts[i].Wait();
      ASSERT_TRUE(Succeeded(part.outcome));
      EXPECT_EQ(part.output("logits").bytes, logits.bytes.substr(i * kLogitBytes, kLogitBytes))
          << "batch size " << n << ", image " << i;
    }
  }
  const Batches batches = server_.Batches("digits");
  for (int n = 1; n <= 64; ++n) EXPECT_EQ(batches.at(n), 2) << "batch size " << n;
}

TEST_F(DigitsModel, OneRequestIsReadAndWrittenInPlace) {
  std::string logits(kLogitBytes, '\0');
  Request request(server_, "digits");
  request.InputAt("image", TRITONSERVER_TYPE_FP32, {1, 1, 8, 8}, digits_.image(0), kImageBytes);
  request.OutputAt("logits", logits.data(), logits.size());
  ASSERT_TRUE(Succeeded(request.Infer().outcome));
  EXPECT_LT(digits_.WorstError(logits, 0, 1), 1e-4);
  EXPECT_EQ(server_.Copies("digits"), 0);
}

TEST_F(DigitsModel, ABatchThatLiesSideBySideIsNotCopied) {
  constexpr int kCount = 6;
  std::string logits(kCount * kLogitBytes, '\0');
  std::vector<Request> requests;
  for (int i = 0; i < kCount; ++i) {
    requests.push_back(digits_.Ask(server_, i, 1));
    requests.back().OutputAt("logits", logits.data() + i * kLogitBytes, kLogitBytes);
  }
  for (const Outcome& outcome : Request::SendTogether(server_, requests)) {
    ASSERT_TRUE(Succeeded(outcome));
  }
  for (Request& request : requests) ASSERT_TRUE(Succeeded(request.Wait().outcome));
  EXPECT_LT(digits_.WorstError(logits, 0, kCount), 1e-4);
  EXPECT_EQ(server_.Batches("digits"), (Batches{{kCount, 1}}));
  EXPECT_EQ(server_.Copies("digits"), 0);
}

TEST_F(DigitsModel, AScatteredBatchIsGatheredOnceAndCounted) {
  const struct { int first, count; } parts[] = {{7, 1}, {3, 2}, {100, 1}, {50, 3}};
  std::vector<Request> requests;
  for (const auto& [first, count] : parts) requests.push_back(digits_.Ask(server_, first, count));
  for (const Outcome& outcome : Request::SendTogether(server_, requests)) {
    ASSERT_TRUE(Succeeded(outcome));
  }
  for (size_t i = 0; i < requests.size(); ++i) {
    const Answer& answer = requests[i].Wait();
    ASSERT_TRUE(Succeeded(answer.outcome));
    EXPECT_LT(digits_.WorstError(answer.output("logits").bytes, parts[i].first, parts[i].count),
              1e-4);
  }
  EXPECT_EQ(server_.Batches("digits"), (Batches{{7, 1}}));
  EXPECT_EQ(server_.Copies("digits"), 4 + 4);  // a gather and a scatter each
  EXPECT_EQ(server_.CopiedBytes("digits"), static_cast<int64_t>(7 * (kImageBytes + kLogitBytes)));
}

TEST_F(DigitsModel, AnInputInPiecesIsGathered) {
  std::string logits(kLogitBytes, '\0');
  const std::string image(digits_.image(9), kImageBytes);
  Request request(server_, "digits");
  request.InputInPieces("image", TRITONSERVER_TYPE_FP32, {1, 1, 8, 8},
                        {image.substr(0, 101), image.substr(101)});
  request.OutputAt("logits", logits.data(), logits.size());
  ASSERT_TRUE(Succeeded(request.Infer().outcome));
  EXPECT_LT(digits_.WorstError(logits, 9, 1), 1e-4);
  EXPECT_EQ(server_.Copies("digits"), 2);
  EXPECT_EQ(server_.CopiedBytes("digits"), static_cast<int64_t>(kImageBytes));
}

TEST_F(DigitsModel, AMisalignedInputIsCopiedNotMisread) {
  std::string memory(kImageBytes + 1, '\0');
  memcpy(memory.data() + 1, digits_.image(5), kImageBytes);
  std::string logits(kLogitBytes, '\0');
  Request request(server_, "digits");
  request.InputAt("image", TRITONSERVER_TYPE_FP32, {1, 1, 8, 8}, memory.data() + 1, kImageBytes);
  request.OutputAt("logits", logits.data(), logits.size());
  ASSERT_TRUE(Succeeded(request.Infer().outcome));
  EXPECT_LT(digits_.WorstError(logits, 5, 1), 1e-4);
  EXPECT_EQ(server_.Copies("digits"), 1);
}

TEST_F(DigitsModel, ATooSmallDestinationFailsOnlyItsRequest) {
  char small[4];
  std::vector<Request> requests;
  for (int i = 0; i < 3; ++i) requests.push_back(digits_.Ask(server_, i, 1));
  requests[1].OutputAt("logits", small, sizeof(small));
  for (const Outcome& outcome : Request::SendTogether(server_, requests)) {
    ASSERT_TRUE(Succeeded(outcome));
  }
  EXPECT_FALSE(requests[1].Wait().ok());
  for (const int i : {0, 2}) {
    const Answer& answer = requests[i].Wait();
    ASSERT_TRUE(Succeeded(answer.outcome));
    EXPECT_LT(digits_.WorstError(answer.output("logits").bytes, i, 1), 1e-4);
  }
}

TEST_F(DigitsModel, IllegalRequestsAreRefusedBeforeTheyWait) {
  const std::string image(digits_.image(0), kImageBytes);
  const struct {
    std::string name;
    TRITONSERVER_DataType datatype;
    Shape shape;
    std::string bytes;
  } cases[] = {
      {"image", TRITONSERVER_TYPE_INT32, {1, 1, 8, 8}, image},
      {"image", TRITONSERVER_TYPE_FP32, {1, 1, 4, 16}, image},
      {"image", TRITONSERVER_TYPE_FP32, {1, 64}, image},
      {"image", TRITONSERVER_TYPE_FP32, {1, 1, 8, 8}, image.substr(1)},
      {"image", TRITONSERVER_TYPE_FP32, {1, 1, 8, 8}, image + "x"},
      {"image", TRITONSERVER_TYPE_FP32, {INT64_MAX, 1, 8, 8}, image},
      {"image", TRITONSERVER_TYPE_FP32, {-1, 1, 8, 8}, image},
      {"image", TRITONSERVER_TYPE_FP32, {}, image},
      {"other", TRITONSERVER_TYPE_FP32, {1, 1, 8, 8}, image},
  };
  for (const auto& [name, datatype, shape, bytes] : cases) {
    Request request(server_, "digits");
    request.Input(name, datatype, shape, bytes);
    EXPECT_TRUE(FailedWith(request.Send(), TRITONSERVER_ERROR_INVALID_ARG, {"'" + name + "'"}));
  }
  EXPECT_TRUE(FailedWith(Request(server_, "digits").Send(), TRITONSERVER_ERROR_INVALID_ARG,
                         {"missing", "'image'"}));
}

class OnnxModels : public testing::Test {
 protected:
  void Load(const std::string& file, const std::string& config = "") {
    server_.repository().AddOnnx(file, file, config);
    ASSERT_TRUE(Succeeded(server_.Load(file)));
  }

  Server server_;
};

TEST_F(OnnxModels, OutputsThatDependOnValuesHaveTheShapeOfTheRun) {
  Load("nonzero");
  Request request(server_, "nonzero");
  request.Input("input", TRITONSERVER_TYPE_FP32, {5}, BytesOf<float>({0, 1, 0, 2, 3}));
  const Answer answer = request.Infer();
  ASSERT_TRUE(Succeeded(answer.outcome));
  EXPECT_EQ(answer.output("output").shape, (Shape{1, 3}));
  EXPECT_EQ(answer.output("output").bytes, BytesOf<int64_t>({1, 3, 4}));
}

TEST_F(OnnxModels, OutputsAreMadeByName) {
  Load("add_sub");
  const std::vector<float> a(16, 5), b(16, 2);
  const auto make = [&] {
    Request request(server_, "add_sub");
    request.Input("b", TRITONSERVER_TYPE_FP32, {1, 16}, BytesOf(b));
    request.Input("a", TRITONSERVER_TYPE_FP32, {1, 16}, BytesOf(a));
    return request;
  };
  const Answer both = make().Infer();
  ASSERT_TRUE(Succeeded(both.outcome));
  EXPECT_EQ(both.output("sum").bytes, BytesOf(std::vector<float>(16, 7)));
  EXPECT_EQ(both.output("difference").bytes, BytesOf(std::vector<float>(16, 3)));
  const Answer one = make().Output("difference").Infer();
  ASSERT_TRUE(Succeeded(one.outcome));
  EXPECT_EQ(one.outputs.size(), 1u);
  EXPECT_EQ(one.output("difference").bytes, both.output("difference").bytes);
}

// The run fails as a whole, so each of its requests does; the instance goes on.
TEST_F(OnnxModels, AFailingRunAnswersEachRequestOfItsBatch) {
  Load("gather",
       "backend: \"onnxruntime\" max_batch_size: 8 dynamic_batching { } "
       "input { name: \"index\" data_type: TYPE_INT64 dims: 1 } "
       "output { name: \"output\" data_type: TYPE_FP32 dims: [ 1, 4 ] } "
       "instance_group { count: 1 kind: KIND_CPU }");
  const auto row = [&](int64_t index) {
    Request request(server_, "gather");
    request.Input("index", TRITONSERVER_TYPE_INT64, {1, 1}, BytesOf<int64_t>({index}));
    return request;
  };
  std::vector<Request> requests;
  for (const int64_t index : {1, 99, 2}) requests.push_back(row(index));
  for (const Outcome& outcome : Request::SendTogether(server_, requests)) {
    ASSERT_TRUE(Succeeded(outcome));
  }
  for (Request& request : requests) {
    EXPECT_TRUE(FailedWith(request.Wait().outcome, TRITONSERVER_ERROR_INVALID_ARG,
                           {"'gather'", "the run failed", "99"}));
  }
  EXPECT_EQ(server_.Failures("gather"), 3);
  EXPECT_EQ(server_.Successes("gather"), 0);
  const Answer answer = row(2).Infer();
  ASSERT_TRUE(Succeeded(answer.outcome));
  EXPECT_EQ(answer.output("output").bytes, BytesOf<float>({8, 9, 10, 11}));
}

TEST_F(OnnxModels, ShapesThatDoNotGoTogetherAreTheCallersError) {
  Load("add_variable");
  const auto add = [&](int64_t n, int64_t m) {
    Request request(server_, "add_variable");
    request.Input("a", TRITONSERVER_TYPE_FP32, {1, n}, BytesOf(std::vector<float>(n, 1)));
    request.Input("b", TRITONSERVER_TYPE_FP32, {1, m}, BytesOf(std::vector<float>(m, 1)));
    return request.Infer();
  };
  EXPECT_TRUE(FailedWith(add(3, 4).outcome, TRITONSERVER_ERROR_INVALID_ARG, {"'add_variable'"}));
  EXPECT_TRUE(Succeeded(add(4, 4).outcome));
}

TEST_F(OnnxModels, MemoryIsReportedWhileLoaded) {
  Load("mlp512");
  const Document statistics = server_.Statistics("mlp512");
  EXPECT_EQ(statistics.Size("/model_stats/0/memory_usage"), 1u);
  EXPECT_EQ(statistics.Text("/model_stats/0/memory_usage/0/type"), "CPU");
  // 512 x 1024 + 1024 x 1024 + 1024 x 128 weights.
  EXPECT_GT(statistics.Number("/model_stats/0/memory_usage/0/byte_size"), 6 << 20);
  ASSERT_TRUE(Succeeded(server_.UnloadAndWait("mlp512")));
  EXPECT_TRUE(FailedWith(server_.StatisticsOutcome("mlp512"), TRITONSERVER_ERROR_INVALID_ARG,
                         {"'mlp512'"}));
}

}  // namespace
}  // namespace trident::contract
