// In which order the ONNX Runtime backend puts the requests of a batch: that of their memory, where
// it saves a copy. Whatever it is, answers find their requests.

#include <algorithm>
#include <random>

#include "sequences.h"

namespace trident::contract {
namespace {

constexpr int kCount = 4;
using Batches = std::map<int64_t, int64_t>;
using Places = std::vector<size_t>;

void SendAsOneBatch(const Server& server, std::vector<Request>& requests) {
  for (const Outcome& outcome : Request::SendTogether(server, requests)) {
    ASSERT_TRUE(Succeeded(outcome));
  }
}

// Rows of numbers, one behind the other: those of row i are 100 * i and up.
class Rows {
 public:
  explicit Rows(size_t length) : length_(length), numbers_(kCount * length) {
    for (size_t i = 0; i < numbers_.size(); ++i) {
      numbers_[i] = static_cast<float>(100 * (i / length) + i % length);
    }
  }
  float* at(size_t row) { return numbers_.data() + row * length_; }
  size_t row_bytes() const { return length_ * sizeof(float); }
  std::string bytes(size_t row) {
    return std::string(reinterpret_cast<const char*>(at(row)), row_bytes());
  }

 private:
  const size_t length_;
  std::vector<float> numbers_;
};

TEST(BatchOrder, StaysWhenAnotherInputIsOneBlockAsItCame) {
  Server server;
  server.repository().AddOnnx("add_sub", "add_sub",
                              "backend: \"onnxruntime\" max_batch_size: 8 dynamic_batching { } " +
                                  TensorConfig("input", "a", "FP32", "16") +
                                  TensorConfig("input", "b", "FP32", "16") +
                                  TensorConfig("output", "sum", "FP32", "16") +
                                  TensorConfig("output", "difference", "FP32", "16") +
                                  "instance_group { kind: KIND_CPU count: 1 }");
  ASSERT_TRUE(Succeeded(server.Load("add_sub")));
  Rows a(16), b(16), sum(16), difference(16);
  std::vector<Request> requests;
  for (size_t i = 0; i < kCount; ++i) {
    Request& request = requests.emplace_back(server, "add_sub");
    request.InputAt("a", TRITONSERVER_TYPE_FP32, {1, 16}, a.at(kCount - 1 - i), a.row_bytes());
    request.InputAt("b", TRITONSERVER_TYPE_FP32, {1, 16}, b.at(i), b.row_bytes());
    request.OutputAt("sum", sum.at(i), sum.row_bytes());
    request.OutputAt("difference", difference.at(i), difference.row_bytes());
  }
  SendAsOneBatch(server, requests);
  for (size_t i = 0; i < kCount; ++i) {
    ASSERT_TRUE(Succeeded(requests[i].Wait().outcome));
    for (size_t k = 0; k < 16; ++k) {
      const float of_a = a.at(kCount - 1 - i)[k];
      EXPECT_EQ(sum.at(i)[k], of_a + b.at(i)[k]);
      EXPECT_EQ(difference.at(i)[k], of_a - b.at(i)[k]);
    }
  }
  EXPECT_EQ(server.Batches("add_sub"), (Batches{{kCount, 1}}));
  EXPECT_EQ(server.Copies("add_sub"), kCount);  // "a" is gathered, nothing else is copied
}

class Captioned : public testing::Test {
 protected:
  void SetUp() override {
    server_.repository().AddOnnx(
        "captioned", "captioned",
        "backend: \"onnxruntime\" max_batch_size: 8 dynamic_batching { } " +
            TensorConfig("input", "text", "STRING", "1") +
            TensorConfig("input", "numbers", "FP32", "4") +
            TensorConfig("output", "text_out", "STRING", "1") +
            TensorConfig("output", "numbers_out", "FP32", "4") +
            "instance_group { kind: KIND_CPU count: 1 }");
    ASSERT_TRUE(Succeeded(server_.Load("captioned")));
    for (size_t i = 0; i < kCount; ++i) texts_ += Strings({Text(i)});
  }

  static std::string Text(size_t i) { return "text " + std::to_string(i); }

  // Asks with text `text` and row `row`, for the numbers only, with room for a row unless given.
  void Ask(size_t text, size_t row, size_t room = 4 * sizeof(float)) {
    const size_t text_bytes = texts_.size() / kCount;
    Request& request = requests_.emplace_back(server_, "captioned");
    request.InputAt("text", TRITONSERVER_TYPE_BYTES, {1, 1}, texts_.data() + text * text_bytes,
                    text_bytes);
    request.InputAt("numbers", TRITONSERVER_TYPE_FP32, {1, 4}, rows_.at(row), rows_.row_bytes());
    request.OutputAt("numbers_out", out_.at(row), room);
  }

