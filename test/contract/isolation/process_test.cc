// Models in processes of their own: what ends them, what comes of their requests, and what is left.

#include <dirent.h>
#include <sys/types.h>

#include <chrono>
#include <csignal>
#include <fstream>
#include <thread>

#include "echo.h"

namespace trident::contract {
namespace {

const std::string kIsolated = "isolation: \"process\" ";

// The processes that this one has started and not yet waited for.
std::vector<pid_t> Children() {
  std::vector<pid_t> pids;
  DIR* const tasks = opendir("/proc/self/task");
  while (const dirent* task = readdir(tasks)) {
    std::ifstream list("/proc/self/task/" + std::string(task->d_name) + "/children");
    for (pid_t pid = 0; list >> pid;) pids.push_back(pid);
  }
  closedir(tasks);
  return pids;
}

class Processes : public testing::Test {
 protected:
  // Doubles numbers, and ends as requests say: test/backends/mortal.
  Outcome LoadMortal(const std::string& more = "", int instances = 1,
                     const std::string& name = "mortal") {
    server_.repository().Add(name,
                             "backend: \"mortal\" max_batch_size: 8 dynamic_batching { } "
                             "input { name: \"input\" data_type: TYPE_INT32 dims: -1 } "
                             "output { name: \"output\" data_type: TYPE_INT32 dims: -1 } "
                             "instance_group { kind: KIND_CPU count: " +
                                 std::to_string(instances) + " } " + kIsolated + more);
    return server_.Load(name);
  }

  Request Ask(const std::string& end = "", const std::string& name = "mortal") {
    Request request(server_, name);
    request.Input("input", TRITONSERVER_TYPE_INT32, {1, 2}, BytesOf(std::vector<int32_t>{20, 1}));
    if (!end.empty()) request.Set("end", end);
    return request;
  }

  // Until the process is back: the second start in a row is not at once.
  void ExpectService(const std::string& name = "mortal") {
    for (;;) {
      const Answer answer = Ask("", name).Infer();
      if (answer.ok()) {
        EXPECT_EQ(answer.output("output").bytes, BytesOf(std::vector<int32_t>{40, 2}));
        return;
      }
      ASSERT_TRUE(FailedWith(answer.outcome, TRITONSERVER_ERROR_UNAVAILABLE, {"'" + name + "'"}));
    }
  }

