// Decoupled models: any number of responses a request, in the end a flag, and response factories
// that outlive the request. The backend is test/backends/repeat.

#include <atomic>
#include <cstdlib>

#include "echo.h"

namespace trident::contract {
namespace {

std::string RepeatConfig(const std::string& more = "") {
  return "backend: \"repeat\" max_batch_size: 4 "
         "input { name: \"input\" data_type: TYPE_FP32 dims: -1 } "
         "input { name: \"count\" data_type: TYPE_INT32 dims: 1 } "
         "output { name: \"output\" data_type: TYPE_FP32 dims: -1 } "
         "output { name: \"index\" data_type: TYPE_INT32 dims: 1 } "
         "instance_group { kind: KIND_CPU count: 1 } " +
         more;
}

constexpr const char* kDecoupled = "model_transaction_policy { decoupled: true } ";

class Decoupled : public testing::Test {
 protected:
  void SetUp() override { LoadWith(""); }

  void LoadWith(const std::string& more) {
    server_.repository().Add("repeat", RepeatConfig(kDecoupled + more));
    ASSERT_TRUE(Succeeded(server_.Load("repeat")));
  }

  Request Repeat(int32_t count, const std::vector<float>& numbers = {1, 2, 3}) {
    Request request(server_, "repeat");
    request.Input("input", TRITONSERVER_TYPE_FP32, {1, static_cast<int64_t>(numbers.size())},
                  BytesOf(numbers));
    request.Input("count", TRITONSERVER_TYPE_INT32, {1, 1}, BytesOf(std::vector<int32_t>{count}));
    request.Stream();
    return request;
  }

