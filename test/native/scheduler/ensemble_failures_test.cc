// How requests to ensembles end when something goes wrong, and what they may not take along.

#include <set>

#include "ensemble_fixture.h"

namespace trident::ensemble_test {
namespace {

constexpr char kDiamond[] =
    "step { model_name: 'l' model_version: -1 "
    "input_map { key: 'in' value: 'X' } "
    "       output_map { key: 'out' value: 'L' } } "
    "step { model_name: 'r' model_version: -1 "
    "input_map { key: 'in' value: 'X' } "
    "       output_map { key: 'out' value: 'R' } } "
    "step { model_name: 'join' model_version: -1 "
    "input_map { key: 'a' value: 'L' } "
    "       input_map { key: 'b' value: 'R' } "
    "output_map { key: 'out' value: 'Y' } } ";

class Diamond : public testing::Test {
 protected:
  Diamond() : ensemble_({"X"}, {"Y"}, kDiamond), client_(&ensemble_) {
    client_.request.id = "r1";
    client_.Input("X", {1});
  }
  uint64_t FailuresFor(FailureReason reason) const {
    return ensemble_.target->statistics().Read().failures[static_cast<size_t>(reason)];
  }

  Ensemble ensemble_;
  FakeStep& l_ = ensemble_.Add("l");
  FakeStep& r_ = ensemble_.Add("r");
  FakeStep& join_ = ensemble_.Add("join", {Spec("a"), Spec("b")}, {Spec("out")});
  Client client_;
};

// Statement 11: the first failing step ends the ensemble with that error.
TEST_F(Diamond, TheFirstErrorIsTheEnsemblesError) {
  l_.ends_cancelled = r_.ends_cancelled = false;
  client_.Send();
  RespondError(r_.Next(), Error(StatusCode::kUnsupported, "r can't"));
  EXPECT_EQ(client_.releases,
            0);  // the other step still reads the client's input
  RespondError(l_.Next(), Error(StatusCode::kInternal, "l can't, either"));
  EXPECT_TRUE(FailedWith(client_.last(), StatusCode::kUnsupported,
                         "in ensemble 'E', [request id: r1] r can't"));
  EXPECT_EQ(client_.sink->received.size(), 1u);
  EXPECT_TRUE(join_.group_sizes.empty());
  EXPECT_EQ(ensemble_.target->statistics().Read().fail.count, 1u);
  EXPECT_EQ(FailuresFor(FailureReason::kOther), 1u);
  EXPECT_EQ(ensemble_.target->statistics().Read().success.count, 0u);
}

TEST_F(Diamond, AFailureCancelsWhatRunsBeside) {
  client_.Send();
  RespondError(r_.Next(), Internal("r can't"));
  EXPECT_EQ(l_.cancels, 1);
  EXPECT_EQ(l_.waiting(), 0u);
  EXPECT_TRUE(FailedWith(client_.last(), StatusCode::kInternal, "r can't"));
}

TEST_F(Diamond, AStepThatSucceedsAfterAFailureChangesNothing) {
  l_.ends_cancelled = false;
  client_.Send();
  RespondError(r_.Next(), Internal("r can't"));
  RequestPtr left = l_.Next();
  EXPECT_TRUE(left->IsCancelled());
  Ensemble::AnswerPlus(std::move(left), 1);
  EXPECT_TRUE(FailedWith(client_.last(), StatusCode::kInternal, "r can't"));
}

TEST_F(Diamond, AModelThatRefusesTheRequest) {
  r_.refuse = Unavailable("the queue of r is full");
  l_.ends_cancelled = false;
  client_.Send();
  Ensemble::AnswerPlus(l_.Next(), 1);
  EXPECT_TRUE(FailedWith(client_.last(), StatusCode::kUnavailable,
                         "in ensemble 'E', the queue of r is full"));
}

// Deletes what is released to it.
struct TraceIds : TraceListener {
  void OnActivity(InferenceTrace* trace, TraceActivity, uint64_t) override {
    told.insert(trace->id());
  }
  void OnTensor(InferenceTrace*, TraceActivity, const TracedTensor&) override {}
  void OnRelease(InferenceTrace* trace) override {
    released.insert(trace->id());
    delete trace;
  }

