// What every scheduler promises. A new scheduler adds a row to kSchedulers and must pass them all.

#include <gtest/gtest.h>

#include <thread>
#include <utility>

#include "scheduler/queue_scheduler.h"
#include "scheduler/sequence_direct.h"
#include "scheduler/sequence_oldest.h"
#include "support/fake_model.h"
#include "support/take_inline.h"

namespace trident {
namespace {

std::unique_ptr<Scheduler> WithInstances(std::unique_ptr<Scheduler> scheduler, size_t count) {
  for (size_t i = 0; i < count; ++i) scheduler->AddInstance();
  return scheduler;
}

struct Kind {
  const char* name;
  std::unique_ptr<Scheduler> (*make)(const ModelSignature&, uint32_t max_queue_size,
                                     size_t instances, Clock&);
  bool runs_inline = true;
  bool delays = false;     // requests wait for others
  bool bounded = true;     // refuses beyond max_queue_size
  bool sequences = false;  // every request is a sequence of its own
};

// Real time needs a real timer.
SchedulerContext ContextFor(const ModelSignature& signature, Clock& clock) {
  if (&clock == &Clock::System()) {
    return {signature, clock, std::make_shared<TimerThread>(clock)};
  }
  return {signature, clock, std::make_shared<ManualTimer>()};
}

BatchPolicy DynamicPolicy(uint64_t delay_ns) {
  BatchPolicy policy;
  policy.dynamic = true;
  policy.max_batch_size = 8;
  policy.max_queue_delay_ns = delay_ns;
  return policy;
}

QueuePolicies Bound(uint32_t max_queue_size) {
  QueuePolicies policies;
  policies.default_policy.max_size = max_queue_size;
  return policies;
}

std::unique_ptr<Scheduler> MakeDefault(const ModelSignature& signature, uint32_t max_queue_size,
                                       size_t instances, Clock& clock) {
  return WithInstances(std::make_unique<QueueScheduler>(ContextFor(signature, clock), BatchPolicy{},
                                                        Bound(max_queue_size)),
                       instances);
}

template <uint64_t delay_ns>
std::unique_ptr<Scheduler> MakeDynamic(const ModelSignature& signature, uint32_t max_queue_size,
                                       size_t instances, Clock& clock) {
  return WithInstances(
      std::make_unique<QueueScheduler>(ContextFor(signature, clock), DynamicPolicy(delay_ns),
                                       Bound(max_queue_size)),
      instances);
}

// Timeouts that only real time reaches.
template <bool delay>
std::unique_ptr<Scheduler> MakePrioritised(const ModelSignature& signature, uint32_t max_queue_size,
                                           size_t instances, Clock& clock) {
  QueuePolicies policies = Bound(max_queue_size);
  policies.levels = 4;
  policies.default_level = 2;
  policies.default_policy.timeout_ns = 10 * 1000 * 1000;
  policies.default_policy.delay = delay;
  return WithInstances(
      std::make_unique<QueueScheduler>(ContextFor(signature, clock), DynamicPolicy(1000), policies),
      instances);
}

std::unique_ptr<Scheduler> MakeOrdered(const ModelSignature& signature, uint32_t max_queue_size,
                                       size_t instances, Clock& clock) {
  SchedulerContext context = ContextFor(signature, clock);
  context.order = std::make_shared<ResponseOrder>();
  return WithInstances(
      std::make_unique<QueueScheduler>(context, DynamicPolicy(1000), Bound(max_queue_size)),
      instances);
}

// Nobody is late but in real time.
std::unique_ptr<Scheduler> MakeWithDeadlines(const ModelSignature& signature,
                                             uint32_t max_queue_size, size_t instances,
                                             Clock& clock) {
  BatchPolicy policy = DynamicPolicy(0);
  policy.adaptive_delay = true;
  QueuePolicies policies = Bound(max_queue_size);
  policies.deadlines = true;
  policies.slo_ns = 10 * 1000 * 1000;
  return WithInstances(
      std::make_unique<QueueScheduler>(ContextFor(signature, clock), policy, policies), instances);
}

class TwoAtMost : public BatchStrategy {
 public:
  size_t Accept(std::span<InferenceRequest* const> candidates) override {
    return std::min<size_t>(candidates.size(), 2);
  }
};

std::unique_ptr<Scheduler> MakeWithStrategy(const ModelSignature& signature,
                                            uint32_t max_queue_size, size_t instances,
                                            Clock& clock) {
  static TwoAtMost strategy;
  return WithInstances(
      std::make_unique<QueueScheduler>(ContextFor(signature, clock), DynamicPolicy(1000),
                                       Bound(max_queue_size), &strategy),
      instances);
}

template <typename Strategy>
std::unique_ptr<Scheduler> MakeSequences(const ModelSignature& signature, uint32_t,
                                         size_t instances, Clock& clock) {
  SequencePolicy policy;
  policy.slots = 3;
  policy.batching = DynamicPolicy(1000);
  policy.max_queue_delay_ns = 1000;
  policy.minimum_slot_utilization = 0.5F;
  return WithInstances(std::make_unique<Strategy>(ContextFor(signature, clock), policy), instances);
}

const Kind kSchedulers[] = {
    {.name = "default", .make = MakeDefault},
    {.name = "dynamic", .make = MakeDynamic<0>},
    {.name = "dynamic_with_delay", .make = MakeDynamic<1000>, .delays = true},
    {.name = "prioritised", .make = MakePrioritised<false>, .delays = true},
    {.name = "prioritised_delaying", .make = MakePrioritised<true>, .delays = true},
    {.name = "ordered", .make = MakeOrdered, .runs_inline = false},
    {.name = "deadlines", .make = MakeWithDeadlines},
    {.name = "custom_strategy", .make = MakeWithStrategy, .delays = true},
    {.name = "sequences_direct",
     .make = MakeSequences<DirectSequenceScheduler>,
     .runs_inline = false,
     .bounded = false,
     .sequences = true},
    {.name = "sequences_oldest",
     .make = MakeSequences<OldestSequenceScheduler>,
     .runs_inline = false,
     .bounded = false,
     .sequences = true},
};

// An instance as executors drive it: it comes when it is called and at the time it was told, and is
// left otherwise.
class LeftInstance : public Waker {
 public:
  static std::shared_ptr<LeftInstance> AddTo(Scheduler& scheduler, VirtualClock& clock) {
    auto instance = std::make_shared<LeftInstance>(scheduler, clock);
    instance->index = scheduler.AddInstance(instance);
    return instance;
  }
  LeftInstance(Scheduler& scheduler, VirtualClock& clock) : scheduler_(scheduler), clock_(clock) {}

