// Backends that are part of the program: what their table says, once per server.

#include "deferring.h"
#include "ensemble.h"

namespace trident::contract {
namespace {

Outcome LoadModel(Server* server, const std::string& model, const std::string& config) {
  server->repository().Add(model, config);
  return server->Load(model);
}

std::string Config(const std::string& more = "dynamic_batching { }", int instances = 1) {
  return EchoConfig("deferring", TRITONSERVER_TYPE_FP32, more, instances);
}

TEST(ProvidedBackend, ServesWithoutALibrary) {
  DeferringBackend backend;
  {
    Server server(With(backend));
    ASSERT_TRUE(Succeeded(LoadModel(&server, "model", Config())));
    EXPECT_EQ(backend.initialized, 1);  // which has found the state
    Request request = EchoRequest(server, "model", {1, 2});
    ASSERT_TRUE(Succeeded(request.Send()));
    backend.Take().AnswerAndEnd();
    EXPECT_EQ(request.Wait().output("output").bytes, BytesOf(std::vector<float>{1, 2}));
    EXPECT_EQ(backend.ended, 0);
  }
  EXPECT_EQ(backend.finalized(), 1);
  EXPECT_EQ(backend.ended, 1);
}

TEST(ProvidedBackend, GoesBeforeALibraryOfItsName) {
  DeferringBackend backend("identity");
  Server server(With(backend));
  ASSERT_TRUE(
      Succeeded(LoadModel(&server, "model", EchoConfig("identity", TRITONSERVER_TYPE_FP32))));
  Request request = EchoRequest(server, "model", {1});
  ASSERT_TRUE(Succeeded(request.Send()));
  backend.Take().AnswerAndEnd();
  EXPECT_TRUE(Succeeded(request.Wait().outcome));
}

TEST(ProvidedBackend, IsInOtherProcessesOnlyWhereAProgramHasIt) {
  DeferringBackend backend;
  Server server(With(backend));
  EXPECT_TRUE(FailedWith(LoadModel(&server, "model", Config("isolation: \"process\"")),
                         TRITONSERVER_ERROR_INVALID_ARG,
                         {"'isolation-host' of backend 'deferring'"}));
}

TEST(ProvidedBackend, SaysWhichInstancesItPrefers) {
  DeferringBackend backend;
  Server server(With(backend));
  ASSERT_TRUE(Succeeded(LoadModel(&server, "model",
                                  "backend: \"deferring\" max_batch_size: 8 "
                                  "input { name: \"input\" data_type: TYPE_FP32 dims: -1 } "
                                  "output { name: \"output\" data_type: TYPE_FP32 dims: -1 }")));
  EXPECT_EQ(server.Config("model").Number("/instance_group/0/count"), 3);
}

TEST(ProvidedBackend, OfOneNameEachServerHasItsOwn) {
  DeferringBackend first, second;
  Server one(With(first)), two(With(second));
  ASSERT_TRUE(Succeeded(LoadModel(&one, "model", Config())));
  ASSERT_TRUE(Succeeded(LoadModel(&two, "model", Config())));
  Request of_one = EchoRequest(one, "model", {1});
  Request of_two = EchoRequest(two, "model", {2});
  ASSERT_TRUE(Succeeded(of_one.Send()));
  ASSERT_TRUE(Succeeded(of_two.Send()));
  second.Take().AnswerAndEnd();
  EXPECT_EQ(of_two.Wait().output("output").bytes, BytesOf(std::vector<float>{2}));
  EXPECT_FALSE(of_one.answered());
  first.Take().AnswerAndEnd();
  EXPECT_EQ(of_one.Wait().output("output").bytes, BytesOf(std::vector<float>{1}));
}

// The inline lane ------------------------------------------------------------------------------

// How a request that is sent with next to no budget is executed: on this thread?
bool RunsInline(bool never_blocks, const std::string& batching) {
  DeferringBackend backend("deferring", never_blocks);
  Server server(With(backend, [](TRITONSERVER_ServerOptions* options) {
    Must(TRITONSERVER_TridentServerOptionsSetInlineBudgetNs(options, 1));
  }));
  EXPECT_TRUE(Succeeded(LoadModel(&server, "model", Config(batching))));
  Request request = EchoRequest(server, "model", {1});
  EXPECT_TRUE(Succeeded(request.Send()));
  const Execution execution = backend.Take();
  execution.AnswerAndEnd();
  EXPECT_TRUE(Succeeded(request.Wait().outcome));
  return execution.thread == std::this_thread::get_id();
}

TEST(ProvidedBackend, ThatNeverBlocksIsExecutedByWhoSubmits) {
  EXPECT_TRUE(RunsInline(true, "dynamic_batching { }"));
  EXPECT_FALSE(RunsInline(false, "dynamic_batching { }"));  // nobody knows how long it takes
}

TEST(ProvidedBackend, ThatNeverBlocksGetsTheBatchesThatAreAskedFor) {
  EXPECT_FALSE(RunsInline(true, "dynamic_batching { max_queue_delay_microseconds: 1 }"));
  EXPECT_FALSE(RunsInline(true, "dynamic_batching { preserve_ordering: true }"));
}

// Contexts -------------------------------------------------------------------------------------

uint64_t ContextOf(const Execution& execution) {
  uint64_t context = 99;
  Must(TRITONBACKEND_TridentRequestContext(execution.requests.at(0), &context));
  return context;
}

TEST(RequestContext, StaysFromSubmissionToSubmission) {
  DeferringBackend backend;
  Server server(With(backend));
  ASSERT_TRUE(Succeeded(LoadModel(&server, "model", Config())));
  Request request = EchoRequest(server, "model", {1});
  for (const uint64_t expected : {uint64_t{0}, UINT64_MAX, UINT64_MAX, uint64_t{3}}) {
    if (expected != 0) request.Context(expected);
    ASSERT_TRUE(Succeeded(request.Send()));
    const Execution execution = backend.Take();
    EXPECT_EQ(ContextOf(execution), expected);
    execution.AnswerAndEnd();
    EXPECT_TRUE(Succeeded(request.Wait().outcome));
  }
}

TEST(RequestContext, IsThatOfTheEnsembleInItsSteps) {
  DeferringBackend backend;
  Server server(With(backend));
  server.repository().Add("first", Config());
  server.repository().Add("second", Config());
  ASSERT_TRUE(Succeeded(LoadModel(
      &server, "pair",
      EnsembleConfig({"input"}, {"output"},
                     Echo("first", "input", "between") + Echo("second", "between", "output")))));
  Request request = EchoRequest(server, "pair", {4});
  ASSERT_TRUE(Succeeded(request.Context(17).Send()));
  for (int step = 0; step < 2; ++step) {
    const Execution execution = backend.Take();
    EXPECT_EQ(ContextOf(execution), 17u);
    execution.AnswerAndEnd();
  }
  EXPECT_EQ(request.Wait().output("output").bytes, BytesOf(std::vector<float>{4}));
}

}  // namespace
}  // namespace trident::contract
