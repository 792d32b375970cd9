// Sequences with the onnxruntime backend, under both strategies: states that the scheduler holds
// and the model computes, and controls that are inputs of the model file.

#include "digits.h"
#include "sequences.h"

namespace trident::contract {
namespace {

class Sequences : public testing::TestWithParam<const char*> {
 protected:
  // The model "sum": output = sum = input + sum so far.
  Outcome LoadSum(const std::string& state_more = "", const std::string& more = "",
                  int max_batch_size = 4) {
    const bool batched = max_batch_size > 0;
    const std::string dims = batched ? "-1" : "[ 1, -1 ]";
    server_.repository().AddOnnx(
        "sum", "accumulate",
        "backend: \"onnxruntime\" max_batch_size: " + std::to_string(max_batch_size) + " " +
            TensorConfig("input", "input", "FP32", dims) +
            TensorConfig("output", "output", "FP32", dims) +
            Batching(GetParam(),
                     State("sum_in", "sum_out", batched ? "2" : "[ 1, 2 ]", state_more)) +
            "instance_group { kind: KIND_CPU count: 1 } " + more);
    return server_.Load("sum");
  }

  Request Step(uint64_t id, uint32_t flags, const std::vector<float>& numbers) {
    Request request = EchoRequest(server_, "sum", numbers);
    request.Sequence(id, flags);
    return request;
  }
  std::string Sum(uint64_t id, uint32_t flags, const std::vector<float>& numbers) {
    const Answer answer = Step(id, flags, numbers).Infer();
    EXPECT_TRUE(Succeeded(answer.outcome));
    return answer.ok() ? answer.output("output").bytes : "";
  }

