// Requests with deadlines in the production queue.

#include "queue_fixture.h"
#include "support/take_inline.h"

namespace trident {
namespace {

constexpr uint64_t kMs = 1'000'000;

struct Calls : Waker {
  void Wake() override { ++count; }
  int count = 0;
};

class DeadlineQueue : public QueueFixture {
 protected:
  DeadlineQueue() { policies_.deadlines = true; }

  FakeRequest& EnqueueDue(uint64_t deadline_us, uint64_t priority = 0) {
    FakeRequest& fake = Add(priority);
    fake.request.deadline_us = deadline_us;
    EXPECT_TRUE(TryEnqueue(fake).ok());
    return fake;
  }

  // A batch of `items` requests without deadline takes this long.
  void Teach(size_t items, uint64_t duration_ns) {
    for (size_t i = 0; i < items; ++i) Enqueue();
    Finish(0, items, duration_ns);
  }

  // The batch of so many requests that is due for `instance` takes this long.
  void Finish(size_t instance, size_t items, uint64_t duration_ns) {
    Batch batch;
    EXPECT_EQ(Take(instance, &batch).size(), items);
    clock_.now_ns += duration_ns;
    for (RequestPtr& request : batch) Answer(std::move(request));
    scheduler_->Finished(instance);
  }

  // A client who sends another one, as hopeless and of the same priority, for each that is refused.
  void EnqueueAgainAndAgain(uint64_t deadline_us, uint64_t priority) {
    if (++sent_again_ == kEndless) return;
    FakeRequest& fake = Add(priority);
    fake.request.deadline_us = deadline_us;
    fake.request.on_release = [=, this, &fake](InferenceRequest*, uint32_t) {
      ++fake.releases;
      if (CodeOf(fake) != StatusCode::kOk) EnqueueAgainAndAgain(deadline_us, priority);
    };
    EXPECT_TRUE(TryEnqueue(fake).ok());
  }

  // n of them take 4 + n ms.
  void TeachFourAndOneEach() {
    Enqueue();
    AdvanceTo(clock_.now_ns + batching_.max_queue_delay_ns);
    Finish(0, 1, 5 * kMs);
    Teach(8, 12 * kMs);
  }

  static std::string MessageOf(const FakeRequest& fake) {
    return fake.sink->responses.empty() ? "" : fake.sink->responses.back()->status().message();
  }

