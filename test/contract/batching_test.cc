// Which requests run together, seen from outside: by the sizes of the batches in the statistics.

#include <chrono>

#include "echo.h"

namespace trident::contract {
namespace {

using Batches = std::map<int64_t, int64_t>;

class Batching : public testing::TestWithParam<const char*> {
 protected:
  void LoadWith(const std::string& more, int instances = 1) {
    LoadEcho(&server_, "echo", GetParam(), TRITONSERVER_TYPE_FP32, more, instances);
  }

  // A request of `items` items, each of `length` numbers that tell whose they are.
  Request& Make(int64_t items, int64_t length) {
    const auto mark = static_cast<float>(requests_.size() + 1);
    expected_.emplace_back(items * length, mark);
    requests_.emplace_back(server_, "echo");
    requests_.back().Input("input", TRITONSERVER_TYPE_FP32, {items, length},
                           BytesOf(expected_.back()));
    return requests_.back();
  }

  void Send(int64_t items = 1, int64_t length = 2) {
    ASSERT_TRUE(Succeeded(Make(items, length).Send()));
  }

  void ExpectAllAnswered() {
    for (size_t i = 0; i < requests_.size(); ++i) {
      const Answer& answer = requests_[i].Wait();
      ASSERT_TRUE(Succeeded(answer.outcome));
      EXPECT_EQ(answer.output("output").bytes, BytesOf(expected_[i])) << "request " << i;
    }
  }

