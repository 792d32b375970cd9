#include "inference/cancel_notice.h"

#include <gtest/gtest.h>

#include <atomic>
#include <future>
#include <thread>

#include "inference/response.h"
#include "support/fake_model.h"

namespace trident {
namespace {

TEST(CancelNotice, CallsTheLastFunctionOnce) {
  CancelNotice notice;
  InferenceRequest* called_with = nullptr;
  int calls = 0;
  EXPECT_FALSE(notice.Call(nullptr)) << "there is none";
  notice.Set([&](InferenceRequest*) { ADD_FAILURE() << "it was replaced"; });
  notice.Set([&](InferenceRequest* request) {
    called_with = request;
    ++calls;
  });
  FakeRequest fake(std::make_shared<FakeTarget>(), Shape{1, 1});
  EXPECT_TRUE(notice.Call(&fake.request));
  EXPECT_EQ(called_with, &fake.request);
  EXPECT_FALSE(notice.Call(&fake.request));
  notice.Set([&](InferenceRequest*) { ++calls; });
  notice.Set(nullptr);
  EXPECT_FALSE(notice.Call(&fake.request));
  EXPECT_EQ(calls, 1);
}

TEST(CancelNotice, AFunctionMaySetAnother) {
  CancelNotice notice;
  int calls = 0;
  notice.Set([&](InferenceRequest*) {
    notice.Set([&](InferenceRequest*) { ++calls; });
    EXPECT_FALSE(notice.Call(nullptr)) << "it is being called";
    EXPECT_EQ(calls, 0);
  });
  EXPECT_TRUE(notice.Call(nullptr));
  EXPECT_EQ(calls, 1) << "by whoever called the first";
}

TEST(CancelNotice, ReplacingWaitsForTheCallOfAnother) {
  CancelNotice notice;
  std::promise<void> entered, leave;
  std::atomic<bool> left{false};
  notice.Set([&](InferenceRequest*) {
    entered.set_value();
    leave.get_future().wait();
    left = true;
  });
  std::thread caller([&] { EXPECT_TRUE(notice.Call(nullptr)); });
  entered.get_future().wait();
  std::thread replacer([&] {
    notice.Set(nullptr);
    EXPECT_TRUE(left);
  });
  leave.set_value();
  caller.join();
  replacer.join();
}

// Whatever the order in which one says "cancelled" and the other "tell me", it is told once, and
// not after it has said "no more".
TEST(CancelNotice, OfAChannelRacesWithTheCancellation) {
  const auto target = std::make_shared<FakeTarget>();
  for (int i = 0; i < 2000; ++i) {
    ResponseChannel channel(target, nullptr, "");
    int calls = 0;  // no atomic: whoever looks has waited for the call
    std::thread canceller([&] { channel.Cancel(nullptr); });
    channel.TellOfCancel(nullptr, [&](InferenceRequest*) { ++calls; });
    if (i % 2 == 0) {
      channel.ForgetCancelFunction();
      const int seen = calls;
      canceller.join();
      EXPECT_EQ(calls, seen);
    } else {
      canceller.join();
      channel.ForgetCancelFunction();
      EXPECT_EQ(calls, 1);
    }
  }
}

// A request without inputs that is being executed and is cancelled already.
std::unique_ptr<InferenceRequest> Cancelled(const std::shared_ptr<RecordingSink>& sink) {
  auto request = std::make_unique<InferenceRequest>(std::make_shared<FakeTarget>(), -1);
  request->sink = sink;
  request->Submit(1);
  request->MarkExecuting();
  EXPECT_TRUE(request->Cancel().ok());
  return request;
}

TEST(CancelNotice, ThatIsCalledAtOnceMayBeTheEndOfItsRequest) {
  const auto sink = std::make_shared<RecordingSink>();
  std::unique_ptr<InferenceRequest> owner = Cancelled(sink);
  InferenceRequest* const request = owner.get();
  request->on_release = [&](InferenceRequest*, uint32_t) { owner = nullptr; };
  request->TellOfCancel([](InferenceRequest* cancelled) { RequestPtr(cancelled).reset(); });
  EXPECT_EQ(owner, nullptr);
  EXPECT_EQ(sink->finals, 1);
  sink->responses.clear();  // which hold the sink
}

TEST(CancelNotice, ThatIsCalledAtOnceMayBeFollowedByAnotherSubmission) {
  const auto sink = std::make_shared<RecordingSink>();
  const std::unique_ptr<InferenceRequest> request = Cancelled(sink);
  int releases = 0;
  request->on_release = [&](InferenceRequest* released, uint32_t) {
    if (++releases == 1) released->Submit(2);
  };
  request->TellOfCancel([](InferenceRequest* cancelled) { RequestPtr(cancelled).reset(); });
  EXPECT_FALSE(request->IsCancelled());
  int calls = 0;
  request->TellOfCancel([&](InferenceRequest*) { ++calls; });
  EXPECT_EQ(calls, 0) << "this submission was not cancelled";
  RequestPtr(request.get()).reset();
  EXPECT_EQ(releases, 2);
  sink->responses.clear();
}

}  // namespace
}  // namespace trident
