// How sequences end before their END, in both strategies: time, stopping, cancellation, instances
// that go.

#include <gtest/gtest.h>

#include "scheduler/sequence_fixture.h"

namespace trident {
namespace {

using Ids = std::vector<uint64_t>;

class SequenceEndings : public EitherStrategy {};

// Time -------------------------------------------------------------------------------------------

TEST_P(SequenceEndings, TimeoutEndsABacklogEntryWhole) {
  MakeWithSlots(1);
  Send(1, kSequenceStart);
  FakeRequest& first = Send(2, kSequenceStart, 5000);
  FakeRequest& second = Send(2, 0);
  AdvanceTo(1 + 5 * kMs - 1);
  EXPECT_EQ(first.sink->finals, 0);
  Advance(1);
  EXPECT_EQ(CodeOf(first), StatusCode::kUnavailable);
  EXPECT_EQ(CodeOf(second), StatusCode::kUnavailable);
  EXPECT_NE(first.sink->responses[0]->status().message().find(
                "timeout of the corresponding sequence has been expired"),
            std::string::npos);
  EXPECT_EQ(TrySend(Id(2), 0).code(), StatusCode::kInvalidArg) << "the sequence is gone";
  Send(1, kSequenceEnd);
  RunDry();
  ExpectAllEndedOnce();
}

TEST_P(SequenceEndings, TheEarliestTimeoutOfABacklogEntryCounts) {
  MakeWithSlots(1);
  Send(1, kSequenceStart);
  FakeRequest& patient = Send(2, kSequenceStart, 9000);
  Advance(kMs);
  FakeRequest& hasty = Send(2, 0, 2000);
  FakeRequest& other = Send(3, kSequenceStart, 4000);
  Advance(2 * kMs);
  EXPECT_EQ(CodeOf(hasty), StatusCode::kUnavailable);
  EXPECT_EQ(CodeOf(patient), StatusCode::kUnavailable);
  EXPECT_EQ(other.sink->finals, 0);
  Advance(2 * kMs);
  EXPECT_EQ(CodeOf(other), StatusCode::kUnavailable);
}

TEST_P(SequenceEndings, ATimeoutIsOverOnceTheSequenceHasASlot) {
  MakeWithSlots(1);
  Send(1, kBoth);
  FakeRequest& waits = Send(2, kSequenceStart, 5000);
  EXPECT_EQ(RunOne(), Ids{1});
  Advance(6 * kMs);
  EXPECT_EQ(waits.sink->finals, 0);
  FakeRequest& later = Send(2, kSequenceEnd, 1);
  Advance(kMs);
  EXPECT_EQ(RunOne(), Ids{2});
  EXPECT_EQ(RunOne(), Ids{2});
  EXPECT_EQ(CodeOf(later), StatusCode::kOk);
  ExpectAllEndedOnce();
}

TEST_P(SequenceEndings, AnExpiredEntryGetsNoSlotEvenIfNoTimerHasRung) {
  MakeWithSlots(1);
  Send(1, kBoth);
  FakeRequest& late = Send(2, kSequenceStart, 1000);
  Batch batch = Take();
  clock.now_ns += 2 * kMs;
  End(std::move(batch));
  EXPECT_EQ(CodeOf(late), StatusCode::kUnavailable);
}

TEST_P(SequenceEndings, AnIdleSequenceLosesItsSlotWithoutAResponse) {
  policy.max_idle_ns = 10 * kMs;
  MakeWithSlots(1);
  Send(1, kSequenceStart);
  Send(2, kSequenceStart);
  EXPECT_EQ(RunOne(), Ids{1});
  Advance(10 * kMs - 1);
  EXPECT_EQ(RunOne(), Ids{});
  Advance(1);
  EXPECT_EQ(RunOne(), Ids{2});
  EXPECT_EQ(TrySend(Id(1), 0).code(), StatusCode::kInvalidArg);
  ExpectAllEndedOnce();
}

TEST_P(SequenceEndings, EveryRequestPutsIdlenessOff) {
  policy.max_idle_ns = 10 * kMs;
  MakeWithSlots(1);
  Send(1, kSequenceStart);
  for (int i = 0; i < 5; ++i) {
    EXPECT_EQ(RunOne(), Ids{1});
    Advance(9 * kMs);
    Send(1, 0);
  }
  EXPECT_EQ(RunOne(), Ids{1});
  Advance(10 * kMs);
  EXPECT_EQ(TrySend(Id(1), 0).code(), StatusCode::kInvalidArg);
}

// Triton counts from the last arrival, and so ends a sequence whose client waits for a slow answer;
// its documentation says that a sequence is idle when it has no request queued.
TEST_P(SequenceEndings, ASequenceWithARequestWaitingOrExecutingIsNotIdle) {
  policy.max_idle_ns = 10 * kMs;
  MakeWithSlots(1);
  Send(1, kSequenceStart);
  Advance(50 * kMs);
  Batch batch = Take();
  ASSERT_EQ(batch.size(), 1u);
  Advance(50 * kMs);
  End(std::move(batch));
  Advance(9 * kMs);
  Send(1, kSequenceEnd);
  EXPECT_EQ(RunOne(), Ids{1});
  ExpectAllEndedOnce();
}

TEST_P(SequenceEndings, TheBacklogIsNotIdle) {
  policy.max_idle_ns = 10 * kMs;
  MakeWithSlots(1);
  Send(1, kSequenceStart);
  Send(2, kSequenceStart);
  Batch batch = Take();
  Advance(100 * kMs);
  EXPECT_TRUE(TrySend(Id(2), kSequenceEnd).ok());
  End(std::move(batch));
  Send(1, kSequenceEnd);
  for (const Ids& expected : {Ids{1}, Ids{2}, Ids{2}}) EXPECT_EQ(RunOne(), expected);
  ExpectAllEndedOnce();
}

// Stopping ---------------------------------------------------------------------------------------

TEST_P(SequenceEndings, StoppingRefusesOnlyStarts) {
  MakeWithSlots(1);
  Send(1, kSequenceStart);
  Send(2, kSequenceStart);
  scheduler->Stop();
  EXPECT_EQ(TrySend(Id(3), kSequenceStart).code(), StatusCode::kUnavailable);
  EXPECT_EQ(TrySend(Id(1), kSequenceStart).code(), StatusCode::kUnavailable);
  Send(1, kSequenceEnd);
  EXPECT_TRUE(TrySend(Id(2), kSequenceEnd).ok()) << "in the backlog is as good as running";
  for (const Ids& expected : {Ids{1}, Ids{1}, Ids{2}, Ids{2}}) EXPECT_EQ(RunOne(), expected);
  ExpectAllEndedOnce();
}

TEST_P(SequenceEndings, OnceItsInstanceHasLeftASequenceCantGoOn) {
  Make();
  Send(1, kSequenceStart);
  EXPECT_EQ(RunOne(), Ids{1});
  scheduler->Stop();
  Batch batch;
  EXPECT_FALSE(scheduler->Take(0, &batch)) << "nothing waits: the instance leaves";
  EXPECT_EQ(TrySend(Id(1), kSequenceEnd).code(), StatusCode::kUnavailable);
}

TEST_P(SequenceEndings, AfterStopTheInstanceStaysForTheBacklog) {
  policy.max_idle_ns = 10 * kMs;
  MakeWithSlots(1);
  Send(1, kSequenceStart);
  FakeRequest& waits = Send(2, kBoth);
  EXPECT_EQ(RunOne(), Ids{1});
  scheduler->Stop();
  Advance(10 * kMs);  // the first sequence never ends
  Batch batch;
  ASSERT_TRUE(scheduler->Take(0, &batch));
  EXPECT_EQ(batch[0].get(), &waits.request);
  End(std::move(batch));
  batch.clear();
  EXPECT_FALSE(scheduler->Take(0, &batch));
  ExpectAllEndedOnce();
}

// Cancellation -----------------------------------------------------------------------------------

TEST_P(SequenceEndings, CancellingTheHeadFreesTheSlotAndEndsTheWholeSequence) {
  MakeWithSlots(1);
  FakeRequest& head = Send(1, kSequenceStart);
  FakeRequest& second = Send(1, 0);
  Send(2, kBoth);
  ASSERT_TRUE(head.request.Cancel().ok());
  scheduler->Cancel(&head.request);
  EXPECT_EQ(CodeOf(head), StatusCode::kCancelled);
  EXPECT_EQ(CodeOf(second), StatusCode::kCancelled);
  EXPECT_EQ(TrySend(Id(1), 0).code(), StatusCode::kInvalidArg);
  EXPECT_EQ(RunOne(), Ids{2});
  ExpectAllEndedOnce();
}

TEST_P(SequenceEndings, CancellingALaterRequestLeavesTheOnesBefore) {
  MakeWithSlots(1);
  FakeRequest& first = Send(1, kSequenceStart);
  FakeRequest& second = Send(1, 0);
  FakeRequest& third = Send(1, kSequenceEnd);
  scheduler->Cancel(&second.request);
  EXPECT_EQ(CodeOf(second), StatusCode::kCancelled);
  EXPECT_EQ(CodeOf(third), StatusCode::kCancelled);
  EXPECT_EQ(first.sink->finals, 0);
  EXPECT_EQ(RunOne(), Ids{1});
  EXPECT_EQ(CodeOf(first), StatusCode::kOk);
  Send(1, kBoth);
  EXPECT_EQ(RunOne(), Ids{1});
  ExpectAllEndedOnce();
}

TEST_P(SequenceEndings, CancellingAnyRequestOfABacklogEntryDropsItWhole) {
  MakeWithSlots(1);
  Send(1, kSequenceStart);
  FakeRequest& first = Send(2, kSequenceStart);
  FakeRequest& last = Send(2, kSequenceEnd);
  Send(3, kBoth);
  scheduler->Cancel(&last.request);
  EXPECT_EQ(CodeOf(first), StatusCode::kCancelled);
  EXPECT_EQ(CodeOf(last), StatusCode::kCancelled);
  Send(1, kSequenceEnd);
  for (const Ids& expected : {Ids{1}, Ids{1}, Ids{3}}) EXPECT_EQ(RunOne(), expected);
  ExpectAllEndedOnce();
}

TEST_P(SequenceEndings, CancellingWhatExecutesIsTheBackendsAffair) {
  MakeWithSlots(1);
  FakeRequest& executing = Send(1, kSequenceStart);
  FakeRequest& waits = Send(1, kSequenceEnd);
  Batch batch = Take();
  ASSERT_EQ(batch.size(), 1u);
  scheduler->Cancel(&executing.request);
  EXPECT_EQ(executing.sink->finals, 0);
  End(std::move(batch));
  EXPECT_EQ(RunOne(), Ids{1});
  EXPECT_EQ(CodeOf(waits), StatusCode::kOk);
  ExpectAllEndedOnce();
}

TEST_P(SequenceEndings, CancellingWhileThePreviousRequestExecutesFreesTheSlotAfterIt) {
  MakeWithSlots(1);
  Send(1, kSequenceStart);
  Batch batch = Take();
  FakeRequest& waits = Send(1, 0);
  FakeRequest& other = Send(2, kBoth);
  scheduler->Cancel(&waits.request);
  EXPECT_EQ(CodeOf(waits), StatusCode::kCancelled);
  EXPECT_EQ(RunOne(), Ids{}) << "busy";
  End(std::move(batch));
  EXPECT_EQ(RunOne(), Ids{2});
  EXPECT_EQ(CodeOf(other), StatusCode::kOk);
  ExpectAllEndedOnce();
}

TEST_P(SequenceEndings, ARequestCancelledBeforeItArrivesEndsAtOnce) {
  Make();
  FakeRequest& fake = New(Id(1), kSequenceStart);
  RequestPtr request = fake.Submit(clock.now_ns);
  ASSERT_TRUE(fake.request.Cancel().ok());
  Status outcome;
  scheduler->Enqueue({&request, 1}, {&outcome, 1});
  EXPECT_TRUE(outcome.ok());
  EXPECT_EQ(CodeOf(fake), StatusCode::kCancelled);
  EXPECT_EQ(TrySend(Id(1), 0).code(), StatusCode::kInvalidArg);
  ExpectAllEndedOnce();
}

// Instances --------------------------------------------------------------------------------------

TEST_P(SequenceEndings, ARemovedInstanceKeepsItsSequencesAndTakesNoNewOnes) {
  policy.max_idle_ns = 10 * kMs;
  MakeWithSlots(1, 2);
  Send(1, kSequenceStart);
  Send(2, kSequenceStart);
  scheduler->RemoveInstance(0);
  EXPECT_EQ(RunOne(0), Ids{1});
  EXPECT_EQ(RunOne(1), Ids{2});
  Send(3, kBoth);
  Send(1, kSequenceEnd);
  EXPECT_EQ(RunOne(0), Ids{1});
  EXPECT_EQ(RunOne(0), Ids{}) << "no slot of a removed instance is given away";
  Batch batch;
  EXPECT_FALSE(scheduler->Take(0, &batch)) << "its slots have drained";
  Send(2, kSequenceEnd);
  EXPECT_EQ(RunOne(1), Ids{2});
  EXPECT_EQ(RunOne(1), Ids{3});
  ExpectAllEndedOnce();
}

TEST_P(SequenceEndings, AnAddedInstanceTakesFromTheBacklog) {
  MakeWithSlots(1);
  Send(1, kSequenceStart);
  Send(2, kBoth);
  EXPECT_EQ(RunOne(0), Ids{1});
  EXPECT_EQ(RunOne(0), Ids{});
  EXPECT_EQ(scheduler->AddInstance(), 1u);
  EXPECT_EQ(RunOne(1), Ids{2});
  ExpectAllEndedOnce();
}

INSTANTIATE_WITH_BOTH_STRATEGIES(SequenceEndings);

}  // namespace
}  // namespace trident