  Server server_;
  std::string texts_;
  Rows rows_{4};
  Rows out_{4};
  std::vector<Request> requests_;
};

TEST_F(Captioned, StringsHaveNoSayInTheOrder) {
  const Places texts = {1, 2, 0, 3};
  const Places rows = {2, 0, 3, 1};
  for (size_t i = 0; i < kCount; ++i) Ask(texts[i], rows[i]);
  SendAsOneBatch(server_, requests_);
  for (Request& request : requests_) ASSERT_TRUE(Succeeded(request.Wait().outcome));
  for (size_t i = 0; i < kCount; ++i) EXPECT_EQ(out_.bytes(i), rows_.bytes(i));
  EXPECT_EQ(server_.Batches("captioned"), (Batches{{kCount, 1}}));
  EXPECT_EQ(server_.Copies("captioned"), kCount);  // of the strings
}

// By the core, so that the backend sees a block with a hole.
TEST_F(Captioned, ARequestRefusedAmidABlockLeavesTheOthersTheirAnswers) {
  const Places places = {2, 0, 3, 1};
  texts_[texts_.size() / kCount] = 99;  // the length of text 1, which reaches beyond its bytes
  for (const size_t place : places) Ask(place, place);
  const std::vector<Outcome> sent = Request::SendTogether(server_, requests_);
  EXPECT_TRUE(FailedWith(sent[3], TRITONSERVER_ERROR_INVALID_ARG, {"'text'", "99 bytes"}));
  for (size_t i = 0; i < 3; ++i) {
    ASSERT_TRUE(Succeeded(requests_[i].Wait().outcome));
    EXPECT_EQ(out_.bytes(places[i]), rows_.bytes(places[i]));
  }
  EXPECT_EQ(server_.Batches("captioned"), (Batches{{3, 1}}));
}

// After the run, in the order of the run.
TEST_F(Captioned, ARequestThatFailsAmidABlockLeavesTheOthersTheirAnswers) {
  const Places places = {2, 0, 3, 1};
  for (const size_t place : places) Ask(place, place, place == 1 ? 1 : rows_.row_bytes());
  SendAsOneBatch(server_, requests_);
  EXPECT_FALSE(requests_[3].Wait().outcome.ok());
  for (size_t i = 0; i < 3; ++i) {
    ASSERT_TRUE(Succeeded(requests_[i].Wait().outcome));
    EXPECT_EQ(out_.bytes(places[i]), rows_.bytes(places[i]));
  }
}

class OrderOfSequences : public testing::TestWithParam<const char*> {};

// The states lie anywhere; they go with their requests, in and out.
TEST_P(OrderOfSequences, StatesFollowTheirRequests) {
  Server server;
  server.repository().AddOnnx("sum", "accumulate",
                              "backend: \"onnxruntime\" max_batch_size: 4 " +
                                  TensorConfig("input", "input", "FP32", "-1") +
                                  TensorConfig("output", "output", "FP32", "-1") +
                                  Batching(GetParam(), State("sum_in", "sum_out", "4")) +
                                  "instance_group { kind: KIND_CPU count: 1 }");
  ASSERT_TRUE(Succeeded(server.Load("sum")));
  std::mt19937 random(7);
  Rows rows(4);
  Places places = {0, 1, 2, 3};
  std::vector<float> sums(kCount);
  constexpr int kSteps = 10;
  for (int step = 0; step < kSteps; ++step) {
    std::shuffle(places.begin(), places.end(), random);
    std::vector<Request> requests;
    for (size_t sequence = 0; sequence < kCount; ++sequence) {
      Request& request = requests.emplace_back(server, "sum");
      request.InputAt("input", TRITONSERVER_TYPE_FP32, {1, 4}, rows.at(places[sequence]),
                      rows.row_bytes());
      request.Sequence(sequence + 1, (step == 0 ? kStart : 0) | (step == kSteps - 1 ? kEnd : 0));
      sums[sequence] += *rows.at(places[sequence]);
    }
    SendAsOneBatch(server, requests);
    for (size_t sequence = 0; sequence < kCount; ++sequence) {
      const Answer& answer = requests[sequence].Wait();
      ASSERT_TRUE(Succeeded(answer.outcome));
      const float sum = sums[sequence];
      const auto number = static_cast<float>(step + 1);
      EXPECT_EQ(answer.output("output").bytes,
                BytesOf<float>({sum, sum + number, sum + 2 * number, sum + 3 * number}));
    }
  }
}

INSTANTIATE_TEST_SUITE_P(All, OrderOfSequences, testing::ValuesIn(kStrategies), StrategyName);

}  // namespace
}  // namespace trident::contract
