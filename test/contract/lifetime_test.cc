// Unloading and stopping while requests are in flight, several servers, and the caller's own
// thread.

#include "echo.h"
#include "trident/extension.h"

namespace trident::contract {
namespace {

class Lifetime : public testing::TestWithParam<const char*> {
 protected:
  void LoadInto(Server* server, int instances = 1) {
    LoadEcho(server, "echo", GetParam(), TRITONSERVER_TYPE_FP32, "dynamic_batching { }", instances);
  }
};

TEST_P(Lifetime, UnloadRefusesNewRequestsAndFinishesTheOthers) {
  Server server;
  LoadInto(&server);
  Request late = EchoRequest(server, "echo", {3});
  Occupied running = Occupy(server, "echo");
  Request queued = EchoRequest(server, "echo", {2});
  ASSERT_TRUE(Succeeded(queued.Send()));

  ASSERT_TRUE(Succeeded(server.Unload("echo")));
  EXPECT_FALSE(server.Ready("echo"));
  EXPECT_EQ(server.State("echo"), "UNLOADING");
  EXPECT_FALSE(server.Knows("echo").ok());
  EXPECT_TRUE(FailedWith(late.Send(), TRITONSERVER_ERROR_NOT_FOUND, {"'echo'"}));
  EXPECT_TRUE(FailedWith(server.UnloadAndWait("echo", /*timeout_ms=*/0),
                         TRITONSERVER_ERROR_UNAVAILABLE, {"'echo'", "in flight"}));
  EXPECT_FALSE(queued.answered());

  running.Release();
  EXPECT_TRUE(Succeeded(server.UnloadAndWait("echo")));
  EXPECT_TRUE(queued.answered());
  EXPECT_TRUE(Succeeded(queued.Wait().outcome));
  EXPECT_EQ(server.State("echo"), "UNAVAILABLE");
  EXPECT_EQ(server.Reason("echo"), "unloaded");
}

TEST_P(Lifetime, AModelCanBeLoadedAgainWhileItsOldSelfDrains) {
  Server server;
  LoadInto(&server);
  Occupied running = Occupy(server, "echo");
  ASSERT_TRUE(Succeeded(server.Unload("echo")));
  ASSERT_TRUE(Succeeded(server.Load("echo")));
  EXPECT_TRUE(Succeeded(EchoRequest(server, "echo", {1}).Infer().outcome));
  EXPECT_EQ(server.State("echo"), "READY");
  running.Release();
}

TEST_P(Lifetime, DeletingTheServerAnswersWhatIsInFlight) {
  Server server;
  LoadInto(&server);
  std::vector<Request> requests;
  for (int i = 0; i < 30; ++i) requests.push_back(EchoRequest(server, "echo", {1}));
  for (Request& request : requests) ASSERT_TRUE(Succeeded(request.Send()));
  ASSERT_TRUE(Succeeded(server.Delete()));
  // Its requests outlive it.
  for (Request& request : requests) {
    EXPECT_TRUE(request.answered());
    EXPECT_TRUE(Succeeded(request.Wait().outcome));
  }
}

TEST_P(Lifetime, AServerThatCannotStopInTimeStays) {
  Server server({.exit_timeout_s = 0});
  LoadInto(&server);
  Occupied running = Occupy(server, "echo");
  EXPECT_TRUE(FailedWith(server.Delete(), TRITONSERVER_ERROR_INTERNAL, {"exit timeout", "'echo'"}));
  EXPECT_FALSE(server.Knows("echo").ok());
  running.Release();
  Must(TRITONSERVER_ServerSetExitTimeout(server.handle(), 120));
  EXPECT_TRUE(Succeeded(server.Delete()));
}

TEST_P(Lifetime, TwoServersLeadTheirOwnLives) {
  Server first;
  LoadInto(&first);
  {
    Server second;
    LoadInto(&second);
    Occupied running = Occupy(first, "echo");
    EXPECT_TRUE(Succeeded(EchoRequest(second, "echo", {1}).Infer().outcome));
    running.Release();
    ASSERT_TRUE(Succeeded(second.UnloadAndWait("echo")));
    EXPECT_TRUE(first.Ready("echo"));
    EXPECT_FALSE(second.Ready("echo"));
  }
  EXPECT_TRUE(Succeeded(EchoRequest(first, "echo", {1}).Infer().outcome));
  EXPECT_EQ(first.Successes("echo"), 2);
}

TEST_P(Lifetime, InlineRunsOnTheCallersThreadWhenTheInstanceIsIdle) {
  Server server;
  LoadInto(&server);
  Request request = EchoRequest(server, "echo", {1});
  bool ran_inline = false;
  ASSERT_TRUE(Succeeded(request.SendInline(&ran_inline)));
  EXPECT_TRUE(ran_inline);
  EXPECT_TRUE(request.answered());
  EXPECT_EQ(request.Wait().thread, std::this_thread::get_id());

  Occupied running = Occupy(server, "echo");
  ASSERT_TRUE(Succeeded(request.SendInline(&ran_inline)));
  EXPECT_FALSE(ran_inline);
  EXPECT_FALSE(request.answered());
  running.Release();
  EXPECT_NE(request.Wait().thread, std::this_thread::get_id());
}

TEST_P(Lifetime, OrdinaryRequestsRunInlineOnceKnownToFitTheBudget) {
  ServerSettings settings;
  settings.more = [](TRITONSERVER_ServerOptions* options) {
    Must(TRITONSERVER_TridentServerOptionsSetInlineBudgetNs(options, UINT64_MAX - 1));
  };
  Server server(settings);
  LoadInto(&server);
  Request request = EchoRequest(server, "echo", {1});
  ASSERT_TRUE(Succeeded(request.Send()));
  EXPECT_NE(request.Wait().thread, std::this_thread::get_id()) << "nothing is known yet";
  for (int runs = 0; runs < 8;) {
    bool ran_inline = false;  // not while the instance's thread is still on its way back
    ASSERT_TRUE(Succeeded(request.SendInline(&ran_inline)));
    request.Wait();
    runs += ran_inline ? 1 : 0;
  }
  ASSERT_TRUE(Succeeded(request.Send()));
  EXPECT_EQ(request.Wait().thread, std::this_thread::get_id());
}

TEST_P(Lifetime, AResponseCallbackMayInferInline) {
  Server server;
  LoadInto(&server);
  for (const bool outer_inline : {false, true}) {
    Request inner = EchoRequest(server, "echo", {2});
    Request outer = EchoRequest(server, "echo", {1});
    bool ran_inline = true;
    Outcome sent;
    outer.OnAnswer([&] { sent = inner.SendInline(&ran_inline); });
    bool ignored = false;
    ASSERT_TRUE(Succeeded(outer_inline ? outer.SendInline(&ignored) : outer.Send()));
    EXPECT_TRUE(Succeeded(outer.Wait().outcome));
    ASSERT_TRUE(Succeeded(sent));
    EXPECT_FALSE(ran_inline);  // the only instance still serves the outer one
    EXPECT_TRUE(Succeeded(inner.Wait().outcome));
  }
}

TEST_P(Lifetime, AResponseCallbackMayInferInlineOnAnotherInstance) {
  Server server;
  LoadInto(&server, /*instances=*/2);
  Request inner = EchoRequest(server, "echo", {2});
  Request outer = EchoRequest(server, "echo", {1});
  bool ran_inline = false;
  Outcome sent;
  outer.OnAnswer([&] { sent = inner.SendInline(&ran_inline); });
  bool ignored = false;
  ASSERT_TRUE(Succeeded(outer.SendInline(&ignored)));
  EXPECT_TRUE(Succeeded(outer.Wait().outcome));
  ASSERT_TRUE(Succeeded(sent));
  EXPECT_TRUE(ran_inline);
  EXPECT_EQ(inner.Wait().thread, std::this_thread::get_id());
}

TEST_P(Lifetime, ARequestInFlightCannotBeSentNorChanged) {
  Server server;
  LoadInto(&server);
  Occupied running = Occupy(server, "echo");
  Request request = EchoRequest(server, "echo", {1});
  ASSERT_TRUE(Succeeded(request.Send()));
  EXPECT_THROW(request.Set("key", 1), std::runtime_error);
  EXPECT_THROW(request.Output("output"), std::runtime_error);
  running.Release();
  EXPECT_TRUE(Succeeded(request.Wait().outcome));
}

INSTANTIATE_TEST_SUITE_P(All, Lifetime, testing::ValuesIn(kBackends),
                         [](const auto& info) { return std::string(info.param); });

TEST(SlowModels, AreWaitedForByUnload) {
  Server server;
  LoadEcho(&server, "echo", "identity", TRITONSERVER_TYPE_FP32, "");
  Request slow = EchoRequest(server, "echo", {1});
  slow.Set("execute_delay_ms", 200);
  ASSERT_TRUE(Succeeded(slow.Send()));
  EXPECT_TRUE(Succeeded(server.UnloadAndWait("echo")));
  EXPECT_TRUE(slow.answered());
  EXPECT_TRUE(Succeeded(slow.Wait().outcome));
}

TEST(SlowModels, AreWaitedForByServerDelete) {
  Server server;
  LoadEcho(&server, "echo", "identity", TRITONSERVER_TYPE_FP32, "");
  std::vector<Request> requests;
  for (int i = 0; i < 3; ++i) {
    requests.push_back(EchoRequest(server, "echo", {1}));
    requests.back().Set("execute_delay_ms", 50);
    ASSERT_TRUE(Succeeded(requests.back().Send()));
  }
  ASSERT_TRUE(Succeeded(server.Delete()));
  for (Request& request : requests) EXPECT_TRUE(Succeeded(request.Wait().outcome));
}

}  // namespace
}  // namespace trident::contract
