// Responses in the order in which requests reached the scheduler, whoever
// answers them.

#include "scheduler/ordering.h"

#include <atomic>
#include <random>
#include <thread>

#include "queue_fixture.h"
#include "support/take_inline.h"

namespace trident {
namespace {

// Writes down each response of each request in the order of their delivery: "3"
// or, final, "3!".
class Ordered : public QueueFixture {
 protected:
  class Client : public ResponseSink {
   public:
    explicit Client(Ordered* test, std::string id) : test_(test), id_(std::move(id)) {}
    Status Allocate(const char*, uint64_t byte_size, OutputBuffer* buffer) override {
      buffer->data = new char[byte_size];
      return Status::Ok();
    }
    void Free(const OutputBuffer& buffer) override { delete[] static_cast<char*>(buffer.data); }
    Status Query(const char*, uint64_t* byte_size, BufferAttributes*) override {
      *byte_size = 42;
      return Status::Ok();
    }
    void Deliver(ResponsePtr response, uint32_t flags) override {
      const bool final = (flags & kResponseFinal) != 0;
      test_->delivered_.push_back(id_ + (response == nullptr ? "-" : "") + (final ? "!" : ""));
      if (response != nullptr) test_->codes_[id_] = response->status().code();
      response = nullptr;
      if (test_->on_delivery_) test_->on_delivery_(id_);
    }

   private:
    Ordered* const test_;
    const std::string id_;
  };

  Ordered() {
    order_ = std::make_shared<ResponseOrder>();
    batching_.max_batch_size = 1;
  }

  FakeRequest& Enqueue(uint64_t timeout_us = 0) {
    FakeRequest& fake = Add(0, timeout_us);
    fake.request.sink = std::make_shared<Client>(this, fake.request.id);
    EXPECT_TRUE(TryEnqueue(fake).ok());
    return fake;
  }
  RequestPtr TakeOne(size_t instance) {
    Batch batch;
    EXPECT_EQ(Take(instance, &batch).size(), 1u);
    scheduler_->Finished(instance);
    return std::move(batch.front());
  }
  static void Send(const InferenceRequest& request, uint32_t flags) {
    EXPECT_TRUE(InferenceResponse::Send(InferenceResponse::New(request.channel()), flags).ok());
  }
  void ExpectAllReleased() {
    for (const auto& fake : requests_) EXPECT_EQ(fake->releases, 1) << fake->request.id;
    EXPECT_EQ(target_->in_flight.load(), 0);
  }