  Server server_;
};

// Statement: a decoupled model sends no, one or many responses.
TEST_F(Decoupled, ARequestHasAnyNumberOfResponses) {
  for (const int count : {0, 1, 2, 200}) {
    Request request = Repeat(count, {4, 5});
    request.Infer();
    ASSERT_EQ(request.answers().size(), static_cast<size_t>(count));
    for (int32_t i = 0; i < count; ++i) {
      const Answer& answer = request.answers()[i];
      ASSERT_TRUE(Succeeded(answer.outcome));
      EXPECT_EQ(answer.output("output").bytes, BytesOf(std::vector<float>{4, 5}));
      EXPECT_EQ(answer.output("index").bytes, BytesOf(std::vector<int32_t>{i}));
      EXPECT_EQ(answer.parameters.at("left"), count - i - 1);
    }
  }
  EXPECT_EQ(server_.Successes("repeat"), 4);
}

// Statement: FINAL goes alone, with a null response, or with the last response.
TEST_F(Decoupled, TheFinalFlagComesAloneOrWithTheLastResponse) {
  for (const std::string place : {"alone", "with"}) {
    std::atomic<int> callbacks{0};
    Request request = Repeat(3);
    request.Set("final", place).OnAnswer([&] { ++callbacks; });
    request.Infer();
    EXPECT_EQ(request.answers().size(), 3u);
    EXPECT_EQ(callbacks, place == "alone" ? 4 : 3);
  }
}

// Statement: an error response does not end a decoupled request; FINAL does.
TEST_F(Decoupled, AnErrorIsOneResponseOfMany) {
  Request request = Repeat(4);
  request.Set("fail_at", 1);
  request.Infer();
  ASSERT_EQ(request.answers().size(), 4u);
  for (size_t i = 0; i < 4; ++i) {
    const Outcome& outcome = request.answers()[i].outcome;
    if (i == 1) {
      EXPECT_TRUE(FailedWith(outcome, TRITONSERVER_ERROR_INTERNAL, {"response 1"}));
    } else {
      EXPECT_TRUE(Succeeded(outcome));
    }
  }
}

// Statement: response statistics are keyed by the index of the response in its request's answer.
TEST_F(Decoupled, ResponseStatisticsTellTheResponsesOfARequestApart) {
  const auto count = [this](const std::string& what) {
    return server_.Statistics("repeat").Number("/model_stats/0/response_stats/" + what + "/count");
  };
  EXPECT_EQ(server_.Statistics("repeat").Size("/model_stats/0/response_stats"), 0u);
  Request two = Repeat(2), three = Repeat(3);
  two.Infer();
  three.Set("fail_at", 1).Set("final", "with");
  three.Infer();
  EXPECT_EQ(server_.Statistics("repeat").Size("/model_stats/0/response_stats"), 3u);
  EXPECT_EQ(count("0/success"), 2);
  EXPECT_EQ(count("0/compute_infer"), 2);
  EXPECT_EQ(count("0/compute_output"), 2);
  EXPECT_EQ(count("1/success"), 1);
  EXPECT_EQ(count("1/fail"), 1);
  EXPECT_EQ(count("2/success"), 1);
  EXPECT_EQ(count("2/empty_response"), 1);  // the flag that ended the first request
  EXPECT_EQ(count("2/compute_infer"), 2);
  EXPECT_EQ(count("2/compute_output"), 1);

  Request endless = Repeat(-1);
  endless.OnAnswer([&, seen = 0]() mutable {
    if (++seen == 1) {
      EXPECT_TRUE(Succeeded(endless.Cancel()));
    }
  });
  endless.Infer();
  const auto last = std::to_string(endless.answers().size() - 1);
  EXPECT_EQ(count(last + "/cancel"), 1);
}

TEST_F(Decoupled, ARequestMayBeReleasedBeforeItsResponsesOrAfter) {
  for (const bool late : {false, true}) {
    Request request = Repeat(3);
    std::vector<bool> released;
    if (late) request.Set("release", "late");
    request.OnAnswer([&] { released.push_back(request.released()); });
    request.Infer();
    EXPECT_EQ(released, std::vector<bool>(4, !late));
  }
}

// Statement: backends see a cancel through the response factory.
TEST_F(Decoupled, ACancelEndsAnEndlessAnswer) {
  Request request = Repeat(-1);
  int callbacks = 0;
  request.OnAnswer([&] {
    const bool third = ++callbacks == 3;
    EXPECT_TRUE(!third || Succeeded(request.Cancel()));
  });
  EXPECT_TRUE(FailedWith(request.Infer().outcome, TRITONSERVER_ERROR_CANCELLED));
  ASSERT_EQ(request.answers().size(), 4u);
  for (int i = 0; i < 3; ++i) {
    EXPECT_TRUE(Succeeded(request.answers()[i].outcome));
    EXPECT_EQ(request.answers()[i].parameters.at("left"), -1);
  }
}

TEST_F(Decoupled, ACancelEndsAWaitingAnswer) {
  Request request = Repeat(5);
  Event reached;
  request.Set("stop_at", 2).OnAnswer([&, seen = 0]() mutable {
    if (++seen == 2) reached.Set();
  });
  ASSERT_TRUE(Succeeded(request.Send()));
  reached.Wait();
  EXPECT_TRUE(Succeeded(request.Cancel()));
  EXPECT_TRUE(FailedWith(request.Wait().outcome, TRITONSERVER_ERROR_CANCELLED));
  EXPECT_EQ(request.answers().size(), 3u);
}

// Nobody waits for ever: the server ends what the backend leaves open.
TEST_F(Decoupled, AForgottenFinalFlagIsAnError) {
  for (const int count : {0, 2}) {
    Request request = Repeat(count);
    request.Set("final", "never");
    EXPECT_TRUE(FailedWith(request.Infer().outcome, TRITONSERVER_ERROR_INTERNAL,
                           {"'repeat'", "without a final response"}));
    EXPECT_EQ(request.answers().size(), count + 1u);
  }
}

TEST_F(Decoupled, BadInputEndsItsRequestAlone) {
  Request request(server_, "repeat");
  request.Input("input", TRITONSERVER_TYPE_FP32, {1, 1}, std::string(4, '\0')).Stream();
  EXPECT_TRUE(FailedWith(request.Infer().outcome, TRITONSERVER_ERROR_INVALID_ARG, {"'count'"}));
  EXPECT_EQ(Repeat(2).Infer().parameters.at("left"), 0);
}

TEST_F(Decoupled, ARequestCanBeSentAgain) {
  Request request = Repeat(2);
  for (int i = 0; i < 3; ++i) {
    EXPECT_TRUE(Succeeded(request.Infer().outcome));
    EXPECT_EQ(request.answers().size(), 2u);
  }
}

TEST_F(Decoupled, OneAnswerDoesNotWaitForAnother) {
  Request blocked = Repeat(2);
  Event entered, leave;
  blocked.OnAnswer([&] {
    entered.Set();
    leave.Wait();
  });
  ASSERT_TRUE(Succeeded(blocked.Send()));
  entered.Wait();
  Request other = Repeat(3);
  other.Infer();
  EXPECT_EQ(other.answers().size(), 3u);
  EXPECT_FALSE(blocked.answered());
  leave.Set();
  blocked.Wait();
  EXPECT_EQ(blocked.answers().size(), 2u);
}

TEST_F(Decoupled, RequestsOfABatchHaveResponsesOfTheirOwn) {
  LoadWith("dynamic_batching { max_queue_delay_microseconds: 60000000 } ");
  std::vector<Request> requests;
  for (int i = 0; i < 4; ++i) requests.push_back(Repeat(i, {static_cast<float>(i)}));
  for (const Outcome& outcome : Request::SendTogether(server_, requests)) {
    ASSERT_TRUE(Succeeded(outcome));
  }
  for (int i = 0; i < 4; ++i) {
    requests[i].Wait();
    ASSERT_EQ(requests[i].answers().size(), static_cast<size_t>(i));
    for (const Answer& answer : requests[i].answers()) {
      EXPECT_EQ(answer.output("output").bytes, BytesOf(std::vector<float>{static_cast<float>(i)}));
    }
  }
  EXPECT_EQ(server_.Batches("repeat"), (std::map<int64_t, int64_t>{{4, 1}}));
}

TEST_F(Decoupled, OnlyTheOutputsAskedForAreMade) {
  Request request = Repeat(2);
  request.Output("index");
  request.Infer();
  for (const Answer& answer : request.answers()) {
    EXPECT_EQ(answer.outputs.size(), 1u);
    EXPECT_EQ(answer.outputs.count("index"), 1u);
  }
}

// Statement: a response factory keeps the model alive.
TEST_F(Decoupled, TheModelStaysUntilTheLastResponse) {
  Request request = Repeat(-1);
  Event entered, leave;
  request.OnAnswer([&] {
    if (entered.happened()) return;
    entered.Set();
    leave.Wait();
  });
  ASSERT_TRUE(Succeeded(request.Send()));
  entered.Wait();
  EXPECT_TRUE(request.released());
  EXPECT_TRUE(Succeeded(server_.Unload("repeat")));
  EXPECT_FALSE(server_.Ready("repeat"));
  EXPECT_FALSE(server_.UnloadAndWait("repeat", 1).ok());
  EXPECT_TRUE(Succeeded(request.Cancel()));
  leave.Set();
  EXPECT_TRUE(FailedWith(request.Wait().outcome, TRITONSERVER_ERROR_CANCELLED));
  EXPECT_TRUE(Succeeded(server_.UnloadAndWait("repeat")));
}

// The client deletes the request as soon as it has it back, long before the responses come.
struct Orphan {
  static TRITONSERVER_Error* Allocate(TRITONSERVER_ResponseAllocator*, const char*,
                                      size_t byte_size, TRITONSERVER_MemoryType, int64_t, void*,
                                      void** buffer, void** userp, TRITONSERVER_MemoryType*,
                                      int64_t*) {
    *buffer = malloc(byte_size);
    *userp = nullptr;
    return nullptr;
  }
  static TRITONSERVER_Error* Free(TRITONSERVER_ResponseAllocator*, void* buffer, void*, size_t,
                                  TRITONSERVER_MemoryType, int64_t) {
    free(buffer);
    return nullptr;
  }
  static void OnRelease(TRITONSERVER_InferenceRequest* request, uint32_t, void* userp) {
    Must(TRITONSERVER_InferenceRequestDelete(request));
    static_cast<Orphan*>(userp)->deleted = true;
  }
  static void OnResponse(TRITONSERVER_InferenceResponse* response, uint32_t flags, void* userp) {
    auto* orphan = static_cast<Orphan*>(userp);
    EXPECT_TRUE(orphan->deleted);
    if (response != nullptr) {
      EXPECT_TRUE(Succeeded(Outcome::Of(TRITONSERVER_InferenceResponseError(response))));
      Must(TRITONSERVER_InferenceResponseDelete(response));
      ++orphan->responses;
    }
    if ((flags & TRITONSERVER_RESPONSE_COMPLETE_FINAL) != 0) orphan->ended.Set();
  }