  std::set<uint64_t> told, released;
};

TEST_F(Diamond, TracesOfRefusedStepsEndIfTheyHaveBegun) {
  for (const bool begun : {true, false}) {
    const auto listener = std::make_shared<TraceIds>();
    Client client(&ensemble_);
    client.Input("X", {1});
    client.request.set_trace(new InferenceTrace(kTraceTimestamps, 0, listener));
    r_.refuse = Unavailable("not today");
    r_.has_no_threads = !begun;
    client.Send();
    EXPECT_TRUE(FailedWith(client.last(), StatusCode::kUnavailable, "not today"));
    EXPECT_EQ(listener->told.size(), begun ? 3u : 2u);
    EXPECT_EQ(listener->told, listener->released);
  }
}

TEST_F(Diamond, TheNextRequestIsFine) {
  client_.Send();
  RespondError(r_.Next(), Internal("r can't"));
  EXPECT_TRUE(FailedWith(client_.last(), StatusCode::kInternal, "r can't"));
  Client next(&ensemble_);
  next.Input("X", {5}).Send();
  Ensemble::AnswerPlus(l_.Next(), 1);
  Ensemble::AnswerPlus(r_.Next(), 2);
  RequestPtr joined = join_.Next();
  EXPECT_EQ(In(*joined, "b"), (Numbers{7}));
  Reply(*joined).Output("out", {1}).Send();
  joined = nullptr;
  EXPECT_TRUE(next.last().status.ok());
}

TEST_F(Diamond, AStepReleasedWithoutAnAnswer) {
  client_.Send();
  r_.Next();
  EXPECT_TRUE(
      FailedWith(client_.last(), StatusCode::kInternal, "'r' released the request without"));
}

TEST_F(Diamond, TwoAnswersOfAModelThatIsNotDecoupled) {
  client_.Send();
  RequestPtr left = l_.Next();
  Reply(*left).Output("out", {1}).Send(false);
  Reply(*left).Output("out", {2}).Send();
  left = nullptr;
  EXPECT_TRUE(FailedWith(client_.last(), StatusCode::kInternal,
                         "'l' sent more than one response, but is not decoupled"));
}

// Statement 12: cancellation, at every phase.
TEST_F(Diamond, CancelledWhileTheFirstStepsWait) {
  client_.Send();
  ASSERT_TRUE(client_.request.Cancel().ok());
  ensemble_.scheduler->Cancel(&client_.request);
  EXPECT_TRUE(FailedWith(client_.last(), StatusCode::kCancelled,
                         "in ensemble 'E', [request id: r1] request was cancelled"));
  EXPECT_EQ(l_.cancels, 1);
  EXPECT_EQ(r_.cancels, 1);
  EXPECT_EQ(FailuresFor(FailureReason::kCanceled), 1u);
}

TEST_F(Diamond, CancelledWhileStepsRunReachesTheirBackends) {
  client_.Send();
  RequestPtr left = l_.Next();
  RequestPtr right = r_.Next();
  EXPECT_FALSE(left->IsCancelled());
  ensemble_.scheduler->Cancel(&client_.request);
  EXPECT_TRUE(left->IsCancelled());
  EXPECT_TRUE(right->IsCancelled());
  EXPECT_EQ(client_.releases, 0);
  Ensemble::AnswerPlus(std::move(left), 1);
  EXPECT_EQ(client_.releases, 0);
  Ensemble::AnswerPlus(std::move(right), 1);
  EXPECT_TRUE(FailedWith(client_.last(), StatusCode::kCancelled, "request was cancelled"));
  EXPECT_TRUE(join_.group_sizes.empty());
}

TEST_F(Diamond, ACancelThatIsOnlyAFlagIsSeenBeforeTheNextStep) {
  client_.Send();
  client_.request.channel()->Cancel(&client_.request);
  Ensemble::AnswerPlus(l_.Next(), 1);
  Ensemble::AnswerPlus(r_.Next(), 1);
  EXPECT_TRUE(FailedWith(client_.last(), StatusCode::kCancelled, "request was cancelled"));
  EXPECT_TRUE(join_.group_sizes.empty());
}

TEST_F(Diamond, CancelledDuringTheLastStep) {
  client_.Send();
  Ensemble::AnswerPlus(l_.Next(), 1);
  Ensemble::AnswerPlus(r_.Next(), 1);
  RequestPtr joined = join_.Next();
  ensemble_.scheduler->Cancel(&client_.request);
  Reply(*joined).Output("out", {1}).Send();
  joined = nullptr;
  EXPECT_TRUE(FailedWith(client_.last(), StatusCode::kCancelled, "request was cancelled"));
}

TEST_F(Diamond, CancelledTwiceAndAfterTheEnd) {
  client_.Send();
  ensemble_.scheduler->Cancel(&client_.request);
  ensemble_.scheduler->Cancel(&client_.request);
  EXPECT_TRUE(FailedWith(client_.last(), StatusCode::kCancelled, "request was cancelled"));
  EXPECT_EQ(client_.sink->received.size(), 1u);
}

TEST_F(Diamond, ASubmissionCancelledByItsOwnStepsCallback) {
  // The left step fails while the right one is not yet submitted.
  l_.on_submit = [](RequestPtr request) { RespondError(std::move(request), Internal("at once")); };
  r_.ends_cancelled = true;
  client_.Send();
  EXPECT_TRUE(FailedWith(client_.last(), StatusCode::kInternal, "at once"));
}

// Statement 13: at most so many requests of a step, over all requests of the ensemble.
class Limited : public testing::Test {
 protected:
  Limited() : ensemble_({"X"}, {"Y"}, Chain({"a", "b"}) + "max_inflight_requests: 2") {
    for (int i = 0; i < 5; ++i) {
      clients_.push_back(std::make_unique<Client>(&ensemble_));
      clients_.back()->Input("X", {i});
    }
  }
  void SendAll() {
    for (const auto& client : clients_) client->Send();
  }