  Server server_;
};

TEST_F(Processes, AnEndFailsItsRequestsAndNamesTheCause) {
  ASSERT_TRUE(Succeeded(LoadMortal()));
  const std::pair<const char*, const char*> ends[] = {
      {"kill", "SIGKILL"}, {"fault", "SIGSEGV"}, {"abort", "SIGABRT"}, {"exit", "code 3"}};
  int64_t failures = 0;
  for (const auto& [end, cause] : ends) {
    EXPECT_TRUE(FailedWith(Ask(end).Infer().outcome, TRITONSERVER_ERROR_UNAVAILABLE,
                           {"model 'mortal'", "process", cause}));
    ++failures;
    ExpectService();
  }
  EXPECT_GE(server_.Failures("mortal"), failures);
}

TEST_F(Processes, AnEndFailsTheWholeBatchAndNoOtherModel) {
  ASSERT_TRUE(Succeeded(LoadMortal()));
  ASSERT_TRUE(Succeeded(LoadMortal("", 1, "other")));
  std::vector<Request> batch;
  batch.push_back(Ask());
  batch.push_back(Ask("fault"));
  for (const Outcome& outcome : Request::SendTogether(server_, batch)) {
    ASSERT_TRUE(Succeeded(outcome));
  }
  EXPECT_TRUE(Succeeded(Ask("", "other").Infer().outcome));
  // They make a batch unless the first found an instance idle.
  batch[0].Wait();
  EXPECT_TRUE(FailedWith(batch[1].Wait().outcome, TRITONSERVER_ERROR_UNAVAILABLE, {"SIGSEGV"}));
  EXPECT_TRUE(Succeeded(Ask("", "other").Infer().outcome));
  EXPECT_EQ(server_.Failures("other"), 0);
  ExpectService();
}

TEST_F(Processes, AnExecutionThatTakesTooLongIsGivenUp) {
  ASSERT_TRUE(Succeeded(LoadMortal("execution_timeout_microseconds: 50000")));
  EXPECT_TRUE(FailedWith(Ask("hang").Infer().outcome, TRITONSERVER_ERROR_UNAVAILABLE,
                         {"model 'mortal'", "took longer than 50000 microseconds"}));
  ExpectService();
}

TEST_F(Processes, WhatAClientTakesOverAResponseIsNoTimeOfTheExecution) {
  ASSERT_TRUE(Succeeded(LoadMortal("execution_timeout_microseconds: 500000")));
  const std::vector<pid_t> before = Children();
  Request request = Ask();
  request.OnAnswer([] { std::this_thread::sleep_for(std::chrono::milliseconds(600)); });
  ASSERT_TRUE(Succeeded(request.Send()));
  EXPECT_TRUE(request.Wait().ok());
  ExpectService();
  EXPECT_EQ(Children(), before);
}

TEST_F(Processes, OneThatEndsWhileNothingIsToDoIsStartedAnew) {
  ASSERT_TRUE(Succeeded(LoadMortal()));
  const std::vector<pid_t> before = Children();
  ASSERT_EQ(before.size(), 1u);
  ASSERT_EQ(kill(before[0], SIGKILL), 0);
  ExpectService();
  const std::vector<pid_t> after = Children();
  ASSERT_EQ(after.size(), 1u);
  EXPECT_NE(after[0], before[0]);
  EXPECT_TRUE(server_.Ready("mortal"));
}

// A request may come at any moment of an end: each time a little later.
TEST_F(Processes, ARequestThatMeetsAnEndIsAnswered) {
  constexpr int kEnds = 100;
  ASSERT_TRUE(Succeeded(LoadMortal()));
  for (int end = 0; end < kEnds; ++end) {
    ExpectService();
    const std::vector<pid_t> children = Children();
    ASSERT_EQ(children.size(), 1u);
    ASSERT_EQ(kill(children[0], SIGKILL), 0);
    while (kill(children[0], 0) == 0) {
    }
    for (int later = 0; later < 4 * end; ++later) (void)kill(children[0], 0);
    const Outcome outcome = Ask().Infer().outcome;
    if (!outcome.ok()) {
      ASSERT_TRUE(FailedWith(outcome, TRITONSERVER_ERROR_UNAVAILABLE, {"'mortal'", "SIGKILL"}));
    }
  }
  ExpectService();
}

// The others have a process each.
TEST_F(Processes, AnInstanceEndsAlone) {
  ASSERT_TRUE(Succeeded(LoadMortal("", 2)));
  EXPECT_EQ(Children().size(), 2u);
  EXPECT_FALSE(Ask("kill").Infer().ok());
  ExpectService();
}

TEST_F(Processes, ACancelFunctionMayAnswer) {
  ASSERT_TRUE(Succeeded(LoadMortal()));
  Request cancelled = Ask();
  cancelled.Set("answer", "when cancelled");
  ASSERT_TRUE(Succeeded(cancelled.Send()));
  ASSERT_TRUE(Succeeded(Ask().Infer().outcome));  // executed behind it
  ASSERT_TRUE(Succeeded(cancelled.Cancel()));
  EXPECT_TRUE(FailedWith(cancelled.Wait().outcome, TRITONSERVER_ERROR_CANCELLED));
  EXPECT_TRUE(Succeeded(Ask().Infer().outcome));
}

TEST_F(Processes, WhatIsTooLongForAMessageFailsItsRequestAlone) {
  ASSERT_TRUE(Succeeded(LoadMortal()));
  const std::vector<pid_t> before = Children();
  const std::string text(size_t{17} << 20, 'x');
  std::vector<Request> batch;
  for (int i = 0; i < 4; ++i) batch.push_back(Ask());
  batch[0].Set("parameter", text);
  batch[1].Set("answer", "long error");
  batch[2].Set("answer", "long parameter");
  for (const Outcome& outcome : Request::SendTogether(server_, batch)) {
    ASSERT_TRUE(Succeeded(outcome));
  }
  EXPECT_TRUE(FailedWith(batch[0].Wait().outcome, TRITONSERVER_ERROR_INVALID_ARG, {"bytes"}));
  const Outcome cut = batch[1].Wait().outcome;
  EXPECT_TRUE(FailedWith(cut, TRITONSERVER_ERROR_INTERNAL, {"xxx"}));
  EXPECT_LT(cut.message.size(), text.size());
  EXPECT_TRUE(FailedWith(batch[2].Wait().outcome, TRITONSERVER_ERROR_INVALID_ARG, {"longer"}));
  EXPECT_TRUE(Succeeded(batch[3].Wait().outcome));
  EXPECT_EQ(Children(), before);
}

TEST_F(Processes, AnUnloadLeavesNothing) {
  for (int turn = 0; turn < 3; ++turn) {
    ASSERT_TRUE(Succeeded(LoadMortal("", 2)));
    ExpectService();
    EXPECT_EQ(Children().size(), 2u);
    ASSERT_TRUE(Succeeded(server_.UnloadAndWait("mortal")));
    EXPECT_EQ(Children().size(), 0u);
  }
}

TEST_F(Processes, AStopWaitsForWhatIsExecuted) {
  LoadEcho(&server_, "echo", "identity", TRITONSERVER_TYPE_FP32, kIsolated);
  Request slow = EchoRequest(server_, "echo", {1});
  slow.Set("execute_delay_ms", 100);
  ASSERT_TRUE(Succeeded(slow.Send()));
  EXPECT_TRUE(Succeeded(server_.Delete()));
  EXPECT_TRUE(Succeeded(slow.Wait().outcome));
  EXPECT_EQ(Children().size(), 0u);
}

TEST_F(Processes, WhatAChildSaysOfALoadIsTheLoadsError) {
  server_.repository().Add("nobody", "backend: \"nobody\" " + kIsolated +
                                         "input { name: \"a\" data_type: TYPE_INT8 dims: 1 } "
                                         "output { name: \"b\" data_type: TYPE_INT8 dims: 1 }");
  EXPECT_TRUE(FailedWith(server_.Load("nobody"), TRITONSERVER_ERROR_INVALID_ARG,
                         {"unable to find backend library 'libtriton_nobody.so'"}));
  for (const std::string step : {"model_initialize", "instance_initialize"}) {
    server_.repository().Add(
        step, EchoConfig("identity", TRITONSERVER_TYPE_FP32,
                         kIsolated + "parameters { key: \"fail\" value { string_value: \"" + step +
                             "\" } }"));
    EXPECT_TRUE(FailedWith(server_.Load(step), TRITONSERVER_ERROR_INTERNAL,
                           {"'" + step + "'", "'fail' is '" + step + "'"}));
  }
  EXPECT_EQ(Children().size(), 0u);
}

TEST_F(Processes, AConfigurationThatIsTooLongForAMessageFailsTheLoad) {
  const std::string tabs(size_t{9} << 20, '\t');  // two characters each on the way
  EXPECT_TRUE(FailedWith(
      LoadMortal("parameters { key: \"long\" value { string_value: \"" + tabs + "\" } }"),
      TRITONSERVER_ERROR_INVALID_ARG, {"'mortal'", "longer"}));
  EXPECT_EQ(Children().size(), 0u);
}

TEST(Programs, OneThatIsNotThereFailsTheLoad) {
  ServerSettings settings;
  settings.more = [](TRITONSERVER_ServerOptions* options) {
    Must(TRITONSERVER_ServerOptionsSetBackendConfig(options, "identity", "isolation-host",
                                                    "[\"/nowhere/host\", \"argument\"]"));
  };
  Server server(settings);
  server.repository().Add("echo", EchoConfig("identity", TRITONSERVER_TYPE_FP32, kIsolated));
  EXPECT_TRUE(FailedWith(server.Load("echo"), TRITONSERVER_ERROR_NOT_FOUND, {"/nowhere/host"}));
}

TEST(Programs, OneThatIsNoHostFailsTheLoad) {
  ServerSettings settings;
  settings.more = [](TRITONSERVER_ServerOptions* options) {
    Must(TRITONSERVER_ServerOptionsSetBackendConfig(options, "identity", "isolation-host",
                                                    "[\"/bin/false\"]"));
  };
  Server server(settings);
  server.repository().Add("echo", EchoConfig("identity", TRITONSERVER_TYPE_FP32, kIsolated));
  EXPECT_TRUE(FailedWith(server.Load("echo"), TRITONSERVER_ERROR_UNAVAILABLE,
                         {"'echo'", "exited with code 1"}));
}

TEST(Programs, TheSettingMustBeAList) {
  for (const std::string value : {"trident-instance", "[]", "[1]", "{}"}) {
    ServerSettings settings;
    settings.more = [&](TRITONSERVER_ServerOptions* options) {
      Must(TRITONSERVER_ServerOptionsSetBackendConfig(options, "identity", "isolation-host",
                                                      value.c_str()));
    };
    Server server(settings);
    server.repository().Add("echo", EchoConfig("identity", TRITONSERVER_TYPE_FP32, kIsolated));
    EXPECT_TRUE(
        FailedWith(server.Load("echo"), TRITONSERVER_ERROR_INVALID_ARG, {"isolation-host"}));
  }
}

}  // namespace
}  // namespace trident::contract