  std::atomic<bool> deleted{false};
  std::atomic<int> responses{0};
  Event ended;
};

TEST_F(Decoupled, ResponsesOutliveTheirRequest) {
  TRITONSERVER_ResponseAllocator* allocator = nullptr;
  Must(TRITONSERVER_ResponseAllocatorNew(&allocator, Orphan::Allocate, Orphan::Free, nullptr));
  Orphan orphan;
  TRITONSERVER_InferenceRequest* request = nullptr;
  Must(TRITONSERVER_InferenceRequestNew(&request, server_.handle(), "repeat", -1));
  const float number = 7;
  const int32_t count = 5;
  const int64_t shape[] = {1, 1};
  Must(TRITONSERVER_InferenceRequestAddInput(request, "input", TRITONSERVER_TYPE_FP32, shape, 2));
  Must(TRITONSERVER_InferenceRequestAppendInputData(request, "input", &number, sizeof(number),
                                                    TRITONSERVER_MEMORY_CPU, 0));
  Must(TRITONSERVER_InferenceRequestAddInput(request, "count", TRITONSERVER_TYPE_INT32, shape, 2));
  Must(TRITONSERVER_InferenceRequestAppendInputData(request, "count", &count, sizeof(count),
                                                    TRITONSERVER_MEMORY_CPU, 0));
  Must(TRITONSERVER_InferenceRequestSetReleaseCallback(request, Orphan::OnRelease, &orphan));
  Must(TRITONSERVER_InferenceRequestSetResponseCallback(request, allocator, nullptr,
                                                        Orphan::OnResponse, &orphan));
  Must(TRITONSERVER_ServerInferAsync(server_.handle(), request, nullptr));
  orphan.ended.Wait();
  EXPECT_EQ(orphan.responses, count);
  Must(TRITONSERVER_ResponseAllocatorDelete(allocator));
}

TEST(NotDecoupled, ABackendMayRefuseToBe) {
  Server server;
  server.repository().Add("repeat", RepeatConfig());
  EXPECT_TRUE(
      FailedWith(server.Load("repeat"), TRITONSERVER_ERROR_INVALID_ARG, {"'repeat'", "decoupled"}));
}

}  // namespace
}  // namespace trident::contract