  Server server_;
};

std::string Pair(float a, float b) { return BytesOf(std::vector<float>{a, b}); }

// Statement: after an update the next request of the sequence sees the new value.
TEST_P(Sequences, EachSequenceHasItsState) {
  ASSERT_TRUE(Succeeded(LoadSum()));
  std::vector<Request> requests;
  std::vector<std::string> expected;
  float sums[3] = {};
  for (int step = 0; step < 20; ++step) {
    for (int s = 0; s < 3; ++s) {
      const auto number = static_cast<float>(s * 100 + step);
      sums[s] += number;
      requests.push_back(
          Step(s + 1, (step == 0 ? kStart : 0) | (step == 19 ? kEnd : 0), {number, 1}));
      expected.push_back(Pair(sums[s], static_cast<float>(step + 1)));
    }
  }
  for (Request& request : requests) ASSERT_TRUE(Succeeded(request.Send()));
  for (size_t i = 0; i < requests.size(); ++i) {
    const Answer& answer = requests[i].Wait();
    ASSERT_TRUE(Succeeded(answer.outcome));
    EXPECT_EQ(answer.output("output").bytes, expected[i]) << "request " << i;
  }
  EXPECT_EQ(server_.Successes("sum"), 60);
}

// Statement: START resets the state.
TEST_P(Sequences, AStartBeginsAnew) {
  ASSERT_TRUE(Succeeded(LoadSum()));
  EXPECT_EQ(Sum(7, kStart, {1, 2}), Pair(1, 2));
  EXPECT_EQ(Sum(7, 0, {1, 2}), Pair(2, 4));
  EXPECT_EQ(Sum(7, kStart, {5, 5}), Pair(5, 5));
  EXPECT_EQ(Sum(7, kEnd, {1, 1}), Pair(6, 6));
  EXPECT_EQ(Sum(7, kStart | kEnd, {1, 2}), Pair(1, 2));
}

// Statement: state outputs are not returned to the client unless they are also outputs.
TEST_P(Sequences, StatesAreReturnedOnlyWhenListed) {
  ASSERT_TRUE(Succeeded(LoadSum()));
  Answer answer = Step(1, kStart, {1, 2}).Infer();
  ASSERT_TRUE(Succeeded(answer.outcome));
  EXPECT_EQ(answer.outputs.size(), 1u);

  ASSERT_TRUE(Succeeded(LoadSum("", TensorConfig("output", "sum_out", "FP32", "-1"))));
  Step(1, kStart, {1, 2}).Infer();
  answer = Step(1, kEnd, {1, 2}).Infer();
  ASSERT_TRUE(Succeeded(answer.outcome));
  EXPECT_EQ(answer.output("sum_out").bytes, Pair(2, 4));
  EXPECT_EQ(answer.output("output").bytes, Pair(2, 4));
}

// Asking for other outputs only must not cost the sequence its state.
TEST_P(Sequences, StatesAreKeptWhateverTheClientAsksFor) {
  ASSERT_TRUE(Succeeded(LoadSum("", TensorConfig("output", "sum_out", "FP32", "-1"))));
  Request first = Step(1, kStart, {1, 2});
  first.Output("output");
  EXPECT_TRUE(Succeeded(first.Infer().outcome));
  Request second = Step(1, kEnd, {1, 2});
  second.Output("sum_out");
  EXPECT_EQ(second.Infer().output("sum_out").bytes, Pair(2, 4));
}

TEST_P(Sequences, StatesWithoutABatchDimension) {
  ASSERT_TRUE(Succeeded(LoadSum("", "", 0)));
  for (const uint64_t id : {1, 2}) {  // one after the other: direct has one slot here
    const auto n = static_cast<float>(id);
    EXPECT_EQ(Sum(id, kStart, {n, 1}), Pair(n, 1));
    EXPECT_EQ(Sum(id, 0, {n, 1}), Pair(2 * n, 2));
    EXPECT_EQ(Sum(id, kEnd, {n, 1}), Pair(3 * n, 3));
  }
}

// Statement: use_same_buffer_for_input_output aliases input and output.
TEST_P(Sequences, OneBufferMayServeAsInputAndOutput) {
  ASSERT_TRUE(Succeeded(LoadSum("use_same_buffer_for_input_output: true")));
  EXPECT_EQ(Sum(1, kStart, {1, 2}), Pair(1, 2));
  EXPECT_EQ(Sum(2, kStart, {10, 20}), Pair(10, 20));
  EXPECT_EQ(Sum(1, 0, {1, 2}), Pair(2, 4));
  EXPECT_EQ(Sum(2, 0, {10, 20}), Pair(20, 40));
  EXPECT_EQ(Sum(1, kEnd, {1, 2}), Pair(3, 6));
}

TEST_P(Sequences, InitialStatesComeFromFiles) {
  server_.repository().Write("sum/initial_state/start", Pair(100, 200));
  ASSERT_TRUE(
      Succeeded(LoadSum("initial_state { name: \"first\" data_type: TYPE_FP32 dims: 2 "
                        "data_file: \"start\" }")));
  EXPECT_EQ(Sum(1, kStart, {1, 2}), Pair(101, 202));
  EXPECT_EQ(Sum(2, kStart, {3, 4}), Pair(103, 204));
  EXPECT_EQ(Sum(1, kEnd, {1, 2}), Pair(102, 204));
}

// Statement: without an initial state, variable dimensions begin as 1 and the contents as zero.
TEST_P(Sequences, StatesMayChangeTheirShape) {
  server_.repository().AddOnnx("sum", "history",
                               "backend: \"onnxruntime\" max_batch_size: 4 " +
                                   TensorConfig("input", "input", "FP32", "-1") +
                                   TensorConfig("output", "output", "FP32", "-1") +
                                   Batching(GetParam(), State("past_in", "past_out", "-1")));
  ASSERT_TRUE(Succeeded(server_.Load("sum")));
  std::vector<float> past[2] = {{0}, {0}};
  std::vector<Request> requests;
  std::vector<std::string> expected;
  for (int step = 0; step < 12; ++step) {
    for (int s = 0; s < 2; ++s) {  // which grow apart
      const std::vector<float> next(s + 1, static_cast<float>(step));
      past[s].insert(past[s].end(), next.begin(), next.end());
      requests.push_back(Step(s + 1, step == 0 ? kStart : step == 11 ? kEnd : 0, next));
      expected.push_back(BytesOf(past[s]));
    }
  }
  for (Request& request : requests) ASSERT_TRUE(Succeeded(request.Send()));
  for (size_t i = 0; i < requests.size(); ++i) {
    const Answer& answer = requests[i].Wait();
    ASSERT_TRUE(Succeeded(answer.outcome));
    EXPECT_EQ(answer.output("output").bytes, expected[i]) << "request " << i;
  }
}

// Statement: states of strings begin as empty strings.
TEST_P(Sequences, StatesMayBeTexts) {
  server_.repository().AddOnnx(
      "text", "last_text",
      "backend: \"onnxruntime\" max_batch_size: 4 " +
          TensorConfig("input", "input", "STRING", "1") +
          TensorConfig("output", "output", "STRING", "1") +
          Batching(GetParam(),
                   "state { input_name: \"text_in\" output_name: \"text_out\" "
                   "data_type: TYPE_STRING dims: 1 }"));
  ASSERT_TRUE(Succeeded(server_.Load("text")));
  std::string before;
  for (const std::string next : {"one", "", "a longer one", "x"}) {
    Request request(server_, "text");
    request.Input("input", TRITONSERVER_TYPE_BYTES, {1, 1}, Strings({next}));
    request.Sequence(std::string("s"), next == "one" ? kStart : 0);
    const Answer answer = request.Infer();
    ASSERT_TRUE(Succeeded(answer.outcome));
    EXPECT_EQ(answer.output("output").bytes, Strings({before}));
    before = next;
  }
}

// A request that fails by itself leaves its sequence as it was, and the rest of its batch alone.
TEST_P(Sequences, AFailedRequestChangesNoState) {
  ASSERT_TRUE(Succeeded(LoadSum()));
  EXPECT_EQ(Sum(1, kStart, {1, 1}), Pair(1, 1));
  EXPECT_EQ(Sum(2, kStart, {2, 2}), Pair(2, 2));
  Occupied occupied(Step(3, kStart, {9, 9}));
  char small[4];
  Request bad = Step(1, 0, {50, 50});
  bad.OutputAt("output", small, sizeof(small));
  Request good = Step(2, 0, {2, 2});
  ASSERT_TRUE(Succeeded(bad.Send()));
  ASSERT_TRUE(Succeeded(good.Send()));
  occupied.Release();
  EXPECT_TRUE(FailedWith(bad.Wait().outcome, TRITONSERVER_ERROR_INVALID_ARG, {"too small"}));
  EXPECT_EQ(good.Wait().output("output").bytes, Pair(4, 4));
  EXPECT_GE(server_.Batches("sum")[2], 1);
  EXPECT_EQ(Sum(1, kEnd, {1, 1}), Pair(2, 2));
  EXPECT_EQ(Sum(3, kEnd, {1, 1}), Pair(10, 10));
}

// As above when all of the run fails: the shapes of input and state do not go together.
TEST_P(Sequences, AFailedRunChangesNoState) {
  ASSERT_TRUE(Succeeded(LoadSum()));
  EXPECT_EQ(Sum(1, kStart, {1, 1}), Pair(1, 1));
  EXPECT_TRUE(
      FailedWith(Step(1, 0, {1, 2, 3}).Infer().outcome, TRITONSERVER_ERROR_INVALID_ARG, {"'sum'"}));
  EXPECT_EQ(Sum(1, kEnd, {1, 1}), Pair(2, 2));
}

// Statement (direct): a slot without a request gets one that nobody waits for, and which changes no
// sequence; nor is it counted.
TEST_P(Sequences, EmptySlotsChangeNothing) {
  ASSERT_TRUE(Succeeded(LoadSum()));
  EXPECT_EQ(Sum(1, kStart, {1, 1}), Pair(1, 1));
  EXPECT_EQ(Sum(2, kStart, {2, 2}), Pair(2, 2));
  EXPECT_EQ(Sum(3, kStart, {3, 3}), Pair(3, 3));
  for (int i = 2; i < 10; ++i) {
    const auto n = static_cast<float>(i);
    EXPECT_EQ(Sum(3, 0, {3, 3}), Pair(3 * n, 3 * n));  // slots 0 and 1 are empty here
  }
  EXPECT_EQ(Sum(1, kEnd, {1, 1}), Pair(2, 2));
  EXPECT_EQ(Sum(2, kEnd, {2, 2}), Pair(4, 4));
  EXPECT_EQ(server_.Successes("sum"), 13);
}

TEST_P(Sequences, ConfigurationsTheFileDoesNotBearOutAreRefused) {
  const auto load = [&](const std::string& batching, const std::string& more = "") {
    server_.repository().AddOnnx("bad", "accumulate",
                                 "backend: \"onnxruntime\" max_batch_size: 4 " +
                                     TensorConfig("input", "input", "FP32", "-1") +
                                     TensorConfig("output", "output", "FP32", "-1") +
                                     Batching(GetParam(), batching) + more);
    return server_.Load("bad");
  };
  EXPECT_TRUE(FailedWith(load(State("sum_in", "nowhere", "2")), TRITONSERVER_ERROR_INVALID_ARG,
                         {"state output 'nowhere'", "'sum_out'"}));
  EXPECT_TRUE(FailedWith(load(State("nowhere", "sum_out", "2")), TRITONSERVER_ERROR_INVALID_ARG,
                         {"state input 'nowhere'"}));
  EXPECT_TRUE(FailedWith(load(State("sum_in", "sum_out", "[ 2, 2 ]")),
                         TRITONSERVER_ERROR_INVALID_ARG, {"'sum_in'", "[2,2]", "[-1,-1]"}));
  EXPECT_TRUE(FailedWith(load("control_input { name: \"sum_in\" control { "
                              "kind: CONTROL_SEQUENCE_START int32_false_true: [ 0, 1 ] } }"),
                         TRITONSERVER_ERROR_INVALID_ARG,
                         {"sequence control 'sum_in'", "TYPE_FP32", "TYPE_INT32"}));
  EXPECT_TRUE(FailedWith(load(""), TRITONSERVER_ERROR_INVALID_ARG, {"needs input 'sum_in'"}));
  EXPECT_TRUE(FailedWith(load(State("sum_in", "sum_out", "2"),
                              TensorConfig("output", "sum_out", "FP32", "-1") +
                                  "batch_output { target_name: \"sum_out\" "
                                  "kind: BATCH_SCATTER_WITH_INPUT_SHAPE source_input: \"input\" }"),
                         TRITONSERVER_ERROR_INVALID_ARG, {"batch output 'sum_out'", "state"}));
}

// What clients never see is not completed as an input or output.
TEST_P(Sequences, CompletionLeavesStatesOut) {
  server_.repository().AddOnnx("sum", "accumulate",
                               "backend: \"onnxruntime\" max_batch_size: 4 " +
                                   Batching(GetParam(), State("sum_in", "sum_out", "2")));
  ASSERT_TRUE(Succeeded(server_.Load("sum")));
  const Document config = server_.Config("sum");
  EXPECT_EQ(config.Size("/input"), 1u);
  EXPECT_EQ(config.Text("/input/0/name"), "input");
  EXPECT_EQ(config.Size("/output"), 1u);
  EXPECT_EQ(config.Text("/output/0/name"), "output");
  EXPECT_FALSE(config.Has("/dynamic_batching"));
  EXPECT_EQ(Sum(1, kStart, {1, 2}), Pair(1, 2));
}

// A real network ---------------------------------------------------------------------------------

class DigitRows : public testing::TestWithParam<const char*> {};

// A recurrent network that reads an image row by row: 360 images at once, each a sequence of eight
// requests, over far fewer slots.
TEST_P(DigitRows, ReadsInterleavedImagesRight) {
  constexpr int kRows = 8;
  const Digits digits;
  const std::string expected = ReadFile(environment.sources + "/digit_rows_logits.f32");
  ASSERT_EQ(expected.size(), kDigits * kLogitBytes);
  Server server;
  server.repository().Add("rows", "backend: \"onnxruntime\" max_batch_size: 32 " +
                                      TensorConfig("input", "row", "FP32", "8") +
                                      TensorConfig("output", "logits", "FP32", "10") +
                                      "instance_group { kind: KIND_CPU count: 2 } " +
                                      Batching(GetParam(), State("state_in", "state_out", "48")));
  server.repository().Write("rows/1/model.onnx",
                            ReadFile(environment.sources + "/digit_rows.onnx"));
  ASSERT_TRUE(Succeeded(server.Load("rows")));

  std::vector<Request> requests;
  for (int row = 0; row < kRows; ++row) {
    for (int i = 0; i < kDigits; ++i) {
      requests.emplace_back(server, "rows");
      requests.back()
          .InputAt("row", TRITONSERVER_TYPE_FP32, {1, 8}, digits.image(i) + row * 8 * sizeof(float),
                   8 * sizeof(float))
          .Sequence(static_cast<uint64_t>(i + 1),
                    (row == 0 ? kStart : 0) | (row + 1 == kRows ? kEnd : 0));
    }
  }
  for (Request& request : requests) ASSERT_TRUE(Succeeded(request.Send()));
  float worst = 0;
  for (int i = 0; i < kDigits * kRows; ++i) {
    const Answer& answer = requests[i].Wait();
    ASSERT_TRUE(Succeeded(answer.outcome));
    const int image = i - kDigits * (kRows - 1);
    if (image < 0) continue;
    const std::string& bytes = answer.output("logits").bytes;
    for (size_t c = 0; c < kClasses; ++c) {
      worst = std::max(worst, std::fabs(Digits::FloatAt(bytes, c) -
                                        Digits::FloatAt(expected, image * kClasses + c)));
    }
  }
  EXPECT_LE(worst, 1e-4f);
  EXPECT_EQ(server.Successes("rows"), kDigits * kRows);
  int64_t executions = 0;
  for (const auto& [size, count] : server.Batches("rows")) executions += count;
  EXPECT_LT(executions, kDigits * kRows) << "nothing was batched";
}

INSTANTIATE_TEST_SUITE_P(All, Sequences, testing::ValuesIn(kStrategies), StrategyName);
INSTANTIATE_TEST_SUITE_P(All, DigitRows, testing::ValuesIn(kStrategies), StrategyName);

}  // namespace
}  // namespace trident::contract
