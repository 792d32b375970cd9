// Explicit loads and unloads: ensembles and their steps, load parameters, what a host hears of it,
// and the end.

#include <filesystem>

#include "life.h"

namespace trident::contract {
namespace {

Outcome UnloadWithDependents(const Server& server, const std::string& model) {
  return Outcome::Of(TRITONSERVER_ServerUnloadModelAndDependents(server.handle(), model.c_str()));
}

class Explicit : public testing::Test {
 protected:
  Explicit()
      : server_(In(TRITONSERVER_MODEL_CONTROL_EXPLICIT,
                   [this](auto* options) { heard_.ListenIn(options); })) {
    for (const char* model : {"one", "two"}) repository().Add(model, Identity());
    repository().Add("chain", Chain({"one", "two"}));
  }
  Repository& repository() { return server_.repository(); }

  using Lines = std::vector<std::string>;

  Heard heard_;
  Server server_;
};

// Ensembles ---------------------------------------------------------------------------------------

// 3.5.5
TEST_F(Explicit, LoadingAnEnsembleLoadsItsStepsFirst) {
  ASSERT_TRUE(Succeeded(server_.Load("chain")));
  const Lines heard = heard_.Take();
  ASSERT_EQ(heard.size(), 6u);
  EXPECT_EQ(heard[4], "chain:1 LOADING 2/3");
  EXPECT_EQ(heard[5], "chain:1 READY 3/3");
  EXPECT_TRUE(Answers(server_, "chain") && Answers(server_, "one"));
}

// 3.13.6 and 3.5.5
TEST_F(Explicit, UnloadingWithDependentsLeavesWhatOthersNeed) {
  repository().Add("other", Chain({"two"}));
  for (const char* model : {"one", "chain", "other"}) {
    ASSERT_TRUE(Succeeded(server_.Load(model)));
  }
  ASSERT_TRUE(Succeeded(UnloadWithDependents(server_, "chain")));
  EXPECT_FALSE(server_.Ready("chain"));
  EXPECT_TRUE(server_.Ready("one")) << "loaded by name";
  EXPECT_TRUE(server_.Ready("two")) << "a step of the other ensemble";
  EXPECT_TRUE(Answers(server_, "other"));
  ASSERT_TRUE(Succeeded(UnloadWithDependents(server_, "other")));
  EXPECT_FALSE(server_.Ready("two"));
  EXPECT_TRUE(server_.Ready("one"));
}

TEST_F(Explicit, UnloadingAnEnsembleAloneLeavesItsSteps) {
  ASSERT_TRUE(Succeeded(server_.Load("chain")));
  ASSERT_TRUE(Succeeded(server_.UnloadAndWait("chain")));
  EXPECT_FALSE(server_.Ready("chain"));
  EXPECT_TRUE(server_.Ready("one") && server_.Ready("two"));
}

TEST_F(Explicit, AnEnsembleFollowsItsStepOutOfServiceAndBack) {
  ASSERT_TRUE(Succeeded(server_.Load("chain")));
  ASSERT_TRUE(Succeeded(server_.UnloadAndWait("two")));
  EXPECT_FALSE(server_.Ready("chain"));
  EXPECT_FALSE(server_.Knows("chain").ok());
  EXPECT_TRUE(IsReady(server_)) << "all of it was unloaded on purpose";
  ASSERT_TRUE(Succeeded(server_.Load("two")));
  EXPECT_TRUE(Answers(server_, "chain"));
}

TEST_F(Explicit, AnEnsembleIsLoadedAnewWhenAStepWas) {
  ASSERT_TRUE(Succeeded(server_.Load("chain")));
  heard_.Take();
  repository().Write("two/1/weights", "new");
  ASSERT_TRUE(Succeeded(server_.Load("two")));
  EXPECT_EQ(heard_.Take(), (Lines{"two:1 LOADING 0/2", "two:1 READY 1/2", "chain:1 LOADING 1/2",
                                  "chain:1 READY 2/2"}));
  EXPECT_TRUE(Answers(server_, "chain"));
  // A step that fails to change concerns nobody.
  repository().Write("two/config.pbtxt", Broken());
  EXPECT_FALSE(server_.Load("two").ok());
  EXPECT_EQ(heard_.Take().back(), "two:1 READY 1/2 (its former load stays in service)");
  EXPECT_TRUE(Answers(server_, "chain"));
}

TEST_F(Explicit, AnEnsembleWhoseStepNoLongerFitsLeavesService) {
  ASSERT_TRUE(Succeeded(server_.Load("chain")));
  repository().Add("two", EchoConfig("identity", TRITONSERVER_TYPE_INT32));
  ASSERT_TRUE(Succeeded(server_.Load("two")));
  EXPECT_TRUE(server_.Ready("two"));
  EXPECT_FALSE(server_.Ready("chain"));
  EXPECT_FALSE(IsReady(server_)) << "nobody wanted that";
  EXPECT_TRUE(
      FailedWith(server_.Load("chain"), TRITONSERVER_ERROR_INVALID_ARG, {"ensemble", "chain"}));
  repository().Add("two", Identity());
  ASSERT_TRUE(Succeeded(server_.Load("two")));
  EXPECT_TRUE(Answers(server_, "chain"));
}

// 3.5.3, and every message names who and why.
TEST_F(Explicit, AnEnsembleThatCannotBeServedSaysWhy) {
  repository().Add("missing", Chain({"one", "nowhere"}));
  EXPECT_TRUE(FailedWith(
      server_.Load("missing"), TRITONSERVER_ERROR_INVALID_ARG,
      {"load failed for model 'missing': ",
       "ensemble missing contains models that are not available or ambiguous: nowhere"}));

  repository().Add("left", Chain({"right"}));
  repository().Add("right", Chain({"left"}));
  EXPECT_TRUE(FailedWith(server_.Load("left"), TRITONSERVER_ERROR_INVALID_ARG,
                         {"circular dependency between ensembles: left -> right -> left"}));
  EXPECT_FALSE(server_.Ready("right"));

  repository().Add("broken", Broken());
  repository().Add("sad", Chain({"one", "broken"}));
  EXPECT_TRUE(FailedWith(server_.Load("sad"), TRITONSERVER_ERROR_INVALID_ARG,
                         {"ensemble 'sad' depends on 'broken' which has no loaded version. Model "
                          "'broken' loading failed with error: ",
                          "model_initialize"}));

  repository().Add("third", Chain({"one"}, 3));
  EXPECT_TRUE(
      FailedWith(server_.Load("third"), TRITONSERVER_ERROR_INVALID_ARG,
                 {"ensemble 'third' depends on 'one' whose required version 3 is not loaded."}));
  EXPECT_TRUE(Answers(server_, "one"));

  // And once the step is there, the ensemble that waits for it is, too.
  repository().Add("nowhere", Identity());
  ASSERT_TRUE(Succeeded(server_.Load("nowhere")));
  EXPECT_TRUE(Answers(server_, "missing"));
}

TEST_F(Explicit, AFailedReloadOfAnEnsembleKeepsTheOldOneServing) {
  ASSERT_TRUE(Succeeded(server_.Load("chain")));
  for (const std::string& config :
       {Chain({"one", "nowhere"}), Chain({"chain"}), std::string("platform: \"ensemble\" }")}) {
    repository().Write("chain/config.pbtxt", config);
    EXPECT_FALSE(server_.Load("chain").ok());
    EXPECT_TRUE(Answers(server_, "chain"));
  }
}

// A step from memory is not to be found on disk, and stays as it was given.
TEST_F(Explicit, AStepFromMemoryServesAnEnsembleFromDisk) {
  const std::string json = R"({"backend":"identity","max_batch_size":8,)"
                           R"("input":[{"name":"input","data_type":"TYPE_FP32","dims":[-1]}],)"
                           R"("output":[{"name":"output","data_type":"TYPE_FP32","dims":[-1]}]})";
  ASSERT_TRUE(Succeeded(server_.LoadWithConfig("memory", json, {{"1/x", "x"}})));
  repository().Add("mixed", Chain({"one", "memory"}));
  ASSERT_TRUE(Succeeded(server_.Load("mixed")));
  EXPECT_TRUE(Answers(server_, "mixed"));
}

// 3.13.7: whatever the order, nobody waits for ever and nobody sees half a change.
TEST_F(Explicit, RelatedLoadsAndUnloadsTakeTurns) {
  repository().Add("other", Chain({"two", "one"}));
  const auto work = [&](int kind) {
    for (int round = 0; round < 12; ++round) {
      switch (kind) {
        case 0:
          EXPECT_TRUE(Succeeded(server_.Load("chain")));
          break;
        case 1:
          EXPECT_TRUE(Succeeded(server_.Load("other")));
          break;
        case 2:
          EXPECT_TRUE(Succeeded(server_.Unload(round % 2 == 0 ? "one" : "two")));
          break;
        default:
          EXPECT_TRUE(Succeeded(UnloadWithDependents(server_, "other")));
      }
    }
  };
  std::vector<std::thread> threads;
  for (int kind = 0; kind < 4; ++kind) threads.emplace_back(work, kind);
  for (std::thread& thread : threads) thread.join();
  EXPECT_TRUE(Succeeded(server_.Load("chain")));
  EXPECT_TRUE(Succeeded(server_.Load("other")));
  EXPECT_TRUE(Answers(server_, "chain") && Answers(server_, "other"));
}

// Errors and load parameters ----------------------------------------------------------------------

// 3.13.3, 3.13.4 and 3.13.5
TEST_F(Explicit, NamesAreCheckedAndUnloadsOfUnknownModelsSucceed) {
  EXPECT_TRUE(FailedWith(server_.Load(""), TRITONSERVER_ERROR_INVALID_ARG,
                         {"Model name cannot be empty. Please enter a valid name to deploy."}));
  EXPECT_TRUE(FailedWith(server_.Load("../x"), TRITONSERVER_ERROR_INVALID_ARG,
                         {"invalid model name '../x', model name must not contain path traversal "
                          "characters"}));
  EXPECT_TRUE(FailedWith(server_.Load("absent"), TRITONSERVER_ERROR_INTERNAL,
                         {"failed to load 'absent', failed to poll from model repository"}));
  EXPECT_TRUE(Succeeded(server_.Unload("absent")));
  repository().Add("broken", Broken());
  EXPECT_TRUE(FailedWith(server_.Load("broken"), TRITONSERVER_ERROR_INTERNAL,
                         {"load failed for model 'broken': version 1 is at UNAVAILABLE state: "}));
}

// 3.12.3
TEST_F(Explicit, AConfigurationOfAnotherNameIsRefused) {
  repository().Add("one", "name: \"uno\" " + Identity());
  EXPECT_TRUE(FailedWith(server_.Load("one"), TRITONSERVER_ERROR_INVALID_ARG,
                         {"unexpected directory name 'one' for model 'uno', directory name must "
                          "equal model name"}));
}

// 3.14.2
TEST_F(Explicit, LoadParametersHaveTheirTypes) {
  const int64_t number = 1;
  const auto refused = [&](const TRITONSERVER_Parameter* parameter, const std::string& text) {
    EXPECT_TRUE(FailedWith(server_.LoadWithParameters("one", {parameter}),
                           TRITONSERVER_ERROR_INVALID_ARG, {text}));
  };
  refused(TRITONSERVER_ParameterNew("config", TRITONSERVER_PARAMETER_INT, &number),
          "Config parameter 'config' must have string type for its value");
  refused(TRITONSERVER_ParameterNew("file:1/x", TRITONSERVER_PARAMETER_STRING, "x"),
          "File parameter 'file:1/x' must have bytes type for its value");
  refused(TRITONSERVER_ParameterBytesNew("file:1/x", "x", 1),
          "Load parameter 'config' must be specified for model file override");
  refused(TRITONSERVER_ParameterNew("colour", TRITONSERVER_PARAMETER_INT, &number),
          "Unrecognized load parameter 'colour' with type 'INT'");
}

// 3.14.4 and 3.12.8
TEST_F(Explicit, AnOverrideLastsUntilTheNextLoadWithoutOne) {
  ASSERT_TRUE(Succeeded(server_.Load("one")));
  const std::string json = R"({"backend":"identity","max_batch_size":16,)"
                           R"("input":[{"name":"input","data_type":"TYPE_FP32","dims":[-1]}],)"
                           R"("output":[{"name":"output","data_type":"TYPE_FP32","dims":[-1]}]})";
  ASSERT_TRUE(Succeeded(server_.LoadWithConfig("one", json)));
  EXPECT_EQ(server_.Config("one").Number("/max_batch_size"), 16);
  ASSERT_TRUE(Succeeded(server_.Load("chain"))) << "as a step it is left as it is";
  EXPECT_EQ(server_.Config("one").Number("/max_batch_size"), 16);
  ASSERT_TRUE(Succeeded(server_.Load("one")));
  EXPECT_EQ(server_.Config("one").Number("/max_batch_size"), 8);
}

// 3.13.8
TEST_F(Explicit, ModelsOfARegisteredRepositoryStayLoadedWhenItIsUnregistered) {
  Repository extra;
  extra.Add("folder", Identity());
  const TRITONSERVER_Parameter* mapping =
      TRITONSERVER_ParameterNew("folder", TRITONSERVER_PARAMETER_STRING, "mapped");
  const int64_t number = 1;
  const TRITONSERVER_Parameter* wrong =
      TRITONSERVER_ParameterNew("folder", TRITONSERVER_PARAMETER_INT, &number);
  const auto enlist = [&](const TRITONSERVER_Parameter** parameters, uint32_t count) {
    return Outcome::Of(TRITONSERVER_ServerRegisterModelRepository(
        server_.handle(), extra.root().c_str(), parameters, count));
  };
  EXPECT_TRUE(FailedWith(enlist(&wrong, 1), TRITONSERVER_ERROR_INVALID_ARG, {"string"}));
  EXPECT_TRUE(FailedWith(enlist(nullptr, 1), TRITONSERVER_ERROR_INVALID_ARG,
                         {"model mappings are not provided while mapping count is non-zero"}));
  ASSERT_TRUE(Succeeded(enlist(&mapping, 1)));
  ASSERT_TRUE(Succeeded(server_.Load("mapped")));
  Must(TRITONSERVER_ServerUnregisterModelRepository(server_.handle(), extra.root().c_str()));
  EXPECT_TRUE(Answers(server_, "mapped"));
  EXPECT_FALSE(server_.Load("mapped").ok());
  EXPECT_TRUE(Answers(server_, "mapped"));
  TRITONSERVER_ParameterDelete(const_cast<TRITONSERVER_Parameter*>(mapping));
  TRITONSERVER_ParameterDelete(const_cast<TRITONSERVER_Parameter*>(wrong));
}

// What a host hears -------------------------------------------------------------------------------

TEST_F(Explicit, AHostHearsOfEveryChangeInOrder) {
  ASSERT_TRUE(Succeeded(server_.Load("one")));
  EXPECT_EQ(heard_.Take(), (Lines{"one:1 LOADING 0/1", "one:1 READY 1/1"}));
  ASSERT_TRUE(Succeeded(server_.Load("one")));
  EXPECT_EQ(heard_.Take(), Lines{}) << "nothing has changed";
  ASSERT_TRUE(Succeeded(server_.UnloadAndWait("one")));
  EXPECT_EQ(heard_.Take(), (Lines{"one:1 UNLOADING", "one:1 UNLOADED"}));
  repository().Write("one/config.pbtxt", "}");
  EXPECT_FALSE(server_.Load("one").ok());
  const Lines heard = heard_.Take();
  ASSERT_EQ(heard.size(), 1u);
  EXPECT_EQ(heard[0].find("one:-1 UNAVAILABLE 1/1 ("), 0u) << heard[0];
}

TEST_F(Explicit, AHostMayAskAboutWhatItHears) {
  bool ready = false;
  std::string index;
  heard_.On("one:1 READY 1/1", [&] {
    ready = server_.Ready("one") && Answers(server_, "one");
    index = Index(server_);
  });
  ASSERT_TRUE(Succeeded(server_.Load("one")));
  EXPECT_TRUE(ready);
  EXPECT_NE(index.find("READY"), std::string::npos);
}

// The end -----------------------------------------------------------------------------------------

TEST_F(Explicit, ALoadThatTheEndOvertakesSaysSo) {
  Event loading, stopped;
  heard_.On("one:1 LOADING 0/1", [&] {
    loading.Set();
    stopped.Wait();
  });
  Outcome loaded;
  std::thread loader([&] { loaded = server_.Load("one"); });
  loading.Wait();
  Must(TRITONSERVER_TridentServerSetExitTimeoutMs(server_.handle(), 1));
  EXPECT_TRUE(FailedWith(server_.Delete(), TRITONSERVER_ERROR_INTERNAL, {"exit timeout"}));
  stopped.Set();
  loader.join();
  EXPECT_TRUE(FailedWith(loaded, TRITONSERVER_ERROR_UNAVAILABLE, {"stopping"}));
  Must(TRITONSERVER_TridentServerSetExitTimeoutMs(server_.handle(), 120'000));
}

TEST_F(Explicit, TheExitTimeoutIsGivenInMilliseconds) {
  ASSERT_TRUE(Succeeded(server_.Load("one")));
  Occupied running = Occupy(server_, "one");
  Must(TRITONSERVER_TridentServerSetExitTimeoutMs(server_.handle(), 1));
  const auto before = std::chrono::steady_clock::now();
  EXPECT_TRUE(FailedWith(server_.Delete(), TRITONSERVER_ERROR_INTERNAL, {"exit timeout", "'one'"}));
  const auto took = std::chrono::steady_clock::now() - before;
  EXPECT_GE(took, std::chrono::milliseconds(1));
  running.Release();
  Must(TRITONSERVER_TridentServerSetExitTimeoutMs(server_.handle(), UINT64_MAX));
  EXPECT_TRUE(Succeeded(server_.Delete()));
}

// 3.1.4
TEST_F(Explicit, AServerThatIsExitingTakesNoManagementCalls) {
  Must(TRITONSERVER_ServerStop(server_.handle()));
  bool yes = false;
  EXPECT_TRUE(FailedWith(Outcome::Of(TRITONSERVER_ServerIsLive(server_.handle(), &yes)),
                         TRITONSERVER_ERROR_UNAVAILABLE, {"Server exiting"}));
  EXPECT_TRUE(FailedWith(Outcome::Of(TRITONSERVER_ServerIsReady(server_.handle(), &yes)),
                         TRITONSERVER_ERROR_UNAVAILABLE, {"Server exiting"}));
  EXPECT_TRUE(
      FailedWith(server_.Load("one"), TRITONSERVER_ERROR_UNAVAILABLE, {"Server not ready"}));
  EXPECT_TRUE(
      FailedWith(server_.Unload("one"), TRITONSERVER_ERROR_UNAVAILABLE, {"Server not ready"}));
}

}  // namespace
}  // namespace trident::contract
