#include "scheduler/queue_scheduler.h"

#include <gtest/gtest.h>

#include <atomic>
#include <thread>

#include "support/fake_model.h"
#include "support/take_inline.h"

namespace trident {
namespace {

class DynamicQueue : public ::testing::Test {
 protected:
  DynamicQueue() {
    policy_.dynamic = true;
    policy_.max_batch_size = 8;
  }

  void Make() {
    scheduler_ = std::make_unique<QueueScheduler>(
        SchedulerContext{target_->signature(), clock_, std::make_shared<ManualTimer>()}, policy_);
    scheduler_->AddInstance();
    scheduler_->AddInstance();
  }

  void Enqueue(Shape shape) {
    requests_.push_back(std::make_unique<FakeRequest>(target_, std::move(shape)));
    RequestPtr request = requests_.back()->Submit(clock_.now_ns);
    Status outcome;
    scheduler_->Enqueue({&request, 1}, {&outcome, 1});
    ASSERT_TRUE(outcome.ok());
  }

  size_t Take(size_t instance) {
    Batch batch;
    if (!scheduler_->TryTake(instance, &batch, &look_again_)) return 0;
    for (RequestPtr& request : batch) Answer(std::move(request));
    scheduler_->Finished(instance);
    return batch.size();
  }

  BatchPolicy policy_;
  VirtualClock clock_;
  std::shared_ptr<FakeTarget> target_ = std::make_shared<FakeTarget>();
  std::vector<std::unique_ptr<FakeRequest>> requests_;
  std::unique_ptr<QueueScheduler> scheduler_;
  uint64_t look_again_ = 0;
};

TEST_F(DynamicQueue, DelayHoldsAPartialBatchUntilItsOldestHasWaited) {
  policy_.max_queue_delay_ns = 5000;
  Make();
  Enqueue({1, 1});
  clock_.now_ns += 3000;
  Enqueue({1, 1});
  EXPECT_EQ(Take(0), 0u);
  EXPECT_EQ(look_again_, 1u + 5000u) << "the delay counts from the oldest request";
  clock_.now_ns = look_again_;
  EXPECT_EQ(Take(0), 2u);
}

// What would be one batch may run inline as one; anything else would not be the same.
TEST_F(DynamicQueue, InlineTakesRequestsThatMakeOneBatch) {
  Make();
  const auto take = [&](const std::vector<Shape>& shapes) {
    std::vector<std::unique_ptr<FakeRequest>> fakes;
    std::vector<InferenceRequest*> requests;
    for (const Shape& shape : shapes) {
      fakes.push_back(std::make_unique<FakeRequest>(target_, shape));
      EXPECT_TRUE(fakes.back()->request.Prepare().ok());
      requests.push_back(&fakes.back()->request);
    }
    InlineClaim claim;
    const bool taken = scheduler_->TakeInline(requests, kNever, &claim);
    if (taken) scheduler_->Finished(claim.instance);
    return taken;
  };
  EXPECT_TRUE(take({{1, 1}, {2, 1}, {1, 1}}));
  EXPECT_TRUE(take({{4, 1}, {4, 1}}));
  EXPECT_FALSE(take({{4, 1}, {4, 1}, {1, 1}})) << "more than a batch";
  policy_.preferred = {2, 4};
  Make();
  EXPECT_TRUE(take({{1, 1}, {1, 1}}));
  EXPECT_FALSE(take({{2, 1}, {2, 1}, {1, 1}})) << "the preferred size would go first";
  policy_.max_queue_delay_ns = 5000;
  Make();
  EXPECT_FALSE(take({{1, 1}, {1, 1}, {1, 1}})) << "it would wait for a fourth";
  policy_ = BatchPolicy{};
  Make();
  EXPECT_FALSE(take({{1, 1}, {1, 1}})) << "a model that does not batch";
}

TEST_F(DynamicQueue, AFullBatchDoesNotWait) {
  policy_.max_queue_delay_ns = 5000;
  Make();
  for (int i = 0; i < 9; ++i) Enqueue({1, 1});
  EXPECT_EQ(Take(0), 8u);
  EXPECT_EQ(Take(0), 0u);
}

TEST_F(DynamicQueue, UnlikeShapesNeverShareABatch) {
  target_ = std::make_shared<FakeTarget>(Shape{-1});
  Make();
  Enqueue({1, 4});
  Enqueue({2, 4});
  Enqueue({1, 5});
  Enqueue({1, 4});
  EXPECT_EQ(Take(0), 2u);
  EXPECT_EQ(Take(0), 1u);
  EXPECT_EQ(Take(0), 1u);
}

TEST_F(DynamicQueue, AnUnlikeRequestEndsTheDelayOfTheBatchBeforeIt) {
  target_ = std::make_shared<FakeTarget>(Shape{-1});
  policy_.max_queue_delay_ns = 5000;
  Make();
  Enqueue({1, 4});
  EXPECT_EQ(Take(0), 0u);
  Enqueue({1, 5});
  EXPECT_EQ(Take(0), 1u);
  EXPECT_EQ(Take(0), 0u) << "the second waits for its own delay";
}

TEST_F(DynamicQueue, OptionalInputsMustAgree) {
  target_->mutable_signature().inputs.push_back({"more", DataType::kFp32, {1}, true, false});
  target_->mutable_signature().compare_inputs = true;
  Make();
  Enqueue({1, 1});
  requests_.push_back(std::make_unique<FakeRequest>(target_, Shape{1, 1}));
  FakeRequest& with_more = *requests_.back();
  InputTensor* more = *with_more.request.AddInput("more", DataType::kFp32, {1, 1});
  ConstBuffer buffer{with_more.data.data(), {}};
  buffer.attributes.byte_size = sizeof(float);
  ASSERT_TRUE(more->Append(buffer).ok());
  RequestPtr request = with_more.Submit(clock_.now_ns);
  Status outcome;
  scheduler_->Enqueue({&request, 1}, {&outcome, 1});
  EXPECT_EQ(Take(0), 1u);
  EXPECT_EQ(Take(0), 1u);
}

TEST_F(DynamicQueue, AWaitingDelayEndsWhenTheServerStops) {
  policy_.max_queue_delay_ns = 5000;
  Make();
  Enqueue({1, 1});
  EXPECT_EQ(Take(0), 0u);
  scheduler_->Stop();
  EXPECT_EQ(Take(0), 1u);
}

// The real clock, and news of when somebody begins to wait for a batch to fill.
class WatchedClock : public Clock {
 public:
  uint64_t Now() override { return NowNs(); }
  void WaitUntil(CondVar& condition, Mutex& mutex, uint64_t deadline_ns) override {
    waits.fetch_add(1);
    waits.notify_all();
    Clock::System().WaitUntil(condition, mutex, deadline_ns);
  }
  std::atomic<int> waits{0};
};

class WaitingThreads : public DynamicQueue {
 protected:
  void Start(uint64_t delay_ns) {
    policy_.max_queue_delay_ns = delay_ns;
    scheduler_ = std::make_unique<QueueScheduler>(
        SchedulerContext{target_->signature(), watched_, std::make_shared<ManualTimer>()}, policy_);
    scheduler_->AddInstance();
    scheduler_->AddInstance();
  }

