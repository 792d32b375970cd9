// The queue policies of dynamic batching, each test a statement about them; in
// virtual time.

#include <atomic>
#include <thread>

#include "queue_fixture.h"
#include "support/take_inline.h"

namespace trident {
namespace {

constexpr uint64_t kUs = 1000;

class QueuePolicy : public QueueFixture {
 protected:
  QueuePolicy() { batching_.max_batch_size = 1; }  // one at a time shows the order

  void ThreeLevels() {
    policies_.levels = 3;
    policies_.default_level = 2;
  }
  // Takes what both instances can hold, so that everything else has to wait.
  void KeepInstancesBusy() {
    for (size_t instance = 0; instance < 2; ++instance) {
      Enqueue();
      ASSERT_FALSE(Take(instance, &running_[instance]).empty());
    }
  }
  void FinishInstances() {
    for (size_t instance = 0; instance < 2; ++instance) {
      for (RequestPtr& request : running_[instance]) Answer(std::move(request));
      running_[instance].clear();
      scheduler_->Finished(instance);
    }
  }
  Ids RunAll() {
    Ids order;
    for (Ids ids = Run(); !ids.empty(); ids = Run())
      order.insert(order.end(), ids.begin(), ids.end());
    return order;
  }

  Batch running_[2];
};

// Priority
// ---------------------------------------------------------------------------------------

TEST_F(QueuePolicy, LevelOneIsServedFirstAndALevelInOrderOfArrival) {
  ThreeLevels();
  Make();
  for (const uint64_t priority : {3, 1, 2, 1, 3, 2}) Enqueue(priority);
  EXPECT_EQ(RunAll(), Ids({"1", "3", "2", "5", "0", "4"}));
  ExpectAllEndedOnce();
}

TEST_F(QueuePolicy, PriorityZeroAndUnknownLevelsAreOfTheDefaultLevel) {
  ThreeLevels();
  Make();
  for (const uint64_t priority : {3, 0, 4, 2, 1}) Enqueue(priority);
  EXPECT_EQ(RunAll(), Ids({"4", "1", "2", "3", "0"}));
}

TEST_F(QueuePolicy, ABatchReachesOverLevels) {
  ThreeLevels();
  batching_.max_batch_size = 4;
  Make();
  for (const uint64_t priority : {3, 3, 1, 2, 1}) Enqueue(priority);
  EXPECT_EQ(Run(), Ids({"2", "4", "3", "0"}));
  EXPECT_EQ(Run(), Ids({"1"}));
}

TEST_F(QueuePolicy, TheDelayCountsFromTheOldestOfABatchWhateverItsLevel) {
  ThreeLevels();
  batching_.max_batch_size = 4;
  batching_.max_queue_delay_ns = 50 * kUs;
  Make();
  Enqueue(3);
  AdvanceTo(31 * kUs);
  Enqueue(1);
  EXPECT_EQ(Run(), Ids());
  EXPECT_EQ(look_again_, 1 + 50 * kUs);
  AdvanceTo(look_again_);
  EXPECT_EQ(Run(), Ids({"1", "0"}));
}

// Size
// -------------------------------------------------------------------------------------------

TEST_F(QueuePolicy, TheBoundIsPerLevelAndRefusesAtOnce) {
  ThreeLevels();
  policies_.default_policy.max_size = 2;
  policies_.by_level[3].max_size = 1;
  Make();
  Enqueue(1), Enqueue(1), Enqueue(2), Enqueue(3);
  for (const uint64_t priority : {1, 3}) {
    FakeRequest refused(target_, {1, 1});
    refused.request.priority = priority;
    const Status status = TryEnqueue(refused);
    EXPECT_EQ(status.code(), StatusCode::kUnavailable);
    EXPECT_NE(status.message().find("priority level " + std::to_string(priority)),
              std::string::npos)
        << status.message();
    EXPECT_EQ(refused.sink->finals, 0) << "no response: the call itself says no";
    EXPECT_EQ(refused.releases, 0);
  }
  Enqueue(2);
  RunAll();
  ExpectAllEndedOnce();
}

// Triton counts a refused request as queued for ever after.
TEST_F(QueuePolicy, RefusalsLeaveNoTraceInTheCount) {
  policies_.default_policy.max_size = 2;
  Make();
  for (int round = 0; round < 3; ++round) {
    Enqueue(), Enqueue();
    for (int i = 0; i < 5; ++i) {
      FakeRequest refused(target_, {1, 1});
      EXPECT_EQ(TryEnqueue(refused).code(), StatusCode::kUnavailable);
    }
    EXPECT_EQ(RunAll().size(), 2u);
  }
  ExpectAllEndedOnce();
}

TEST_F(QueuePolicy, DelayedRequestsCountForTheBound) {
  policies_.default_policy = {.timeout_ns = 10 * kUs, .delay = true, .max_size = 2};
  Make();
  Enqueue();
  AdvanceTo(20 * kUs);
  Enqueue();
  FakeRequest refused(target_, {1, 1});
  EXPECT_EQ(TryEnqueue(refused).code(), StatusCode::kUnavailable);
  RunAll();
  ExpectAllEndedOnce();
}

TEST_F(QueuePolicy, WhatIsOverdueDoesNotKeepOthersOut) {
  policies_.default_policy = {.timeout_ns = 10 * kUs, .max_size = 2};
  Make();
  FakeRequest& late = Enqueue();
  Enqueue();
  clock_.now_ns += 10 * kUs;  // and the timer has not come to it yet
  Enqueue();
  timer_->Advance(clock_.now_ns);
  EXPECT_EQ(CodeOf(late), StatusCode::kUnavailable);
  EXPECT_EQ(RunAll(), Ids({"2"}));
  ExpectAllEndedOnce();
}

// Timeouts
// ---------------------------------------------------------------------------------------

TEST_F(QueuePolicy, RejectEndsARequestAtItsTimeoutWhileEveryInstanceIsBusy) {
  policies_.default_policy.timeout_ns = 10 * kUs;
  Make();
  KeepInstancesBusy();
  AdvanceTo(5 * kUs);
  FakeRequest& waiting = Enqueue();
  AdvanceTo(15 * kUs - 1);
  EXPECT_EQ(waiting.sink->finals, 0);
  AdvanceTo(15 * kUs);
  ASSERT_EQ(waiting.sink->finals, 1);
  EXPECT_EQ(waiting.releases, 1);
  const Status status = waiting.sink->responses[0]->status();
  EXPECT_EQ(status.code(), StatusCode::kUnavailable);
  EXPECT_NE(status.message().find("Request timeout expired"), std::string::npos);
  FinishInstances();
  EXPECT_EQ(RunAll(), Ids());
  ExpectAllEndedOnce();
}

TEST_F(QueuePolicy, AnExecutingRequestHasNoTimeout) {
  policies_.default_policy.timeout_ns = 10 * kUs;
  Make();
  KeepInstancesBusy();
  AdvanceTo(1000 * kUs);
  FinishInstances();
  for (const auto& fake : requests_) EXPECT_EQ(CodeOf(*fake), StatusCode::kOk);
  ExpectAllEndedOnce();
}

TEST_F(QueuePolicy, WithoutATimeoutNothingExpiresAndNoAlarmIsSet) {
  policies_.default_policy.allow_timeout_override = true;
  Make();
  Enqueue(0, 5);  // with no default, an override never applies
  EXPECT_TRUE(timer_->alarms.empty());
  AdvanceTo(1000 * 1000 * kUs);
  EXPECT_EQ(RunAll(), Ids({"0"}));
}

TEST_F(QueuePolicy, ARequestMayShortenItsTimeoutWhereThatIsAllowed) {
  ThreeLevels();
  policies_.default_policy.timeout_ns = 100 * kUs;
  policies_.by_level[1] = {.timeout_ns = 100 * kUs, .allow_timeout_override = true};
  Make();
  FakeRequest& shortened = Enqueue(1, 30);
  FakeRequest& longer = Enqueue(1, 300);
  FakeRequest& not_asked = Enqueue(1, 0);
  FakeRequest& not_allowed = Enqueue(2, 30);
  AdvanceTo(1 + 30 * kUs);
  EXPECT_EQ(CodeOf(shortened), StatusCode::kUnavailable);
  AdvanceTo(1 + 100 * kUs - 1);
  for (FakeRequest* fake : {&longer, &not_asked, &not_allowed}) EXPECT_EQ(fake->sink->finals, 0);
  AdvanceTo(1 + 100 * kUs);
  ExpectAllEndedOnce();
}

TEST_F(QueuePolicy, ALevelUsesItsOwnTimeoutOrTheDefaultOne) {
  ThreeLevels();
  policies_.default_policy.timeout_ns = 100 * kUs;
  policies_.by_level[3].timeout_ns = 10 * kUs;
  Make();
  FakeRequest& own = Enqueue(3);
  FakeRequest& by_default = Enqueue(1);
  AdvanceTo(20 * kUs);
  EXPECT_EQ(own.sink->finals, 1);
  EXPECT_EQ(by_default.sink->finals, 0);
  AdvanceTo(200 * kUs);
  ExpectAllEndedOnce();
}

TEST_F(QueuePolicy, DelayMovesBehindTheUnexpiredOfTheLevelAndNeverRejects) {
  ThreeLevels();
  policies_.default_policy = {.timeout_ns = 10 * kUs, .delay = true};
  Make();
  Enqueue(2), Enqueue(2), Enqueue(3);
  AdvanceTo(20 * kUs);
  Enqueue(2), Enqueue(3);
  EXPECT_EQ(RunAll(), Ids({"3", "0", "1", "4", "2"}));
  for (const auto& fake : requests_) EXPECT_EQ(CodeOf(*fake), StatusCode::kOk);
  ExpectAllEndedOnce();
}

TEST_F(QueuePolicy, NoExpiredRequestIsHandedOutThoughTheTimerIsLate) {
  policies_.default_policy.timeout_ns = 10 * kUs;
  Make();
  FakeRequest& late = Enqueue();
  clock_.now_ns += 10 * kUs;
  EXPECT_EQ(Run(), Ids());
  EXPECT_EQ(late.sink->finals, 0) << "it is the timer's to answer";
  timer_->Advance(clock_.now_ns);
  EXPECT_EQ(CodeOf(late), StatusCode::kUnavailable);
  ExpectAllEndedOnce();
}

TEST_F(QueuePolicy, TimeoutsInAFormingBatchShrinkIt) {
  batching_.max_batch_size = 4;
  batching_.max_queue_delay_ns = 100 * kUs;
  policies_.default_policy = {.timeout_ns = 500 * kUs, .allow_timeout_override = true};
  Make();
  FakeRequest& shortened = Enqueue(0, 40);
  AdvanceTo(20 * kUs);
  Enqueue();
  EXPECT_EQ(Run(), Ids());
  AdvanceTo(1 + 40 * kUs);
  EXPECT_EQ(CodeOf(shortened), StatusCode::kUnavailable);
  AdvanceTo(1 + 100 * kUs);
  EXPECT_EQ(Run(), Ids()) << "the delay now counts from the one that is left";
  EXPECT_EQ(look_again_, 120 * kUs);
  AdvanceTo(look_again_);
  EXPECT_EQ(Run(), Ids({"1"}));
  ExpectAllEndedOnce();
}

TEST_F(QueuePolicy, TimeoutsGoOnAfterStop) {
  policies_.default_policy.timeout_ns = 10 * kUs;
  Make();
  KeepInstancesBusy();
  FakeRequest& waiting = Enqueue();
  scheduler_->Stop();
  AdvanceTo(20 * kUs);
  EXPECT_EQ(CodeOf(waiting), StatusCode::kUnavailable);
  FinishInstances();
  Batch batch;
  EXPECT_FALSE(scheduler_->Take(0, &batch)) << "stopped and drained";
  ExpectAllEndedOnce();
}

TEST_F(QueuePolicy, ADestroyedSchedulerLeavesNoAlarm) {
  policies_.default_policy.timeout_ns = 10 * kUs;
  Make();
  Enqueue();
  EXPECT_EQ(timer_->alarms.size(), 1u);
  scheduler_ = nullptr;
  EXPECT_TRUE(timer_->alarms.empty());
  ExpectAllEndedOnce();
}

// The last request of an unloaded model may be what keeps its scheduler alive.
TEST_F(QueuePolicy, ATimeoutMayEndTheSchedulerItself) {
  policies_.default_policy.timeout_ns = 10 * kUs;
  Make();
  FakeRequest& waiting = Enqueue();
  waiting.request.on_release = [&](InferenceRequest*, uint32_t) {
    ++waiting.releases;
    scheduler_ = nullptr;
  };
  AdvanceTo(20 * kUs);
  EXPECT_EQ(scheduler_, nullptr);
  ExpectAllEndedOnce();
}

// Cancellation
// -----------------------------------------------------------------------------------

TEST_F(QueuePolicy, CancelEndsWhoWaitsWhereverHeWaits) {
  ThreeLevels();
  policies_.default_policy = {.timeout_ns = 10 * kUs, .delay = true};
  Make();
  FakeRequest& delayed = Enqueue(2);
  AdvanceTo(20 * kUs);
  FakeRequest& in_time = Enqueue(2);
  FakeRequest& low = Enqueue(3);
  for (FakeRequest* fake : {&delayed, &in_time, &low}) {
    scheduler_->Cancel(&fake->request);
    EXPECT_EQ(CodeOf(*fake), StatusCode::kCancelled);
  }
  AdvanceTo(100 * kUs);
  EXPECT_EQ(RunAll(), Ids());
  ExpectAllEndedOnce();
}

TEST_F(QueuePolicy, ARequestCancelledBeforeItArrivesNeverRuns) {
  Make();
  FakeRequest& fake = Add();
  RequestPtr request = fake.Submit(clock_.now_ns);
  ASSERT_TRUE(fake.request.Cancel().ok());
  Status outcome;
  scheduler_->Enqueue({&request, 1}, {&outcome, 1});
  EXPECT_TRUE(outcome.ok());
  EXPECT_EQ(CodeOf(fake), StatusCode::kCancelled);
  EXPECT_EQ(Run(), Ids());
  ExpectAllEndedOnce();
}

TEST_F(QueuePolicy, CancelBetweenTheTimeoutAndTheTimerEndsOnce) {
  policies_.default_policy.timeout_ns = 10 * kUs;
  Make();
  FakeRequest& fake = Enqueue();
  clock_.now_ns += 10 * kUs;
  EXPECT_EQ(Run(), Ids());
  scheduler_->Cancel(&fake.request);
  EXPECT_EQ(CodeOf(fake), StatusCode::kCancelled);
  timer_->Advance(clock_.now_ns);
  ExpectAllEndedOnce();
}

// A custom strategy
// ------------------------------------------------------------------------------

class Scripted : public BatchStrategy {
 public:
  size_t Accept(std::span<InferenceRequest* const> candidates) override {
    asked.emplace_back();
    for (const InferenceRequest* request : candidates) asked.back().push_back(request->id);
    if (meanwhile) std::exchange(meanwhile, nullptr)();
    return accept;
  }
  size_t accept = 99;
  std::function<void()> meanwhile;
  std::vector<std::vector<std::string>> asked;
};

class CustomStrategy : public QueueFixture {
 protected:
  Scripted strategy_;
};

TEST_F(CustomStrategy, ANoClosesTheBatchAndSendsIt) {
  batching_.max_queue_delay_ns = 100 * kUs;
  Make(&strategy_);
  for (int i = 0; i < 3; ++i) Enqueue();
  EXPECT_EQ(Run(), Ids()) << "accepted, but worth waiting for more";
  strategy_.accept = 2;
  EXPECT_EQ(Run(), Ids({"0", "1"}));
  ASSERT_EQ(strategy_.asked.size(), 2u);
  EXPECT_EQ(strategy_.asked[1], Ids({"0", "1", "2"}));
}

TEST_F(CustomStrategy, APreferredSizeGoesFirstEvenSo) {
  batching_.preferred = {2, 4};
  batching_.max_queue_delay_ns = 100 * kUs;
  Make(&strategy_);
  for (int i = 0; i < 4; ++i) Enqueue();
  strategy_.accept = 3;
  EXPECT_EQ(Run(), Ids({"0", "1"}));
}

TEST_F(CustomStrategy, IsAskedOnlyAboutWhatFitsTogether) {
  Make(&strategy_);
  for (const int64_t items : {3, 4, 2}) Enqueue(0, 0, {items, 1});
  EXPECT_EQ(Run(), Ids({"0", "1"}));
  EXPECT_EQ(strategy_.asked.front(), Ids({"0", "1"}));
}

TEST_F(CustomStrategy, ANoToTheFirstLeavesItAlone) {
  strategy_.accept = 0;
  Make(&strategy_);
  Enqueue(), Enqueue();
  EXPECT_EQ(Run(), Ids({"0"})) << "or it would never run";
  EXPECT_EQ(Run(), Ids({"1"}));
}

TEST_F(CustomStrategy, IsNotAskedWithoutDynamicBatching) {
  batching_.dynamic = false;
  Make(&strategy_);
  Enqueue();
  EXPECT_EQ(Run(), Ids({"0"}));
  EXPECT_TRUE(strategy_.asked.empty());
}

TEST_F(CustomStrategy, WhoIsCancelledMeanwhileEndsAfterwards) {
  Make(&strategy_);
  FakeRequest& first = Enqueue();
  FakeRequest& second = Enqueue();
  strategy_.meanwhile = [&] {
    first.request.channel()->Cancel(&first.request);
    scheduler_->Cancel(&first.request);
    EXPECT_EQ(first.sink->finals, 0) << "the strategy is looking at it";
  };
  EXPECT_EQ(Run(), Ids({"1"}));
  EXPECT_EQ(CodeOf(first), StatusCode::kCancelled);
  EXPECT_EQ(CodeOf(second), StatusCode::kOk);
  ExpectAllEndedOnce();
}

TEST_F(CustomStrategy, WhoComesMeanwhileIsLookedAt) {
  batching_.preferred = {3};
  batching_.max_queue_delay_ns = 100 * kUs;
  Make(&strategy_);
  Enqueue(), Enqueue();
  strategy_.meanwhile = [&] { Enqueue(); };
  EXPECT_EQ(Run(), Ids({"0", "1", "2"}));
}

TEST_F(CustomStrategy, WhoComesMeanwhileWithPriorityDoesNotChangeTheBatch) {
  policies_.levels = 2;
  policies_.default_level = 2;
  batching_.max_batch_size = 2;
  Make(&strategy_);
  Enqueue(), Enqueue();
  strategy_.meanwhile = [&] { Enqueue(1); };
  EXPECT_EQ(Run(), Ids({"0", "1"}));
  EXPECT_EQ(Run(), Ids({"2"}));
}

TEST_F(CustomStrategy, WhoseTimeIsOverMeanwhileIsNotTakenFromIt) {
  policies_.default_policy.timeout_ns = 10 * kUs;
  Make(&strategy_);
  FakeRequest& fake = Enqueue();
  strategy_.meanwhile = [&] {
    clock_.now_ns += 10 * kUs;
    timer_->Advance(clock_.now_ns);
    EXPECT_EQ(fake.sink->finals, 0);
  };
  EXPECT_EQ(Run(), Ids({"0"})) << "it was in time when the batch was formed";
  AdvanceTo(100000 * kUs);
  ExpectAllEndedOnce();
  EXPECT_EQ(CodeOf(fake), StatusCode::kOk);
}

// A second thread that finds the strategy being asked goes to sleep; after Stop
// it must not stay so.
TEST_F(CustomStrategy, StopWhileItIsAskedEndsAllThreads) {
  Make(&strategy_);
  Enqueue();
  std::thread other;
  std::atomic<bool> other_left{false};
  strategy_.meanwhile = [&] {
    scheduler_->Stop();
    other = std::thread([&] {
      Batch batch;
      EXPECT_FALSE(scheduler_->Take(1, &batch));
      other_left = true;
    });
  };
  EXPECT_EQ(Run(), Ids({"0"}));
  other.join();
  EXPECT_TRUE(other_left);
}

TEST_F(CustomStrategy, WhoIsAnsweredForACancelMayCancelMore) {
  Make(&strategy_);
  FakeRequest& first = Enqueue();
  FakeRequest& second = Enqueue();
  first.request.on_release = [&](InferenceRequest*, uint32_t) {
    ++first.releases;
    ASSERT_TRUE(second.request.Cancel().ok());
    scheduler_->Cancel(&second.request);
    EXPECT_EQ(second.sink->finals, 1);
    Batch batch;
    EXPECT_EQ(Take(1, &batch), Ids()) << "one at a time";
    size_t instance = 9;
    EXPECT_FALSE(TakeInline(*scheduler_, target_, 1, kNever, &instance))
        << "though the queue is empty";
  };
  strategy_.meanwhile = [&] { first.request.channel()->Cancel(&first.request); };
  EXPECT_EQ(Run(), Ids());
  ExpectAllEndedOnce();
}

TEST_F(CustomStrategy, OneInstanceAsksAtATime) {
  Make(&strategy_);
  Enqueue();
  strategy_.meanwhile = [&] {
    Batch batch;
    EXPECT_EQ(Take(1, &batch), Ids());
    size_t instance = 9;
    EXPECT_FALSE(TakeInline(*scheduler_, target_, 1, kNever, &instance));
  };
  EXPECT_EQ(Run(), Ids({"0"}));
}

}  // namespace
}  // namespace trident
