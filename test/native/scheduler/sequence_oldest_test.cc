#include "scheduler/sequence_oldest.h"

#include <gtest/gtest.h>

#include "scheduler/sequence_fixture.h"

namespace trident {
namespace {

using Ids = std::vector<uint64_t>;

class Oldest : public SequenceFixture, public ::testing::Test {
 protected:
  void MakeWithCandidates(size_t candidates) {
    policy.slots = candidates;
    Make(Strategy::kOldest);
  }
};

TEST_F(Oldest, AtMostOneRequestOfASequenceInABatch) {
  MakeWithCandidates(4);
  Send(1, kSequenceStart);
  Send(1, 0);
  Send(2, kSequenceStart);
  EXPECT_EQ(RunOne(), (Ids{1, 2}));
  EXPECT_EQ(RunOne(), Ids{1});
}

TEST_F(Oldest, MoreCandidatesThanABatchHolds) {
  policy.batching.max_batch_size = 2;
  MakeWithCandidates(5);
  for (uint64_t id = 1; id <= 5; ++id) Send(id, kSequenceStart);
  EXPECT_EQ(RunOne(), (Ids{1, 2}));
  EXPECT_EQ(RunOne(), (Ids{3, 4}));
  Send(1, 0);
  EXPECT_EQ(RunOne(), (Ids{5, 1})) << "in the order of their turns";
}

TEST_F(Oldest, NoNullRequests) {
  MakeWithCandidates(4);
  for (uint64_t id = 1; id <= 4; ++id) Send(id, kSequenceStart);
  EXPECT_EQ(RunOne().size(), 4u);
  Send(4, 0);
  Send(2, 0);
  EXPECT_EQ(RunOne(), (Ids{4, 2}));
  ExpectAllEndedOnce();
}

TEST_F(Oldest, PreferredSizesAndDelayAsInDynamicBatching) {
  policy.batching.preferred = {2, 4};
  policy.batching.max_queue_delay_ns = 5 * kMs;
  MakeWithCandidates(8);
  const uint64_t begin = clock.now_ns;
  Send(1, kSequenceStart);
  EXPECT_EQ(RunOne(), Ids{});
  EXPECT_EQ(look_again, begin + 5 * kMs);
  Send(2, kSequenceStart);
  Send(3, kSequenceStart);
  EXPECT_EQ(RunOne(), (Ids{1, 2}));
  EXPECT_EQ(RunOne(), Ids{});
  AdvanceTo(look_again);
  EXPECT_EQ(RunOne(), Ids{3});
}

TEST_F(Oldest, TheDelayCountsFromTheTurnNotFromTheArrival) {
  policy.batching.max_queue_delay_ns = 5 * kMs;
  MakeWithCandidates(8);
  Send(1, kSequenceStart);
  Send(1, 0);
  AdvanceTo(1 + 5 * kMs);
  Batch batch = Take();
  ASSERT_EQ(batch.size(), 1u);
  Advance(10 * kMs);
  End(std::move(batch));
  EXPECT_EQ(RunOne(), Ids{});
  EXPECT_EQ(look_again, clock.now_ns + 5 * kMs);
}

TEST_F(Oldest, OnlyAlikeRequestsShareABatch) {
  target = std::make_shared<FakeTarget>(Shape{-1});
  MakeWithCandidates(4);
  Send(1, kSequenceStart, 0, {1, 2});
  Send(2, kSequenceStart, 0, {1, 3});
  Send(3, kSequenceStart, 0, {1, 3});
  EXPECT_EQ(RunOne(), Ids{1});
  EXPECT_EQ(RunOne(), (Ids{2, 3}));
}

TEST_F(Oldest, AReleasedRequestMakesWayEvenWhileItsBatchGoesOn) {
  MakeWithCandidates(4);
  Send(1, kSequenceStart);
  Send(2, kSequenceStart);
  Send(1, 0);
  Batch batch = Take();
  ASSERT_EQ(batch.size(), 2u);
  Answer(std::move(batch[0]));
  scheduler->Finished(0);  // the backend keeps the second
  EXPECT_EQ(RunOne(), Ids{1});
  Answer(std::move(batch[1]));
  ExpectAllEndedOnce();
}

TEST_F(Oldest, CancellingTheOnlyWaitingRequestTakesItOutOfTheLine) {
  MakeWithCandidates(4);
  Send(1, kSequenceStart);
  Send(2, kSequenceStart);
  Send(3, kSequenceStart);
  scheduler->Cancel(&requests[1]->request);
  EXPECT_EQ(RunOne(), (Ids{1, 3}));
  ExpectAllEndedOnce();
}

TEST_F(Oldest, WithPreserveOrderingResponsesLeaveInTheOrderOfTheirTurns) {
  policy.preserve_ordering = true;
  MakeWithCandidates(4);
  FakeRequest& first = Send(1, kSequenceStart);
  FakeRequest& second = Send(2, kSequenceStart);
  Batch batch = Take();
  ASSERT_EQ(batch.size(), 2u);
  scheduler->Finished(0);
  Answer(std::move(batch[1]));
  EXPECT_EQ(second.sink->finals, 0) << "the one before has not been answered";
  EXPECT_EQ(second.releases, 1);
  FakeRequest& third = Send(2, kSequenceEnd);
  EXPECT_EQ(RunOne(), Ids{2});
  EXPECT_EQ(third.sink->finals, 0);
  Answer(std::move(batch[0]));
  EXPECT_EQ(CodeOf(first), StatusCode::kOk);
  ExpectAllEndedOnce();
}

TEST_F(Oldest, ManyCandidatesCostNothingUntilTheyCome) {
  MakeWithCandidates(2000000000);
  Send(1, kBoth);
  EXPECT_EQ(RunOne(), Ids{1});
  ExpectAllEndedOnce();
}

}  // namespace
}  // namespace trident
