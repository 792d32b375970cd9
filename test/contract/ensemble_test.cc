// Ensembles over the real core: steps are models like any other, loaded, queued, counted, cancelled
// and reloaded as such.

#include "ensemble.h"

#include <atomic>
#include <random>
#include <thread>

namespace trident::contract {
namespace {

TEST_F(Ensembles, LoadingOneLoadsItsSteps) {
  AddPair();
  for (const char* model : {"pair", "first", "second"}) EXPECT_TRUE(server_.Ready(model));
  const Document config = server_.Config("pair");
  EXPECT_EQ(config.Text("/platform"), "ensemble");
  EXPECT_EQ(config.Text("/ensemble_scheduling/step/1/model_name"), "second");
}

TEST_F(Ensembles, ARequestRunsThroughTheStepsWithoutACopy) {
  AddPair();
  float destination[3] = {};
  Request request = EchoRequest(server_, "pair", {1, 2, 3});
  request.OutputAt("output", destination, sizeof(destination));
  const Answer answer = request.Infer();
  ASSERT_TRUE(Succeeded(answer.outcome));
  EXPECT_EQ(answer.output("output").shape, (Shape{1, 3}));
  EXPECT_EQ(answer.output("output").bytes, BytesOf(std::vector<float>{1, 2, 3}));
  EXPECT_EQ(std::vector<float>(destination, destination + 3), (std::vector<float>{1, 2, 3}));
  EXPECT_EQ(server_.Copies("pair"), 0);
}

TEST_F(Ensembles, StatisticsOfEnsembleAndSteps) {
  AddPair();
  for (int i = 0; i < 3; ++i) ExpectEcho("pair", {1});
  for (const char* model : {"pair", "first", "second"}) {
    EXPECT_EQ(server_.Successes(model), 3) << model;
    EXPECT_EQ(server_.Failures(model), 0) << model;
    EXPECT_EQ(server_.Batches(model), (std::map<int64_t, int64_t>{{1, 3}})) << model;
  }
  const Document statistics = server_.Statistics("pair");
  const Document first = server_.Statistics("first");
  const Document second = server_.Statistics("second");
  const std::string infer = "/model_stats/0/inference_stats/compute_infer/ns";
  EXPECT_EQ(statistics.Number(infer), first.Number(infer) + second.Number(infer));
  EXPECT_EQ(statistics.Number("/model_stats/0/execution_count"), 3);
}

TEST_F(Ensembles, AFailingStepIsTheEnsemblesError) {
  AddPair();
  const Answer answer = EchoRequest(server_, "pair", {1}).Set("fail", "out of luck").Infer();
  EXPECT_TRUE(FailedWith(answer.outcome, TRITONSERVER_ERROR_INTERNAL,
                         {"in ensemble 'pair', ", "out of luck"}));
  EXPECT_EQ(server_.Failures("pair"), 1);
  EXPECT_EQ(server_.Failures("first"), 1);
  EXPECT_EQ(server_.Failures("second"), 0);
  ExpectEcho("pair", {2});
}

TEST_F(Ensembles, UnknownInputsAreRefusedBeforeAnythingRuns) {
  AddPair();
  Request request = EchoRequest(server_, "pair", {1});
  request.Input("between", TRITONSERVER_TYPE_FP32, {1, 1}, std::string(4, '\0'));
  EXPECT_TRUE(FailedWith(request.Send(), TRITONSERVER_ERROR_INVALID_ARG, {"'between'", "'pair'"}));
  EXPECT_EQ(server_.Successes("first"), 0);
}

TEST_F(Ensembles, RequestsSentTogetherBatchInTheFirstStep) {
  AddPair();
  Occupied occupied = Occupy(server_, "first");
  std::vector<Request> requests;
  for (int i = 0; i < 4; ++i) requests.push_back(EchoRequest(server_, "pair", {float(i)}));
  for (const Outcome& outcome : Request::SendTogether(server_, requests)) {
    ASSERT_TRUE(Succeeded(outcome));
  }
  occupied.Release();
  for (int i = 0; i < 4; ++i) {
    const Answer& answer = requests[i].Wait();
    ASSERT_TRUE(Succeeded(answer.outcome));
    EXPECT_EQ(answer.output("output").bytes, BytesOf(std::vector<float>{float(i)}));
  }
  EXPECT_EQ(server_.Batches("first"), (std::map<int64_t, int64_t>{{1, 1}, {4, 1}}));
}

// Statement 4: what a request has found it keeps to its end.
TEST_F(Ensembles, AStepUnloadedMidRequestStaysForIt) {
  AddPair();
  Occupied occupied = Occupy(server_, "first");
  Request request = EchoRequest(server_, "pair", {4});
  ASSERT_TRUE(Succeeded(request.Send()));
  // The second step, which the request has not reached.
  ASSERT_TRUE(Succeeded(server_.Unload("second")));
  EXPECT_FALSE(server_.Ready("second"));
  occupied.Release();
  const Answer& answer = request.Wait();
  ASSERT_TRUE(Succeeded(answer.outcome));
  EXPECT_EQ(answer.output("output").bytes, BytesOf(std::vector<float>{4}));
  ASSERT_TRUE(Succeeded(server_.UnloadAndWait("second")));
  // With the step goes the ensemble, until it is loaded again.
  EXPECT_TRUE(FailedWith(server_.Knows("pair"), TRITONSERVER_ERROR_NOT_FOUND, {"'pair'"}));
  ASSERT_TRUE(Succeeded(server_.Load("pair")));
  ExpectEcho("pair", {6});
}

TEST_F(Ensembles, AStepReloadedMidRequest) {
  AddPair();
  Occupied occupied = Occupy(server_, "first");
  Request request = EchoRequest(server_, "pair", {4});
  ASSERT_TRUE(Succeeded(request.Send()));
  ASSERT_TRUE(Succeeded(server_.LoadWithConfig(
      "second",
      R"({"backend": "identity", "max_batch_size": 8, "parameters": {"fail": {"string_value": "execute"}},
          "input": [{"name": "input", "data_type": "TYPE_FP32", "dims": [-1]}],
          "output": [{"name": "output", "data_type": "TYPE_FP32", "dims": [-1]}]})")));
  occupied.Release();
  EXPECT_TRUE(Succeeded(request.Wait().outcome));  // by the load it began with
  EXPECT_TRUE(FailedWith(EchoRequest(server_, "pair", {5}).Infer().outcome,
                         TRITONSERVER_ERROR_INTERNAL, {"'fail' is 'execute'"}));
}

TEST_F(Ensembles, AnEnsembleUnloadedMidRequestEndsIt) {
  AddPair();
  Occupied occupied = Occupy(server_, "first");
  Request request = EchoRequest(server_, "pair", {4});
  ASSERT_TRUE(Succeeded(request.Send()));
  ASSERT_TRUE(Succeeded(server_.Unload("pair")));
  EXPECT_FALSE(server_.Ready("pair"));
  occupied.Release();
  EXPECT_TRUE(Succeeded(request.Wait().outcome));
  ASSERT_TRUE(Succeeded(server_.UnloadAndWait("pair")));
}

TEST_F(Ensembles, AStepHasTheVersionItAsksFor) {
  AddEcho("echo", {1, 2, 3});
  for (const int version : {1, 3, -1}) {
    const std::string name = "v" + std::to_string(version + 1);
    server_.repository().Add(
        name, EnsembleConfig({"input"}, {"output"},
                             Step("echo", {{"input", "input"}}, {{"output", "output"}}, version)));
    ASSERT_TRUE(Succeeded(server_.Load(name)));
    ExpectEcho(name, {1});
  }
  const auto successes = [&](int64_t version) {
    return server_.Statistics("echo", version)
        .Number("/model_stats/0/inference_stats/success/count");
  };
  EXPECT_EQ(successes(1), 1);
  EXPECT_EQ(successes(2), 0);
  EXPECT_EQ(successes(3), 2);
}

TEST_F(Ensembles, AnEnsembleMayBeAStep) {
  AddPair();
  server_.repository().Add(
      "outer", EnsembleConfig({"input"}, {"output"},
                              Echo("pair", "input", "t") + Echo("first", "t", "output")));
  ASSERT_TRUE(Succeeded(server_.Load("outer")));
  ExpectEcho("outer", {1, 2});
  EXPECT_EQ(server_.Successes("first"), 2);
  EXPECT_EQ(server_.Successes("pair"), 1);
  EXPECT_TRUE(FailedWith(EchoRequest(server_, "outer", {1}).Set("fail", "no luck").Infer().outcome,
                         TRITONSERVER_ERROR_INTERNAL,
                         {"in ensemble 'outer', in ensemble 'pair', ", "no luck"}));
  Occupied occupied = Occupy(server_, "second");
  Request request = EchoRequest(server_, "outer", {1});
  ASSERT_TRUE(Succeeded(request.Send()));
  ASSERT_TRUE(Succeeded(request.Cancel()));  // through both of them
  EXPECT_TRUE(FailedWith(request.Wait().outcome, TRITONSERVER_ERROR_CANCELLED, {"'outer'"}));
}

TEST_F(Ensembles, OneModelSharedBySeveralEnsembles) {
  AddPair("one");
  server_.repository().Add(
      "other", EnsembleConfig({"input"}, {"output"},
                              Echo("second", "input", "t") + Echo("first", "t", "output")));
  ASSERT_TRUE(Succeeded(server_.Load("other")));
  std::vector<std::thread> threads;
  std::atomic<int> wrong{0};
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([&, t] {
      for (int i = 0; i < 50; ++i) {
        const std::vector<float> numbers = {float(t), float(i)};
        const char* const model = (t + i) % 2 == 0 ? "one" : "other";
        const Answer answer = EchoRequest(server_, model, numbers).Infer();
        if (!answer.ok() || answer.output("output").bytes != BytesOf(numbers)) ++wrong;
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(wrong, 0);
  EXPECT_EQ(server_.Successes("first"), 200);
  // What one of them still needs stays when the other goes.
  ASSERT_TRUE(Succeeded(server_.UnloadAndWait("one")));
  ExpectEcho("other", {7});
}

// Cancelled at each of its phases: before a step, in each queue, while a step executes.
TEST_F(Ensembles, CancelledWhileAStepWaits) {
  AddPair();
  for (const char* busy : {"first", "second"}) {
    Occupied occupied = Occupy(server_, busy);
    Request request = EchoRequest(server_, "pair", {4});
    ASSERT_TRUE(Succeeded(request.Send()));
    ASSERT_TRUE(Succeeded(request.Cancel()));
    // Although the step's instance is never free. If the first step ran just now, it ends first.
    EXPECT_TRUE(FailedWith(request.Wait().outcome, TRITONSERVER_ERROR_CANCELLED,
                           {"in ensemble 'pair'", "cancelled"}));
    occupied.Release();
    ExpectEcho("pair", {5});
  }
  EXPECT_EQ(server_.Failures("pair"), 2);
}

TEST_F(Ensembles, CancelledAtAnyMoment) {
  AddPair();
  const unsigned seed = std::random_device{}();
  SCOPED_TRACE(testing::Message() << "seed " << seed);
  std::mt19937 random(seed);
  for (int i = 0; i < 200; ++i) {
    Request request = EchoRequest(server_, "pair", {float(i)});
    ASSERT_TRUE(Succeeded(request.Send()));
    for (std::atomic<uint64_t> spin{random() % 100000}; spin > 0; --spin) continue;
    ASSERT_TRUE(Succeeded(request.Cancel()));
    const Answer& answer = request.Wait();
    if (!answer.ok()) {
      EXPECT_TRUE(FailedWith(answer.outcome, TRITONSERVER_ERROR_CANCELLED));
    } else {
      EXPECT_EQ(answer.output("output").bytes, BytesOf(std::vector<float>{float(i)}));
    }
  }
  ExpectEcho("pair", {1});
}

// Statements 2 and 3: what can't be served is refused at load, and says why.
TEST_F(Ensembles, AreCheckedAgainstTheirModels) {
  AddEcho("echo");
  server_.repository().Add("bytes", EchoConfig("identity", TRITONSERVER_TYPE_UINT8, ""));
  server_.repository().Add("small",
                           "backend: \"identity\" max_batch_size: 4 "
                           "input { name: \"input\" data_type: TYPE_FP32 dims: 7 } "
                           "output { name: \"output\" data_type: TYPE_FP32 dims: 7 }");
  const auto config = [](const std::string& steps, int batch = 4) {
    return EnsembleConfig({"input"}, {"output"}, steps, batch);
  };
  const struct {
    std::string config;
    std::initializer_list<std::string> texts;
  } cases[] = {
      {config(Echo("echo", "input", "t") + Echo("bytes", "t", "output")),
       {"in ensemble bad, ensemble tensor t: inconsistent data type: TYPE_FP32 "
        "is inferred from "
        "model echo while TYPE_UINT8 is inferred from model bytes"}},
      {config(Echo("small", "input", "output"), 8),
       {"ensemble bad allows maximum batch size 8, but it contains model small "
        "which only allows "
        "maximum batch size to be 4"}},
      {config(Step("echo", {{"nope", "input"}}, {{"output", "output"}})),
       {"ensemble tensor input is mapping to non-existing input nope in model "
        "echo"}},
      {config(Step("echo", {{"input", "input"}}, {{"nope", "output"}})),
       {"ensemble tensor output is mapped from non-existing output nope in "
        "model echo"}},
      {config(Echo("absent", "input", "output")),
       {"ensemble bad contains models that are not available or ambiguous: "
        "absent"}},
      {config(Step("echo", {{"input", "input"}}, {{"output", "output"}}, 9)), {"echo", "9"}},
      {config(Echo("bad", "input", "output")), {"circular", "bad"}},
  };
  for (const auto& [text, texts] : cases) {
    const Outcome outcome = LoadEnsemble(text);
    ASSERT_FALSE(outcome.ok()) << text;
    for (const std::string& part : texts) {
      EXPECT_NE(outcome.message.find(part), std::string::npos) << part << "\n" << outcome.message;
    }
    EXPECT_FALSE(server_.Ready("bad"));
  }
  ASSERT_TRUE(Succeeded(LoadEnsemble(config(Echo("small", "input", "output")))));
  ExpectEcho("bad", {1, 2, 3, 4, 5, 6, 7});
}

}  // namespace
}  // namespace trident::contract
