// Iterative sequences: one request, handed out again and again until the backend is done with it.

#include <gtest/gtest.h>

#include "scheduler/sequence_fixture.h"

namespace trident {
namespace {

class Iterative : public SequenceFixture, public ::testing::TestWithParam<Strategy> {
 protected:
  void Make(size_t slots) {
    policy.iterative = true;
    policy.slots = slots;
    target->mutable_signature().reschedulable = true;
    SequenceFixture::Make(GetParam());
  }
  FakeRequest& Submit() {
    FakeRequest& fake = New({}, 0);
    const Status status = Enqueue(fake);
    EXPECT_TRUE(status.ok()) << status.message();
    return fake;
  }
  // The backend gives the request back to the scheduler.
  static void Reschedule(RequestPtr request) { request.release()->Release(kReleaseReschedule); }
};

TEST_P(Iterative, TheSchedulerAssignsIdsFromOneAndStart) {
  Make(4);
  Submit();
  FakeRequest& with_own = New(Id("mine"), kSequenceEnd);
  EXPECT_TRUE(Enqueue(with_own).ok()) << "what the client says of sequences does not matter";
  Batch batch = Take();
  ASSERT_EQ(batch.size(), 2u);
  for (size_t i = 0; i < 2; ++i) {
    EXPECT_EQ(batch[i]->correlation_id, Id(i + 1));
    EXPECT_EQ(batch[i]->flags, kSequenceStart);
  }
  End(std::move(batch));
  ExpectAllEndedOnce();
}

TEST_P(Iterative, ARescheduledRequestComesAgainWithoutFlags) {
  Make(4);
  FakeRequest& fake = Submit();
  for (int step = 0; step < 3; ++step) {
    Batch batch = Take();
    ASSERT_EQ(batch.size(), 1u);
    EXPECT_EQ(batch[0].get(), &fake.request);
    EXPECT_EQ(batch[0]->flags, step == 0 ? kSequenceStart : 0);
    EXPECT_EQ(batch[0]->correlation_id, Id(1));
    Reschedule(std::move(batch[0]));
    scheduler->Finished(0);
    EXPECT_EQ(fake.releases, 0);
    EXPECT_EQ(fake.request.state(), InferenceRequest::State::kQueued);
  }
  End(Take());
  EXPECT_EQ(CodeOf(fake), StatusCode::kOk);
  ExpectAllEndedOnce();
}

TEST_P(Iterative, ANormalReleaseFreesTheSlot) {
  Make(1);
  FakeRequest& first = Submit();
  FakeRequest& second = Submit();
  Batch batch = Take();
  ASSERT_EQ(batch.size(), 1u);
  Reschedule(std::move(batch[0]));
  scheduler->Finished(0);
  batch = Take();
  ASSERT_EQ(batch.size(), 1u);
  EXPECT_EQ(batch[0].get(), &first.request) << "its slot is its own until it is done";
  End(std::move(batch));
  batch = Take();
  ASSERT_EQ(batch.size(), 1u);
  EXPECT_EQ(batch[0].get(), &second.request);
  End(std::move(batch));
  ExpectAllEndedOnce();
}

TEST_P(Iterative, CancelWhileExecutingIsSeenWhenItIsRescheduled) {
  Make(1);
  FakeRequest& fake = Submit();
  FakeRequest& next = Submit();
  Batch batch = Take();
  ASSERT_TRUE(fake.request.Cancel().ok());
  scheduler->Cancel(&fake.request);
  EXPECT_EQ(fake.sink->finals, 0);
  Reschedule(std::move(batch[0]));
  scheduler->Finished(0);
  EXPECT_EQ(CodeOf(fake), StatusCode::kCancelled);
  End(Take());
  EXPECT_EQ(CodeOf(next), StatusCode::kOk);
  ExpectAllEndedOnce();
}

TEST_P(Iterative, CancelBetweenStepsEndsItAndFreesTheSlot) {
  Make(1);
  FakeRequest& fake = Submit();
  Batch batch = Take();
  Reschedule(std::move(batch[0]));
  scheduler->Finished(0);
  scheduler->Cancel(&fake.request);
  EXPECT_EQ(CodeOf(fake), StatusCode::kCancelled);
  FakeRequest& next = Submit();
  End(Take());
  EXPECT_EQ(CodeOf(next), StatusCode::kOk);
  ExpectAllEndedOnce();
}

TEST_P(Iterative, StoppingLetsStartedOnesFinish) {
  Make(1);
  FakeRequest& fake = Submit();
  Batch batch = Take();
  scheduler->Stop();
  EXPECT_EQ(TrySend({}, 0).code(), StatusCode::kUnavailable);
  Reschedule(std::move(batch[0]));
  scheduler->Finished(0);
  batch.clear();
  ASSERT_TRUE(scheduler->Take(0, &batch));
  End(std::move(batch));
  EXPECT_EQ(CodeOf(fake), StatusCode::kOk);
  batch.clear();
  EXPECT_FALSE(scheduler->Take(0, &batch));
}

TEST_P(Iterative, StatesStayWithTheRequestFromStepToStep) {
  auto specs = std::make_shared<StateSpecs>();
  StateSpec spec{.input_name = "sum", .output_name = "new_sum", .datatype = DataType::kFp32};
  spec.shape = {1, 1};
  spec.initial = std::make_shared<const std::vector<char>>(sizeof(float));
  specs->push_back(spec);
  policy.states = specs;
  Make(2);
  Submit();
  for (int step = 0; step < 4; ++step) {
    Batch batch = Take();
    ASSERT_EQ(batch.size(), 1u);
    EXPECT_EQ(batch[0]->backend_input_count(), 2u) << "the input and the state, once";
    const auto sum = Read<float>(*batch[0], "sum");
    EXPECT_EQ(sum, static_cast<float>(step));
    StateTensor* const state = *batch[0]->states->Find("new_sum");
    ASSERT_TRUE(state->Describe(DataType::kFp32, {1, 1}).ok());
    void* data = nullptr;
    BufferAttributes attributes;
    ASSERT_TRUE(state->Buffer(sizeof(float), &data, &attributes).ok());
    *static_cast<float*>(data) = sum + 1;
    ASSERT_TRUE(state->Update().ok());
    if (step < 3) {
      Reschedule(std::move(batch[0]));
      scheduler->Finished(0);
    } else {
      End(std::move(batch));
    }
  }
  ExpectAllEndedOnce();
}

INSTANTIATE_WITH_BOTH_STRATEGIES(Iterative);

}  // namespace
}  // namespace trident
