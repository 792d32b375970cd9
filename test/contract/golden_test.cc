// Golden samples: requests whose answers are known, run on a version before it serves.

#include "ensemble.h"
#include "life.h"
#include "witness.h"

namespace trident::contract {
namespace {

std::string Tensor(const std::string& name, const std::string& datatype, const std::string& shape,
                   const std::string& data) {
  return "\"" + name + "\": {\"datatype\": \"" + datatype + "\", \"shape\": " + shape +
         ", \"data\": " + data + "}";
}
std::string Sample(const std::string& inputs, const std::string& outputs,
                   const std::string& more = "") {
  return "{\"inputs\": {" + inputs + "}, \"outputs\": " + outputs + more + "}";
}
// Of a model that echoes FP32: `numbers` in, `answer` expected.
std::string Echoes(const std::string& numbers, const std::string& answer,
                   const std::string& more = "") {
  return Sample(Tensor("input", "FP32", "[1, 2]", numbers),
                "{" + Tensor("output", "FP32", "[1, 2]", answer) + "}", more);
}

class Golden : public testing::Test {
 protected:
  void Write(const std::string& file, const std::string& text) {
    server_.repository().Write("model/golden/" + file, text);
  }
  Outcome Load(const std::string& config = Identity()) {
    server_.repository().Add("model", config);
    return server_.Load("model");
  }
  // The load of an echo with this one sample fails for this reason.
  void Refuses(const std::string& sample, TRITONSERVER_Error_Code code, const std::string& text) {
    Write("a.json", sample);
    EXPECT_TRUE(FailedWith(Load(), code, {"model 'model'", "golden sample 'a.json': " + text}));
    EXPECT_FALSE(server_.Ready("model"));
  }

