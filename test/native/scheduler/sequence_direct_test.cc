#include "scheduler/sequence_direct.h"

#include <gtest/gtest.h>

#include "scheduler/sequence_fixture.h"

namespace trident {
namespace {

using Ids = std::vector<uint64_t>;

class Direct : public SequenceFixture, public ::testing::Test {
 protected:
  void MakeWithSlots(size_t slots) {
    policy.slots = slots;
    Make(Strategy::kDirect);
  }
  void StartSequences(uint64_t count) {
    for (uint64_t id = 1; id <= count; ++id) Send(id, kSequenceStart);
    EXPECT_EQ(RunOne().size(), count);
  }
};

TEST(DecideDirect, DelayCountsOnlyWithAMinimumUtilizationAndTheOtherWayRound) {
  SequencePolicy policy;
  policy.slots = 4;
  EXPECT_TRUE(DecideDirect(1, 0, policy, 0).run);
  policy.max_queue_delay_ns = 100;
  EXPECT_TRUE(DecideDirect(1, 0, policy, 0).run);
  policy.max_queue_delay_ns = 0;
  policy.minimum_slot_utilization = 0.5F;
  EXPECT_TRUE(DecideDirect(1, 0, policy, 0).run);
}

TEST(DecideDirect, RunsWhenEnoughSlotsAreReadyOrTheOldestHasWaited) {
  SequencePolicy policy;
  policy.slots = 4;
  policy.max_queue_delay_ns = 100;
  policy.minimum_slot_utilization = 0.5F;
  EXPECT_FALSE(DecideDirect(1, 50, policy, 149).run);
  EXPECT_EQ(DecideDirect(1, 50, policy, 149).look_again_ns, 150u);
  EXPECT_TRUE(DecideDirect(1, 50, policy, 150).run);
  EXPECT_TRUE(DecideDirect(2, 50, policy, 50).run);
  policy.max_queue_delay_ns = UINT64_MAX;
  EXPECT_FALSE(DecideDirect(1, 50, policy, UINT64_MAX - 1).run) << "a delay beyond the end of time";
}

TEST_F(Direct, EverySequenceKeepsItsRow) {
  MakeWithSlots(4);
  StartSequences(3);
  Send(3, 0);
  Send(2, 0);
  Send(1, 0);
  EXPECT_EQ(RunOne(), (Ids{1, 2, 3}));
}

TEST_F(Direct, EmptySlotsBelowTheHighestUsedOneAreFilledWithNullRequests) {
  MakeWithSlots(8);
  StartSequences(4);
  Send(4, 0);
  Send(2, 0);
  EXPECT_EQ(RunOne(), (Ids{0, 2, 0, 4}));
  Send(1, 0);
  EXPECT_EQ(RunOne(), Ids{1}) << "nothing above the highest";
  ExpectAllEndedOnce();
}

TEST_F(Direct, ANullRequestHasZeroInputsAndNoOutputs) {
  MakeWithSlots(2);
  StartSequences(2);
  FakeRequest& real = Send(2, 0);
  real.data[0] = 5;
  Batch batch = Take();
  ASSERT_EQ(batch.size(), 2u);
  InferenceRequest& null = *batch[0];
  EXPECT_TRUE(null.is_null);
  EXPECT_EQ(null.output_count(), 0u);
  EXPECT_EQ(null.batch_size(), 1u);
  EXPECT_EQ(null.correlation_id.number, 0u);
  EXPECT_EQ(null.backend_input(0)->shape(), (Shape{1, 1}));
  EXPECT_EQ(Read<float>(null, "in"), 0);
  EXPECT_EQ(Read<float>(*batch[1], "in"), 5);
  End(std::move(batch));
  ExpectAllEndedOnce();
}

TEST_F(Direct, ARowOfAnotherShapeIsNullThisTimeAndRunsNextTime) {
  target = std::make_shared<FakeTarget>(Shape{-1});
  MakeWithSlots(3);
  StartSequences(3);
  Send(1, 0, 0, {1, 2});
  clock.now_ns += 1;
  Send(2, 0, 0, {1, 3});
  clock.now_ns += 1;
  Send(3, 0, 0, {1, 2});
  Batch batch = Take();
  ASSERT_EQ(batch.size(), 3u);
  EXPECT_TRUE(batch[1]->is_null);
  EXPECT_EQ(batch[1]->backend_input(0)->shape(), (Shape{1, 2}));
  End(std::move(batch));
  EXPECT_EQ(RunOne(), (Ids{0, 2}));
  ExpectAllEndedOnce();
}

// Triton takes the shape of the lowest slot, which can keep the others waiting for ever.
TEST_F(Direct, TheOldestRequestGivesTheBatchItsShape) {
  target = std::make_shared<FakeTarget>(Shape{-1});
  MakeWithSlots(2);
  StartSequences(2);
  Send(2, 0, 0, {1, 3});
  clock.now_ns += 1;
  Send(1, 0, 0, {1, 2});
  EXPECT_EQ(RunOne(), (Ids{0, 2}));
  EXPECT_EQ(RunOne(), Ids{1});
}

TEST_F(Direct, OneBatchInFlightAnInstance) {
  MakeWithSlots(2);
  StartSequences(2);
  Send(1, 0);
  Batch first = Take();
  Send(2, 0);
  Answer(*first[0]);
  scheduler->Finished(0);
  EXPECT_EQ(RunOne(), Ids{}) << "the batch before is not released";
  first.clear();
  EXPECT_EQ(RunOne(), (Ids{0, 2}));
  ExpectAllEndedOnce();
}

TEST_F(Direct, ANullRequestStillHeldKeepsTheBatchInFlight) {
  MakeWithSlots(2);
  StartSequences(2);
  Send(2, 0);
  Batch batch = Take();
  RequestPtr null = std::move(batch[0]);
  ASSERT_TRUE(null->is_null);
  End(std::move(batch));
  Send(1, 0);
  EXPECT_EQ(RunOne(), Ids{});
  null.reset();
  EXPECT_EQ(RunOne(), Ids{1});
  ExpectAllEndedOnce();
}

TEST_F(Direct, DelayWaitsForMoreSlots) {
  policy.max_queue_delay_ns = 5 * kMs;
  policy.minimum_slot_utilization = 0.75F;
  MakeWithSlots(4);
  const uint64_t begin = clock.now_ns;
  Send(1, kSequenceStart);
  Send(2, kSequenceStart);
  EXPECT_EQ(RunOne(), Ids{});
  EXPECT_EQ(look_again, begin + 5 * kMs);
  AdvanceTo(look_again);
  EXPECT_EQ(RunOne(), (Ids{1, 2}));
  Send(1, 0);
  Send(2, 0);
  Send(3, kSequenceStart);
  EXPECT_EQ(RunOne(), (Ids{1, 2, 3})) << "three of four slots are enough";
  Send(1, 0);
  EXPECT_EQ(RunOne(), Ids{});
  scheduler->Stop();
  EXPECT_EQ(RunOne(), Ids{1});
}

TEST_F(Direct, AModelWithoutBatchingHasOneSlot) {
  target = std::make_shared<FakeTarget>(Shape{1}, 0);
  MakeWithSlots(1);
  Send(1, kSequenceStart, 0, {1});
  Send(2, kBoth, 0, {1});
  Send(1, kSequenceEnd, 0, {1});
  EXPECT_EQ(RunOne(), Ids{1});
  EXPECT_EQ(RunOne(), Ids{1});
  EXPECT_EQ(RunOne(), Ids{2});
}

}  // namespace
}  // namespace trident