  void RunInstance(size_t instance) {
    threads_.emplace_back([this, instance] {
      Batch batch;
      while (scheduler_->Take(instance, &batch)) {
        for (RequestPtr& request : batch) Answer(std::move(request));
        batch.clear();
        scheduler_->Finished(instance);
        answered_.fetch_add(1);
        answered_.notify_all();
      }
    });
  }

  void EnqueueNow() {
    requests_.push_back(std::make_unique<FakeRequest>(target_, Shape{1, 1}));
    RequestPtr request = requests_.back()->Submit(NowNs());
    Status outcome;
    scheduler_->Enqueue({&request, 1}, {&outcome, 1});
    ASSERT_TRUE(outcome.ok());
  }

  void CancelFirst() {
    scheduler_->Cancel(&requests_[0]->request);
    ASSERT_EQ(requests_[0]->sink->finals, 1);
  }

  void StopAll() {
    scheduler_->Stop();
    for (std::thread& thread : threads_) thread.join();
  }

  WatchedClock watched_;
  std::vector<std::thread> threads_;
  std::atomic<int> answered_{0};
};

// Once, such a delay made the waiting thread spin with the mutex held.
TEST_F(WaitingThreads, ADelayForEverLeavesTheQueueUsable) {
  Start(UINT64_MAX / 2);
  RunInstance(0);
  EnqueueNow();
  watched_.waits.wait(0);
  CancelFirst();
  for (int i = 0; i < 8; ++i) EnqueueNow();  // a full batch
  answered_.wait(0);
  StopAll();
}

// The thread that watches over a forming batch loses its instance to an inline caller: the watch
// must pass to another instance, not wait for the caller.
TEST_F(WaitingThreads, TheWatchOverABatchPassesOn) {
  Start(20 * 1000 * 1000);
  RunInstance(0);
  EnqueueNow();
  watched_.waits.wait(0);
  CancelFirst();
  size_t claimed = 9;
  ASSERT_TRUE(TakeInline(*scheduler_, target_, 1, kNever, &claimed));
  ASSERT_EQ(claimed, 0u);
  RunInstance(1);
  EnqueueNow();
  answered_.wait(0);  // while the claim lasts
  scheduler_->Finished(claimed);
  StopAll();
}

}  // namespace
}  // namespace trident
