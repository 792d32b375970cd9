// What a backend has called when a request that it executes is cancelled.

#include "deferring.h"
#include "ensemble.h"

namespace trident::contract {
namespace {

// What a function was called with. Thread-safe.
struct Told {
  static void OnCancel(TRITONBACKEND_Request* request, void* userp) {
    Told& self = *static_cast<Told*>(userp);
    self.request = request;
    self.thread = std::this_thread::get_id();
    ++self.calls;
    if (self.then) self.then(request);
  }
  Outcome Hear(TRITONBACKEND_Request* of) {
    return Outcome::Of(TRITONBACKEND_TridentRequestSetCancelFn(of, &OnCancel, this));
  }

  std::atomic<int> calls{0};
  std::atomic<TRITONBACKEND_Request*> request{nullptr};
  std::atomic<std::thread::id> thread{};
  std::function<void(TRITONBACKEND_Request*)> then;  // set before anybody cancels
};

Outcome HearNoMore(TRITONBACKEND_Request* request) {
  return Outcome::Of(TRITONBACKEND_TridentRequestSetCancelFn(request, nullptr, nullptr));
}

class CancelFunction : public testing::Test {
 protected:
  void SetUp() override {
    for (const char* model : {"model", "first", "second"}) {
      server_.repository().Add(model, EchoConfig("deferring", TRITONSERVER_TYPE_FP32));
      ASSERT_TRUE(Succeeded(server_.Load(model)));
    }
  }
  Request Send(const std::string& model = "model") {
    Request request = EchoRequest(server_, model, {1});
    EXPECT_TRUE(Succeeded(request.Send()));
    return request;
  }