  Ids delivered_;
  std::map<std::string, StatusCode> codes_;
  std::function<void(const std::string&)> on_delivery_;
};

TEST_F(Ordered, AcrossInstances) {
  Make();
  Enqueue(), Enqueue(), Enqueue();
  RequestPtr first = TakeOne(0);
  RequestPtr second = TakeOne(1);
  RequestPtr third = TakeOne(1);
  Answer(std::move(third));
  Answer(std::move(second));
  EXPECT_EQ(delivered_, Ids());
  Answer(std::move(first));
  EXPECT_EQ(delivered_, Ids({"0!", "1!", "2!"}));
  ExpectAllReleased();
}

TEST_F(Ordered, SeveralResponsesOfADecoupledRequest) {
  Make();
  Enqueue(), Enqueue();
  RequestPtr first = TakeOne(0);
  RequestPtr second = TakeOne(1);
  Send(*second, 0);
  Send(*first, 0);
  Send(*second, kResponseFinal);
  Send(*first, 0);
  EXPECT_EQ(delivered_, Ids({"0", "0"})) << "those of the first are not held back";
  ASSERT_TRUE(first->channel()->Send(nullptr, kResponseFinal).ok());
  EXPECT_EQ(delivered_, Ids({"0", "0", "0-!", "1", "1!"}));
  first = nullptr;
  second = nullptr;
  ExpectAllReleased();
}

TEST_F(Ordered, FailuresTimeoutsAndCancellations) {
  policies_.default_policy = {.timeout_ns = 1000 * 1000, .allow_timeout_override = true};
  Make();
  Enqueue();
  RequestPtr first = TakeOne(0);
  FakeRequest& failing = Enqueue();
  RequestPtr second = TakeOne(1);
  Enqueue(10);
  FakeRequest& cancelled = Enqueue();
  ASSERT_TRUE(cancelled.request.Cancel().ok());
  scheduler_->Cancel(&cancelled.request);
  AdvanceTo(clock_.now_ns + 10 * 1000);
  RespondError(std::move(second), Internal("the test says so"));
  EXPECT_EQ(failing.releases, 1) << "only the response is held back";
  EXPECT_EQ(delivered_, Ids());
  Answer(std::move(first));
  EXPECT_EQ(delivered_, Ids({"0!", "1!", "2!", "3!"}));
  EXPECT_EQ(codes_["0"], StatusCode::kOk);
  EXPECT_EQ(codes_["1"], StatusCode::kInternal);
  EXPECT_EQ(codes_["2"], StatusCode::kUnavailable);
  EXPECT_EQ(codes_["3"], StatusCode::kCancelled);
  ExpectAllReleased();
}

// As a model does that finds the answer before it asks its scheduler.
TEST_F(Ordered, AnswersThatNeedNoScheduler) {
  Make();
  Enqueue();
  FakeRequest& hit = Add();
  hit.request.sink = std::make_shared<Client>(this, hit.request.id);
  RequestPtr request = hit.Submit(clock_.now_ns);
  order_->Reserve(request.get());
  Answer(std::move(request));
  EXPECT_EQ(delivered_, Ids());
  Answer(TakeOne(0));
  EXPECT_EQ(delivered_, Ids({"0!", "1!"}));
  ExpectAllReleased();
}

TEST_F(Ordered, APlaceIsTakenOnce) {
  Make();
  FakeRequest& early = Add();
  early.request.sink = std::make_shared<Client>(this, early.request.id);
  RequestPtr request = early.Submit(clock_.now_ns);
  order_->Reserve(request.get());
  Enqueue();
  Status outcome;
  scheduler_->Enqueue({&request, 1}, {&outcome, 1});
  ASSERT_TRUE(outcome.ok());
  Answer(TakeOne(0));
  EXPECT_EQ(delivered_, Ids()) << "the one that was first to reserve is first";
  Answer(TakeOne(0));
  EXPECT_EQ(delivered_, Ids({"0!", "1!"}));
}

TEST_F(Ordered, ARefusedRequestLeavesTheLine) {
  policies_.default_policy.max_size = 1;
  Make();
  Enqueue();
  FakeRequest& refused = Add();
  EXPECT_EQ(TryEnqueue(refused).code(), StatusCode::kUnavailable);
  RequestPtr first = TakeOne(0);
  Enqueue();
  Answer(TakeOne(1));
  Answer(std::move(first));
  EXPECT_EQ(delivered_, Ids({"0!", "2!"}));
}

TEST_F(Ordered, ARefusedRequestThatWasFirstLetsTheNextGo) {
  Make();
  FakeRequest& refused = Add();
  RequestPtr request = refused.Submit(clock_.now_ns);
  order_->Reserve(request.get());
  Enqueue();
  Answer(TakeOne(0));
  EXPECT_EQ(delivered_, Ids());
  request.release()->Withdraw();
  EXPECT_EQ(delivered_, Ids({"1!"}));
}

TEST_F(Ordered, ARequestThatIsLetGoWithoutAnAnswerEndsToo) {
  Make();
  Enqueue(), Enqueue();
  RequestPtr first = TakeOne(0);
  Answer(TakeOne(1));
  first = nullptr;
  EXPECT_EQ(delivered_, Ids({"0!", "1!"}));
  EXPECT_EQ(codes_["0"], StatusCode::kInternal);
}

TEST_F(Ordered, ADestroyedSchedulerAnswersInOrder) {
  Make();
  Enqueue(), Enqueue();
  RequestPtr first = TakeOne(0);
  scheduler_ = nullptr;
  Answer(std::move(first));
  EXPECT_EQ(delivered_, Ids({"0!", "1!"}));
}

TEST_F(Ordered, TheSameRequestMayComeAgainBeforeItsLastAnswerIsOut) {
  Make();
  Enqueue();
  RequestPtr first = TakeOne(0);
  FakeRequest& again = Enqueue();
  Answer(TakeOne(1));
  ASSERT_EQ(again.releases, 1);
  ASSERT_TRUE(TryEnqueue(again).ok());
  Answer(TakeOne(1));
  Answer(std::move(first));
  EXPECT_EQ(delivered_, Ids({"0!", "1!", "1!"}));
}

TEST_F(Ordered, MemoryIsTheClients) {
  Make();
  Enqueue();
  RequestPtr first = TakeOne(0);
  uint64_t byte_size = 0;
  BufferAttributes attributes;
  EXPECT_TRUE(first->channel()->sink()->Query("out", &byte_size, &attributes).ok());
  EXPECT_EQ(byte_size, 42u);
  ResponsePtr response = InferenceResponse::New(first->channel());
  OutputTensor* out = response->AddOutput("out", DataType::kFp32, {1, 1});
  ASSERT_TRUE(out->Allocate(sizeof(float), {}).ok());
  ASSERT_TRUE(InferenceResponse::Send(std::move(response), kResponseFinal).ok());
}

TEST_F(Ordered, NothingRunsInline) {
  Make();
  size_t instance = 9;
  EXPECT_FALSE(TakeInline(*scheduler_, target_, 1, kNever, &instance));
}

// A client that asks for more from its callback gets its answers one after the
// other, not each from within the last: the stack does not grow.
TEST_F(Ordered, AnswersFromWithinADeliveryDoNotNest) {
  Make();
  int depth = 0;
  int deepest = 0;
  on_delivery_ = [&](const std::string&) {
    deepest = std::max(deepest, ++depth);
    if (requests_.size() < 1000) {
      Enqueue();
      Answer(TakeOne(0));
    }
    --depth;
  };
  Enqueue();
  Answer(TakeOne(0));
  EXPECT_EQ(deepest, 1);
  ASSERT_EQ(delivered_.size(), 1000u);
  for (size_t i = 0; i < delivered_.size(); ++i) EXPECT_EQ(delivered_[i], std::to_string(i) + "!");
}

// Any order of answers: what is delivered is always a beginning of what was
// asked for.
TEST_F(Ordered, HoldsForRandomOrdersOfAnswers) {
  const unsigned seed = std::random_device{}();
  SCOPED_TRACE("seed " + std::to_string(seed));
  std::mt19937 random(seed);
  Make();
  std::vector<RequestPtr> running;
  size_t expected = 0;
  const auto check = [&] {
    for (; expected < delivered_.size(); ++expected) {
      ASSERT_EQ(delivered_[expected], std::to_string(expected) + "!");
    }
  };
  for (int step = 0; step < 3000; ++step) {
    if (random() % 2 == 0) {
      Enqueue();
      running.push_back(TakeOne(0));
    } else if (!running.empty()) {
      std::swap(running[random() % running.size()], running.back());
      if (random() % 4 == 0) {
        RespondError(std::move(running.back()), Internal("the test says so"));
      } else if (random() % 8 != 0) {
        Answer(std::move(running.back()));
      }
      running.pop_back();
    }
    check();
  }
  running.clear();
  check();
  EXPECT_EQ(expected, requests_.size());
  ExpectAllReleased();
}

// Several threads answer what one thread asks for. Under the thread sanitizer
// this is the race test.
TEST(OrderedThreads, DeliverInOrderAndOneAtATime) {
  constexpr int kRequests = 3000;
  class Client : public RecordingSink {
   public:
    Client(std::atomic<int>* at_once, std::vector<int>* order, int number)
        : at_once_(at_once), order_(order), number_(number) {}
    void Deliver(ResponsePtr, uint32_t) override {
      EXPECT_EQ(at_once_->fetch_add(1), 0);
      order_->push_back(number_);  // a race, if two delivered at once
      at_once_->fetch_sub(1);
    }

   private:
    std::atomic<int>* const at_once_;
    std::vector<int>* const order_;
    const int number_;
  };
  const auto target = std::make_shared<FakeTarget>();
  const auto order = std::make_shared<ResponseOrder>();
  std::atomic<int> at_once{0};
  std::vector<int> delivered;
  std::vector<std::unique_ptr<FakeRequest>> requests;
  std::vector<RequestPtr> running;
  for (int i = 0; i < kRequests; ++i) {
    requests.push_back(std::make_unique<FakeRequest>(target, Shape{1, 1}));
    requests.back()->request.sink = std::make_shared<Client>(&at_once, &delivered, i);
    running.push_back(requests.back()->Submit(1));
    order->Reserve(running.back().get());
  }
  std::atomic<int> next{0};
  std::vector<std::thread> threads;
  for (int t = 0; t < 3; ++t) {
    threads.emplace_back([&] {
      for (int i = next.fetch_add(1); i < kRequests; i = next.fetch_add(1)) {
        // Neighbours swap, so that some have to wait.
        Answer(std::move(running[static_cast<size_t>(i ^ 1)]));
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  ASSERT_EQ(delivered.size(), static_cast<size_t>(kRequests));
  EXPECT_TRUE(std::is_sorted(delivered.begin(), delivered.end()));
}

}  // namespace
}  // namespace trident
