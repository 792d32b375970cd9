// The ONNX Runtime backend on GPUs: what it computes and what it copies for that.

#include "onnxruntime.h"

#include "sequences.h"

namespace trident::contract {
namespace {

uint64_t DeviceCopies() { return Calls("cuMemcpyDtoDAsync_v2") + Calls("cuMemcpyPeerAsync"); }

// Counts the copies until the end of a test.
class CopiesSince {
 public:
  uint64_t host() const { return HostCopies() - host_; }
  uint64_t device() const { return DeviceCopies() - device_; }

 private:
  const uint64_t host_ = HostCopies();
  const uint64_t device_ = DeviceCopies();
};

TEST_F(OnnxDevice, FromDeviceToDeviceNothingIsCopied) {
  ASSERT_TRUE(Succeeded(LoadDigits(OnGpu(1))));
  EXPECT_STREQ(FakeOnnxRuntimeOption("device_id"), "1");
  Memory images(OnDevice(1), Images(0, 3));
  Memory logits(OnDevice(1), 3 * kLogitBytes);
  const CopiesSince copies;
  ASSERT_TRUE(Succeeded(Ask(&images, &logits, 0, 3).Infer().outcome));
  EXPECT_LT(digits_.WorstError(logits.bytes(), 0, 3), 1e-4);
  EXPECT_EQ(copies.host(), 0u);
  EXPECT_EQ(copies.device(), 0u);
  EXPECT_EQ(server().Copies("digits"), 0);
}

TEST_F(OnnxDevice, ABatchThatLiesSideBySideIsNotCopiedInAnyOrder) {
  ASSERT_TRUE(Succeeded(LoadDigits(OnGpu(0))));
  Memory images(OnDevice(0), Images(10, 4));
  Memory logits(OnDevice(0), 4 * kLogitBytes);
  std::vector<Request> requests;
  for (const size_t place : {2, 0, 3, 1}) {
    requests.push_back(Ask(&images, &logits, place * kImageBytes, 1, place * kLogitBytes));
  }
  const CopiesSince copies;
  RunTogether(requests);
  EXPECT_LT(digits_.WorstError(logits.bytes(), 10, 4), 1e-4);
  EXPECT_EQ(copies.host() + copies.device(), 0u);
  EXPECT_EQ(server().Batches("digits")[4], 1);
}

TEST_F(OnnxDevice, ABatchFromAllOverADeviceIsGatheredThere) {
  ASSERT_TRUE(Succeeded(LoadDigits(OnGpu(0))));
  std::vector<std::unique_ptr<Memory>> images;
  std::vector<std::unique_ptr<Memory>> logits;
  std::vector<Request> requests;
  for (int i = 0; i < 4; ++i) {
    images.push_back(std::make_unique<Memory>(OnDevice(0), Images(20 + i, 1)));
    logits.push_back(std::make_unique<Memory>(OnDevice(0), kLogitBytes));
    requests.push_back(Ask(images[i].get(), logits[i].get()));
  }
  const CopiesSince copies;
  RunTogether(requests);
  for (int i = 0; i < 4; ++i) EXPECT_LT(digits_.WorstError(logits[i]->bytes(), 20 + i, 1), 1e-4);
  EXPECT_EQ(copies.host(), 0u);
  EXPECT_EQ(copies.device(), 8u);
  EXPECT_EQ(server().Copies("digits"), 0);
}

// Allocations that happen to be neighbours are not one block, neither to a run nor to a copy.
TEST_F(OnnxDevice, NeighboursOfTwoAllocationsAreNotOneBlock) {
  ASSERT_TRUE(Succeeded(Load("identity_fp32",
                             "backend: \"onnxruntime\" max_batch_size: 4 dynamic_batching { } "
                             "input { name: \"input\" data_type: TYPE_FP32 dims: 1024 } "
                             "output { name: \"output\" data_type: TYPE_FP32 dims: 1024 } " +
                                 OnGpu(0))));
  constexpr size_t kBytes = 4096;
  for (const Where& where : {OnDevice(0), Where{}}) {
    std::vector<std::unique_ptr<Memory>> memories;
    std::vector<Request> requests;
    for (int i = 0; i < 2; ++i) {
      memories.push_back(std::make_unique<Memory>(OnDevice(0), std::string(kBytes, 'a' + i)));
    }
    for (int i = 0; i < 2; ++i) memories.push_back(std::make_unique<Memory>(where, kBytes));
    if (static_cast<char*>(memories[0]->data()) + kBytes != memories[1]->data()) {
      GTEST_SKIP() << "the fake driver had no neighbours to give";
    }
    for (int i = 0; i < 2; ++i) {
      Request& request = requests.emplace_back(server(), "identity_fp32");
      request.InputAt("input", TRITONSERVER_TYPE_FP32, {1, 1024}, memories[i]->data(), kBytes,
                      memories[i]->where());
      request.OutputAt("output", memories[2 + i]->data(), kBytes, where);
    }
    RunTogether(requests);
    for (int i = 0; i < 2; ++i) EXPECT_EQ(memories[2 + i]->bytes(), std::string(kBytes, 'a' + i));
  }
}

class OnnxPlaces : public OnnxDevice, public testing::WithParamInterface<std::string> {};

INSTANTIATE_TEST_SUITE_P(All, OnnxPlaces,
                         testing::Values(OnGpu(0), "instance_group { kind: KIND_CPU }"),
                         [](const auto& info) {
                           return info.param.find("GPU") != std::string::npos ? "OnGpu" : "OnCpu";
                         });

TEST_P(OnnxPlaces, ABatchMixesAllPlaces) {
  ASSERT_TRUE(Succeeded(LoadDigits(GetParam())));
  const Where places[] = {{}, {TRITONSERVER_MEMORY_CPU_PINNED, 0}, OnDevice(0), OnDevice(1)};
  std::vector<std::unique_ptr<Memory>> images;
  std::vector<std::unique_ptr<Memory>> logits;
  std::vector<Request> requests;
  for (const Where& input : places) {
    for (const Where& output : places) {
      const int i = static_cast<int>(requests.size());
      images.push_back(std::make_unique<Memory>(input, Images(i, 1)));
      logits.push_back(std::make_unique<Memory>(output, kLogitBytes));
      requests.push_back(Ask(images[i].get(), logits[i].get()));
    }
  }
  RunTogether(requests);
  for (int i = 0; i < 16; ++i) EXPECT_LT(digits_.WorstError(logits[i]->bytes(), i, 1), 1e-4) << i;
}

TEST_P(OnnxPlaces, TextsInTheMemoryOfADevice) {
  ASSERT_TRUE(Succeeded(Load("identity_bytes",
                             "backend: \"onnxruntime\" max_batch_size: 8 dynamic_batching { } "
                             "input { name: \"input\" data_type: TYPE_STRING dims: -1 } "
                             "output { name: \"output\" data_type: TYPE_STRING dims: -1 } " +
                                 GetParam())));
  const std::string texts[] = {std::string("\3\0\0\0one\3\0\0\0two", 14),
                               std::string("\5\0\0\0three\4\0\0\0four", 17)};
  std::vector<std::unique_ptr<Memory>> memories;
  std::vector<Request> requests;
  for (const std::string& text : texts) {
    Memory& from = *memories.emplace_back(std::make_unique<Memory>(OnDevice(0), text));
    Memory& to = *memories.emplace_back(std::make_unique<Memory>(OnDevice(0), text.size()));
    Request& request = requests.emplace_back(server(), "identity_bytes");
    request.InputAt("input", TRITONSERVER_TYPE_BYTES, {1, 2}, from.data(), from.byte_size(),
                    from.where());
    request.OutputAt("output", to.data(), to.byte_size(), to.where());
  }
  RunTogether(requests);
  EXPECT_EQ(memories[1]->bytes(), texts[0]);
  EXPECT_EQ(memories[3]->bytes(), texts[1]);
}

// A kernel may read 16 bytes at once: what does not lie so is copied on the device.
TEST_F(OnnxDevice, TensorsThatKernelsCanNotReadInPlaceAreCopied) {
  ASSERT_TRUE(Succeeded(LoadDigits(OnGpu(0))));
  Memory images(OnDevice(0), std::string(8, '?') + Images(5, 1));
  Memory logits(OnDevice(0), 4 + kLogitBytes);
  const CopiesSince copies;
  ASSERT_TRUE(Succeeded(Ask(&images, &logits, 8, 1, 4).Infer().outcome));
  EXPECT_LT(digits_.WorstError(logits.bytes().substr(4), 5, 1), 1e-4);
  EXPECT_EQ(copies.host(), 0u);
  EXPECT_EQ(copies.device(), 2u);
}

// Where a session computes a part of a model on the CPU, its tensors lie on the host.
TEST_F(OnnxDevice, TensorsThatTheSessionHasOnTheHostAreBroughtThere) {
  FakeOnnxRuntimeKeepOnHost("image");
  ASSERT_TRUE(Succeeded(LoadDigits(OnGpu(0))));
  FakeOnnxRuntimeKeepOnHost(nullptr);
  const CopiesSince copies;
  EXPECT_TRUE(Succeeded(Run(0)));
  EXPECT_EQ(copies.host(), 1u);
  EXPECT_EQ(server().Copies("digits"), 1);
}

TEST_F(OnnxDevice, OutputsWhoseShapeTheRunDecidesStayOnTheDevice) {
  ASSERT_TRUE(Succeeded(Load("nonzero",
                             "backend: \"onnxruntime\" "
                             "input { name: \"input\" data_type: TYPE_FP32 dims: -1 } "
                             "output { name: \"output\" data_type: TYPE_INT64 dims: [ 1, -1 ] } " +
                                 OnGpu(0))));
  Memory input(OnDevice(0), BytesOf<float>({0, 1, 0, 2, 3}));
  Memory output(OnDevice(0), 3 * sizeof(int64_t));
  const CopiesSince copies;
  for (int i = 0; i < 2; ++i) {
    Request request(server(), "nonzero");
    request.InputAt("input", TRITONSERVER_TYPE_FP32, {5}, input.data(), input.byte_size(),
                    input.where());
    request.OutputAt("output", output.data(), output.byte_size(), output.where());
    const Answer answer = request.Infer();
    ASSERT_TRUE(Succeeded(answer.outcome));
    EXPECT_EQ(answer.output("output").shape, (Shape{1, 3}));
    EXPECT_EQ(output.bytes(), BytesOf<int64_t>({1, 3, 4}));
  }
  EXPECT_EQ(copies.host(), 0u);
  EXPECT_EQ(copies.device(), 2u);
}

// Batch inputs are numbers that the backend makes on the host; batch outputs are cut on the device.
TEST_F(OnnxDevice, BatchInputsReachTheDevice) {
  std::string config =
      "backend: \"onnxruntime\" max_batch_size: 8 dynamic_batching { } "
      "input { name: \"values\" data_type: TYPE_FP32 dims: [ -1, -1 ] allow_ragged_batch: true } "
      "output { name: \"doubled\" data_type: TYPE_FP32 dims: [ -1, -1 ] } "
      "output { name: \"end\" data_type: TYPE_INT32 dims: 1 reshape { shape: [ ] } } "
      "batch_output { kind: BATCH_SCATTER_WITH_INPUT_SHAPE target_name: \"doubled\" "
      "source_input: \"values\" } ";
  const char* batch_inputs[][3] = {{"ELEMENT_COUNT", "counts", "INT32"},
                                   {"ACCUMULATED_ELEMENT_COUNT", "totals", "FP32"},
                                   {"ACCUMULATED_ELEMENT_COUNT_WITH_ZERO", "bounds", "INT32"},
                                   {"MAX_ELEMENT_COUNT_AS_SHAPE", "longest", "FP32"},
                                   {"ITEM_SHAPE", "shapes", "INT32"},
                                   {"ITEM_SHAPE_FLATTEN", "flat_shapes", "FP32"}};
  for (const auto& [kind, target, type] : batch_inputs) {
    config += std::string("batch_input { kind: BATCH_") + kind + " target_name: \"" + target +
              "\" data_type: TYPE_" + type + " source_input: \"values\" } ";
  }
  ASSERT_TRUE(Succeeded(Load("ragged", config + OnGpu(0))));
  const Shape shapes[] = {{1, 2, 3}, {1, 1, 2}};
  const std::vector<float> values[] = {{1, 2, 3, 4, 5, 6}, {7, 8}};
  const std::vector<float> doubled[] = {{2, 4, 6, 8, 10, 12}, {14, 16}};
  std::vector<std::unique_ptr<Memory>> memories;
  std::vector<Request> requests;
  for (int i = 0; i < 2; ++i) {
    const std::string bytes = BytesOf(values[i]);
    Memory& from = *memories.emplace_back(std::make_unique<Memory>(OnDevice(0), bytes));
    Memory& to = *memories.emplace_back(std::make_unique<Memory>(OnDevice(0), bytes.size()));
    Request& request = requests.emplace_back(server(), "ragged");
    request.InputAt("values", TRITONSERVER_TYPE_FP32, shapes[i], from.data(), from.byte_size(),
                    from.where());
    request.OutputAt("doubled", to.data(), to.byte_size(), to.where()).Output("end");
  }
  RunTogether(requests);
  for (int i = 0; i < 2; ++i) EXPECT_EQ(memories[2 * i + 1]->bytes(), BytesOf(doubled[i]));
  EXPECT_EQ(requests[0].answers().back().output("end").bytes, BytesOf<int32_t>({6}));
  EXPECT_EQ(requests[1].answers().back().output("end").bytes, BytesOf<int32_t>({8}));
}

std::string SumConfig(const std::string& more) {
  return "backend: \"onnxruntime\" max_batch_size: 4 " +
         TensorConfig("input", "input", "FP32", "2") +
         TensorConfig("output", "output", "FP32", "2") +
         Batching("direct", State("sum_in", "sum_out", "2")) + OnGpu(0) + more;
}

TEST_F(OnnxDevice, StatesOfSequencesStayOnTheDevice) {
  server().repository().AddOnnx("sum", "accumulate", SumConfig(""));
  ASSERT_TRUE(Succeeded(server().Load("sum")));
  Memory input(OnDevice(0), BytesOf<float>({1, 10}));
  Memory output(OnDevice(0), 2 * sizeof(float));
  std::unique_ptr<CopiesSince> copies;
  for (int step = 1; step <= 4; ++step) {
    Request request(server(), "sum");
    request.InputAt("input", TRITONSERVER_TYPE_FP32, {1, 2}, input.data(), input.byte_size(),
                    input.where());
    request.OutputAt("output", output.data(), output.byte_size(), output.where());
    request.Sequence(7, step == 1 ? kStart : step == 4 ? kEnd : 0);
    ASSERT_TRUE(Succeeded(request.Infer().outcome));
    EXPECT_EQ(output.bytes(), BytesOf<float>({1.0f * step, 10.0f * step}));
    // The first state is zeros of the host.
    if (step == 1) copies = std::make_unique<CopiesSince>();
  }
  EXPECT_EQ(copies->host(), 0u);
}

// CUDA graphs ------------------------------------------------------------------------------------

constexpr const char* kGraphs = "optimization { cuda { graphs: true } } ";

TEST_F(OnnxDevice, EachBatchSizeHasAGraph) {
  ASSERT_TRUE(Succeeded(LoadDigits(OnGpu(0), kGraphs)));
  EXPECT_STREQ(FakeOnnxRuntimeOption("enable_cuda_graph"), "1");
  const FakeOnnxRuntimeRuns before = FakeOnnxRuntimeCountRuns();
  const CopiesSince copies;
  for (int round = 0; round < 3; ++round) {
    for (const int count : {1, 4, 2}) {
      const int first = 10 * round + count;
      Memory images(OnDevice(0), Images(first, count));  // at another address each time
      Memory logits(OnDevice(0), count * kLogitBytes);
      ASSERT_TRUE(Succeeded(Ask(&images, &logits, 0, count).Infer().outcome));
      EXPECT_LT(digits_.WorstError(logits.bytes(), first, count), 1e-4);
    }
  }
  const FakeOnnxRuntimeRuns after = FakeOnnxRuntimeCountRuns();
  EXPECT_EQ(after.recorded - before.recorded, 3u);
  EXPECT_EQ(after.replayed - before.replayed, 6u);
  EXPECT_EQ(copies.host(), 0u);
  EXPECT_EQ(copies.device(), 18u);
}

TEST_F(OnnxDevice, GraphsAreForTheBatchSizesThatTheConfigurationNames) {
  ASSERT_TRUE(Succeeded(LoadDigits(
      OnGpu(0), "optimization { cuda { graphs: true graph_spec { batch_size: 1 } } } ")));
  const FakeOnnxRuntimeRuns before = FakeOnnxRuntimeCountRuns();
  for (const int count : {1, 2, 1, 2}) {
    Memory images(OnDevice(0), Images(0, count));
    Memory logits(OnDevice(0), count * kLogitBytes);
    ASSERT_TRUE(Succeeded(Ask(&images, &logits, 0, count).Infer().outcome));
    EXPECT_LT(digits_.WorstError(logits.bytes(), 0, count), 1e-4);
  }
  const FakeOnnxRuntimeRuns after = FakeOnnxRuntimeCountRuns();
  EXPECT_EQ(after.all - before.all, 4u);
  EXPECT_EQ(after.recorded - before.recorded, 1u);
  EXPECT_EQ(after.replayed - before.replayed, 1u);
}

// A recorded run writes all outputs, whichever of them a request wants.
TEST_F(OnnxDevice, WithGraphsRequestsMayWantDifferentOutputs) {
  ASSERT_TRUE(Succeeded(Load(
      "add_sub", std::string("backend: \"onnxruntime\" max_batch_size: 4 ") + kGraphs + OnGpu(0))));
  for (const char* output : {"sum", "difference"}) {
    Request request(server(), "add_sub");
    request.Input("a", TRITONSERVER_TYPE_FP32, {1, 16}, BytesOf(std::vector<float>(16, 5)));
    request.Input("b", TRITONSERVER_TYPE_FP32, {1, 16}, BytesOf(std::vector<float>(16, 2)));
    Memory to({}, 16 * sizeof(float));
    request.OutputAt(output, to.data(), to.byte_size());
    ASSERT_TRUE(Succeeded(request.Infer().outcome));
    const float expected = std::string(output) == "sum" ? 7 : 3;
    EXPECT_EQ(to.bytes(), BytesOf(std::vector<float>(16, expected)));
  }
}

TEST_F(OnnxDevice, GraphsNeedTensorsOfOneSize) {
  EXPECT_TRUE(
      FailedWith(Load("identity_fp32",
                      std::string("backend: \"onnxruntime\" max_batch_size: 4 "
                                  "input { name: \"input\" data_type: TYPE_FP32 dims: -1 } "
                                  "output { name: \"output\" data_type: TYPE_FP32 dims: -1 } ") +
                          kGraphs + OnGpu(0)),
                 TRITONSERVER_ERROR_INVALID_ARG, {"'identity_fp32'", "CUDA graphs", "'input'"}));
}

// What the host does is not part of a recorded run.
TEST_F(OnnxDevice, GraphsNeedTensorsOnTheDevice) {
  for (const char* tensor : {"image", "logits"}) {
    FakeOnnxRuntimeKeepOnHost(tensor);
    const Outcome loaded = LoadDigits(OnGpu(0), kGraphs);
    FakeOnnxRuntimeKeepOnHost(nullptr);
    EXPECT_TRUE(FailedWith(loaded, TRITONSERVER_ERROR_INVALID_ARG,
                           {"CUDA graphs", "'" + std::string(tensor) + "'", "on the host"}));
  }
}

// ONNX Runtime has a graph for each thread: that of the warm-up must be the service's.
TEST_F(OnnxDevice, ABatchSizeThatWasWarmedUpIsReplayed) {
  ASSERT_TRUE(Succeeded(LoadDigits(
      OnGpu(0, 2), std::string(kGraphs) +
                       "model_warmup { name: \"four\" batch_size: 4 inputs { key: \"image\" "
                       "value { data_type: TYPE_FP32 dims: [ 1, 8, 8 ] zero_data: true } } } ")));
  const FakeOnnxRuntimeRuns before = FakeOnnxRuntimeCountRuns();
  for (int first = 0; first < 16; first += 4) {
    Memory images(OnDevice(0), Images(first, 4));
    Memory logits(OnDevice(0), 4 * kLogitBytes);
    ASSERT_TRUE(Succeeded(Ask(&images, &logits, 0, 4).Infer().outcome));
    EXPECT_LT(digits_.WorstError(logits.bytes(), first, 4), 1e-4);
  }
  const FakeOnnxRuntimeRuns after = FakeOnnxRuntimeCountRuns();
  EXPECT_EQ(after.recorded - before.recorded, 0u);
  EXPECT_EQ(after.replayed - before.replayed, 4u);
}

TEST_F(OnnxDevice, AModelWithoutBatchesHasTheGraphOfSizeZero) {
  ASSERT_TRUE(
      Succeeded(Load("fixed",
                     "backend: \"onnxruntime\" "
                     "input { name: \"input\" data_type: TYPE_FP32 dims: 4 } "
                     "output { name: \"output\" data_type: TYPE_FP32 dims: 4 } "
                     "optimization { cuda { graphs: true graph_spec { batch_size: 0 } } } " +
                         OnGpu(0))));
  const FakeOnnxRuntimeRuns before = FakeOnnxRuntimeCountRuns();
  for (int i = 0; i < 2; ++i) {
    Memory input(OnDevice(0), BytesOf<float>({1, 2, 3, 4}));
    Memory output(OnDevice(0), 4 * sizeof(float));
    Request request(server(), "fixed");
    request.InputAt("input", TRITONSERVER_TYPE_FP32, {4}, input.data(), input.byte_size(),
                    input.where());
    request.OutputAt("output", output.data(), output.byte_size(), output.where());
    ASSERT_TRUE(Succeeded(request.Infer().outcome));
    EXPECT_EQ(output.bytes(), BytesOf<float>({1, 2, 3, 4}));
  }
  EXPECT_EQ(FakeOnnxRuntimeCountRuns().replayed - before.replayed, 1u);
}

}  // namespace
}  // namespace trident::contract