  DeferringBackend backend_;
  Server server_{With(backend_)};
};

TEST_F(CancelFunction, IsCalledOnceOnTheThreadThatCancels) {
  Request request = Send();
  const Execution execution = backend_.Take();
  Told told;
  ASSERT_TRUE(Succeeded(told.Hear(execution.requests[0])));
  EXPECT_EQ(told.calls, 0);
  ASSERT_TRUE(Succeeded(request.Cancel()));
  EXPECT_EQ(told.calls, 1);
  EXPECT_EQ(told.request, execution.requests[0]);
  EXPECT_EQ(told.thread.load(), std::this_thread::get_id());
  ASSERT_TRUE(Succeeded(request.Cancel()));
  EXPECT_EQ(told.calls, 1);
  execution.AnswerAndEnd();
  EXPECT_TRUE(Succeeded(request.Wait().outcome));
}

TEST_F(CancelFunction, IsCalledAtOnceWhenItComesTooLate) {
  Request request = Send();
  const Execution execution = backend_.Take();
  ASSERT_TRUE(Succeeded(request.Cancel()));
  Told told;
  ASSERT_TRUE(Succeeded(told.Hear(execution.requests[0])));
  EXPECT_EQ(told.calls, 1);
  execution.AnswerAndEnd();
}

TEST_F(CancelFunction, OnlyTheLastOneIsCalled) {
  Request request = Send();
  const Execution execution = backend_.Take();
  Told first, second;
  ASSERT_TRUE(Succeeded(first.Hear(execution.requests[0])));
  ASSERT_TRUE(Succeeded(second.Hear(execution.requests[0])));
  ASSERT_TRUE(Succeeded(request.Cancel()));
  EXPECT_EQ(first.calls, 0);
  EXPECT_EQ(second.calls, 1);
  execution.AnswerAndEnd();
}

TEST_F(CancelFunction, IsNotCalledWhenItIsNotWantedAnyMore) {
  Request request = Send();
  const Execution execution = backend_.Take();
  Told told;
  ASSERT_TRUE(Succeeded(HearNoMore(execution.requests[0])));  // of none
  ASSERT_TRUE(Succeeded(told.Hear(execution.requests[0])));
  ASSERT_TRUE(Succeeded(HearNoMore(execution.requests[0])));
  ASSERT_TRUE(Succeeded(request.Cancel()));
  EXPECT_EQ(told.calls, 0);
  execution.AnswerAndEnd();
}

TEST_F(CancelFunction, GoesWithTheRelease) {
  Request request = Send();
  Execution execution = backend_.Take();
  Told told;
  ASSERT_TRUE(Succeeded(told.Hear(execution.requests[0])));
  execution.AnswerAndEnd();
  EXPECT_TRUE(Succeeded(request.Wait().outcome));
  EXPECT_TRUE(FailedWith(told.Hear(execution.requests[0]), TRITONSERVER_ERROR_INVALID_ARG,
                         {"not being executed"}));
  ASSERT_TRUE(Succeeded(request.Cancel()));
  ASSERT_TRUE(Succeeded(request.Send()));  // which is not the one that was cancelled
  execution = backend_.Take();
  ASSERT_TRUE(Succeeded(request.Cancel()));
  EXPECT_EQ(told.calls, 0);
  execution.AnswerAndEnd();
}

TEST_F(CancelFunction, MayAnswerAndReleaseTheRequest) {
  Told told;
  TRITONBACKEND_ModelInstance* instance = nullptr;
  told.then = [&](TRITONBACKEND_Request* request) {
    Execution{instance, {request}, {}}.AnswerAndEnd();
  };
  for (int i = 0; i < 3; ++i) {
    Request request = Send();
    const Execution execution = backend_.Take();
    instance = execution.instance;
    ASSERT_TRUE(Succeeded(told.Hear(execution.requests[0])));
    ASSERT_TRUE(Succeeded(request.Cancel()));
    EXPECT_TRUE(request.answered());
    EXPECT_TRUE(Succeeded(request.Wait().outcome));
  }
  EXPECT_EQ(told.calls, 3);
}

TEST_F(CancelFunction, MaySetAnother) {
  Request request = Send();
  const Execution execution = backend_.Take();
  Told first, second;
  first.then = [&](TRITONBACKEND_Request* of) { ASSERT_TRUE(Succeeded(second.Hear(of))); };
  ASSERT_TRUE(Succeeded(first.Hear(execution.requests[0])));
  ASSERT_TRUE(Succeeded(request.Cancel()));
  EXPECT_EQ(first.calls, 1);
  EXPECT_EQ(second.calls, 1);  // it is cancelled already
  execution.AnswerAndEnd();
}

TEST_F(CancelFunction, IsOverWhenItIsNotWantedAnyMore) {
  Request request = Send();
  const Execution execution = backend_.Take();
  Told told;
  Event entered, leave;
  std::atomic<bool> left{false};
  told.then = [&](TRITONBACKEND_Request*) {
    entered.Set();
    leave.Wait();
    left = true;
  };
  ASSERT_TRUE(Succeeded(told.Hear(execution.requests[0])));
  std::thread canceller([&] { EXPECT_TRUE(Succeeded(request.Cancel())); });
  entered.Wait();
  std::thread backend([&] {
    EXPECT_TRUE(Succeeded(HearNoMore(execution.requests[0])));
    EXPECT_TRUE(left);
    execution.AnswerAndEnd();
  });
  leave.Set();
  canceller.join();
  backend.join();
}

TEST_F(CancelFunction, OfAStepHearsOfTheEnsemble) {
  server_.repository().Add("pair", EnsembleConfig({"input"}, {"output"},
                                                  Echo("first", "input", "between") +
                                                      Echo("second", "between", "output")));
  ASSERT_TRUE(Succeeded(server_.Load("pair")));
  for (int step = 0; step < 2; ++step) {
    Request request = Send("pair");
    for (int before = 0; before < step; ++before) backend_.Take().AnswerAndEnd();
    const Execution execution = backend_.Take();
    Told told;
    ASSERT_TRUE(Succeeded(told.Hear(execution.requests[0])));
    ASSERT_TRUE(Succeeded(request.Cancel()));
    EXPECT_EQ(told.calls, 1);
    execution.AnswerAndEnd();
    EXPECT_TRUE(FailedWith(request.Wait().outcome, TRITONSERVER_ERROR_CANCELLED, {"'pair'"}));
  }
}

// A client that cancels while the backend sets, takes back and releases, in every order that
// threads find: the function is called at most once, and not after it was taken back.
TEST_F(CancelFunction, RacesWithItsEnd) {
  std::atomic<int> called{0};
  for (int i = 0; i < 1000; ++i) {
    Request request = Send();
    Told told;
    std::thread backend([&] {
      const Execution execution = backend_.Take();
      EXPECT_TRUE(Succeeded(told.Hear(execution.requests[0])));
      if (i % 2 == 0) {
        EXPECT_TRUE(Succeeded(HearNoMore(execution.requests[0])));
        const int calls = told.calls;
        execution.AnswerAndEnd();
        EXPECT_EQ(told.calls, calls);
      } else {
        execution.AnswerAndEnd();
      }
      EXPECT_LE(told.calls, 1);
    });
    ASSERT_TRUE(Succeeded(request.Cancel()));
    if (request.Wait().ok()) {
      backend.join();
    } else {  // it was cancelled before it was executed
      EXPECT_EQ(told.calls, 0);
      Request filler = Send();
      backend.join();
      filler.Wait();
    }
    called += told.calls;
  }
  RecordProperty("called", called);
}

}  // namespace
}  // namespace trident::contract
