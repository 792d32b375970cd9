// A request ends once, early when it is cancelled while it waits.

#include "echo.h"

namespace trident::contract {
namespace {

class Cancel : public testing::TestWithParam<const char*> {
 protected:
  void SetUp() override { LoadEcho(&server_, "echo", GetParam(), TRITONSERVER_TYPE_FP32); }

  Server server_;
};

TEST_P(Cancel, AQueuedRequestEndsAtOnce) {
  Occupied occupied = Occupy(server_, "echo");
  Request queued = EchoRequest(server_, "echo", {1});
  ASSERT_TRUE(Succeeded(queued.Send()));
  ASSERT_TRUE(Succeeded(queued.Cancel()));
  // Answered although no instance is free.
  EXPECT_TRUE(FailedWith(queued.Wait().outcome, TRITONSERVER_ERROR_CANCELLED, {"'echo'"}));
  EXPECT_EQ(server_.Failures("echo"), 1);
  occupied.Release();
}

TEST_P(Cancel, OthersInTheQueueAreNotAffected) {
  Occupied occupied = Occupy(server_, "echo");
  std::vector<Request> requests;
  for (int i = 0; i < 3; ++i) {
    requests.push_back(EchoRequest(server_, "echo", {static_cast<float>(i)}));
    ASSERT_TRUE(Succeeded(requests.back().Send()));
  }
  ASSERT_TRUE(Succeeded(requests[1].Cancel()));
  occupied.Release();
  EXPECT_TRUE(Succeeded(requests[0].Wait().outcome));
  EXPECT_TRUE(FailedWith(requests[1].Wait().outcome, TRITONSERVER_ERROR_CANCELLED));
  EXPECT_TRUE(Succeeded(requests[2].Wait().outcome));
  EXPECT_EQ(server_.Batches("echo"), (std::map<int64_t, int64_t>{{1, 1}, {2, 1}}));
}

TEST_P(Cancel, ACancelledRequestCanBeSentAgain) {
  Occupied occupied = Occupy(server_, "echo");
  Request request = EchoRequest(server_, "echo", {5});
  ASSERT_TRUE(Succeeded(request.Send()));
  ASSERT_TRUE(Succeeded(request.Cancel()));
  EXPECT_TRUE(FailedWith(request.Wait().outcome, TRITONSERVER_ERROR_CANCELLED));
  occupied.Release();
  EXPECT_TRUE(Succeeded(request.Infer().outcome));
}

TEST_P(Cancel, BeforeTheRequestIsSentIsAnError) {
  EXPECT_TRUE(FailedWith(EchoRequest(server_, "echo", {1}).Cancel(), TRITONSERVER_ERROR_INTERNAL));
}

TEST_P(Cancel, AfterTheAnswerChangesNothing) {
  Request request = EchoRequest(server_, "echo", {1});
  EXPECT_TRUE(Succeeded(request.Infer().outcome));
  EXPECT_TRUE(Succeeded(request.Cancel()));
  EXPECT_TRUE(Succeeded(request.Infer().outcome));
}

INSTANTIATE_TEST_SUITE_P(All, Cancel, testing::ValuesIn(kBackends),
                         [](const auto& info) { return std::string(info.param); });

TEST(CancelBehindASlowRequest, DoesNotWaitForIt) {
  Server server;
  LoadEcho(&server, "echo", "identity", TRITONSERVER_TYPE_FP32, "");
  Request slow = EchoRequest(server, "echo", {1});
  slow.Set("execute_delay_ms", 300);
  Request queued = EchoRequest(server, "echo", {2});
  ASSERT_TRUE(Succeeded(slow.Send()));
  ASSERT_TRUE(Succeeded(queued.Send()));  // one at a time, so it waits for the slow one
  ASSERT_TRUE(Succeeded(queued.Cancel()));
  EXPECT_TRUE(FailedWith(queued.Wait().outcome, TRITONSERVER_ERROR_CANCELLED));
  EXPECT_EQ(server.Failures("echo"), 1);
  EXPECT_TRUE(Succeeded(slow.Wait().outcome));
  EXPECT_EQ(server.Successes("echo"), 1);
}

}  // namespace
}  // namespace trident::contract
