// Executions that go on while their model is warmed up, limited, changed, unloaded or stopped.

#include "deferring.h"
#include "echo.h"

namespace trident::contract {
namespace {

std::string Config(const std::string& more = "dynamic_batching { }", int instances = 1) {
  return EchoConfig("deferring", TRITONSERVER_TYPE_FP32, more, instances);
}

Outcome Load(Server* server, const std::string& model, const std::string& config) {
  server->repository().Add(model, config);
  return server->Load(model);
}

Request Send(const Server& server, const std::string& model) {
  Request request = EchoRequest(server, model, {1});
  EXPECT_TRUE(Succeeded(request.Send()));
  return request;
}

TEST(DeferralLife, AnUnloadedModelIsFinalisedAfterItsEnd) {
  DeferringBackend backend;
  Server server(With(backend));
  ASSERT_TRUE(Succeeded(Load(&server, "model", Config())));
  ASSERT_TRUE(Succeeded(Load(&server, "other", Config())));
  Request request = Send(server, "model");
  const Execution execution = backend.Take();
  execution.Answer();
  EXPECT_TRUE(Succeeded(request.Wait().outcome));
  EXPECT_TRUE(FailedWith(server.UnloadAndWait("model", 1), TRITONSERVER_ERROR_UNAVAILABLE));
  EXPECT_TRUE(Succeeded(server.UnloadAndWait("other")));
  EXPECT_EQ(backend.finalized(), 1);
  EXPECT_TRUE(Succeeded(execution.End()));
  backend.AwaitFinalized(2);
}

TEST(DeferralLife, AServerStopsAfterItsEnd) {
  DeferringBackend backend;
  ServerSettings settings = With(backend);
  settings.exit_timeout_s = 0;
  Server server(settings);
  ASSERT_TRUE(Succeeded(Load(&server, "model", Config())));
  Execution execution;
  {
    Request request = Send(server, "model");
    execution = backend.Take();
    execution.Answer();
    EXPECT_TRUE(Succeeded(request.Wait().outcome));
  }
  EXPECT_TRUE(
      FailedWith(server.Delete(), TRITONSERVER_ERROR_INTERNAL, {"exit timeout", "'model'"}));
  EXPECT_EQ(backend.finalized(), 0);
  EXPECT_TRUE(Succeeded(execution.End()));
  Must(TRITONSERVER_ServerSetExitTimeout(server.handle(), 120));
  EXPECT_TRUE(Succeeded(server.Delete()));
  EXPECT_EQ(backend.finalized(), 1);
  EXPECT_EQ(backend.ended, 1);
}

TEST(DeferralLife, WhatWaitsForItIsServedBeforeTheUnload) {
  DeferringBackend backend;
  Server server(With(backend));
  ASSERT_TRUE(Succeeded(Load(&server, "model", Config())));
  Request running = Send(server, "model");
  const Execution execution = backend.Take();
  Request waiting = Send(server, "model");
  ASSERT_TRUE(Succeeded(server.Unload("model")));
  execution.AnswerAndEnd();
  backend.Take().AnswerAndEnd();
  EXPECT_TRUE(Succeeded(running.Wait().outcome));
  EXPECT_TRUE(Succeeded(waiting.Wait().outcome));
  backend.AwaitFinalized(1);
}

TEST(DeferralLife, AnInstanceThatIsTakenOutGoesAfterItsEnd) {
  DeferringBackend backend;
  Server server(With(backend));
  ASSERT_TRUE(Succeeded(Load(&server, "model", Config("", 2))));
  Request one = Send(server, "model"), two = Send(server, "model");
  const Execution executions[] = {backend.Take(), backend.Take()};
  ASSERT_TRUE(Succeeded(Load(&server, "model", Config("", 1))));
  EXPECT_EQ(backend.finalized(), 0);
  for (const Execution& execution : executions) execution.AnswerAndEnd();
  backend.AwaitFinalized(1);
  Request next = Send(server, "model");
  backend.Take().AnswerAndEnd();
  EXPECT_TRUE(Succeeded(next.Wait().outcome));
  EXPECT_EQ(backend.finalized(), 1);
}

// Instances with a thread of their own
// --------------------------------------------------------------

TEST(DeferralLife, TheRateLimiterCountsItUntilItsEnd) {
  DeferringBackend backend;
  Server server(With(backend, [](TRITONSERVER_ServerOptions* options) {
    Must(TRITONSERVER_ServerOptionsSetRateLimiterMode(options, TRITONSERVER_RATE_LIMIT_EXEC_COUNT));
  }));
  const std::string limited =
      "instance_group { kind: KIND_CPU rate_limiter { resources [ { name: \"R\" count: 1 } ] } }";
  for (const char* model : {"a", "b"}) {
    ASSERT_TRUE(Succeeded(Load(&server, model,
                               "backend: \"deferring\" max_batch_size: 8 "
                               "input { name: \"input\" data_type: TYPE_FP32 dims: -1 } "
                               "output { name: \"output\" data_type: TYPE_FP32 dims: -1 } " +
                                   limited)));
  }
  Request of_a = Send(server, "a");
  const Execution execution = backend.Take();
  Request of_b = Send(server, "b");
  execution.Answer();
  EXPECT_TRUE(Succeeded(of_a.Wait().outcome));
  EXPECT_TRUE(backend.empty());
  Request more_of_b = Send(server, "b");
  EXPECT_TRUE(Succeeded(execution.End()));
  for (int i = 0; i < 2; ++i) {
    const Execution next = backend.Take();
    EXPECT_NE(next.instance, execution.instance);
    EXPECT_TRUE(backend.empty());  // it holds the resource
    next.AnswerAndEnd();
  }
  EXPECT_TRUE(Succeeded(of_b.Wait().outcome));
  EXPECT_TRUE(Succeeded(more_of_b.Wait().outcome));
}

TEST(DeferralLife, AnInstanceWithAPriorityIsBusyUntilItsEnd) {
  DeferringBackend backend;
  Server server(With(backend));
  ASSERT_TRUE(Succeeded(Load(
      &server, "model", Config("dynamic_batching { } optimization { priority: PRIORITY_MIN }"))));
  Request first = Send(server, "model");
  const Execution execution = backend.Take();
  Request second = Send(server, "model"), third = Send(server, "model");
  EXPECT_TRUE(backend.empty());
  execution.AnswerAndEnd();
  const Execution next = backend.Take();
  EXPECT_EQ(next.requests.size(), 2u);
  next.AnswerAndEnd();
  for (Request* request : {&first, &second, &third}) {
    EXPECT_TRUE(Succeeded(request->Wait().outcome));
  }
}

// Warm-up -----------------------------------------------------------------------------------------

const char* const kWarmup =
    "model_warmup { name: \"zeros\" batch_size: 2 inputs { key: \"input\" value { "
    "data_type: TYPE_FP32 dims: 4 zero_data: true } } }";

TEST(DeferralLife, WarmUpWaitsForItsEnd) {
  DeferringBackend backend;
  Server server(With(backend));
  Event loaded;
  std::thread loader([&] {
    EXPECT_TRUE(Succeeded(Load(&server, "model", Config(kWarmup))));
    loaded.Set();
  });
  const Execution execution = backend.Take();
  EXPECT_EQ(execution.requests.size(), 2u);
  execution.Answer();
  EXPECT_FALSE(loaded.happened());
  EXPECT_TRUE(Succeeded(execution.End()));
  loader.join();
  Request request = Send(server, "model");
  backend.Take().AnswerAndEnd();
  EXPECT_TRUE(Succeeded(request.Wait().outcome));
}

TEST(DeferralLife, WarmUpThatFailsEndsIt) {
  DeferringBackend backend;
  backend.Execute([](const Execution& execution) {
    EXPECT_TRUE(Succeeded(execution.Defer()));
    return TRITONSERVER_ErrorNew(TRITONSERVER_ERROR_UNAVAILABLE, "too cold");
  });
  Server server(With(backend));
  EXPECT_TRUE(FailedWith(Load(&server, "model", Config(kWarmup)), TRITONSERVER_ERROR_UNAVAILABLE,
                         {"'zeros'", "too cold"}));
  EXPECT_EQ(backend.finalized(), 1);
}

}  // namespace
}  // namespace trident::contract
