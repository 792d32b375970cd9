// Queue policies, the order of responses and custom batching strategies of
// dynamic batching, through the C ABI. Their rules are tested in virtual time;
// here: that a configuration brings them about.

#include <filesystem>

#include "echo.h"
#include "environment.h"

namespace trident::contract {
namespace {

using Batches = std::map<int64_t, int64_t>;

class QueuePolicies : public testing::Test {
 protected:
  void LoadWith(const std::string& dynamic_batching, int instances = 1,
                const std::string& more = "") {
    LoadEcho(&server_, "echo", "identity", TRITONSERVER_TYPE_FP32,
             "dynamic_batching { " + dynamic_batching + " } " + more, instances);
  }
  Request& Make(const std::string& name) {
    requests_.push_back(EchoRequest(server_, "echo", {1, 2}));
    requests_.back().OnAnswer([this, name] { answered_.push_back(name); });
    return requests_.back();
  }

  Server server_;
  std::vector<Request> requests_;
  std::vector<std::string> answered_;  // by the one thread that answers
};

TEST_F(QueuePolicies, PrioritiesAreServedByLevel) {
  LoadWith("preferred_batch_size: 1 priority_levels: 3 default_priority_level: 2");
  Occupied occupied = Occupy(server_, "echo");
  requests_.reserve(4);
  ASSERT_TRUE(Succeeded(Make("low").Priority(3).Send()));
  ASSERT_TRUE(Succeeded(Make("default").Send()));
  ASSERT_TRUE(Succeeded(Make("unknown").Priority(9).Send()));
  ASSERT_TRUE(Succeeded(Make("high").Priority(1).Send()));
  occupied.Release();
  for (Request& request : requests_) EXPECT_TRUE(Succeeded(request.Wait().outcome));
  EXPECT_EQ(answered_, (std::vector<std::string>{"high", "default", "unknown", "low"}));
}

TEST_F(QueuePolicies, ATimeoutEndsARequestWhileTheInstanceIsBusy) {
  LoadWith(
      "priority_levels: 2 default_priority_level: 1 priority_queue_policy "
      "{ key: 2 value { "
      "default_timeout_microseconds: 600000000 allow_timeout_override: "
      "true } }");
  Occupied occupied = Occupy(server_, "echo");
  requests_.reserve(3);
  ASSERT_TRUE(Succeeded(Make("shortened").Priority(2).Timeout(1000).Send()));
  EXPECT_TRUE(FailedWith(requests_[0].Wait().outcome, TRITONSERVER_ERROR_UNAVAILABLE,
                         {"Request timeout expired", "'echo'"}));
  // A level without a default timeout knows no override.
  ASSERT_TRUE(Succeeded(Make("unbounded").Priority(1).Timeout(1).Send()));
  occupied.Release();
  EXPECT_TRUE(Succeeded(requests_[1].Wait().outcome));
  EXPECT_EQ(server_.Failures("echo"), 1);
}

TEST_F(QueuePolicies, ADelayedRequestRunsAfterAll) {
  LoadWith(
      "preferred_batch_size: 1 default_queue_policy { timeout_action: DELAY "
      "default_timeout_microseconds: 600000000 allow_timeout_override: true }");
  Occupied occupied = Occupy(server_, "echo");
  requests_.reserve(2);
  ASSERT_TRUE(Succeeded(Make("overdue").Timeout(1).Send()));
  ASSERT_TRUE(Succeeded(Make("in time").Send()));
  occupied.Release();
  for (Request& request : requests_) EXPECT_TRUE(Succeeded(request.Wait().outcome));
  EXPECT_EQ(answered_, (std::vector<std::string>{"in time", "overdue"}));
}

TEST_F(QueuePolicies, PreserveOrderingHoldsBackWhatAnotherInstanceAnswers) {
  LoadWith("preserve_ordering: true", 2);
  Occupied first = Occupy(server_, "echo");  // its answer is being delivered, until Release
  requests_.reserve(3);
  for (const char* name : {"a", "b", "c"}) ASSERT_TRUE(Succeeded(Make(name).Send()));
  ASSERT_TRUE(Succeeded(requests_[1].Cancel()));
  EXPECT_TRUE(answered_.empty());
  first.Release();
  for (Request& request : requests_) request.Wait();
  EXPECT_EQ(answered_, (std::vector<std::string>{"a", "b", "c"}));
}

// Strategies
// -------------------------------------------------------------------------------------

class Strategies : public QueuePolicies {
 protected:
  static std::string Library(const std::string& name) {
    return ReadFile(environment.backends + "/strategies/" + name + ".so");
  }
  Outcome LoadModel(const std::string& model, const std::string& more,
                    const std::string& library = "", const std::string& path = "") {
    server_.repository().Add(
        model, EchoConfig("identity", TRITONSERVER_TYPE_FP32, "dynamic_batching { } " + more));
    if (!library.empty()) server_.repository().Write(model + "/" + path, Library(library));
    return server_.Load(model);
  }
  static std::string Named(const std::string& path) {
    return "parameters { key: \"TRITON_BATCH_STRATEGY_PATH\" value { "
           "string_value: \"" +
           path + "\" } }";
  }
  // What five requests of eight bytes each become, while the instance is busy.
  Batches RunFive(const std::string& model) {
    Occupied occupied = Occupy(server_, model);
    for (int i = 0; i < 5; ++i) {
      requests_.push_back(EchoRequest(server_, model, {1, 2}));
    }
    for (Request& request : requests_) EXPECT_TRUE(Succeeded(request.Send()));
    occupied.Release();
    for (Request& request : requests_) EXPECT_TRUE(Succeeded(request.Wait().outcome));
    return server_.Batches(model);
  }
};

TEST_F(Strategies, ALibraryInTheModelsDirectoryIsUsed) {
  ASSERT_TRUE(Succeeded(LoadModel("echo", "", "volume", "batchstrategy.so")));
  EXPECT_EQ(RunFive("echo"), (Batches{{1, 1}, {3, 1}, {2, 1}}));
  EXPECT_TRUE(Succeeded(server_.UnloadAndWait("echo")));
}

TEST_F(Strategies, ALibraryThatTheConfigurationNamesIsUsed) {
  ASSERT_TRUE(Succeeded(LoadModel("echo", Named("1/own.so"), "volume", "1/own.so")));
  EXPECT_EQ(RunFive("echo"), (Batches{{1, 1}, {3, 1}, {2, 1}}));
}

TEST_F(Strategies, BatchesWithoutDataAreFine) {
  ASSERT_TRUE(Succeeded(LoadModel("stateless", "", "volume", "batchstrategy.so")));
  EXPECT_EQ(RunFive("stateless"), (Batches{{1, 1}, {5, 1}}));
}

TEST_F(Strategies, AFailureIsANo) {
  ASSERT_TRUE(Succeeded(LoadModel("echo", "", "volume", "batchstrategy.so")));
  requests_.push_back(EchoRequest(server_, "echo", std::vector<float>(20, 1)));
  EXPECT_TRUE(Succeeded(requests_[0].Infer().outcome)) << "alone it runs nevertheless";
}

TEST_F(Strategies, AllFiveFunctionsOrNone) {
  EXPECT_TRUE(FailedWith(LoadModel("echo", "", "partial", "batchstrategy.so"),
                         TRITONSERVER_ERROR_INVALID_ARG,
                         {"does not define all required custom batching "
                          "functions for model echo"}));
  EXPECT_FALSE(server_.Ready("echo"));
}

TEST_F(Strategies, AStrategyThatRefusesTheModelFailsTheLoad) {
  EXPECT_TRUE(FailedWith(LoadModel("refused", "", "volume", "batchstrategy.so"),
                         TRITONSERVER_ERROR_INTERNAL,
                         {"'refused'", "failed to initialize", "this strategy is not for it"}));
}

TEST_F(Strategies, ThePathStaysInTheModelsDirectory) {
  for (const std::string path : {"../other.so", "/usr/lib/libm.so", "1/../../other.so", ""}) {
    EXPECT_TRUE(FailedWith(LoadModel("echo", Named(path)), TRITONSERVER_ERROR_INVALID_ARG,
                           {"'echo'", "Batching library path escapes model repository"}))
        << path;
  }
}

TEST_F(Strategies, AMissingLibraryFailsTheLoad) {
  EXPECT_TRUE(FailedWith(LoadModel("echo", Named("1/none.so")), TRITONSERVER_ERROR_NOT_FOUND,
                         {"'echo'", "Batching library path not found", "none.so"}));
}

TEST_F(Strategies, NotWithSequences) {
  server_.repository().Add("echo", EchoConfig("identity", TRITONSERVER_TYPE_FP32,
                                              "sequence_batching { } " + Named("1/own.so")));
  EXPECT_TRUE(FailedWith(server_.Load("echo"), TRITONSERVER_ERROR_INVALID_ARG,
                         {"TRITON_BATCH_STRATEGY_PATH cannot be specified with "
                          "sequence batcher"}));
}

}  // namespace
}  // namespace trident::contract
