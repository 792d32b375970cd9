// A model in a process of its own beside the same model in this one: what clients see is the same.

#include <sched.h>
#include <sys/resource.h>

#include <algorithm>
#include <utility>

#include "echo.h"
#include "witness.h"

namespace trident::contract {
namespace {

class Same : public testing::TestWithParam<const char*> {
 protected:
  void Load(TRITONSERVER_DataType datatype) {
    LoadEcho(&server_, "here", GetParam(), datatype);
    LoadEcho(&server_, "there", GetParam(), datatype,
             "dynamic_batching { } isolation: \"process\"");
  }

  Answer Infer(const std::string& model, TRITONSERVER_DataType datatype, const Shape& shape,
               const std::string& bytes) {
    return Request(server_, model).Input("input", datatype, shape, bytes).Infer();
  }
  void ExpectSame(TRITONSERVER_DataType datatype, const Shape& shape, const std::string& bytes) {
    const Answer here = Infer("here", datatype, shape, bytes);
    const Answer there = Infer("there", datatype, shape, bytes);
    ASSERT_TRUE(Succeeded(here.outcome));
    ASSERT_TRUE(Succeeded(there.outcome));
    EXPECT_EQ(there.output("output").shape, here.output("output").shape);
    EXPECT_EQ(there.output("output").datatype, here.output("output").datatype);
    EXPECT_TRUE(there.output("output").bytes == here.output("output").bytes);
  }

  Server server_;
};

TEST_P(Same, LargeTensorsAfterSmallOnesAndBack) {
  Load(TRITONSERVER_TYPE_FP32);
  for (const size_t numbers : {1, 1000, 16 << 20, 3, 4 << 20, 1}) {
    std::vector<float> values(numbers);
    for (size_t i = 0; i < numbers; ++i) values[i] = static_cast<float>(i % 1000);
    ExpectSame(TRITONSERVER_TYPE_FP32, {1, static_cast<int64_t>(numbers)}, BytesOf(values));
  }
}

TEST_P(Same, TensorsWithoutElements) {
  Load(TRITONSERVER_TYPE_FP32);
  ExpectSame(TRITONSERVER_TYPE_FP32, {1, 0}, "");
  ExpectSame(TRITONSERVER_TYPE_FP32, {1, 1}, BytesOf(std::vector<float>{7}));
}

TEST_P(Same, Strings) {
  Load(TRITONSERVER_TYPE_BYTES);
  const std::string bytes =
      contract::Strings({"", "text", std::string(3, '\0'), std::string(5000, 'x')});
  ExpectSame(TRITONSERVER_TYPE_BYTES, {1, 4}, bytes);
  ExpectSame(TRITONSERVER_TYPE_BYTES, {1, 0}, "");
}

TEST_P(Same, Statistics) {
  Load(TRITONSERVER_TYPE_FP32);
  for (const std::string model : {"here", "there"}) {
    for (int i = 0; i < 3; ++i) ASSERT_TRUE(EchoRequest(server_, model, {1, 2}).Infer().ok());
    EXPECT_EQ(server_.Successes(model), 3);
    EXPECT_EQ(server_.Failures(model), 0);
    EXPECT_EQ(server_.Batches(model), (std::map<int64_t, int64_t>{{1, 3}}));
  }
  // What passes between the processes is copied: an input and an output each time.
  EXPECT_GE(server_.Copies("there") - server_.Copies("here"), 6);
}

TEST(Configurations, AreCompletedByTheProcess) {
  Server server;
  server.repository().AddOnnx("here", "identity_fp32");
  server.repository().AddOnnx("there", "identity_fp32", "isolation: \"process\"");
  for (const std::string model : {"here", "there"}) ASSERT_TRUE(Succeeded(server.Load(model)));
  EXPECT_EQ(server.Config("there").Text("/input/0/name"), "input");
  EXPECT_EQ(server.Config("there").Number("/max_batch_size"),
            server.Config("here").Number("/max_batch_size"));
  ASSERT_TRUE(EchoRequest(server, "there", {1, 2}).Infer().ok());
}

TEST(Policies, HoldInTheProcess) {
  const std::string core = std::to_string(sched_getcpu());
  ServerSettings settings;
  settings.more = [&](TRITONSERVER_ServerOptions* options) {
    Must(TRITONSERVER_ServerOptionsSetHostPolicy(options, "cpu", "cpu-cores",
                                                 (core + "-" + core).c_str()));
  };
  Server server(settings);
  ASSERT_TRUE(Succeeded(LoadWitness(
      &server, "model", "optimization { priority: PRIORITY_MIN } isolation: \"process\"")));
  ASSERT_TRUE(Succeeded(WitnessRequest(server, "model").Infer().outcome));
  const std::vector<std::string> executions = Witnessed(&server, "model", "execute");
  ASSERT_EQ(executions.size(), 1u);
  EXPECT_EQ(ValueOf(executions[0], "cores"), core);
  EXPECT_EQ(ValueOf(executions[0], "nice"),
            std::to_string(std::min(19, getpriority(PRIO_PROCESS, 0) + 14)));
}

// A client may do anything in the callback of a late response, also on the thread that hears what
// the process says.
TEST(LateResponses, TheirCallbacksMayInfer) {
  Server server;
  server.repository().Add("repeat",
                          "backend: \"repeat\" max_batch_size: 4 "
                          "input { name: \"input\" data_type: TYPE_FP32 dims: -1 } "
                          "input { name: \"count\" data_type: TYPE_INT32 dims: 1 } "
                          "output { name: \"output\" data_type: TYPE_FP32 dims: -1 } "
                          "output { name: \"index\" data_type: TYPE_INT32 dims: 1 } "
                          "instance_group { kind: KIND_CPU count: 1 } "
                          "model_transaction_policy { decoupled: true } isolation: \"process\"");
  ASSERT_TRUE(Succeeded(server.Load("repeat")));
  const auto ask = [&](int32_t count) {
    Request request(server, "repeat");
    request.Input("input", TRITONSERVER_TYPE_FP32, {1, 1}, BytesOf(std::vector<float>{1}));
    request.Input("count", TRITONSERVER_TYPE_INT32, {1, 1}, BytesOf(std::vector<int32_t>{count}));
    request.Stream();
    return request;
  };
  Request outer = ask(2);
  Request inner = ask(0);
  bool asked = false;
  Event sent;
  outer.OnAnswer([&] {
    if (std::exchange(asked, true)) return;
    bool ran_inline = false;
    EXPECT_TRUE(Succeeded(inner.SendInline(&ran_inline)));
    sent.Set();
  });
  ASSERT_TRUE(Succeeded(outer.Send()));
  outer.Wait();
  EXPECT_EQ(outer.answers().size(), 2u);
  sent.Wait();
  inner.Wait();
  EXPECT_EQ(inner.answers().size(), 0u);
}

INSTANTIATE_TEST_SUITE_P(All, Same, testing::ValuesIn(kBackends),
                         [](const auto& info) { return std::string(info.param); });

}  // namespace
}  // namespace trident::contract
