// Ensembles with decoupled steps (statement 8): each response is an iteration of all that follows.

#include "ensemble_fixture.h"

namespace trident::ensemble_test {
namespace {

void Stream(InferenceRequest& request, int32_t number, bool final = false) {
  Reply(request).Output("out", {number}).Send(final);
}

void SendFinalFlag(InferenceRequest& request) {
  EXPECT_TRUE(request.channel()->Send(nullptr, kResponseFinal).ok());
}

class Streamed : public testing::Test {
 protected:
  explicit Streamed(const std::string& more = "")
      : ensemble_({"X"}, {"Y"}, Chain({"source", "map"}) + more, 0, true), client_(&ensemble_) {
    source_.mutable_signature().decoupled = true;
    client_.Input("X", {1});
  }
  size_t received() { return client_.sink->received.size(); }
  Numbers Sent() {
    Numbers numbers;
    for (const Received& one : client_.sink->received) {
      if (!one.empty && one.status.ok()) numbers.push_back(one.outputs.at("Y")[0]);
    }
    return numbers;
  }

  Ensemble ensemble_;
  FakeStep& source_ = ensemble_.Add("source");
  FakeStep& map_ = ensemble_.Add("map");
  Client client_;
};

TEST_F(Streamed, EachResponseRunsWhatFollowsAndFinalComesLast) {
  client_.Send();
  RequestPtr source = source_.Next();
  for (int32_t i = 0; i < 3; ++i) {
    Stream(*source, i);
    Ensemble::AnswerPlus(map_.Next(), 10);
    EXPECT_EQ(received(), static_cast<size_t>(i + 1));  // sent as it comes
    EXPECT_FALSE(client_.sink->received.back().final);
  }
  SendFinalFlag(*source);
  EXPECT_EQ(client_.sink->finals, 0);  // the step has not been released
  source = nullptr;
  EXPECT_TRUE(client_.last().empty);
  EXPECT_EQ(Sent(), (Numbers{10, 11, 12}));
}

TEST_F(Streamed, TheLastResponseCarriesTheFinalFlagIfItComesLast) {
  client_.Send();
  RequestPtr source = source_.Next();
  Stream(*source, 1);
  SendFinalFlag(*source);
  source = nullptr;
  Ensemble::AnswerPlus(map_.Next(), 10);
  EXPECT_EQ(received(), 1u);
  EXPECT_FALSE(client_.last().empty);
}

// Where steps end out of order upstream lets responses overtake each other; a stream's do not here.
TEST_F(Streamed, ResponsesKeepTheOrderOfTheStream) {
  client_.Send();
  RequestPtr source = source_.Next();
  for (int32_t i = 0; i < 3; ++i) Stream(*source, i);
  EXPECT_EQ(map_.waiting(), 3u);
  Ensemble::AnswerPlus(map_.Next(2), 10);
  EXPECT_EQ(received(), 0u);
  Ensemble::AnswerPlus(map_.Next(0), 10);
  EXPECT_EQ(Sent(), (Numbers{10}));
  Ensemble::AnswerPlus(map_.Next(0), 10);
  EXPECT_EQ(Sent(), (Numbers{10, 11, 12}));
  SendFinalFlag(*source);
  source = nullptr;
  EXPECT_TRUE(client_.last().status.ok());
}

TEST_F(Streamed, NoResponseAtAllIsOnlyTheFinalFlag) {
  client_.Send();
  SendFinalFlag(*source_.Next());
  EXPECT_EQ(received(), 1u);
  EXPECT_TRUE(client_.last().empty);
  EXPECT_TRUE(client_.last().final);
  EXPECT_EQ(ensemble_.target->statistics().Read().success.count, 1u);
}

TEST_F(Streamed, AReleaseBeforeTheResponses) {
  client_.Send();
  RequestPtr source = source_.Next();
  const std::shared_ptr<ResponseChannel> factory = source->channel();
  factory->Hold();
  source = nullptr;  // the backend goes on without the request
  for (int32_t i = 0; i < 2; ++i) {
    ResponsePtr response = InferenceResponse::New(factory);
    OutputTensor* const output = response->AddOutput("out", DataType::kInt32, {1});
    ASSERT_TRUE(output->Allocate(4, {}).ok());
    *static_cast<int32_t*>(output->buffer().data) = i;
    ASSERT_TRUE(InferenceResponse::Send(std::move(response), 0).ok());
  }
  Ensemble::AnswerPlus(map_.Next(), 5);
  Ensemble::AnswerPlus(map_.Next(), 5);
  ASSERT_TRUE(factory->Send(nullptr, kResponseFinal).ok());
  factory->LetGo();
  EXPECT_EQ(Sent(), (Numbers{5, 6}));
  EXPECT_TRUE(client_.last().final);
}

TEST_F(Streamed, CancelReachesAStreamThatHasReleasedItsRequest) {
  client_.Send();
  RequestPtr source = source_.Next();
  const std::shared_ptr<ResponseChannel> factory = source->channel();
  factory->Hold();
  source = nullptr;
  ensemble_.scheduler->Cancel(&client_.request);
  EXPECT_TRUE(factory->cancelled());
  EXPECT_EQ(client_.releases, 0);
  ASSERT_TRUE(factory->Send(nullptr, kResponseFinal).ok());
  factory->LetGo();
  EXPECT_TRUE(FailedWith(client_.last(), StatusCode::kCancelled, "request was cancelled"));
}

TEST_F(Streamed, AnErrorInTheStreamEndsItOnceWithThatError) {
  client_.Send();
  RequestPtr source = source_.Next();
  Stream(*source, 1);
  Ensemble::AnswerPlus(map_.Next(), 10);
  Reply(*source).Error(Internal("lost it")).Send(false);
  EXPECT_TRUE(source->IsCancelled());
  Stream(*source, 2);  // of no more use
  EXPECT_EQ(client_.sink->finals, 0);
  SendFinalFlag(*source);
  source = nullptr;
  EXPECT_EQ(map_.waiting(), 0u);
  EXPECT_EQ(received(), 2u);
  EXPECT_TRUE(FailedWith(client_.last(), StatusCode::kInternal, "in ensemble 'E', lost it"));
}

TEST_F(Streamed, AStepThatFailsEndsTheStream) {
  client_.Send();
  RequestPtr source = source_.Next();
  Stream(*source, 1);
  Stream(*source, 2);
  RespondError(map_.Next(), Internal("map can't"));
  EXPECT_TRUE(source->IsCancelled());
  EXPECT_EQ(map_.waiting(), 0u);
  source = nullptr;  // without a final response of its own: the core's ends it
  EXPECT_EQ(received(), 1u);
  EXPECT_TRUE(FailedWith(client_.last(), StatusCode::kInternal, "map can't"));
}

class LimitedStream : public Streamed {
 protected:
  LimitedStream() : Streamed("max_inflight_requests: 1") {}
};

// Statement 13. A fast stream waits in line, its thread does not.
TEST_F(LimitedStream, IterationsWaitTheirTurn) {
  client_.Send();
  RequestPtr source = source_.Next();
  for (int32_t i = 0; i < 5; ++i) Stream(*source, i);
  SendFinalFlag(*source);
  source = nullptr;
  for (int32_t i = 0; i < 5; ++i) {
    EXPECT_EQ(map_.waiting(), 1u);
    Ensemble::AnswerPlus(map_.Next(), 10);
  }
  EXPECT_EQ(Sent(), (Numbers{10, 11, 12, 13, 14}));
  EXPECT_TRUE(client_.last().final);
}

TEST(EnsembleStreams, BranchesJoinByIteration) {
  Ensemble ensemble({"X"}, {"Y"},
                    Step("source", "in=X", "out=S") + Step("l", "in=S", "out=L") +
                        Step("r", "in=S", "out=R") + Step("join", "a=L,b=R", "out=Y"),
                    0, true);
  FakeStep& source = ensemble.Add("source");
  source.mutable_signature().decoupled = true;
  FakeStep& l = ensemble.Add("l");
  FakeStep& r = ensemble.Add("r");
  FakeStep& join = ensemble.Add("join", {Spec("a"), Spec("b")}, {Spec("out")});
  join.on_submit = [](RequestPtr request) {
    Reply(*request).Output("out", {In(*request, "a")[0] * 1000 + In(*request, "b")[0]}).Send();
  };
  Client client(&ensemble);
  client.Input("X", {0}).Send();
  RequestPtr stream = source.Next();
  Stream(*stream, 1);
  Stream(*stream, 2, true);
  stream = nullptr;
  // The branches end in opposite orders. Upstream numbers tensors as they come, and would pair 1
  // with 2; the iteration is what belongs together.
  Ensemble::AnswerPlus(l.Next(1), 0);
  Ensemble::AnswerPlus(r.Next(0), 0);
  Ensemble::AnswerPlus(l.Next(0), 0);
  Ensemble::AnswerPlus(r.Next(0), 0);
  ASSERT_EQ(client.sink->received.size(), 2u);
  EXPECT_EQ(client.sink->received[0].outputs.at("Y"), (Numbers{1001}));
  EXPECT_EQ(client.last().outputs.at("Y"), (Numbers{2002}));
}

TEST(EnsembleStreams, AStreamOfStreams) {
  Ensemble ensemble({"X"}, {"Y"}, Chain({"outer", "inner"}), 0, true);
  FakeStep& outer = ensemble.Add("outer");
  FakeStep& inner = ensemble.Add("inner");
  outer.mutable_signature().decoupled = inner.mutable_signature().decoupled = true;
  Client client(&ensemble);
  client.Input("X", {0}).Send();
  RequestPtr first = outer.Next();
  Stream(*first, 10);
  Stream(*first, 20, true);
  first = nullptr;
  RequestPtr one = inner.Next(), two = inner.Next();
  Stream(*one, 11);
  Stream(*two, 21);
  SendFinalFlag(*two);
  Stream(*one, 12, true);
  one = nullptr;
  two = nullptr;
  Numbers numbers;
  for (const Received& received : client.sink->received) {
    numbers.push_back(received.outputs.at("Y")[0]);
  }
  EXPECT_EQ(numbers, (Numbers{11, 21, 12}));
  EXPECT_TRUE(client.last().final);
}

// The stream's step writes into the client's memory.
TEST(EnsembleStreams, ResponsesOfTheLastStepAreNotCopied) {
  Ensemble ensemble({"X"}, {"Y"}, Chain({"source"}), 0, true);
  FakeStep& source = ensemble.Add("source");
  source.mutable_signature().decoupled = true;
  Client client(&ensemble);
  client.Input("X", {0}).Send();
  RequestPtr stream = source.Next();
  Stream(*stream, 1);
  Stream(*stream, 2);
  SendFinalFlag(*stream);
  stream = nullptr;
  EXPECT_EQ(client.sink->received.size(), 3u);
  EXPECT_EQ(client.sink->started, 2);  // once for each
  EXPECT_EQ(ensemble.target->statistics().Read().copy_count, 0u);
}

// Where a step may still read while the client has its response already, the client gets a copy.
TEST(EnsembleStreams, AResponseThatAStepStillReadsIsCopied) {
  Ensemble ensemble({"X"}, {"Y", "Z"}, Step("source", "in=X", "out=Y") + Step("b", "in=Y", "out=Z"),
                    0, true);
  FakeStep& source = ensemble.Add("source");
  source.mutable_signature().decoupled = true;
  FakeStep& b = ensemble.Add("b");
  Client client(&ensemble);
  client.Input("X", {0}).Send();
  RequestPtr stream = source.Next();
  Stream(*stream, 3);
  RequestPtr reader = b.Next();
  Reply(*reader).Output("out", {4}).Send();
  ASSERT_EQ(client.sink->received.size(), 1u);
  EXPECT_EQ(In(*reader, "in"), (Numbers{3}));  // the client has freed its own
  reader = nullptr;
  SendFinalFlag(*stream);
  stream = nullptr;
  EXPECT_TRUE(client.last().final);
  EXPECT_EQ(ensemble.target->statistics().Read().copy_count, 2u);
}

}  // namespace
}  // namespace trident::ensemble_test
