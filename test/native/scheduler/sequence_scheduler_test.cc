// What both strategies promise of a sequence's way in and through: admission, slots, backlog.

#include <gtest/gtest.h>

#include "scheduler/sequence_fixture.h"
#include "support/take_inline.h"

namespace trident {
namespace {

using Ids = std::vector<uint64_t>;

class Sequences : public EitherStrategy {};

// Admission --------------------------------------------------------------------------------------

TEST_P(Sequences, BatchSizeMustBeOne) {
  Make();
  FakeRequest fake(target, {2, 1});
  fake.request.correlation_id = Id(1);
  fake.request.flags = kSequenceStart;
  const Status status = Enqueue(fake);
  EXPECT_EQ(status.code(), StatusCode::kInvalidArg);
  EXPECT_NE(status.message().find("must specify batch-size 1"), std::string::npos);
  EXPECT_EQ(TrySend(Id(1), 0).code(), StatusCode::kInvalidArg) << "nothing has started";
}

TEST_P(Sequences, CorrelationIdMustBeNonZeroOrNonEmpty) {
  Make();
  for (const CorrelationId& id : {Id(0), Id("")}) {
    const Status status = TrySend(id, kSequenceStart);
    EXPECT_EQ(status.code(), StatusCode::kInvalidArg);
    EXPECT_NE(status.message().find("non-zero or non-empty correlation ID"), std::string::npos);
  }
}

TEST_P(Sequences, FirstRequestMustHaveStart) {
  Make();
  for (const uint32_t flags : {0u, kSequenceEnd}) {
    const Status status = TrySend(Id(7), flags);
    EXPECT_EQ(status.code(), StatusCode::kInvalidArg);
    EXPECT_NE(status.message().find("sequence 7 to model 'fake' must specify the START flag"),
              std::string::npos)
        << status.message();
  }
  EXPECT_EQ(TrySend(Id("seven"), 0).code(), StatusCode::kInvalidArg);
  EXPECT_TRUE(TrySend(Id(7), kSequenceStart).ok()) << "a refusal leaves no trace";
  RunDry();
}

TEST_P(Sequences, AfterEndTheIdIsUnknownAgain) {
  Make();
  Send(1, kSequenceStart);
  Send(1, kSequenceEnd);
  EXPECT_EQ(TrySend(Id(1), kSequenceEnd).code(), StatusCode::kInvalidArg) << "a second END";
  EXPECT_EQ(TrySend(Id(1), 0).code(), StatusCode::kInvalidArg);
  RunDry();
  EXPECT_EQ(TrySend(Id(1), 0).code(), StatusCode::kInvalidArg);
  ExpectAllEndedOnce();
}

TEST_P(Sequences, NumbersAndStringsAreDifferentIds) {
  Make();
  ASSERT_TRUE(TrySend(Id("1"), kSequenceStart).ok());
  EXPECT_EQ(TrySend(Id(1), 0).code(), StatusCode::kInvalidArg);
  EXPECT_TRUE(TrySend(Id("1"), kSequenceEnd).ok());
  RunDry();
  ExpectAllEndedOnce();
}

TEST_P(Sequences, StartOfAnActiveIdGoesOnInTheSameSlotAndOneEndClosesIt) {
  MakeWithSlots(1);
  Send(1, kSequenceStart);
  Send(1, kSequenceStart);
  Send(2, kBoth);
  EXPECT_EQ(RunOne(), Ids{1});
  EXPECT_EQ(RunOne(), Ids{1});
  EXPECT_EQ(RunOne(), Ids{}) << "the slot is still that of the first sequence";
  Send(1, kSequenceEnd);
  EXPECT_EQ(RunOne(), Ids{1});
  EXPECT_EQ(RunOne(), Ids{2});
  EXPECT_EQ(TrySend(Id(1), 0).code(), StatusCode::kInvalidArg);
  ExpectAllEndedOnce();
}

// Slots and backlog ------------------------------------------------------------------------------

TEST_P(Sequences, FreeSlotsAreTakenLowestFirstAcrossInstances) {
  MakeWithSlots(2, 2);
  for (uint64_t id = 1; id <= 4; ++id) Send(id, kSequenceStart);
  EXPECT_EQ(RunOne(0), (Ids{1, 3}));
  EXPECT_EQ(RunOne(1), (Ids{2, 4}));
}

TEST_P(Sequences, RequestsOfASequenceStayWithItsInstance) {
  MakeWithSlots(2, 2);
  Send(1, kSequenceStart);
  Send(2, kSequenceStart);
  EXPECT_EQ(RunOne(0), Ids{1});
  Send(1, 0);
  EXPECT_EQ(RunOne(1), Ids{2});
  EXPECT_EQ(RunOne(1), Ids{}) << "the other instance is free, but it is not its own";
  EXPECT_EQ(RunOne(0), Ids{1});
}

TEST_P(Sequences, WithoutAFreeSlotTheWholeSequenceWaitsInTheBacklog) {
  MakeWithSlots(1);
  Send(1, kSequenceStart);
  Send(2, kSequenceStart);
  Send(2, 0);
  Send(2, kSequenceEnd);
  EXPECT_EQ(RunOne(), Ids{1});
  EXPECT_EQ(RunOne(), Ids{});
  Send(1, kSequenceEnd);
  for (const Ids& expected : {Ids{1}, Ids{2}, Ids{2}, Ids{2}, Ids{}}) EXPECT_EQ(RunOne(), expected);
  ExpectAllEndedOnce();
}

TEST_P(Sequences, TheBacklogIsFirstInFirstOut) {
  MakeWithSlots(1);
  for (uint64_t id = 1; id <= 5; ++id) Send(id, kBoth);
  for (uint64_t id = 1; id <= 5; ++id) EXPECT_EQ(RunOne(), Ids{id});
  ExpectAllEndedOnce();
}

TEST_P(Sequences, EndInTheBacklogLetsTheIdStartAgainBehindIt) {
  MakeWithSlots(1);
  Send(1, kSequenceStart);
  Send(2, kSequenceStart);
  Send(2, kSequenceEnd);
  FakeRequest& again = Send(2, kSequenceStart);
  Send(1, kSequenceEnd);
  for (const Ids& expected : {Ids{1}, Ids{1}, Ids{2}, Ids{2}}) EXPECT_EQ(RunOne(), expected);
  EXPECT_EQ(again.releases, 0);
  EXPECT_EQ(RunOne(), Ids{2});
  EXPECT_EQ(again.releases, 1);
}

// Triton gives the second sequence a slot of its own at once, beside the first.
TEST_P(Sequences, ANewSequenceOfAnIdWaitsUntilTheOneBeforeHasEnded) {
  MakeWithSlots(4);
  Send(1, kBoth);
  Send(1, kBoth);
  EXPECT_EQ(RunOne(), Ids{1});
  EXPECT_EQ(RunOne(), Ids{1});
  ExpectAllEndedOnce();
}

TEST_P(Sequences, AFreedSlotGoesToTheOldestOfTheBacklogBeforeAnyNewcomer) {
  MakeWithSlots(1);
  Send(1, kBoth);
  Send(2, kSequenceStart);
  EXPECT_EQ(RunOne(), Ids{1});
  Send(3, kBoth);
  EXPECT_EQ(RunOne(), Ids{2});
  EXPECT_EQ(RunOne(), Ids{});
}

// In flight --------------------------------------------------------------------------------------

TEST_P(Sequences, TheNextRequestWaitsUntilTheBackendHasReleasedTheOneBefore) {
  MakeWithSlots(1);
  Send(1, kSequenceStart);
  Send(1, kSequenceEnd);
  Batch batch = Take();
  Answer(*batch[0]);
  scheduler->Finished(0);  // but the backend still holds the request
  EXPECT_EQ(RunOne(), Ids{});
  batch.clear();
  EXPECT_EQ(RunOne(), Ids{1});
  ExpectAllEndedOnce();
}

TEST_P(Sequences, AnAbandonedSchedulerAnswersWhatWaits) {
  MakeWithSlots(1);
  FakeRequest& running = Send(1, kSequenceStart);
  FakeRequest& backlog = Send(2, kSequenceStart, 1000);
  scheduler.reset();
  EXPECT_EQ(CodeOf(running), StatusCode::kInternal);
  EXPECT_EQ(CodeOf(backlog), StatusCode::kInternal);
  EXPECT_TRUE(timer->alarms.empty());
  ExpectAllEndedOnce();
}

TEST_P(Sequences, NoInlineLane) {
  Make();
  size_t instance = 0;
  EXPECT_FALSE(TakeInline(*scheduler, target, 1, kNever, &instance));
}

TEST_P(Sequences, ManyGivenTogetherAreAcceptedOneByOne) {
  Make();
  FakeRequest& start = New(Id(1), kSequenceStart);
  FakeRequest unknown(target, {1, 1});
  unknown.request.correlation_id = Id(2);
  FakeRequest& end = New(Id(1), kSequenceEnd);
  RequestPtr given[] = {start.Submit(1), unknown.Submit(1), end.Submit(1)};
  Status outcomes[3];
  scheduler->Enqueue(given, outcomes);
  EXPECT_TRUE(outcomes[0].ok());
  EXPECT_EQ(outcomes[1].code(), StatusCode::kInvalidArg);
  EXPECT_TRUE(outcomes[2].ok());
  given[1].release()->Withdraw();
  RunDry();
  ExpectAllEndedOnce();
}

INSTANTIATE_WITH_BOTH_STRATEGIES(Sequences);

}  // namespace
}  // namespace trident