  Ensemble ensemble_;
  FakeStep& a_ = ensemble_.Add("a");
  FakeStep& b_ = ensemble_.Add("b");
  std::vector<std::unique_ptr<Client>> clients_;
};

TEST_F(Limited, MoreRequestsWaitTheirTurn) {
  SendAll();
  EXPECT_EQ(a_.waiting(), 2u);
  // Steps are limited one by one: all of them may get on to the second.
  for (int i = 0; i < 5; ++i) {
    RequestPtr next = a_.Next();
    ASSERT_NE(next, nullptr);
    EXPECT_EQ(In(*next, "in"), (Numbers{i}));  // in the order in which they came
    Ensemble::AnswerPlus(std::move(next), 10);
    if (b_.waiting() == 2) Ensemble::AnswerPlus(b_.Next(), 100);
  }
  while (b_.waiting() > 0) Ensemble::AnswerPlus(b_.Next(), 100);
  for (int i = 0; i < 5; ++i) EXPECT_EQ(clients_[i]->last().outputs.at("Y"), (Numbers{110 + i}));
  EXPECT_EQ(a_.most_waiting, 2u);
  EXPECT_EQ(b_.most_waiting, 2u);
}

TEST_F(Limited, OneThatWaitsCanBeCancelled) {
  SendAll();
  ensemble_.scheduler->Cancel(&clients_[3]->request);
  EXPECT_TRUE(FailedWith(clients_[3]->last(), StatusCode::kCancelled, "request was cancelled"));
  EXPECT_EQ(a_.waiting(), 2u);
  for (int i = 0; i < 4; ++i) Ensemble::AnswerPlus(a_.Next(), 1);
  while (b_.waiting() > 0) Ensemble::AnswerPlus(b_.Next(), 1);
  for (const int i : {0, 1, 2, 4}) EXPECT_TRUE(clients_[i]->last().status.ok());
}

TEST_F(Limited, FailuresRefusalsAndCancelsGiveTheirTurnBack) {
  SendAll();
  RespondError(a_.Next(), Internal("no"));
  EXPECT_EQ(a_.waiting(), 2u);
  ensemble_.scheduler->Cancel(&clients_[1]->request);
  EXPECT_EQ(a_.waiting(), 2u);
  a_.refuse = Unavailable("full");
  Ensemble::AnswerPlus(a_.Next(), 1);  // the next in line is refused
  a_.refuse = Status::Ok();
  Ensemble::AnswerPlus(a_.Next(), 1);
  while (b_.waiting() > 0) Ensemble::AnswerPlus(b_.Next(), 1);
  EXPECT_EQ(clients_[0]->last().status.code(), StatusCode::kInternal);
  EXPECT_EQ(clients_[1]->last().status.code(), StatusCode::kCancelled);
  EXPECT_TRUE(clients_[2]->last().status.ok());
  EXPECT_TRUE(clients_[3]->last().status.ok());
  EXPECT_EQ(clients_[4]->last().status.code(), StatusCode::kUnavailable);
  // All turns are back.
  clients_.clear();
  for (int i = 0; i < 3; ++i) {
    clients_.push_back(std::make_unique<Client>(&ensemble_));
    clients_.back()->Input("X", {i});
  }
  SendAll();
  EXPECT_EQ(a_.waiting(), 2u);
  for (int i = 0; i < 3; ++i) Ensemble::AnswerPlus(a_.Next(), 1);
  for (int i = 0; i < 3; ++i) Ensemble::AnswerPlus(b_.Next(), 1);
  for (const auto& client : clients_) EXPECT_TRUE(client->last().status.ok());
}

}  // namespace
}  // namespace trident::ensemble_test
