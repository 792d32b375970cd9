// What callbacks of a trace may do without harm to what is traced.

#include <sys/resource.h>

#include <atomic>
#include <stdexcept>

#include "echo.h"

namespace trident::contract {
namespace {

// Of the calling thread: how often it has gone to sleep.
int64_t Sleeps() {
  rusage usage{};
  getrusage(RUSAGE_THREAD, &usage);
  return usage.ru_nvcsw;
}

// Throws out of every callback.
struct Thrower {
  TRITONSERVER_InferenceTrace* NewTrace() {
    TRITONSERVER_InferenceTrace* trace = nullptr;
    const auto level = static_cast<TRITONSERVER_InferenceTraceLevel>(
        TRITONSERVER_TRACE_LEVEL_TIMESTAMPS | TRITONSERVER_TRACE_LEVEL_TENSORS);
    Must(TRITONSERVER_InferenceTraceTensorNew(&trace, level, 0, OnActivity, OnTensor, OnRelease,
                                              this));
    return trace;
  }

  static void OnActivity(TRITONSERVER_InferenceTrace*, TRITONSERVER_InferenceTraceActivity activity,
                         uint64_t, void* userp) {
    auto* const self = static_cast<Thrower*>(userp);
    ++self->activities;
    if (activity == TRITONSERVER_TRACE_REQUEST_END && self->at_end) self->at_end();
    throw std::runtime_error("activity");
  }
  static void OnTensor(TRITONSERVER_InferenceTrace*, TRITONSERVER_InferenceTraceActivity,
                       const char*, TRITONSERVER_DataType, const void*, size_t, const int64_t*,
                       uint64_t, TRITONSERVER_MemoryType, int64_t, void* userp) {
    ++static_cast<Thrower*>(userp)->tensors;
    throw 7;
  }
  static void OnRelease(TRITONSERVER_InferenceTrace* trace, void* userp) {
    Must(TRITONSERVER_InferenceTraceDelete(trace));
    static_cast<Thrower*>(userp)->released.Set();
    throw std::runtime_error("release");
  }

  std::function<void()> at_end;
  std::atomic<int> activities{0}, tensors{0};
  Event released;
};

class Trace : public testing::TestWithParam<const char*> {
 protected:
  void SetUp() override { LoadEcho(&server_, "echo", GetParam(), TRITONSERVER_TYPE_FP32); }

  Server server_;
  Thrower thrower_;
};

TEST_P(Trace, ExceptionsOutOfItsCallbacksGoNoFurther) {
  const Answer answer = EchoRequest(server_, "echo", {1, 2}).Trace(thrower_.NewTrace()).Infer();
  ASSERT_TRUE(Succeeded(answer.outcome));
  EXPECT_EQ(answer.output("output").bytes, BytesOf(std::vector<float>{1, 2}));
  thrower_.released.Wait();
  EXPECT_EQ(thrower_.activities, 7);
  EXPECT_EQ(thrower_.tensors, 3);
  EXPECT_TRUE(Succeeded(EchoRequest(server_, "echo", {3}).Infer().outcome));
}

// Elsewhere a call that changes an answered request waits for the release, which comes after this.
TEST_P(Trace, NobodyWaitsForTheReleaseInItsCallbacks) {
  Request request = EchoRequest(server_, "echo", {1});
  std::string refusal;
  int64_t sleeps = 0;
  thrower_.at_end = [&] {
    const int64_t before = Sleeps();
    try {
      request.Priority(1);
    } catch (const std::runtime_error& error) {
      refusal = error.what();
    }
    sleeps = Sleeps() - before;
  };
  EXPECT_TRUE(Succeeded(request.Trace(thrower_.NewTrace()).Infer().outcome));
  thrower_.released.Wait();
  EXPECT_NE(refusal.find("has not been released yet"), std::string::npos) << refusal;
  EXPECT_LT(sleeps, 10);
}

INSTANTIATE_TEST_SUITE_P(All, Trace, testing::ValuesIn(kBackends),
                         [](const auto& info) { return std::string(info.param); });

}  // namespace
}  // namespace trident::contract