  void Wake() override {
    EXPECT_TRUE(std::exchange(left_, false)) << "called twice";
    ++calls;
  }

  // False: nothing was due, and it has been left.
  bool Visit() {
    left_ = false;
    Batch batch;
    if (!scheduler_.TakeOrLeave(index, &batch, &look_again_ns_)) {
      left_ = true;
      return false;
    }
    for (RequestPtr& request : batch) Answer(std::move(request));
    scheduler_.Finished(index);
    return true;
  }

  // Visits for as long as there is a reason to; time goes on to the next one.
  void Drive() {
    while (!left_ || look_again_ns_ != kNever) {
      if (left_) clock_.now_ns = std::max(clock_.now_ns, look_again_ns_);
      while (Visit()) continue;
    }
  }

  size_t index = 0;
  int calls = 0;

 private:
  Scheduler& scheduler_;
  VirtualClock& clock_;
  bool left_ = true;
  uint64_t look_again_ns_ = kNever;
};

class SchedulerContract : public ::testing::TestWithParam<Kind> {
 protected:
  void Make(uint32_t max_queue_size = 0, size_t instances = 1) {
    scheduler_ = GetParam().make(target_->signature(), max_queue_size, instances, clock_);
  }

  FakeRequest& Add() {
    requests_.push_back(std::make_unique<FakeRequest>(target_, Shape{1, 1}));
    MakeLegal(*requests_.back());
    return *requests_.back();
  }

  void MakeLegal(FakeRequest& fake) {
    if (!GetParam().sequences) return;
    fake.request.correlation_id.number = ++last_sequence_;
    fake.request.flags = kSequenceStart | kSequenceEnd;
  }

  // Enqueues; a refused request is withdrawn, as its caller would.
  Status Enqueue(FakeRequest& fake) {
    RequestPtr request = fake.Submit(clock_.now_ns);
    Status outcome;
    scheduler_->Enqueue({&request, 1}, {&outcome, 1});
    EXPECT_EQ(request == nullptr, outcome.ok());
    if (request != nullptr) request.release()->Withdraw();
    return outcome;
  }

