// What the identity backend alone promises: delays and failures on request, optional inputs.

#include <chrono>

#include "echo.h"

namespace trident::contract {
namespace {

using std::chrono::milliseconds;
using std::chrono::steady_clock;

class Identity : public testing::Test {
 protected:
  void LoadWith(const std::string& more) {
    LoadEcho(&server_, "echo", "identity", TRITONSERVER_TYPE_FP32, more);
  }

  Server server_;
};

std::string Parameter(const std::string& key, const std::string& value) {
  return "parameters { key: \"" + key + "\" value { string_value: \"" + value + "\" } } ";
}

TEST_F(Identity, TheModelsDelayHoldsForEachExecution) {
  LoadWith(Parameter("execute_delay_ms", "30"));
  const auto start = steady_clock::now();
  EXPECT_TRUE(Succeeded(EchoRequest(server_, "echo", {1}).Infer().outcome));
  EXPECT_GE(steady_clock::now() - start, milliseconds(30));
}

TEST_F(Identity, ARequestsDelayReplacesTheModels) {
  LoadWith(Parameter("execute_delay_ms", "60000"));
  for (int i = 0; i < 20; ++i) {  // would take twenty minutes, past every limit
    EXPECT_TRUE(
        Succeeded(EchoRequest(server_, "echo", {1}).Set("execute_delay_ms", 0).Infer().outcome));
  }
}

TEST_F(Identity, DelaysOutOfRangeFailTheirRequest) {
  LoadWith("");
  for (const std::string delay : {"-1", "60001", "soon", "", "1.5", "99999999999999999999"}) {
    const Answer answer = EchoRequest(server_, "echo", {1}).Set("execute_delay_ms", delay).Infer();
    EXPECT_TRUE(
        FailedWith(answer.outcome, TRITONSERVER_ERROR_INVALID_ARG, {"execute_delay_ms", "60000"}));
  }
  EXPECT_EQ(server_.Failures("echo"), 6);
}

TEST_F(Identity, FailsOnRequest) {
  LoadWith("dynamic_batching { }");
  Occupied occupied = Occupy(server_, "echo");
  Request bad = EchoRequest(server_, "echo", {1, 2});
  Request good = EchoRequest(server_, "echo", {3, 4});
  bad.Set("fail", "out of luck");
  ASSERT_TRUE(Succeeded(bad.Send()));
  ASSERT_TRUE(Succeeded(good.Send()));
  occupied.Release();
  EXPECT_TRUE(FailedWith(bad.Wait().outcome, TRITONSERVER_ERROR_INTERNAL, {"out of luck"}));
  EXPECT_TRUE(Succeeded(good.Wait().outcome));
  EXPECT_EQ(server_.Failures("echo"), 1);
  EXPECT_EQ(server_.Successes("echo"), 2);
}

TEST_F(Identity, AnExecutionRefusedAsAWholeAnswersEveryRequest) {
  LoadWith("dynamic_batching { } " + Parameter("fail", "execute"));
  std::vector<Request> requests;
  for (int i = 0; i < 4; ++i) requests.push_back(EchoRequest(server_, "echo", {1}));
  for (const Outcome& outcome : Request::SendTogether(server_, requests)) {
    ASSERT_TRUE(Succeeded(outcome));
  }
  for (Request& request : requests) {
    EXPECT_TRUE(FailedWith(request.Wait().outcome, TRITONSERVER_ERROR_INTERNAL,
                           {"'echo'", "'fail' is 'execute'"}));
  }
  EXPECT_EQ(server_.Failures("echo"), 4);
}

TEST_F(Identity, FailuresWhileLoadingAreTheLoadsErrors) {
  for (const std::string step : {"model_initialize", "instance_initialize"}) {
    server_.repository().Add(
        step, EchoConfig("identity", TRITONSERVER_TYPE_FP32, Parameter("fail", step)));
    EXPECT_TRUE(FailedWith(server_.Load(step), TRITONSERVER_ERROR_INTERNAL,
                           {"'" + step + "'", "'fail' is '" + step + "'"}));
    EXPECT_EQ(server_.State(step), "UNAVAILABLE");
    EXPECT_FALSE(server_.Ready(step));
  }
}

TEST_F(Identity, ConfigurationsItCannotServeAreRefused) {
  const std::string input = "input { name: \"a\" data_type: TYPE_INT32 dims: 2 } ";
  const struct {
    std::string tensors;
    std::initializer_list<std::string> texts;
  } cases[] = {
      {input + "output { name: \"b\" data_type: TYPE_INT8 dims: 2 }",
       {"'a'", "'b'", "TYPE_INT32", "TYPE_INT8"}},
      {input + "output { name: \"b\" data_type: TYPE_INT32 dims: 3 }",
       {"'a'", "'b'", "[2]", "[3]"}},
      {input + "output { name: \"b\" data_type: TYPE_INT32 dims: 2 } "
               "output { name: \"c\" data_type: TYPE_INT32 dims: 2 }",
       {"'c'", "no input"}},
      {input + "output { name: \"b\" data_type: TYPE_INT32 dims: 2 } " +
           Parameter("execute_delay_ms", "-5"),
       {"execute_delay_ms", "-5"}},
      {input + "output { name: \"b\" data_type: TYPE_INT32 dims: 2 } " + Parameter("fail", "x"),
       {"'fail'", "'x'"}},
  };
  for (const auto& [tensors, texts] : cases) {
    server_.repository().Add("bad", "backend: \"identity\" " + tensors);
    EXPECT_TRUE(FailedWith(server_.Load("bad"), TRITONSERVER_ERROR_INVALID_ARG, texts));
  }
}

TEST_F(Identity, NumbersPairInputsAndOutputs) {
  server_.repository().Add("crossed",
                           "backend: \"identity\" "
                           "input { name: \"INPUT1\" data_type: TYPE_INT8 dims: 1 } "
                           "input { name: \"INPUT0\" data_type: TYPE_INT8 dims: 1 } "
                           "output { name: \"OUTPUT0\" data_type: TYPE_INT8 dims: 1 } "
                           "output { name: \"OUTPUT1\" data_type: TYPE_INT8 dims: 1 }");
  ASSERT_TRUE(Succeeded(server_.Load("crossed")));
  Request request(server_, "crossed");
  request.Input("INPUT0", TRITONSERVER_TYPE_INT8, {1}, "a");
  request.Input("INPUT1", TRITONSERVER_TYPE_INT8, {1}, "b");
  const Answer answer = request.Infer();
  ASSERT_TRUE(Succeeded(answer.outcome));
  EXPECT_EQ(answer.output("OUTPUT0").bytes, "a");
  EXPECT_EQ(answer.output("OUTPUT1").bytes, "b");
}

TEST_F(Identity, AnOptionalInputLeftOutLeavesOutItsOutput) {
  server_.repository().Add("optional",
                           "backend: \"identity\" max_batch_size: 4 dynamic_batching { } "
                           "input { name: \"a\" data_type: TYPE_INT8 dims: 1 } "
                           "input { name: \"b\" data_type: TYPE_INT8 dims: 1 optional: true } "
                           "output { name: \"x\" data_type: TYPE_INT8 dims: 1 } "
                           "output { name: \"y\" data_type: TYPE_INT8 dims: 1 }");
  ASSERT_TRUE(Succeeded(server_.Load("optional")));
  const Answer answer =
      Request(server_, "optional").Input("a", TRITONSERVER_TYPE_INT8, {1, 1}, "1").Infer();
  ASSERT_TRUE(Succeeded(answer.outcome));
  EXPECT_EQ(answer.outputs.size(), 1u);
  EXPECT_EQ(answer.output("x").bytes, "1");
}

TEST_F(Identity, OnlyTheOutputsAskedForAreMade) {
  LoadWith("");
  EXPECT_EQ(EchoRequest(server_, "echo", {1}).Output("output").Infer().outputs.size(), 1u);
  EXPECT_TRUE(FailedWith(Request(server_, "echo")
                             .Input("input", TRITONSERVER_TYPE_FP32, {1, 1}, std::string(4, '\0'))
                             .Output("nope")
                             .Infer()
                             .outcome,
                         TRITONSERVER_ERROR_INVALID_ARG, {"'nope'", "'echo'"}));
}

TEST_F(Identity, CopiesNothingBeyondItsAnswer) {
  LoadWith("");
  EXPECT_TRUE(Succeeded(EchoRequest(server_, "echo", {1, 2, 3}).Infer().outcome));
  EXPECT_EQ(server_.Copies("echo"), 0);
}

}  // namespace
}  // namespace trident::contract
