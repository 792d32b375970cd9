// Ensembles with decoupled steps over the real core.

#include "ensemble.h"

namespace trident::contract {
namespace {

// Statement 8: decoupled steps, from the backend of test/backends/repeat.
class DecoupledEnsembles : public Ensembles {
 protected:
  void SetUp() override {
    AddEcho("echo");
    server_.repository().Add("repeat",
                             "backend: \"repeat\" max_batch_size: 8 "
                             "input { name: \"input\" data_type: TYPE_FP32 dims: -1 } "
                             "input { name: \"count\" data_type: TYPE_INT32 dims: 1 } "
                             "output { name: \"output\" data_type: TYPE_FP32 dims: -1 } "
                             "output { name: \"index\" data_type: TYPE_INT32 dims: 1 } "
                             "model_transaction_policy { decoupled: true }");
  }
  std::string Config(const std::string& steps) {
    return EnsembleConfig({"input"}, {"output"}, steps) +
           "input { name: \"count\" data_type: TYPE_INT32 dims: 1 } ";
  }
  void LoadStream() {
    server_.repository().Add(
        "stream",
        Config(Step("repeat", {{"input", "input"}, {"count", "count"}}, {{"output", "t"}}) +
               Echo("echo", "t", "output")));
    ASSERT_TRUE(Succeeded(server_.Load("stream")));
  }
  Request Stream(int32_t count) {
    Request request = EchoRequest(server_, "stream", {4, 5});
    request.Input("count", TRITONSERVER_TYPE_INT32, {1, 1}, BytesOf(std::vector<int32_t>{count}));
    request.Stream();
    return request;
  }
};

TEST_F(DecoupledEnsembles, EveryResponseOfAStepGoesOn) {
  LoadStream();
  // Computed, not configured.
  EXPECT_NE(server_.Config("stream").text().find("\"decoupled\":true"), std::string::npos);
  for (const int count : {0, 1, 2, 100}) {
    Request request = Stream(count);
    request.Infer();
    ASSERT_EQ(request.answers().size(), static_cast<size_t>(count));
    for (const Answer& answer : request.answers()) {
      ASSERT_TRUE(Succeeded(answer.outcome));
      EXPECT_EQ(answer.output("output").bytes, BytesOf(std::vector<float>{4, 5}));
    }
  }
  EXPECT_EQ(server_.Successes("stream"), 4);
  EXPECT_EQ(server_.Successes("echo"), 103);
}

TEST_F(DecoupledEnsembles, AFailureDownstreamEndsTheStream) {
  LoadStream();
  Request request = Stream(3);
  request.Set("fail", "no luck");
  request.Infer();
  ASSERT_FALSE(request.answers().empty());
  EXPECT_TRUE(FailedWith(request.answers().back().outcome, TRITONSERVER_ERROR_INTERNAL,
                         {"in ensemble 'stream'"}));
}

TEST_F(DecoupledEnsembles, AStreamCanBeCancelled) {
  LoadStream();
  Occupied occupied = Occupy(server_, "echo");
  Request request = Stream(5);
  ASSERT_TRUE(Succeeded(request.Send()));
  ASSERT_TRUE(Succeeded(request.Cancel()));
  occupied.Release();
  request.Wait();
  ASSERT_EQ(request.answers().size(), 1u);
  EXPECT_TRUE(FailedWith(request.answers()[0].outcome, TRITONSERVER_ERROR_CANCELLED));
}

TEST_F(DecoupledEnsembles, TwoStreamsCannotBeJoined) {
  server_.repository().Add("both",
                           "backend: \"identity\" max_batch_size: 8 "
                           "input { name: \"a\" data_type: TYPE_FP32 dims: -1 } "
                           "input { name: \"b\" data_type: TYPE_FP32 dims: -1 } "
                           "output { name: \"x\" data_type: TYPE_FP32 dims: -1 } "
                           "output { name: \"y\" data_type: TYPE_FP32 dims: -1 }");
  const Maps from = {{"input", "input"}, {"count", "count"}};
  EXPECT_TRUE(FailedWith(
      LoadEnsemble(Config(Step("repeat", from, {{"output", "t"}}) +
                          Step("both", {{"a", "t"}, {"b", "input"}}, {{"x", "output"}}))),
      TRITONSERVER_ERROR_INVALID_ARG,
      {"step of model 'both' receives inputs originated from "
       "different decoupled models"}));
}

}  // namespace
}  // namespace trident::contract
