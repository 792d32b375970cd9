// The rate limiter (3.6) from the options of a server to the execution of its models. Its rules are
// tested by themselves; here: that instances obey them, and that nothing waits for ever.

#include <atomic>

#include "echo.h"
#include "witness.h"

namespace trident::contract {
namespace {

struct Units {
  std::string resource;
  size_t count;
  int device;
};

ServerSettings Limited(std::vector<Units> available = {}) {
  ServerSettings settings;
  settings.more = [available](TRITONSERVER_ServerOptions* options) {
    Must(TRITONSERVER_ServerOptionsSetRateLimiterMode(options, TRITONSERVER_RATE_LIMIT_EXEC_COUNT));
    for (const Units& units : available) {
      Must(TRITONSERVER_ServerOptionsAddRateLimiterResource(options, units.resource.c_str(),
                                                            units.count, units.device));
    }
  };
  return settings;
}

std::string Needing(int count, const std::string& more = "", int instances = 1) {
  return "instance_group { kind: KIND_CPU count: " + std::to_string(instances) +
         " rate_limiter { resources [ { name: \"R\" count: " + std::to_string(count) + " " + more +
         " } ] } }";
}

void ExpectTwoToExecuteBesideEachOther(ServerSettings settings) {
  Server server(std::move(settings));
  ASSERT_TRUE(Succeeded(LoadWitness(&server, "a", Needing(1))));
  ASSERT_TRUE(Succeeded(LoadWitness(&server, "b", Needing(1))));
  const Occupied busy(WitnessRequest(server, "a"));
  EXPECT_TRUE(Succeeded(WitnessRequest(server, "b").Infer().outcome));
}

TEST(RateLimit, InstancesExecuteBesideEachOtherWhileThereIsEnough) {
  ExpectTwoToExecuteBesideEachOther(Limited({{"R", 2, 0}}));
}

TEST(RateLimit, AnInstanceWaitsUntilItsResourceIsGivenBack) {
  Server server(Limited());
  ASSERT_TRUE(Succeeded(LoadWitness(&server, "a", Needing(1))));
  ASSERT_TRUE(Succeeded(LoadWitness(&server, "b", Needing(1))));
  Occupied busy(WitnessRequest(server, "a"));
  Request waiting = WitnessRequest(server, "b");
  ASSERT_TRUE(Succeeded(waiting.Send()));
  // Long enough for an unlimited instance to answer.
  for (int i = 0; i < 5; ++i) ASSERT_TRUE(Succeeded(LoadWitness(&server, "c" + std::to_string(i))));
  EXPECT_FALSE(waiting.answered());
  EXPECT_TRUE(Witnessed(&server, "b", "execute").empty());
  busy.Release();
  EXPECT_TRUE(Succeeded(waiting.Wait().outcome));
}

TEST(RateLimit, TheModeIsOffByDefault) { ExpectTwoToExecuteBesideEachOther({}); }

TEST(RateLimit, RequestsThatWaitForAResourceStillFormBatches) {
  Server server(Limited());
  ASSERT_TRUE(Succeeded(LoadWitness(&server, "a", Needing(1))));
  ASSERT_TRUE(Succeeded(LoadWitness(&server, "b", Needing(1) + " dynamic_batching { }")));
  Occupied busy(WitnessRequest(server, "a"));
  std::vector<Request> waiting;
  for (int i = 0; i < 4; ++i) {
    waiting.push_back(WitnessRequest(server, "b"));
    ASSERT_TRUE(Succeeded(waiting.back().Send()));
  }
  busy.Release();
  for (Request& request : waiting) EXPECT_TRUE(Succeeded(request.Wait().outcome));
  EXPECT_EQ(server.Batches("b"), (std::map<int64_t, int64_t>{{4, 1}}));
}

TEST(RateLimit, CallersDoNotExecuteThemselves) {
  Server server(Limited());
  ASSERT_TRUE(Succeeded(LoadWitness(&server, "a")));
  bool ran_inline = true;
  Request request = WitnessRequest(server, "a");
  ASSERT_TRUE(Succeeded(request.SendInline(&ran_inline)));
  EXPECT_FALSE(ran_inline);
  EXPECT_TRUE(Succeeded(request.Wait().outcome));
}

TEST(RateLimit, ALoadThatAsksForTooMuchFailsAndTheNextIsFine) {
  Server server(Limited({{"R", 3, -1}}));
  EXPECT_TRUE(FailedWith(LoadWitness(&server, "greedy", Needing(4)), TRITONSERVER_ERROR_INVALID_ARG,
                         {"instance 'greedy_0_0'",
                          "Resource count for \"R\" is limited to 3 which will prevent scheduling "
                          "of one or more model "
                          "instances, the minimum required count is 4"}));
  ASSERT_TRUE(Succeeded(LoadWitness(&server, "modest", Needing(3))));
  EXPECT_TRUE(Succeeded(WitnessRequest(server, "modest").Infer().outcome));
}

TEST(RateLimit, AResourceIsGlobalForAllModelsOrForNone) {
  Server server(Limited());
  ASSERT_TRUE(Succeeded(LoadWitness(&server, "a", Needing(1))));
  EXPECT_TRUE(FailedWith(
      LoadWitness(&server, "b", Needing(1, "global: true")), TRITONSERVER_ERROR_INVALID_ARG,
      {"Resource \"R\" is present as both global and device-specific resource"}));
  ASSERT_TRUE(Succeeded(server.UnloadAndWait("a")));
  EXPECT_TRUE(Succeeded(server.Load("b"))) << "unloading has given the name back";
}

TEST(RateLimit, WhatIsCancelledInTheQueueHoldsNothingUp) {
  Server server(Limited());
  ASSERT_TRUE(Succeeded(LoadWitness(&server, "a", Needing(1))));
  ASSERT_TRUE(Succeeded(LoadWitness(&server, "b", Needing(1))));
  Occupied busy(WitnessRequest(server, "a"));
  Request waiting = WitnessRequest(server, "b");
  ASSERT_TRUE(Succeeded(waiting.Send()));
  ASSERT_TRUE(Succeeded(waiting.Cancel()));
  EXPECT_TRUE(FailedWith(waiting.Wait().outcome, TRITONSERVER_ERROR_CANCELLED));
  // The thread of b may wait for a turn it no longer needs; an unload does not wait for a.
  EXPECT_TRUE(Succeeded(server.UnloadAndWait("b")));
}

TEST(RateLimit, AnUnloadServesWhatWaits) {
  Server server(Limited());
  ASSERT_TRUE(Succeeded(LoadWitness(&server, "a", Needing(1))));
  ASSERT_TRUE(Succeeded(LoadWitness(&server, "b", Needing(1))));
  Occupied busy(WitnessRequest(server, "a"));
  Request waiting = WitnessRequest(server, "b");
  ASSERT_TRUE(Succeeded(waiting.Send()));
  ASSERT_TRUE(Succeeded(server.Unload("b")));
  busy.Release();
  EXPECT_TRUE(Succeeded(waiting.Wait().outcome));
  EXPECT_TRUE(Succeeded(server.UnloadAndWait("b")));
}

TEST(RateLimit, ManyModelsShareOneUnitAndAllAreServed) {
  Server server(Limited());
  constexpr int kModels = 4;
  constexpr int kRequests = 50;
  for (int i = 0; i < kModels; ++i) {
    ASSERT_TRUE(Succeeded(LoadWitness(&server, "m" + std::to_string(i), Needing(1, "", 2))));
  }
  std::atomic<int> executing{0};
  std::atomic<int> most{0};
  std::vector<Request> requests;
  for (int i = 0; i < kModels * kRequests; ++i) {
    requests.push_back(WitnessRequest(server, "m" + std::to_string(i % kModels)));
    requests.back().OnAnswer([&] {  // on the instance's thread, inside of Execute
      most = std::max(most.load(), ++executing);
      --executing;
    });
  }
  for (Request& request : requests) ASSERT_TRUE(Succeeded(request.Send()));
  for (Request& request : requests) EXPECT_TRUE(Succeeded(request.Wait().outcome));
  EXPECT_EQ(most.load(), 1);
}

}  // namespace
}  // namespace trident::contract
