// Executions that go on when the backend has returned: the instance is busy until they are ended,
// and everything else goes on meanwhile.

#include "deferring.h"
#include "ensemble.h"
#include "sequences.h"

namespace trident::contract {
namespace {

class Deferral : public testing::Test {
 protected:
  Outcome Load(const std::string& model, const std::string& more = "dynamic_batching { }",
               int instances = 1) {
    server_.repository().Add(model,
                             EchoConfig("deferring", TRITONSERVER_TYPE_FP32, more, instances));
    return server_.Load(model);
  }
  Request Send(const std::string& model, float number = 1) {
    Request request = EchoRequest(server_, model, {number});
    EXPECT_TRUE(Succeeded(request.Send()));
    return request;
  }
  void ExpectAnswer(Request& request, float number = 1) {
    const Answer& answer = request.Wait();
    ASSERT_TRUE(Succeeded(answer.outcome));
    EXPECT_EQ(answer.output("output").bytes, BytesOf(std::vector<float>{number}));
  }
  void ExpectToServe(const std::string& model) {
    Request request = Send(model, 8);
    backend_.Take().AnswerAndEnd();
    ExpectAnswer(request, 8);
  }

  DeferringBackend backend_;
  Server server_{With(backend_)};
};

TEST_F(Deferral, WhatComesMeanwhileMakesABatch) {
  ASSERT_TRUE(Succeeded(Load("model")));
  Request first = Send("model", 1);
  const Execution execution = backend_.Take();
  Request second = Send("model", 2), third = Send("model", 3);
  execution.Answer();
  ExpectAnswer(first, 1);
  Request fourth = Send("model", 4);  // answered or not, the instance is busy until the end
  EXPECT_TRUE(backend_.empty());
  EXPECT_TRUE(Succeeded(execution.End()));
  const Execution next = backend_.Take();
  EXPECT_EQ(next.requests.size(), 3u);
  next.AnswerAndEnd();
  ExpectAnswer(second, 2);
  ExpectAnswer(third, 3);
  ExpectAnswer(fourth, 4);
}

TEST_F(Deferral, MayBeEndedBeforeItsRequestsAreAnswered) {
  ASSERT_TRUE(Succeeded(Load("model")));
  Request first = Send("model", 1);
  const Execution execution = backend_.Take();
  EXPECT_TRUE(Succeeded(execution.End()));
  ExpectToServe("model");
  EXPECT_FALSE(first.answered());
  execution.Answer();
  ExpectAnswer(first, 1);
}

TEST_F(Deferral, InstancesGoOnBesideEachOther) {
  ASSERT_TRUE(Succeeded(Load("model", "", 3)));
  std::vector<Request> requests;
  std::vector<Execution> executions;
  for (int i = 0; i < 3; ++i) requests.push_back(Send("model", static_cast<float>(i)));
  for (int i = 0; i < 3; ++i) executions.push_back(backend_.Take());
  for (int i = 3; i < 6; ++i) requests.push_back(Send("model", static_cast<float>(i)));
  for (const Execution& execution : executions) execution.AnswerAndEnd();
  for (int i = 3; i < 6; ++i) backend_.Take().AnswerAndEnd();
  for (int i = 0; i < 6; ++i) ExpectAnswer(requests[i], static_cast<float>(i));
}

TEST_F(Deferral, TheInlineLaneReturnsBeforeItIsOver) {
  ASSERT_TRUE(Succeeded(Load("model")));
  Request first = EchoRequest(server_, "model", {1});
  bool ran_inline = false;
  ASSERT_TRUE(Succeeded(first.SendInline(&ran_inline)));
  EXPECT_TRUE(ran_inline);
  const Execution execution = backend_.Take();
  EXPECT_EQ(execution.thread, std::this_thread::get_id());
  EXPECT_FALSE(first.answered());
  Request second = EchoRequest(server_, "model", {2});
  ASSERT_TRUE(Succeeded(second.SendInline(&ran_inline)));
  EXPECT_FALSE(ran_inline);  // the instance is busy
  EXPECT_TRUE(backend_.empty());
  execution.AnswerAndEnd();
  ExpectAnswer(first, 1);
  const Execution next = backend_.Take();
  EXPECT_NE(next.thread, std::this_thread::get_id());
  next.AnswerAndEnd();
  ExpectAnswer(second, 2);
}

// Ends and the calls around them ------------------------------------------------------------------

TEST_F(Deferral, MayBeEndedInTheCallThatBeginsIt) {
  ASSERT_TRUE(Succeeded(Load("model")));
  backend_.Execute([](const Execution& execution) -> TRITONSERVER_Error* {
    EXPECT_TRUE(Succeeded(execution.Defer()));
    execution.AnswerAndEnd();
    return nullptr;
  });
  for (int i = 0; i < 3; ++i) {
    EXPECT_TRUE(Succeeded(EchoRequest(server_, "model", {1}).Infer().outcome));
  }
}

TEST_F(Deferral, MayBeEndedElsewhereBeforeTheCallReturns) {
  ASSERT_TRUE(Succeeded(Load("model")));
  backend_.Execute([](const Execution& execution) -> TRITONSERVER_Error* {
    EXPECT_TRUE(Succeeded(execution.Defer()));
    std::thread([&] { execution.AnswerAndEnd(); }).join();
    return nullptr;
  });
  for (int i = 0; i < 3; ++i) {
    EXPECT_TRUE(Succeeded(EchoRequest(server_, "model", {1}).Infer().outcome));
  }
}

// The end of one and the return of the call, in every order that threads find.
TEST_F(Deferral, RacesWithTheReturnOfTheCall) {
  ASSERT_TRUE(Succeeded(Load("model")));
  std::thread ender([&] {
    for (int i = 0; i < 2000; ++i) backend_.Take().AnswerAndEnd();
  });
  for (int i = 0; i < 2000; ++i) {
    ASSERT_TRUE(Succeeded(EchoRequest(server_, "model", {1}).Infer().outcome));
  }
  ender.join();
  EXPECT_TRUE(Succeeded(server_.UnloadAndWait("model")));
}

TEST_F(Deferral, ItsMisuseIsAnErrorAndNothingElse) {
  ASSERT_TRUE(Succeeded(Load("model")));
  Outcome twice, too_early;
  backend_.Execute([&](const Execution& execution) -> TRITONSERVER_Error* {
    too_early = execution.End();
    EXPECT_TRUE(Succeeded(execution.Defer()));
    twice = execution.Defer();
    execution.AnswerAndEnd();
    return nullptr;
  });
  EXPECT_TRUE(Succeeded(EchoRequest(server_, "model", {1}).Infer().outcome));
  EXPECT_TRUE(FailedWith(too_early, TRITONSERVER_ERROR_INVALID_ARG, {"'model_0_0'", "to end"}));
  EXPECT_TRUE(FailedWith(twice, TRITONSERVER_ERROR_INVALID_ARG, {"'model_0_0'", "already"}));
  backend_.Execute(nullptr);
  Request request = Send("model");
  const Execution execution = backend_.Take();
  EXPECT_TRUE(FailedWith(execution.Defer(), TRITONSERVER_ERROR_INVALID_ARG,
                         {"isn't being executed on this thread"}));
  execution.AnswerAndEnd();
  ExpectAnswer(request);
  EXPECT_TRUE(FailedWith(execution.End(), TRITONSERVER_ERROR_INVALID_ARG, {"to end"}));
  EXPECT_TRUE(FailedWith(execution.Defer(), TRITONSERVER_ERROR_INVALID_ARG));
  ExpectToServe("model");
}

TEST_F(Deferral, ACallThatFailsEndsIt) {
  ASSERT_TRUE(Succeeded(Load("model")));
  Outcome late;
  for (const bool throws : {false, true}) {
    TRITONBACKEND_ModelInstance* instance = nullptr;
    backend_.Execute([&](const Execution& execution) -> TRITONSERVER_Error* {
      instance = execution.instance;
      EXPECT_TRUE(Succeeded(execution.Defer()));
      if (throws) throw std::runtime_error("on second thoughts");
      return TRITONSERVER_ErrorNew(TRITONSERVER_ERROR_UNAVAILABLE, "on second thoughts");
    });
    Request request = Send("model");
    EXPECT_TRUE(FailedWith(request.Wait().outcome,
                           throws ? TRITONSERVER_ERROR_INTERNAL : TRITONSERVER_ERROR_UNAVAILABLE,
                           {"second thoughts"}));
    backend_.Execute(nullptr);
    ExpectToServe("model");  // so the failed one is over
    EXPECT_TRUE(FailedWith(Execution{instance, {}, {}}.End(), TRITONSERVER_ERROR_INVALID_ARG));
  }
  EXPECT_TRUE(Succeeded(server_.UnloadAndWait("model")));
}

// Schedulers ------------------------------------------------------------------------------------

TEST_F(Deferral, StepsOfEnsembles) {
  server_.repository().Add("pair", EnsembleConfig({"input"}, {"output"},
                                                  Echo("first", "input", "between") +
                                                      Echo("second", "between", "output")));
  ASSERT_TRUE(Succeeded(Load("first")));
  ASSERT_TRUE(Succeeded(Load("second")));
  ASSERT_TRUE(Succeeded(server_.Load("pair")));
  Request request = Send("pair", 5);
  const Execution first = backend_.Take();
  first.Answer();
  backend_.Take().AnswerAndEnd();  // the second step does not wait for the end of the first
  ExpectAnswer(request, 5);
  EXPECT_TRUE(Succeeded(first.End()));
}

class DeferredSequences : public Deferral, public testing::WithParamInterface<const char*> {};

TEST_P(DeferredSequences, AreExecutedOneRequestAfterTheOther) {
  ASSERT_TRUE(Succeeded(Load("model", Batching(GetParam(), ""))));
  std::vector<Request> requests;
  for (int step = 0; step < 4; ++step) {
    requests.push_back(EchoRequest(server_, "model", {static_cast<float>(step)}));
    requests.back().Sequence(7, (step == 0 ? kStart : 0) | (step == 3 ? kEnd : 0));
    ASSERT_TRUE(Succeeded(requests.back().Send()));
  }
  for (int step = 0; step < 4; ++step) {
    const Execution execution = backend_.Take();
    EXPECT_EQ(execution.requests.size(), 1u);
    execution.Answer();
    ExpectAnswer(requests[step], static_cast<float>(step));
    EXPECT_TRUE(backend_.empty());  // the instance is busy
    EXPECT_TRUE(Succeeded(execution.End()));
  }
}

INSTANTIATE_TEST_SUITE_P(All, DeferredSequences, testing::ValuesIn(kStrategies), StrategyName);

}  // namespace
}  // namespace trident::contract
