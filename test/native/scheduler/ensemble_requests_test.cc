// What requests to ensembles hand to their steps, where they find them, and what they leave behind.

#include "ensemble_fixture.h"

namespace trident::ensemble_test {
namespace {

// Statement 10: a batch dimension of one is put before or taken away.
TEST(EnsembleBatches, AStepWithoutBatchingInABatchingEnsemble) {
  Ensemble ensemble({"X"}, {"Y"}, Chain({"plain", "batching"}), 8);
  FakeStep& plain = ensemble.Add("plain");
  FakeStep& batching = ensemble.Add("batching");
  batching.mutable_signature().max_batch_size = 8;
  Client client(&ensemble);
  client.Input("X", {1, 2, 3}, {1, 3}).Send();
  RequestPtr first = plain.Next();
  ASSERT_NE(first, nullptr);
  EXPECT_EQ((*first->FindInput("in"))->shape(), (Shape{3}));
  Reply(*first).Output("out", {4, 5, 6}, {3}).Send();
  first = nullptr;
  RequestPtr second = batching.Next();
  ASSERT_NE(second, nullptr);
  EXPECT_EQ((*second->FindInput("in"))->shape(), (Shape{1, 3}));
  Reply(*second).Output("out", {7}, {1, 1}).Send();
  second = nullptr;
  EXPECT_EQ(client.last().shapes.at("Y"), (Shape{1, 1}));
}

TEST(EnsembleBatches, AnOutputGetsTheEnsemblesBatchDimension) {
  Ensemble ensemble({"X"}, {"Y"}, Chain({"plain"}), 8);
  ensemble.Add("plain").on_submit = [](RequestPtr request) {
    Reply(*request).Output("out", {1, 2}, {2}).Send();
  };
  Client client(&ensemble);
  client.Input("X", {1}, {1, 1}).Send();
  EXPECT_EQ(client.last().shapes.at("Y"), (Shape{1, 2}));
}

TEST(EnsembleBatches, ABatchingStepInAnEnsembleWithoutBatching) {
  Ensemble ensemble({"X"}, {"Y"}, Chain({"batching"}));
  FakeStep& batching = ensemble.Add("batching");
  batching.mutable_signature().max_batch_size = 4;
  Client client(&ensemble);
  client.Input("X", {1, 2}).Send();
  RequestPtr first = batching.Next();
  ASSERT_NE(first, nullptr);
  EXPECT_EQ((*first->FindInput("in"))->shape(), (Shape{1, 2}));
  Reply(*first).Output("out", {3, 4}, {1, 2}).Send();
  first = nullptr;
  EXPECT_EQ(client.last().shapes.at("Y"), (Shape{2}));
}

TEST(EnsembleBatches, ALargerBatchDoesNotFitAStepWithoutBatching) {
  Ensemble ensemble({"X"}, {"Y"}, Chain({"plain"}), 8);
  ensemble.AddAdder("plain", 1);
  Client client(&ensemble);
  client.Input("X", {1, 2}, {2, 1}).Send();
  EXPECT_TRUE(
      FailedWith(client.last(), StatusCode::kInvalidArg, "unexpected shape for input 'in'"));
}

TEST(EnsembleBatches, FirstStepsOfRequestsGivenTogetherReachTheirModelTogether) {
  Ensemble ensemble({"X"}, {"Y"}, Chain({"a"}));
  FakeStep& a = ensemble.Add("a");
  Client one(&ensemble), two(&ensemble);
  std::vector<RequestPtr> both;
  for (Client* client : {&one, &two}) {
    client->Input("X", {1});
    ASSERT_TRUE(client->request.Claim() && client->request.Prepare().ok());
    client->request.Submit(1);
    both.emplace_back(&client->request);
  }
  std::vector<Status> outcomes(2);
  ensemble.scheduler->Enqueue(both, outcomes);
  EXPECT_EQ(a.group_sizes, (std::vector<size_t>{2}));
  ensemble.AnswerPlus(a.Next(), 1);
  ensemble.AnswerPlus(a.Next(), 1);
  EXPECT_TRUE(one.last().status.ok());
  EXPECT_TRUE(two.last().status.ok());
}

// Statement 9: what every step is told.
TEST(EnsembleForwarding, EveryStepGetsWhatTheClientSaid) {
  Ensemble ensemble({"X"}, {"Y"}, Chain({"a", "b"}));
  FakeStep& a = ensemble.Add("a");
  FakeStep& b = ensemble.Add("b");
  Client client(&ensemble);
  client.request.id = "the id";
  client.request.correlation_id = {false, 42, ""};
  client.request.flags = 3;
  client.request.priority = 5;
  client.request.timeout_us = 77;
  client.request.deadline_us = 5000;
  client.request.parameters = {Parameter::Int("n", 9)};
  client.Input("X", {1}).Send();
  for (FakeStep* model : {&a, &b}) {
    RequestPtr request = model->Next();
    ASSERT_NE(request, nullptr);
    EXPECT_EQ(request->id, "the id");
    EXPECT_EQ(request->correlation_id, (CorrelationId{false, 42, ""}));
    EXPECT_EQ(request->flags, 3u);
    EXPECT_EQ(request->priority, 5u);
    EXPECT_EQ(request->timeout_us, 77u);
    EXPECT_EQ(request->deadline_us, 5000u) << "no time has passed";
    ASSERT_EQ(request->parameters.size(), 1u);
    EXPECT_EQ(request->parameters[0].int_value, 9);
    ensemble.AnswerPlus(std::move(request), 1);
  }
  EXPECT_TRUE(client.last().status.ok());
  EXPECT_TRUE(client.last().parameters.empty());
}

TEST(EnsembleForwarding, AResponseMovesTheSequenceOfWhatFollows) {
  Ensemble ensemble({"X"}, {"Y"}, Chain({"a", "b", "c"}));
  ensemble.Add("a").on_submit = [](RequestPtr request) {
    Reply(*request)
        .Output("out", {1})
        .Set(Parameter::String("sequence_id", "other"))
        .Set(Parameter::Bool("sequence_start", true))
        .Send();
  };
  FakeStep& b = ensemble.Add("b");
  FakeStep& c = ensemble.Add("c");
  Client client(&ensemble);
  client.request.correlation_id = {false, 42, ""};
  client.request.flags = 2;
  client.Input("X", {1}).Send();
  for (FakeStep* model : {&b, &c}) {  // and not only of the next
    RequestPtr request = model->Next();
    ASSERT_NE(request, nullptr);
    EXPECT_EQ(request->correlation_id, (CorrelationId{true, 0, "other"}));
    EXPECT_EQ(request->flags, 1u);
    ensemble.AnswerPlus(std::move(request), 1);
  }
  const std::vector<Parameter>& said = client.last().parameters;
  ASSERT_EQ(said.size(), 3u);
  EXPECT_EQ(said[0].string_value, "other");
  EXPECT_TRUE(said[1].bool_value);
  EXPECT_FALSE(said[2].bool_value);
}

TEST(EnsembleForwarding, SequenceParametersOfWrongTypes) {
  const struct {
    Parameter parameter;
    std::string message;
  } cases[] = {
      {Parameter::Bool("sequence_id", true),
       "expected parameter 'sequence_id' to be TRITONSERVER_PARAMETER_INT or "
       "TRITONSERVER_PARAMETER_STRING"},
      {Parameter::Int("sequence_start", 1),
       "expect parameter 'sequence_start' to be TRITONSERVER_PARAMETER_BOOL"},
      {Parameter::String("sequence_end", "1"),
       "expect parameter 'sequence_end' to be TRITONSERVER_PARAMETER_BOOL"},
  };
  for (const auto& [parameter, message] : cases) {
    Ensemble ensemble({"X"}, {"Y"}, Chain({"a"}));
    ensemble.Add("a").on_submit = [&](RequestPtr request) {
      Reply(*request).Output("out", {1}).Set(parameter).Send();
    };
    Client client(&ensemble);
    client.Input("X", {1}).Send();
    EXPECT_TRUE(FailedWith(client.last(), StatusCode::kInvalidArg, message));
  }
}

// Statement 4: models are found when the request begins and kept to its end.
TEST(EnsembleModels, AreLookedUpOnceAndReservedTillTheEnd) {
  Ensemble ensemble({"X"}, {"Y"}, Chain({"a", "b", "a"}));
  FakeStep& a = ensemble.Add("a");
  const std::shared_ptr<FakeStep> kept = ensemble.models["a"];
  FakeStep& b = ensemble.Add("b");
  Client client(&ensemble);
  client.Input("X", {1}).Send();
  EXPECT_EQ(ensemble.look_ups, 2);
  EXPECT_EQ(a.reservations, 1);
  EXPECT_EQ(b.reservations, 1);
  ensemble.AnswerPlus(a.Next(), 1);
  FakeStep& reloaded = ensemble.Add("a");  // another load takes the name
  a.closed = true;
  ensemble.AnswerPlus(b.Next(), 1);
  EXPECT_EQ(reloaded.waiting(), 0u);
  ensemble.AnswerPlus(a.Next(), 1);
  EXPECT_EQ(client.last().outputs.at("Y"), (Numbers{4}));
  EXPECT_EQ(a.reservations, 0);
}

TEST(EnsembleModels, ALookUpThatFindsAModelGoingLooksAgain) {
  Ensemble ensemble({"X"}, {"Y"}, Chain({"a"}));
  ensemble.Add("a").closed = true;
  Client client(&ensemble);
  client.Input("X", {1}).Send();
  EXPECT_TRUE(FailedWith(client.last(), StatusCode::kUnavailable, "'a' is being unloaded"));
  EXPECT_EQ(ensemble.look_ups, 2);
}

TEST(EnsembleModels, AMissingOneEndsTheRequest) {
  Ensemble ensemble({"X"}, {"Y"}, Chain({"a", "b"}));
  FakeStep& a = ensemble.Add("a");
  Client client(&ensemble);
  client.Input("X", {1}).Send();
  EXPECT_TRUE(FailedWith(client.last(), StatusCode::kNotFound, "in ensemble 'E', no model b"));
  EXPECT_TRUE(a.group_sizes.empty());
}

TEST(EnsembleModels, OneThatHasBecomeDecoupledIsRefused) {
  Ensemble ensemble({"X"}, {"Y"}, Chain({"a"}));
  ensemble.Add("a").mutable_signature().decoupled = true;
  Client client(&ensemble);
  client.Input("X", {1}).Send();
  EXPECT_TRUE(FailedWith(client.last(), StatusCode::kUnavailable, "'a' has become decoupled"));
}

TEST(EnsembleModels, StepsOfOneModelOfSeveralEnsembles) {
  Ensemble one({"X"}, {"Y"}, Chain({"a"}));
  Ensemble other({"X"}, {"Y"}, Chain({"a", "b"}));
  FakeStep& a = one.Add("a");
  other.models["a"] = one.models["a"];
  other.AddAdder("b", 100);
  Client first(&one), second(&other);
  first.Input("X", {1}).Send();
  second.Input("X", {2}).Send();
  EXPECT_EQ(a.waiting(), 2u);
  Ensemble::AnswerPlus(a.Next(1), 10);
  Ensemble::AnswerPlus(a.Next(), 10);
  EXPECT_EQ(first.last().outputs.at("Y"), (Numbers{11}));
  EXPECT_EQ(second.last().outputs.at("Y"), (Numbers{112}));
}

TEST(EnsembleScheduler, RefusesRequestsOnceStopped) {
  Ensemble ensemble({"X"}, {"Y"}, Chain({"a"}));
  FakeStep& a = ensemble.Add("a");
  Client running(&ensemble), late(&ensemble);
  running.Input("X", {1}).Send();
  ensemble.scheduler->Stop();
  late.Input("X", {1});
  ASSERT_TRUE(late.request.Claim() && late.request.Prepare().ok());
  late.request.Submit(1);
  RequestPtr submitted(&late.request);
  Status outcome;
  ensemble.scheduler->Enqueue({&submitted, 1}, {&outcome, 1});
  EXPECT_EQ(outcome.code(), StatusCode::kUnavailable);
  ASSERT_NE(submitted, nullptr);
  submitted.release()->Withdraw();
  ensemble.AnswerPlus(a.Next(), 1);  // what runs goes on
  EXPECT_TRUE(running.last().status.ok());
}

TEST(EnsembleScheduler, StepsThatEndAtOnceNeedNoStack) {
  std::vector<std::string> models(2000, "a");
  Ensemble ensemble({"X"}, {"Y"}, Chain(models));
  ensemble.AddAdder("a", 1);
  Client client(&ensemble);
  client.Input("X", {0}).Send();
  EXPECT_EQ(client.last().outputs.at("Y"), (Numbers{2000}));
}

TEST(EnsembleScheduler, AClientMaySendAgainFromItsCallback) {
  Ensemble ensemble({"X"}, {"Y"}, Chain({"a"}));
  ensemble.AddAdder("a", 1);
  Client second(&ensemble), first(&ensemble);
  second.Input("X", {5});
  first.sink->on_deliver = [&] { second.Send(); };
  first.Input("X", {1}).Send();
  EXPECT_TRUE(first.last().status.ok());
  EXPECT_EQ(second.last().outputs.at("Y"), (Numbers{6}));
}

TEST(EnsembleStatistics, CountTheEnsembleAsOneExecution) {
  Ensemble ensemble({"X"}, {"Y"}, Chain({"a", "b"}), 8);
  for (const char* name : {"a", "b"}) {
    FakeStep& model = ensemble.Add(name);
    model.mutable_signature().max_batch_size = 8;
    model.on_submit = [&](RequestPtr request) {
      request->compute_totals->Add(ExecutionTimes{100, 110, 140, 200});
      Ensemble::AnswerPlus(std::move(request), 1);
    };
  }
  ensemble.clock.now_ns = 501;
  Client client(&ensemble);
  client.Input("X", {1, 2, 3}, {3, 1}).Send();
  const StatisticsSnapshot read = ensemble.target->statistics().Read();
  EXPECT_EQ(read.inference_count, 3u);
  EXPECT_EQ(read.execution_count, 1u);
  EXPECT_EQ(read.success.count, 1u);
  EXPECT_EQ(read.success.ns, 500u);
  EXPECT_EQ(read.queue.ns, 500u);
  // Of the steps, added up.
  EXPECT_EQ(read.compute_input.ns, 20u);
  EXPECT_EQ(read.compute_infer.ns, 60u);
  EXPECT_EQ(read.compute_output.ns, 120u);
  EXPECT_EQ(read.fail.count, 0u);
  ASSERT_EQ(read.batches.size(), 1u);
  EXPECT_EQ(read.batches[0].batch_size, 3u);
}

}  // namespace
}  // namespace trident::ensemble_test