  // Takes and answers until nothing is due at any time; returns the order of
  // the ids.
  std::vector<const InferenceRequest*> RunDry(size_t instance = 0) {
    std::vector<const InferenceRequest*> order;
    for (int idle = 0; idle < 2;) {
      Batch batch;
      uint64_t look_again = 0;
      if (scheduler_->TryTake(instance, &batch, &look_again)) {
        idle = 0;
        EXPECT_FALSE(batch.empty());
        EXPECT_LE(batch.size(), 8u);
        for (RequestPtr& request : batch) {
          order.push_back(request.get());
          Answer(std::move(request));
        }
        scheduler_->Finished(instance);
      } else {
        ++idle;
        if (look_again != kNever) clock_.now_ns = look_again;
      }
    }
    return order;
  }

  void ExpectAllEndedOnce() {
    for (const auto& fake : requests_) {
      EXPECT_EQ(fake->releases, 1);
      EXPECT_EQ(fake->sink->finals, 1);
    }
    EXPECT_EQ(target_->in_flight.load(), 0);
  }

  VirtualClock clock_;
  std::shared_ptr<FakeTarget> target_ = std::make_shared<FakeTarget>();
  std::vector<std::unique_ptr<FakeRequest>> requests_;
  std::unique_ptr<Scheduler> scheduler_;
  uint64_t last_sequence_ = 0;
};

TEST_P(SchedulerContract, HandsOutEverythingInOrderOfArrival) {
  Make();
  std::vector<const InferenceRequest*> sent;
  for (int i = 0; i < 50; ++i) {
    FakeRequest& fake = Add();
    sent.push_back(&fake.request);
    ASSERT_TRUE(Enqueue(fake).ok());
  }
  EXPECT_EQ(RunDry(), sent);
  ExpectAllEndedOnce();
}

TEST_P(SchedulerContract, EmptyQueueHandsOutNothing) {
  Make();
  Batch batch;
  uint64_t look_again = 0;
  EXPECT_FALSE(scheduler_->TryTake(0, &batch, &look_again));
  EXPECT_EQ(look_again, kNever);
}

TEST_P(SchedulerContract, RefusesBeyondItsBoundAndKeepsTheRest) {
  if (!GetParam().bounded) GTEST_SKIP() << "has no bound";
  Make(3);
  for (int i = 0; i < 3; ++i) ASSERT_TRUE(Enqueue(Add()).ok());
  FakeRequest refused(target_, {1, 1});
  const Status status = Enqueue(refused);
  EXPECT_EQ(status.code(), StatusCode::kUnavailable);
  EXPECT_NE(status.message().find("max_queue_size is 3"), std::string::npos) << status.message();
  EXPECT_EQ(refused.releases, 0);
  EXPECT_EQ(refused.sink->finals, 0);
  RunDry();
  ExpectAllEndedOnce();
  EXPECT_TRUE(Enqueue(Add()).ok()) << "room again after the queue has emptied";
  RunDry();
  ExpectAllEndedOnce();
}

TEST_P(SchedulerContract, TogetherEnqueuedRequestsAreAcceptedOneByOne) {
  if (!GetParam().bounded) GTEST_SKIP() << "has no bound";
  Make(2);
  RequestPtr requests[3] = {Add().Submit(1), Add().Submit(1), nullptr};
  FakeRequest refused(target_, {1, 1});
  requests[2] = refused.Submit(1);
  Status outcomes[3];
  scheduler_->Enqueue(requests, outcomes);
  EXPECT_TRUE(outcomes[0].ok());
  EXPECT_TRUE(outcomes[1].ok());
  EXPECT_EQ(outcomes[2].code(), StatusCode::kUnavailable);
  ASSERT_NE(requests[2], nullptr);
  requests[2].release()->Withdraw();
  RunDry();
  ExpectAllEndedOnce();
}

TEST_P(SchedulerContract, StopRefusesNewAndHandsOutOld) {
  Make();
  for (int i = 0; i < 5; ++i) ASSERT_TRUE(Enqueue(Add()).ok());
  scheduler_->Stop();
  FakeRequest late(target_, {1, 1});
  MakeLegal(late);
  EXPECT_EQ(Enqueue(late).code(), StatusCode::kUnavailable);
  Batch batch;
  size_t handed_out = 0;
  while (scheduler_->Take(0, &batch)) {
    handed_out += batch.size();
    for (RequestPtr& request : batch) Answer(std::move(request));
    batch.clear();
    scheduler_->Finished(0);
  }
  EXPECT_EQ(handed_out, 5u);
  ExpectAllEndedOnce();
}

TEST_P(SchedulerContract, CancelEndsWhatWaitsAndOnlyThat) {
  Make();
  for (int i = 0; i < 5; ++i) ASSERT_TRUE(Enqueue(Add()).ok());
  scheduler_->Cancel(&requests_[2]->request);
  EXPECT_EQ(requests_[2]->releases, 1);
  scheduler_->Cancel(&requests_[2]->request);  // it is out already
  EXPECT_EQ(RunDry().size(), 4u);
  ExpectAllEndedOnce();
  EXPECT_EQ(requests_[2]->sink->responses[0]->status().code(), StatusCode::kCancelled);
  scheduler_->Cancel(&requests_[0]->request);  // it has long been answered
  ExpectAllEndedOnce();
}

TEST_P(SchedulerContract, ABusyInstanceGetsNothing) {
  Make();
  for (int i = 0; i < 20; ++i) ASSERT_TRUE(Enqueue(Add()).ok());
  clock_.now_ns += 1000000;
  Batch batch, second;
  uint64_t look_again = 0;
  ASSERT_TRUE(scheduler_->TryTake(0, &batch, &look_again));
  EXPECT_FALSE(scheduler_->TryTake(0, &second, &look_again));
  for (RequestPtr& request : batch) Answer(std::move(request));
  scheduler_->Finished(0);
  RunDry();
  ExpectAllEndedOnce();
}

TEST_P(SchedulerContract, InlineClaimsOnlyAFreeInstanceOfAnEmptyQueue) {
  Make(0, 2);
  size_t first = 9, second = 9, third = 9;
  if (!GetParam().runs_inline) {
    EXPECT_FALSE(TakeInline(*scheduler_, target_, 1, kNever, &first));
    return;
  }
  ASSERT_TRUE(TakeInline(*scheduler_, target_, 1, kNever, &first));
  ASSERT_TRUE(TakeInline(*scheduler_, target_, 1, kNever, &second));
  EXPECT_NE(first, second);
  EXPECT_FALSE(TakeInline(*scheduler_, target_, 1, kNever, &third)) << "both instances are busy";
  scheduler_->Finished(first);
  EXPECT_TRUE(TakeInline(*scheduler_, target_, 1, kNever, &third));
  EXPECT_EQ(third, first);
  scheduler_->Finished(third);
  ASSERT_TRUE(Enqueue(Add()).ok());
  EXPECT_FALSE(TakeInline(*scheduler_, target_, 1, kNever, &third)) << "somebody waits";
  scheduler_->Finished(second);
  RunDry(second);
  scheduler_->Stop();
  EXPECT_FALSE(TakeInline(*scheduler_, target_, 1, kNever, &third)) << "stopped";
  ExpectAllEndedOnce();
}

TEST_P(SchedulerContract, InlineTakesWhatIsKnownToBeShort) {
  if (!GetParam().runs_inline) GTEST_SKIP() << "has no inline lane";
  Make();
  const auto run_for = [&](uint64_t duration_ns) {
    size_t instance = 9;
    ASSERT_TRUE(TakeInline(*scheduler_, target_, 1, kNever, &instance));
    clock_.now_ns += duration_ns;
    scheduler_->Finished(instance);
  };
  size_t instance = 9;
  EXPECT_FALSE(TakeInline(*scheduler_, target_, 1, 1000, &instance)) << "nothing is known";
  for (int i = 0; i < 8; ++i) run_for(900);
  EXPECT_FALSE(TakeInline(*scheduler_, target_, 1, 899, &instance));
  EXPECT_FALSE(TakeInline(*scheduler_, target_, 2, 1000, &instance))
      << "of this size nothing is known";
  if (GetParam().delays) {
    EXPECT_FALSE(TakeInline(*scheduler_, target_, 1, 1000, &instance)) << "others may come";
    return;
  }
  ASSERT_TRUE(TakeInline(*scheduler_, target_, 1, 1000, &instance));
  scheduler_->Finished(instance);
  run_for(1001);
  EXPECT_FALSE(TakeInline(*scheduler_, target_, 1, 1000, &instance)) << "the last one was longer";
}

TEST_P(SchedulerContract, AnInlineClaimHidesTheInstanceFromItsThread) {
  if (!GetParam().runs_inline) GTEST_SKIP() << "has no inline lane";
  Make();
  size_t instance = 9;
  ASSERT_TRUE(TakeInline(*scheduler_, target_, 1, kNever, &instance));
  ASSERT_TRUE(Enqueue(Add()).ok());
  clock_.now_ns += 1000000;
  Batch batch;
  uint64_t look_again = 0;
  EXPECT_FALSE(scheduler_->TryTake(0, &batch, &look_again));
  scheduler_->Finished(instance);
  RunDry();
  ExpectAllEndedOnce();
}

TEST_P(SchedulerContract, WhoWasLeftIsCalledOnceAndMissesNothing) {
  Make(0, 0);
  const auto left = LeftInstance::AddTo(*scheduler_, clock_);
  EXPECT_EQ(left->calls, 0);
  for (int round = 1; round <= 3; ++round) {
    for (int i = 0; i < 5; ++i) ASSERT_TRUE(Enqueue(Add()).ok());
    EXPECT_EQ(left->calls, round) << "once, for all that come before it has looked";
    left->Drive();
    EXPECT_EQ(left->calls, round) << "whom it has found it need not be called for";
    ExpectAllEndedOnce();
  }
}

TEST_P(SchedulerContract, WhoIsAddedWhileSomethingWaitsIsCalled) {
  Make(0, 0);
  ASSERT_TRUE(Enqueue(Add()).ok());
  const auto left = LeftInstance::AddTo(*scheduler_, clock_);
  EXPECT_EQ(left->calls, 1);
  left->Drive();
  ExpectAllEndedOnce();
}

TEST_P(SchedulerContract, StopCallsWhoWasLeftOnlyIfSomethingWaits) {
  Make(0, 0);
  const auto left = LeftInstance::AddTo(*scheduler_, clock_);
  ASSERT_TRUE(Enqueue(Add()).ok());
  while (left->Visit()) continue;
  const bool waits = requests_.front()->releases == 0;  // for others, for a while
  scheduler_->Stop();
  EXPECT_EQ(left->calls, waits ? 2 : 1);
  while (left->Visit()) continue;
  ExpectAllEndedOnce();
  Batch batch;
  EXPECT_FALSE(scheduler_->Take(left->index, &batch));
}

TEST_P(SchedulerContract, RemovedBeforeItCameItLeavesItsCallToAnother) {
  Make(0, 0);
  const auto a = LeftInstance::AddTo(*scheduler_, clock_);
  const auto b = LeftInstance::AddTo(*scheduler_, clock_);
  ASSERT_TRUE(Enqueue(Add()).ok());
  ASSERT_EQ(a->calls + b->calls, 1);
  const auto removed = a->calls == 1 ? a : b;
  const auto stays = removed == a ? b : a;
  scheduler_->RemoveInstance(removed->index);
  stays->Drive();
  removed->Drive();  // a sequence that has begun there goes on there
  ExpectAllEndedOnce();
  Batch batch;
  EXPECT_FALSE(scheduler_->Take(removed->index, &batch));

  const int calls = removed->calls;
  for (int i = 0; i < 5; ++i) ASSERT_TRUE(Enqueue(Add()).ok());
  EXPECT_EQ(removed->calls, calls);
  stays->Drive();
  ExpectAllEndedOnce();
}

// An execution that goes on by itself.
TEST_P(SchedulerContract, WhoIsLeftWhileItIsBusyIsCalledWhenItIsFree) {
  Make(0, 0);
  const auto left = LeftInstance::AddTo(*scheduler_, clock_);
  ASSERT_TRUE(Enqueue(Add()).ok());
  clock_.now_ns += 1000000;
  Batch batch;
  uint64_t look_again_ns = 0;
  ASSERT_TRUE(scheduler_->TakeOrLeave(left->index, &batch, &look_again_ns));
  EXPECT_FALSE(left->Visit()) << "it is busy";
  ASSERT_TRUE(Enqueue(Add()).ok());
  EXPECT_FALSE(left->Visit()) << "it is busy still";
  for (RequestPtr& request : batch) Answer(std::move(request));
  EXPECT_FALSE(left->Visit()) << "that its requests are answered changes nothing";
  const int calls = left->calls;
  scheduler_->Finished(left->index);
  EXPECT_EQ(left->calls, calls + 1);
  left->Drive();
  ExpectAllEndedOnce();
}

TEST_P(SchedulerContract, WhoWasLeftAndIsClaimedIsCalledAfterwardsForWhatHasCome) {
  if (!GetParam().runs_inline) GTEST_SKIP() << "has no inline lane";
  Make(0, 0);
  const auto left = LeftInstance::AddTo(*scheduler_, clock_);
  size_t claimed = 9;
  ASSERT_TRUE(TakeInline(*scheduler_, target_, 1, kNever, &claimed));
  scheduler_->Finished(claimed);
  EXPECT_EQ(left->calls, 0) << "nothing has come";

  ASSERT_TRUE(TakeInline(*scheduler_, target_, 1, kNever, &claimed));
  ASSERT_TRUE(Enqueue(Add()).ok());
  EXPECT_EQ(left->calls, 0) << "it could do nothing";
  scheduler_->Finished(claimed);
  EXPECT_EQ(left->calls, 1);
  left->Drive();
  ExpectAllEndedOnce();

  ASSERT_TRUE(TakeInline(*scheduler_, target_, 1, kNever, &claimed));
  EXPECT_FALSE(left->Visit());
  ASSERT_TRUE(Enqueue(Add()).ok());
  scheduler_->Finished(claimed);
  EXPECT_EQ(left->calls, 2) << "it came in vain and was left again";
  left->Drive();
  ExpectAllEndedOnce();
}

TEST_P(SchedulerContract, DestroyedSchedulerAnswersWhatWaits) {
  Make();
  for (int i = 0; i < 3; ++i) ASSERT_TRUE(Enqueue(Add()).ok());
  scheduler_.reset();
  ExpectAllEndedOnce();
  EXPECT_EQ(requests_[0]->sink->responses[0]->status().code(), StatusCode::kInternal);
}

// Real threads, real waits: several instances, several producers, inline
// callers and cancels. Run under the thread sanitizer this is the race test of
// the scheduler.
TEST_P(SchedulerContract, EndsEveryRequestOnceUnderConcurrency) {
  constexpr size_t kInstances = 3, kProducers = 3, kEach = 400;
  scheduler_ = GetParam().make(target_->signature(), 0, kInstances, Clock::System());
  for (size_t i = 0; i < kProducers * kEach; ++i) Add();
  std::vector<std::thread> threads;
  for (size_t i = 0; i < kInstances; ++i) {
    threads.emplace_back([&, i] {
      Batch batch;
      while (scheduler_->Take(i, &batch)) {
        for (RequestPtr& request : batch) Answer(std::move(request));
        batch.clear();
        scheduler_->Finished(i);
      }
    });
  }
  std::vector<std::thread> producers;
  for (size_t p = 0; p < kProducers; ++p) {
    producers.emplace_back([&, p] {
      for (size_t i = 0; i < kEach; ++i) {
        FakeRequest& fake = *requests_[p * kEach + i];
        size_t instance = 0;
        if (i % 3 == 0 && TakeInline(*scheduler_, target_, 1, kNever, &instance)) {
          Answer(fake.Submit(NowNs()));
          scheduler_->Finished(instance);
          continue;
        }
        RequestPtr request = fake.Submit(NowNs());
        Status outcome;
        scheduler_->Enqueue({&request, 1}, {&outcome, 1});
        ASSERT_TRUE(outcome.ok());
        if (i % 7 == 0) scheduler_->Cancel(&fake.request);
      }
    });
  }
  for (std::thread& producer : producers) producer.join();
  scheduler_->Stop();
  for (std::thread& thread : threads) thread.join();
  scheduler_.reset();  // waits for what the timer may still be answering
  ExpectAllEndedOnce();
}

INSTANTIATE_TEST_SUITE_P(All, SchedulerContract, ::testing::ValuesIn(kSchedulers),
                         [](const auto& info) { return info.param.name; });

}  // namespace
}  // namespace trident