  Server server_;
};

TEST_F(Golden, AModelThatAnswersAsExpectedServes) {
  Write("a.json", Echoes("[1, 2]", "[1, 2]"));
  Write("b.json", Echoes("[1, 2]", "[1.25, 2]", R"(, "tolerance": {"absolute": 0.5})"));
  Write("notes.txt", "not a sample");
  ASSERT_TRUE(Succeeded(Load()));
  EXPECT_EQ(server_.Successes("model"), 2) << "as those of warm-up, they are counted";
  EXPECT_TRUE(Answers(server_, "model"));
}

TEST_F(Golden, AnAnswerThatDiffersFailsTheLoad) {
  Refuses(Echoes("[1, 2]", "[1, 2.5]"), TRITONSERVER_ERROR_INTERNAL,
          "output 'output': element 1: expected 2.5, found 2");
  Refuses(Echoes("[1, 2]", "[1, 2.5]", R"(, "tolerance": {"absolute": 0.25})"),
          TRITONSERVER_ERROR_INTERNAL, "output 'output': element 1: expected 2.5, found 2");
  Refuses(Sample(Tensor("input", "FP32", "[1, 1]", "[1]"),
                 "{" + Tensor("output", "FP32", "[1]", "[1]") + "}"),
          TRITONSERVER_ERROR_INTERNAL, "output 'output': expected shape [1], found [1,1]");
  Refuses(Sample(Tensor("input", "FP32", "[1, 1]", "[1]"), "[]"), TRITONSERVER_ERROR_INTERNAL,
          "expected 0 response(s), found 1");
}

TEST_F(Golden, TheFirstFileThatFailsIsNamed) {
  Write("2.json", Echoes("[1, 2]", "[3, 4]"));
  Write("1.json", Echoes("[1, 2]", "[1, 2]"));
  Write("3.json", Echoes("[1, 2]", "[5, 6]"));
  EXPECT_TRUE(FailedWith(Load(), TRITONSERVER_ERROR_INTERNAL,
                         {"golden sample '2.json': output 'output': element 0: expected 3, "
                          "found 1"}));
}

TEST_F(Golden, WhatIsNoSampleOrNoRequestIsRefused) {
  Refuses("{", TRITONSERVER_ERROR_INVALID_ARG, "not JSON at byte 2");
  Refuses(Sample(Tensor("input", "FP32", "[1, 2]", "[1]"), "{}"), TRITONSERVER_ERROR_INVALID_ARG,
          "input 'input': 'data' must be a flat array of 2 elements, as shape [1,2] says, found 1");
  Refuses(Sample(Tensor("other", "FP32", "[1, 1]", "[1]"), "{}"), TRITONSERVER_ERROR_INVALID_ARG,
          "[request id: a.json] unexpected inference input 'other' for model 'model'");
  Refuses(Sample(Tensor("input", "INT32", "[1, 1]", "[1]"), "{}"), TRITONSERVER_ERROR_INVALID_ARG,
          "[request id: a.json] inference input 'input' data-type is 'INT32', but model 'model' "
          "expects 'FP32'");
  Refuses(Sample(Tensor("input", "FP32", "[9, 1]", "[1, 2, 3, 4, 5, 6, 7, 8, 9]"), "{}"),
          TRITONSERVER_ERROR_INVALID_ARG, "");
  Refuses(Sample("", "{}"), TRITONSERVER_ERROR_INVALID_ARG,
          "[request id: a.json] model 'model' expects 1 inputs but got 0; missing required "
          "input(s) 'input'");
  Refuses(Sample(Tensor("input", "FP32", "[1, 1]", "[1]"),
                 "{" + Tensor("other", "FP32", "[1, 1]", "[1]") + "}"),
          TRITONSERVER_ERROR_INVALID_ARG,
          "[request id: a.json] unexpected inference output 'other' for model 'model'");
  // A directory that is called like a sample.
  server_.repository().Write("model/golden/a.json.d/x", "");
  Write("a.json", Echoes("[1, 2]", "[1, 2]"));
  EXPECT_TRUE(Succeeded(Load()));
  server_.repository().Write("model/golden/b.json/x", "");
  EXPECT_TRUE(FailedWith(server_.Load("model"), TRITONSERVER_ERROR_NOT_FOUND,
                         {"golden sample 'b.json': failed to read"}));
}

TEST_F(Golden, AFailureOfTheBackendIsTheSamples) {
  Write("a.json", Echoes("[1, 2]", "[1, 2]"));
  EXPECT_TRUE(FailedWith(
      LoadWitness(&server_, "model",
                  "parameters { key: \"refuse\" value { string_value: \"not today\" } }"),
      TRITONSERVER_ERROR_INTERNAL, {"golden sample 'a.json': ", "not today"}));
}

TEST_F(Golden, StringsAndBatches) {
  const std::string inputs = Tensor("input", "BYTES", "[2, 1]", R"(["a", "bc"])");
  const std::string config = EchoConfig("identity", TRITONSERVER_TYPE_BYTES);
  Write("a.json",
        Sample(inputs, "{" + Tensor("output", "BYTES", "[2, 1]", R"(["a", "bc"])") + "}"));
  ASSERT_TRUE(Succeeded(Load(config)));
  EXPECT_EQ(server_.Successes("model"), 1);
  Write("a.json", Sample(inputs, "{" + Tensor("output", "BYTES", "[2, 1]", R"(["a", "c"])") + "}"));
  EXPECT_TRUE(FailedWith(Load(config), TRITONSERVER_ERROR_INTERNAL,
                         {"output 'output': element 1: expected \"c\", found \"bc\""}));
}

// After the warm-up, on the first of its instances that serves.
TEST_F(Golden, RunOnOneInstanceThatIsWarm) {
  Write("a.json", Echoes("[1, 2]", "[1, 2]"));
  ASSERT_TRUE(Succeeded(LoadWitness(
      &server_, "model",
      "model_warmup { name: \"w\" batch_size: 1 inputs { key: \"input\" value { data_type: "
      "TYPE_FP32 dims: 2 zero_data: true } } } "
      "instance_group { name: \"p\" kind: KIND_CPU count: 1 passive: true } "
      "instance_group { name: \"a\" kind: KIND_CPU count: 2 }")));
  EXPECT_EQ(Witnessed(&server_, "model", "request"),
            (std::vector<std::string>{"request input:FP32:[1,2]:0000000000000000",
                                      "request input:FP32:[1,2]:0000803f00000040",
                                      "request input:FP32:[1,2]:0000000000000000"}));
  const std::vector<std::string> executions = Witnessed(&server_, "model", "execute");
  ASSERT_EQ(executions.size(), 3u);
  EXPECT_EQ(executions[0].rfind("execute a_0 ", 0), 0u);
  EXPECT_EQ(executions[1].rfind("execute a_0 ", 0), 0u);
  EXPECT_EQ(executions[2].rfind("execute a_1 ", 0), 0u);
}

// Its responses, in order; the last is only a flag, and none.
TEST_F(Golden, ADecoupledModelHasAListOfResponses) {
  const std::string config =
      "backend: \"repeat\" max_batch_size: 4 "
      "input { name: \"input\" data_type: TYPE_FP32 dims: -1 } "
      "input { name: \"count\" data_type: TYPE_INT32 dims: 1 } "
      "output { name: \"output\" data_type: TYPE_FP32 dims: -1 } "
      "output { name: \"index\" data_type: TYPE_INT32 dims: 1 } "
      "instance_group { kind: KIND_CPU count: 1 } model_transaction_policy { decoupled: true }";
  const auto expect = [&](const std::vector<std::string>& indexes) {
    std::string outputs;
    for (const std::string& index : indexes) {
      outputs += (outputs.empty() ? "{" : ", {") + Tensor("output", "FP32", "[1, 2]", "[1, 2]") +
                 ", " + Tensor("index", "INT32", "[1, 1]", index) + "}";
    }
    Write("a.json", Sample(Tensor("input", "FP32", "[1, 2]", "[1, 2]") + ", " +
                               Tensor("count", "INT32", "[1, 1]", "[2]"),
                           "[" + outputs + "]"));
    return Load(config);
  };
  EXPECT_TRUE(Succeeded(expect({"[0]", "[1]"})));
  EXPECT_TRUE(FailedWith(expect({"[0]", "[2]"}), TRITONSERVER_ERROR_INTERNAL,
                         {"response 1, output 'index': element 0: expected 2, found 1"}));
  EXPECT_TRUE(FailedWith(expect({"[0]"}), TRITONSERVER_ERROR_INTERNAL,
                         {"expected 1 response(s), found 2"}));
}

// As with warm-up, the sample says what the scheduler would add.
TEST_F(Golden, ModelsThatKeepStateAreGivenIt) {
  Write("a.json", Sample(Tensor("input", "FP32", "[1, 2]", "[1, 2]") + ", " +
                             Tensor("sum_in", "FP32", "[1, 2]", "[10, 20]"),
                         "{" + Tensor("output", "FP32", "[1, 2]", "[11, 22]") + "}"));
  server_.repository().AddOnnx(
      "model", "accumulate",
      "backend: \"onnxruntime\" max_batch_size: 4 "
      "input { name: \"input\" data_type: TYPE_FP32 dims: -1 } "
      "output { name: \"output\" data_type: TYPE_FP32 dims: -1 } "
      "sequence_batching { state { input_name: \"sum_in\" output_name: \"sum_out\" "
      "data_type: TYPE_FP32 dims: 2 } } instance_group { kind: KIND_CPU count: 1 } ");
  EXPECT_TRUE(Succeeded(server_.Load("model")));
}

TEST_F(Golden, EnsemblesHaveNone) {
  server_.repository().Add("step", Identity());
  Write("a.json", Echoes("[1, 2]", "[1, 2]"));
  EXPECT_TRUE(FailedWith(Load(Chain({"step"})), TRITONSERVER_ERROR_INVALID_ARG,
                         {"golden samples are for instances, and an ensemble has none"}));
}

TEST_F(Golden, AReloadThatAnswersOtherwiseLeavesTheOldVersionInService) {
  ASSERT_TRUE(Succeeded(Load()));
  Write("a.json", Echoes("[1, 2]", "[3, 4]"));
  EXPECT_FALSE(server_.Load("model").ok());
  EXPECT_TRUE(Answers(server_, "model"));
  Write("a.json", Echoes("[1, 2]", "[1, 2]"));
  ASSERT_TRUE(Succeeded(server_.Load("model")));
  EXPECT_TRUE(Answers(server_, "model"));
}

TEST(GoldenPolls, TheFilesAreTheModelsAndAFailureKeepsWhatServes) {
  Heard heard;
  Server server(
      In(TRITONSERVER_MODEL_CONTROL_POLL, [&](auto* options) { heard.ListenIn(options); }));
  using Lines = std::vector<std::string>;
  server.repository().Add("model", Identity("version_policy { latest { num_versions: 1 } }"));
  ASSERT_TRUE(Succeeded(Poll(server)));
  heard.Take();
  ASSERT_TRUE(Succeeded(Poll(server)));
  EXPECT_EQ(heard.Take(), Lines{});

  // A newer version that its samples refuse.
  server.repository().Write("model/2/weights", "new");
  server.repository().Write("model/golden/a.json", Echoes("[1, 2]", "[3, 4]"));
  ASSERT_TRUE(Succeeded(Poll(server)));
  const Lines lines = heard.Take();
  ASSERT_EQ(lines.size(), 2u);
  EXPECT_EQ(lines[0], "model:2 LOADING 0/1");
  EXPECT_NE(
      lines[1].find("golden sample 'a.json': output 'output': element 0: expected 3, found 1"),
      std::string::npos)
      << lines[1];
  EXPECT_TRUE(server.Ready("model", 1));
  EXPECT_FALSE(server.Ready("model", 2));
  EXPECT_TRUE(Answers(server, "model"));

  server.repository().Write("model/golden/a.json", Echoes("[1, 2]", "[1, 2]"));
  ASSERT_TRUE(Succeeded(Poll(server)));
  EXPECT_TRUE(server.Ready("model", 2));
  EXPECT_FALSE(server.Ready("model", 1));
  EXPECT_TRUE(Answers(server, "model"));
}

}  // namespace
}  // namespace trident::contract