  static constexpr int kEndless = 1000;
  int sent_again_ = 0;
};

TEST_F(DeadlineQueue, WhoCanNotMakeItIsRefusedAtOnce) {
  Make();
  Teach(1, 2 * kMs);
  FakeRequest& tight = EnqueueDue(1500);
  EXPECT_EQ(Run(), Ids{});
  EXPECT_EQ(CodeOf(tight), StatusCode::kUnavailable);
  EXPECT_EQ(MessageOf(tight),
            "[request id: 1] deadline: 1500 of 1500 us are left, and model 'fake' is expected to "
            "take 2000 us for "
            "a batch of 1");
  EXPECT_EQ(target_->statistics().Read().fail.count, 1u);
  EnqueueDue(2000);
  EXPECT_EQ(Run(), Ids{"2"});
  ExpectAllEndedOnce();
}

TEST_F(DeadlineQueue, WhoWaitsBeyondItsDeadlineIsRefusedWhileAllAreBusy) {
  policies_.slo_ns = 5 * kMs;
  Make();
  Enqueue();
  Enqueue();
  Batch batch;
  Take(0, &batch);
  FakeRequest& waiting = Enqueue();
  FakeRequest& patient = EnqueueDue(9000);
  AdvanceTo(5 * kMs);
  EXPECT_EQ(CodeOf(waiting), StatusCode::kOk);
  AdvanceTo(5 * kMs + 1);
  EXPECT_EQ(CodeOf(waiting), StatusCode::kUnavailable);
  EXPECT_EQ(MessageOf(waiting),
            "[request id: 2] deadline: 5000 us were given, and after 5000 us the request still "
            "waited for an "
            "instance of model 'fake'");
  EXPECT_EQ(patient.releases, 0) << "its own deadline is later";
  for (RequestPtr& request : batch) Answer(std::move(request));
  scheduler_->Finished(0);
  Run();
  ExpectAllEndedOnce();
}

TEST_F(DeadlineQueue, WithoutTheConfigurationADeadlineHasNoEffect) {
  policies_.deadlines = false;
  Make();
  EnqueueDue(1);
  AdvanceTo(kMs);
  EXPECT_EQ(Run(), Ids{"0"});
  ExpectAllEndedOnce();
}

TEST_F(DeadlineQueue, WhileNothingIsMeasuredEverybodyRuns) {
  Make();
  EnqueueDue(1);
  EnqueueDue(1000000);
  EXPECT_EQ(Run(), (Ids{"0", "1"}));
  ExpectAllEndedOnce();
}

TEST_F(DeadlineQueue, UnderALightLoadASmallerBatchGoesInsteadOfARefusal) {
  Make();
  Teach(1, 2 * kMs);
  Teach(8, 4 * kMs);
  EnqueueDue(20000);
  EnqueueDue(2500);  // fits in a batch of two, not in one of four
  EnqueueDue(20000);
  EnqueueDue(20000);
  EXPECT_EQ(Run(), (Ids{"9", "10"}));
  EXPECT_EQ(Run(), (Ids{"11", "12"}));
  ExpectAllEndedOnce();
}

TEST_F(DeadlineQueue, UnderAHeavyLoadTheTightOneGivesWayToAFullBatch) {
  Make();
  Teach(1, 2 * kMs);
  Teach(8, 4 * kMs);
  FakeRequest& tight = EnqueueDue(2500);
  for (int i = 0; i < 16; ++i) EnqueueDue(20000);
  EXPECT_EQ(Run().size(), 8u);
  EXPECT_EQ(CodeOf(tight), StatusCode::kUnavailable);
  EXPECT_EQ(Run().size(), 8u);
  ExpectAllEndedOnce();
}

TEST_F(DeadlineQueue, NobodyIsRefusedForTheSakeOfALowerPriority) {
  policies_.levels = 2;
  policies_.default_level = 2;
  Make();
  Teach(1, 2 * kMs);
  Teach(8, 4 * kMs);
  FakeRequest& tight = EnqueueDue(2500, 1);
  for (int i = 0; i < 16; ++i) EnqueueDue(20000, 2);
  EXPECT_EQ(Run(), Ids{tight.request.id});
  while (!Run().empty()) {
  }
  ExpectAllEndedOnce();
}

// An estimate that refuses everybody would otherwise stand for ever.
TEST_F(DeadlineQueue, AfterSomeRefusalsInARowOneRunsAllTheSame) {
  policies_.slo_ns = 10 * kMs;
  Make();
  FakeRequest& first = EnqueueDue(1000000);
  Batch batch;
  ASSERT_EQ(Take(0, &batch), Ids{first.request.id});
  clock_.now_ns += 100 * kMs;
  Answer(std::move(batch.front()));
  scheduler_->Finished(0);
  int refused = 0;
  while (Enqueue(), Run().empty()) ASSERT_LE(++refused, 16);
  EXPECT_EQ(refused, 16);
  Enqueue();
  EXPECT_EQ(Run().size(), 1u) << "now it is known to be fast";
  ExpectAllEndedOnce();
}

TEST_F(DeadlineQueue, WhoAnswersRefusalsWithNewRequestsIsServedInTheEnd) {
  Make();
  Teach(1, 2 * kMs);
  EnqueueAgainAndAgain(1000, 0);
  int refused = 0;
  while (Run().empty()) ASSERT_LE(++refused, 16);
  EXPECT_EQ(refused, 16);
  ExpectAllEndedOnce();
}

TEST_F(DeadlineQueue, WhoAnswersRefusalsWithNewRequestsHoldsNobodyUp) {
  policies_.levels = 3;
  policies_.default_level = 2;
  for (const uint64_t priority : {1, 2, 3}) {
    Make();
    Teach(1, 2 * kMs);
    FakeRequest& patient = Enqueue();
    sent_again_ = 0;
    EnqueueAgainAndAgain(1000, priority);
    Run();
    EXPECT_EQ(patient.releases, 1) << priority;
    EXPECT_EQ(sent_again_, 2) << priority;
    while (!Run().empty()) continue;
    ExpectAllEndedOnce();
  }
}

TEST_F(DeadlineQueue, NobodyRunsInlineWhoWouldBeLate) {
  Make();
  Teach(1, 2 * kMs);
  FakeRequest late(target_, {1, 1});
  ASSERT_TRUE(late.request.Prepare().ok());
  late.request.deadline_us = 1000;
  InferenceRequest* const request = &late.request;
  InlineClaim claim;
  EXPECT_FALSE(scheduler_->TakeInline({&request, 1}, kNever, &claim));
  late.request.deadline_us = 2000;
  EXPECT_TRUE(scheduler_->TakeInline({&request, 1}, kNever, &claim));
}

TEST_F(DeadlineQueue, ADelayEndsWhereTheNextItemWouldMakeTheTightestLate) {
  batching_.max_queue_delay_ns = 50 * kMs;
  Make();
  Enqueue();
  AdvanceTo(50 * kMs + 1);
  Batch batch;
  ASSERT_EQ(Take(0, &batch), Ids{"0"});
  clock_.now_ns += 2 * kMs;
  Answer(std::move(batch.front()));
  scheduler_->Finished(0);

  const uint64_t now = clock_.now_ns;
  EnqueueDue(20000);
  EXPECT_EQ(Run(), Ids{});
  EXPECT_EQ(look_again_, now + 16 * kMs) << "two are expected to take 4 ms";
  AdvanceTo(look_again_);
  EXPECT_EQ(Run(), Ids{"1"});
  ExpectAllEndedOnce();
}

// Its instance may be claimed by a caller, and who comes then would wake nobody else.
TEST_F(DeadlineQueue, NobodyWatchesOverAQueueThatRefusalsHaveEmptied) {
  batching_.max_queue_delay_ns = 50 * kMs;
  Make();
  Enqueue();
  AdvanceTo(50 * kMs + 1);
  Finish(0, 1, 2 * kMs);
  const auto calls = std::make_shared<Calls>();
  const size_t other = scheduler_->AddInstance(calls);
  EnqueueDue(20000);
  EXPECT_EQ(Run(0), Ids{}) << "it watches over the delay";
  Batch batch;
  ASSERT_FALSE(scheduler_->TakeOrLeave(other, &batch, &look_again_));
  EXPECT_EQ(look_again_, kNever);
  clock_.now_ns += 19 * kMs;
  EXPECT_EQ(Run(1), Ids{}) << "it is refused";
  size_t claimed = 9;
  ASSERT_TRUE(TakeInline(*scheduler_, target_, 1, kNever, &claimed));
  ASSERT_EQ(claimed, 0u);
  EXPECT_EQ(calls->count, 1);
  EnqueueDue(20000);
  EXPECT_EQ(calls->count, 2);
  scheduler_.reset();
  ExpectAllEndedOnce();
}

// Most of those who come while the first waits wake nobody: only one that is too many to be in
// time.
TEST_F(DeadlineQueue, ADelayEndsWhereThoseWhoCameMeanwhileWouldMakeTheTightestLate) {
  batching_.max_queue_delay_ns = 10 * kMs;
  Make();
  TeachFourAndOneEach();

  const auto calls = std::make_shared<Calls>();
  const size_t instance = scheduler_->AddInstance(calls);
  const uint64_t start_ns = clock_.now_ns;
  Batch batch;
  EnqueueDue(20000);
  EXPECT_EQ(calls->count, 1);
  ASSERT_FALSE(scheduler_->TakeOrLeave(instance, &batch, &look_again_));
  EXPECT_EQ(look_again_, start_ns + 10 * kMs);
  clock_.now_ns += kMs;
  for (int i = 0; i < 5; ++i) EnqueueDue(20000);
  EXPECT_EQ(calls->count, 1) << "six would end in time";
  EnqueueDue(20000);
  EXPECT_EQ(calls->count, 2);
  ASSERT_FALSE(scheduler_->TakeOrLeave(instance, &batch, &look_again_));
  EXPECT_EQ(look_again_, start_ns + 8 * kMs);
  clock_.now_ns = look_again_;
  Finish(instance, 7, 11 * kMs);
  EXPECT_LE(clock_.now_ns, start_ns + 20 * kMs);
  ExpectAllEndedOnce();
}

// What has come meanwhile may ask for an earlier look than the one somebody sleeps until.
TEST_F(DeadlineQueue, WhoKnowsOfAnEarlierTimeTakesTheWatchOver) {
  batching_.max_queue_delay_ns = 10 * kMs;
  Make();
  TeachFourAndOneEach();
  for (int i = 0; i < 3; ++i) EnqueueDue(20000);
  EXPECT_EQ(Run(0), Ids{});
  const uint64_t first_ns = look_again_;
  for (int i = 0; i < 3; ++i) EnqueueDue(20000);
  EXPECT_EQ(Run(1), Ids{});
  EXPECT_LT(look_again_, first_ns);
  clock_.now_ns = look_again_;
  EXPECT_EQ(Run(1).size(), 6u);
  ExpectAllEndedOnce();
}

}  // namespace
}  // namespace trident