  Server server_;
  std::vector<Request> requests_;
  std::vector<std::vector<float>> expected_;
};

TEST_P(Batching, WaitingRequestsRunTogether) {
  LoadWith("dynamic_batching { }");
  Occupied occupied = Occupy(server_, "echo");
  for (int i = 0; i < 5; ++i) Send();
  occupied.Release();
  ExpectAllAnswered();
  EXPECT_EQ(server_.Batches("echo"), (Batches{{1, 1}, {5, 1}}));
}

TEST_P(Batching, WithoutDynamicBatchingEachRunsAlone) {
  // Spelled out in full, so that auto-completion has nothing to add.
  LoadWith("");
  Occupied occupied = Occupy(server_, "echo");
  for (int i = 0; i < 3; ++i) Send();
  occupied.Release();
  ExpectAllAnswered();
  EXPECT_EQ(server_.Batches("echo"), (Batches{{1, 4}}));
}

TEST_P(Batching, NoBatchExceedsTheMaximum) {
  LoadWith("dynamic_batching { }");
  Occupied occupied = Occupy(server_, "echo");
  for (int i = 0; i < 5; ++i) Send(/*items=*/3);
  occupied.Release();
  ExpectAllAnswered();
  EXPECT_EQ(server_.Batches("echo"), (Batches{{1, 1}, {6, 2}, {3, 1}}));
}

TEST_P(Batching, UnlikeShapesNeverShareABatch) {
  LoadWith("dynamic_batching { }");
  Occupied occupied = Occupy(server_, "echo");
  for (const int64_t length : {2, 2, 3, 3, 3, 2}) Send(1, length);
  occupied.Release();
  ExpectAllAnswered();
  EXPECT_EQ(server_.Batches("echo"), (Batches{{1, 2}, {2, 1}, {3, 1}}));
}

TEST_P(Batching, PreferredSizesAreAimedFor) {
  LoadWith("dynamic_batching { preferred_batch_size: [ 4 ] }");
  Occupied occupied = Occupy(server_, "echo");
  for (int i = 0; i < 7; ++i) Send();
  occupied.Release();
  ExpectAllAnswered();
  EXPECT_EQ(server_.Batches("echo"), (Batches{{1, 1}, {4, 1}, {3, 1}}));
}

// Ten minutes: a test that waited for the delay would count as hanging.
TEST_P(Batching, APreferredSizeEndsTheDelay) {
  LoadWith(
      "dynamic_batching { preferred_batch_size: [ 3 ] max_queue_delay_microseconds: 600000000 }");
  for (int i = 0; i < 3; ++i) Send();
  ExpectAllAnswered();
  EXPECT_EQ(server_.Batches("echo"), (Batches{{3, 1}}));
}

TEST_P(Batching, AFullBatchEndsTheDelay) {
  LoadWith("dynamic_batching { max_queue_delay_microseconds: 600000000 }");
  for (int i = 0; i < 4; ++i) Send(/*items=*/2);
  ExpectAllAnswered();
  EXPECT_EQ(server_.Batches("echo"), (Batches{{8, 1}}));
}

TEST_P(Batching, AnUnlikeRequestEndsTheDelay) {
  LoadWith("dynamic_batching { max_queue_delay_microseconds: 600000000 }");
  for (int i = 0; i < 3; ++i) Send(1, 2);
  Send(8, 5);  // cannot join, and is a full batch itself
  ExpectAllAnswered();
  EXPECT_EQ(server_.Batches("echo"), (Batches{{3, 1}, {8, 1}}));
}

TEST_P(Batching, AfterTheDelayASmallBatchRuns) {
  LoadWith("dynamic_batching { max_queue_delay_microseconds: 20000 }");
  const auto start = std::chrono::steady_clock::now();
  Make(1, 2);
  Make(1, 2);
  for (const Outcome& outcome : Request::SendTogether(server_, requests_)) {
    ASSERT_TRUE(Succeeded(outcome));
  }
  ExpectAllAnswered();
  EXPECT_GE(std::chrono::steady_clock::now() - start, std::chrono::milliseconds(20));
  EXPECT_EQ(server_.Batches("echo"), (Batches{{2, 1}}));
}

TEST_P(Batching, AFullQueueRefuses) {
  LoadWith("dynamic_batching { default_queue_policy { max_queue_size: 2 } }");
  Occupied occupied = Occupy(server_, "echo");
  Send();
  Send();
  Request& third = Make(1, 2);
  EXPECT_TRUE(FailedWith(third.Send(), TRITONSERVER_ERROR_UNAVAILABLE,
                         {"'echo'", "full", "max_queue_size is 2"}));
  EXPECT_FALSE(third.answered());
  occupied.Release();
  requests_[0].Wait();
  requests_[1].Wait();
  EXPECT_FALSE(third.answered());
  // It stayed ours: it can be sent again.
  EXPECT_TRUE(Succeeded(third.Infer().outcome));
  EXPECT_EQ(server_.Successes("echo"), 4);
}

TEST_P(Batching, RequestsSentTogetherShareABatch) {
  LoadWith("dynamic_batching { }");
  for (int i = 0; i < 8; ++i) Make(1, 2);
  for (const Outcome& outcome : Request::SendTogether(server_, requests_)) {
    ASSERT_TRUE(Succeeded(outcome));
  }
  ExpectAllAnswered();
  EXPECT_EQ(server_.Batches("echo"), (Batches{{8, 1}}));
}

TEST_P(Batching, BadRequestsSentTogetherFailAlone) {
  LoadWith("dynamic_batching { }");
  for (int i = 0; i < 3; ++i) Make(1, 2);
  requests_.insert(requests_.begin() + 1, Request(server_, "echo"));
  requests_[1].Input("input", TRITONSERVER_TYPE_INT32, {1, 2}, std::string(8, '\0'));
  requests_.insert(requests_.begin() + 3, Request(server_, "echo"));
  requests_[3].Input("input", TRITONSERVER_TYPE_FP32, {9, 1}, std::string(36, '\0'));

  const std::vector<Outcome> outcomes = Request::SendTogether(server_, requests_);
  EXPECT_TRUE(FailedWith(outcomes[1], TRITONSERVER_ERROR_INVALID_ARG, {"INT32", "FP32"}));
  EXPECT_TRUE(FailedWith(outcomes[3], TRITONSERVER_ERROR_INVALID_ARG, {"<= 8", "9"}));
  requests_.erase(requests_.begin() + 3);
  requests_.erase(requests_.begin() + 1);
  ExpectAllAnswered();
  EXPECT_EQ(server_.Successes("echo"), 3);
}

TEST_P(Batching, TwoInstancesRunAtTheSameTime) {
  LoadWith("dynamic_batching { }", /*instances=*/2);
  Occupied first = Occupy(server_, "echo");
  Occupied second = Occupy(server_, "echo");  // returns only once it runs
  Send();
  EXPECT_FALSE(requests_[0].answered());
  second.Release();
  ExpectAllAnswered();
  first.Release();
}

TEST_P(Batching, AMalformedRequestLeavesTheOthersAlone) {
  LoadEcho(&server_, "text", GetParam(), TRITONSERVER_TYPE_BYTES);
  const auto text_request = [&](const Shape& shape, const std::string& bytes) {
    Request request(server_, "text");
    request.Input("input", TRITONSERVER_TYPE_BYTES, shape, bytes);
    return request;
  };
  const std::string good = Strings({"a", "", "ccc"});
  std::vector<Request> bad;
  Occupied occupied(text_request({1, 1}, Strings({"x"})));
  Request before = text_request({1, 3}, good);
  Request after = text_request({1, 3}, good);
  ASSERT_TRUE(Succeeded(before.Send()));
  const std::string malformed[] = {
      std::string("\5\0\0\0ab", 6),                // promises more than it holds
      std::string("\xff\xff\xff\xff\0\0\0\0", 8),  // promises 4 GiB
      Strings({"a", "b"}),                         // too few
      Strings({"a", "b", "c", "d"}),               // too many
      Strings({"a", "b", "c"}) + "\1",             // half a length
      "",
  };
  for (const std::string& bytes : malformed) {
    bad.push_back(text_request({1, 3}, bytes));
    EXPECT_TRUE(FailedWith(bad.back().Send(), TRITONSERVER_ERROR_INVALID_ARG, {"'input'"}));
  }
  ASSERT_TRUE(Succeeded(after.Send()));
  occupied.Release();
  for (Request* request : {&before, &after}) {
    const Answer& answer = request->Wait();
    ASSERT_TRUE(Succeeded(answer.outcome));
    EXPECT_EQ(answer.output("output").bytes, good);
  }
  EXPECT_EQ(server_.Batches("text"), (Batches{{1, 1}, {2, 1}}));
}

INSTANTIATE_TEST_SUITE_P(All, Batching, testing::ValuesIn(kBackends),
                         [](const auto& info) { return std::string(info.param); });

}  // namespace
}  // namespace trident::contract
