// Requests that a backend hands back to be run again: iterative sequences, whose ids are the
// scheduler's. The backend is test/backends/accumulate.

#include <atomic>

#include "echo.h"

namespace trident::contract {
namespace {

class Iterative : public testing::TestWithParam<const char*> {
 protected:
  void SetUp() override { LoadWith("iterative_sequence: true"); }

  void LoadWith(const std::string& sequence_more, const std::string& more = "") {
    const std::string strategy = GetParam();
    const auto state = [](const std::string& name) {
      return "state { input_name: \"" + name + "_in\" output_name: \"" + name +
             "_out\" data_type: TYPE_INT32 dims: 1 } ";
    };
    server_.repository().Add(
        "sum",
        "backend: \"accumulate\" max_batch_size: 4 "
        "input { name: \"input\" data_type: TYPE_INT32 dims: 1 } "
        "output { name: \"output\" data_type: TYPE_INT32 dims: 1 } "
        "instance_group { kind: KIND_CPU count: 1 } "
        "sequence_batching { max_sequence_idle_microseconds: 600000000 " +
            strategy + (strategy == "oldest" ? " { max_candidate_sequences: 4 } " : " { } ") +
            state("sum") + state("round") + sequence_more + " } " + more);
    ASSERT_TRUE(Succeeded(server_.Load("sum")));
  }

  Request Ask(int32_t number, int64_t rounds) {
    Request request(server_, "sum");
    request.Input("input", TRITONSERVER_TYPE_INT32, {1, 1}, BytesOf(std::vector<int32_t>{number}));
    request.Set("rounds", rounds);
    return request;
  }

  Server server_;
};

std::string Int(int32_t number) { return BytesOf(std::vector<int32_t>{number}); }

// Statement: a request released with RESCHEDULE is scheduled again, in the same sequence; clients
// need no correlation id.
TEST_P(Iterative, ARequestRunsAsOftenAsItsBackendWants) {
  for (const int32_t rounds : {1, 2, 10, 500}) {
    const Answer answer = Ask(3, rounds).Infer();
    ASSERT_TRUE(Succeeded(answer.outcome));
    EXPECT_EQ(answer.output("output").bytes, Int(3 * rounds));
    EXPECT_EQ(answer.parameters.at("round"), rounds);
  }
  EXPECT_EQ(server_.Successes("sum"), 4);
}

TEST_P(Iterative, RequestsHaveStatesOfTheirOwn) {
  std::vector<Request> requests;
  for (int32_t i = 0; i < 12; ++i) requests.push_back(Ask(i, 1 + i * 7 % 5));
  for (Request& request : requests) ASSERT_TRUE(Succeeded(request.Send()));
  for (int32_t i = 0; i < 12; ++i) {
    const Answer& answer = requests[i].Wait();
    ASSERT_TRUE(Succeeded(answer.outcome));
    EXPECT_EQ(answer.output("output").bytes, Int(i * (1 + i * 7 % 5)));
  }
}

TEST_P(Iterative, EachRunMayAnswer) {
  LoadWith("iterative_sequence: true", "model_transaction_policy { decoupled: true }");
  Request request = Ask(2, 5);
  request.Stream().Infer();
  ASSERT_EQ(request.answers().size(), 5u);
  for (int32_t i = 0; i < 5; ++i) {
    EXPECT_EQ(request.answers()[i].output("output").bytes, Int(2 * (i + 1)));
    EXPECT_EQ(request.answers()[i].parameters.at("round"), i + 1);
  }
}

// The cancel is seen between two runs, by the scheduler or by the backend.
TEST_P(Iterative, ACancelEndsTheRounds) {
  LoadWith("iterative_sequence: true", "model_transaction_policy { decoupled: true }");
  Request request = Ask(1, int64_t{1} << 40);
  std::atomic<int> runs{0};
  request.Stream().OnAnswer([&] {
    const bool third = ++runs == 3;
    EXPECT_TRUE(!third || Succeeded(request.Cancel()));
  });
  EXPECT_TRUE(FailedWith(request.Infer().outcome, TRITONSERVER_ERROR_CANCELLED));
  EXPECT_EQ(request.answers().size(), 4u);
  EXPECT_EQ(Ask(4, 2).Stream().Infer().output("output").bytes, Int(8));
}

TEST_P(Iterative, AnErrorEndsTheSequence) {
  Request bad = Ask(1, 3);
  bad.Set("fail", "no more");
  EXPECT_TRUE(FailedWith(bad.Infer().outcome, TRITONSERVER_ERROR_INTERNAL, {"no more"}));
  for (int i = 0; i < 8; ++i) {  // no slot was lost
    EXPECT_EQ(Ask(5, 2).Infer().output("output").bytes, Int(10));
  }
}

// The same backend without iteration: an error by the backend leaves the state alone.
TEST_P(Iterative, ErrorsOfAPlainSequenceLeaveItsState) {
  LoadWith("");
  Request first = Ask(1, 1);
  Request bad = Ask(50, 1);
  Request last = Ask(2, 1);
  EXPECT_EQ(
      first.Sequence(9, TRITONSERVER_REQUEST_FLAG_SEQUENCE_START).Infer().output("output").bytes,
      Int(1));
  bad.Sequence(9).Set("fail", "not now");
  EXPECT_TRUE(FailedWith(bad.Infer().outcome, TRITONSERVER_ERROR_INTERNAL, {"not now"}));
  EXPECT_EQ(last.Sequence(9, TRITONSERVER_REQUEST_FLAG_SEQUENCE_END).Infer().output("output").bytes,
            Int(3));
}

INSTANTIATE_TEST_SUITE_P(All, Iterative, testing::Values("direct", "oldest"),
                         [](const auto& info) { return std::string(info.param); });

}  // namespace
}  // namespace trident::contract
