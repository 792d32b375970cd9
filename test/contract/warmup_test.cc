// Warm-up (3.11): samples run on every instance before the model is ready, straight at the backend.

#include "echo.h"
#include "witness.h"

namespace trident::contract {
namespace {

std::string Sample(const std::string& input, const std::string& more = "batch_size: 1",
                   const std::string& name = "first") {
  return "model_warmup { name: \"" + name + "\" " + more + " " + input + " } ";
}

std::string Input(const std::string& data, const std::string& name = "input",
                  const std::string& type = "TYPE_FP32 dims: 2") {
  return "inputs { key: \"" + name + "\" value { data_type: " + type + " " + data + " } }";
}

// Loads a model with this warm-up; what the backend has seen of it.
class WarmupTest : public testing::Test {
 protected:
  std::vector<std::string> Requests(const std::string& warmup) {
    EXPECT_TRUE(Succeeded(LoadWitness(&server, "model", warmup)));
    return Witnessed(&server, "model", "request");
  }
  Outcome Load(const std::string& warmup) { return LoadWitness(&server, "model", warmup); }
  void WriteData(const std::string& file, const std::string& bytes) {
    server.repository().Write("model/warmup/" + file, bytes);
  }

  Server server;
};

TEST_F(WarmupTest, ZerosAreZeros) {
  EXPECT_EQ(Requests(Sample(Input("zero_data: true"))),
            std::vector<std::string>{"request input:FP32:[1,2]:0000000000000000"});
  EXPECT_TRUE(Succeeded(WitnessRequest(server, "model").Infer().outcome));
}

TEST_F(WarmupTest, RandomDataHasTheSizeOfTheTensor) {
  const std::vector<std::string> requests = Requests(Sample(Input("random_data: true")));
  ASSERT_EQ(requests.size(), 1u);
  const std::string prefix = "request input:FP32:[1,2]:";
  EXPECT_EQ(requests[0].rfind(prefix, 0), 0u);
  EXPECT_EQ(requests[0].size(), prefix.size() + 16);
  EXPECT_NE(requests[0], prefix + "0000000000000000");
}

TEST_F(WarmupTest, RandomStringsAreEmptyOnes) {
  EXPECT_EQ(Requests(Sample(Input("random_data: true", "text", "TYPE_STRING dims: 2"))),
            std::vector<std::string>{"request text:BYTES:[2]:0000000000000000"});
}

TEST_F(WarmupTest, FilesLieInTheWarmupDirectoryAndMayBeLonger) {
  WriteData("data/two", BytesOf(std::vector<float>{1, 2}));
  WriteData("three", BytesOf(std::vector<float>{1, 2, 3}));
  EXPECT_EQ(Requests(Sample(Input("input_data_file: \"data/two\"")) +
                     Sample(Input("input_data_file: \"three\""))),
            (std::vector<std::string>{"request input:FP32:[1,2]:0000803f00000040",
                                      "request input:FP32:[1,2]:0000803f00000040"}));
}

TEST_F(WarmupTest, FilesOfStringsAreTakenWhole) {
  WriteData("strings", Strings({"a", "bc"}));
  EXPECT_EQ(Requests(Sample(Input("input_data_file: \"strings\"", "text", "TYPE_STRING dims: 2"))),
            std::vector<std::string>{"request text:BYTES:[2]:0100000061020000006263"});
}

TEST_F(WarmupTest, ShortFilesAreRefused) {
  WriteData("one", BytesOf(std::vector<float>{1}));
  EXPECT_TRUE(FailedWith(
      Load(Sample(Input("input_data_file: \"one\""))), TRITONSERVER_ERROR_INVALID_ARG,
      {"'model'", "'first'",
       "warmup setting expects 8 bytes, but the data provided from one only has 4 bytes"}));
}

TEST_F(WarmupTest, FilesElsewhereAreRefused) {
  server.repository().Write("secret", "12345678");
  for (const std::string file : {"../../secret", "/etc/passwd", "a/../../../secret", ""}) {
    EXPECT_TRUE(FailedWith(Load(Sample(Input("input_data_file: \"" + file + "\""))),
                           TRITONSERVER_ERROR_INVALID_ARG, {"'first'", "does not stay inside"}))
        << file;
  }
}

TEST_F(WarmupTest, MissingFilesAreNamed) {
  EXPECT_TRUE(FailedWith(Load(Sample(Input("input_data_file: \"none\""))),
                         TRITONSERVER_ERROR_NOT_FOUND, {"'first'", "none"}));
}

TEST_F(WarmupTest, DimensionsMustBeGiven) {
  EXPECT_TRUE(FailedWith(
      Load(Sample(Input("zero_data: true", "input", "TYPE_FP32 dims: -1"))),
      TRITONSERVER_ERROR_INVALID_ARG,
      {"warmup setting expects all variable-size dimensions are specified for input 'input'"}));
}

TEST_F(WarmupTest, SoMustDataAndTheirType) {
  EXPECT_TRUE(FailedWith(Load(Sample(Input(""))), TRITONSERVER_ERROR_INVALID_ARG,
                         {"warmup setting expects input 'input' to have input_data_type set"}));
  EXPECT_TRUE(
      FailedWith(Load(Sample("inputs { key: \"input\" value { dims: 2 zero_data: true } }")),
                 TRITONSERVER_ERROR_INVALID_ARG, {"'first'", "'input'", "data_type"}));
}

TEST_F(WarmupTest, ASampleThatDoesNotFitTheModelIsRefused) {
  EXPECT_TRUE(FailedWith(Load(Sample(Input("zero_data: true", "input", "TYPE_FP32 dims: 3"))),
                         TRITONSERVER_ERROR_INVALID_ARG,
                         {"failed to run warmup sample 'first'", "'input'"}));
  EXPECT_TRUE(FailedWith(Load(Sample(Input("zero_data: true", "input", "TYPE_INT32 dims: 2"))),
                         TRITONSERVER_ERROR_INVALID_ARG, {"INT32", "FP32"}));
  EXPECT_TRUE(FailedWith(Load(Sample(Input("zero_data: true"), "batch_size: 5")),
                         TRITONSERVER_ERROR_INVALID_ARG, {"'first'", "batch_size is 5", "4"}));
}

TEST_F(WarmupTest, HugeTensorsAreRefusedBeforeAnythingIsAllocated) {
  for (const std::string dims :
       {"[ 4611686018427387904, 4 ]", "[ 4611686018427387904 ]", "[ 1099511627776 ]"}) {
    const std::string huge = "TYPE_FP32 dims: " + dims;
    EXPECT_TRUE(FailedWith(Load(Sample(Input("zero_data: true", "other", huge))),
                           TRITONSERVER_ERROR_INVALID_ARG, {"'first'"}));
  }
}

TEST_F(WarmupTest, SamplesRunInOrderAndAsOftenAsTheySay) {
  const auto text = [](const std::string& number) {
    return "request input:FP32:[1,2]:" + number + number;
  };
  WriteData("ones", BytesOf(std::vector<float>{1, 1}));
  const std::string ones = Input("input_data_file: \"ones\"");
  const std::string zeros = Input("zero_data: true");
  EXPECT_EQ(Requests(Sample(ones, "batch_size: 1 count: 2", "a") + Sample(zeros, "batch_size: 1") +
                     Sample(ones, "batch_size: 1 count: 0", "c")),
            (std::vector<std::string>{text("0000803f"), text("0000803f"), text("00000000"),
                                      text("0000803f")}));
}

TEST_F(WarmupTest, BatchSizeZeroSwitchesASampleOff) {
  EXPECT_TRUE(Requests(Sample(Input("input_data_file: \"none\""), "batch_size: 0")).empty());
}

TEST_F(WarmupTest, ABatchIsSoManyRequestsInOneExecution) {
  EXPECT_EQ(Requests(Sample(Input("zero_data: true"), "batch_size: 3")).size(), 3u);
  const std::vector<std::string> executions = Witnessed(&server, "model", "execute");
  ASSERT_EQ(executions.size(), 1u);
  EXPECT_EQ(ValueOf(executions[0], "requests"), "3");
}

TEST_F(WarmupTest, EveryInstanceButPassiveOnesIsWarmedUp) {
  Requests(Sample(Input("zero_data: true")) +
           "instance_group { name: \"a\" kind: KIND_CPU count: 2 } "
           "instance_group { name: \"p\" kind: KIND_CPU count: 1 passive: true }");
  const std::vector<std::string> executions = Witnessed(&server, "model", "execute");
  ASSERT_EQ(executions.size(), 2u);
  EXPECT_EQ(executions[0].rfind("execute a_0 ", 0), 0u);
  EXPECT_EQ(executions[1].rfind("execute a_1 ", 0), 0u);
}

TEST_F(WarmupTest, InputsThatAreNotTheModelsHaveExactlyTheGivenShape) {
  EXPECT_EQ(Requests(Sample(Input("zero_data: true") + " " +
                            Input("zero_data: true", "START", "TYPE_INT32 dims: [ 1, 1 ]"))),
            std::vector<std::string>{
                "request input:FP32:[1,2]:0000000000000000 START:INT32:[1,1]:00000000"});
}

TEST_F(WarmupTest, TheFirstFailureFailsTheLoad) {
  const Outcome outcome =
      Load(Sample(Input("zero_data: true"), "batch_size: 2 count: 3", "first") +
           Sample(Input("zero_data: true"), "batch_size: 1", "second") +
           "parameters { key: \"refuse\" value { string_value: \"not today\" } }");
  EXPECT_TRUE(FailedWith(outcome, TRITONSERVER_ERROR_INTERNAL,
                         {"failed to run warmup sample 'first': ", "not today"}));
  EXPECT_EQ(Witnessed(&server, "model", "execute").size(), 1u);
  EXPECT_FALSE(server.Ready("model"));
}

// Nothing excludes warm-up from statistics: whatever the backend reports is counted.
TEST_F(WarmupTest, StatisticsCountIt) {
  Requests(Sample(Input("zero_data: true"), "batch_size: 2 count: 3"));
  EXPECT_EQ(server.Successes("model"), 6);
}

// The scheduler adds nothing, so a sample of a model with state says what the state is.
TEST_F(WarmupTest, ModelsThatKeepStateWarmUp) {
  const auto load = [&](const std::string& state) {
    server.repository().AddOnnx(
        "sum", "accumulate",
        "backend: \"onnxruntime\" max_batch_size: 4 "
        "input { name: \"input\" data_type: TYPE_FP32 dims: -1 } "
        "output { name: \"output\" data_type: TYPE_FP32 dims: -1 } "
        "sequence_batching { state { input_name: \"sum_in\" output_name: \"sum_out\" "
        "data_type: TYPE_FP32 dims: 2 } } instance_group { kind: KIND_CPU count: 1 } " +
            Sample(Input("zero_data: true") + " " + state, "batch_size: 2"));
    return server.Load("sum");
  };
  EXPECT_TRUE(Succeeded(load(Input("zero_data: true", "sum_in", "TYPE_FP32 dims: [ 1, 2 ]"))));
  EXPECT_EQ(server.Successes("sum"), 2);
  ASSERT_TRUE(Succeeded(server.UnloadAndWait("sum")));
  EXPECT_FALSE(load("").ok()) << "the backend gets no state to read";
}

TEST_F(WarmupTest, RealBackendsWarmUp) {
  LoadEcho(&server, "echo", "onnxruntime", TRITONSERVER_TYPE_FP32,
           Sample(Input("random_data: true"), "batch_size: 4") + "dynamic_batching { }");
  EXPECT_EQ(server.Successes("echo"), 4);
  EXPECT_TRUE(Succeeded(EchoRequest(server, "echo", {1, 2, 3}).Infer().outcome));
}

}  // namespace
}  // namespace trident::contract
