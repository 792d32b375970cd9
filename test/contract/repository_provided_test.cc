// Models that a program provides as a configuration: beside those of repositories, in every model
// control mode.

#include "life.h"

namespace trident::contract {
namespace {

std::string Tensors(const std::string& type) {
  return R"("max_batch_size": 8, "input": [{"name": "input", "data_type": ")" + type +
         R"(", "dims": [-1]}], "output": [{"name": "output", "data_type": ")" + type +
         R"(", "dims": [-1]}])";
}
std::string Echo(const std::string& more = "", const std::string& type = "TYPE_FP32") {
  return R"({"backend": "identity", )" + Tensors(type) + more + "}";
}
const char kFails[] = R"(, "parameters": {"fail": {"string_value": "model_initialize"}})";

std::string EnsembleOf(const std::string& step) {
  return R"({"platform": "ensemble", )" + Tensors("TYPE_FP32") +
         R"(, "ensemble_scheduling": {"step": [{"model_name": ")" + step +
         R"(", "model_version": -1, "input_map": {"input": "input"}, )" +
         R"("output_map": {"output": "output"}}]}})";
}

Outcome Provide(const Server& server, const std::string& model, const std::string& config) {
  return Outcome::Of(
      TRITONSERVER_TridentServerLoadProvidedModel(server.handle(), model.c_str(), config.c_str()));
}

class Provided : public testing::Test {
 protected:
  explicit Provided(TRITONSERVER_ModelControlMode mode = TRITONSERVER_MODEL_CONTROL_EXPLICIT)
      : server_(In(mode, [this](auto* options) { heard_.ListenIn(options); })) {}

  using Lines = std::vector<std::string>;
  Repository& repository() { return server_.repository(); }

  Heard heard_;
  Server server_;
};

class ProvidedIn : public Provided,
                   public testing::WithParamInterface<TRITONSERVER_ModelControlMode> {
 protected:
  ProvidedIn() : Provided(GetParam()) {}
};

INSTANTIATE_TEST_SUITE_P(Modes, ProvidedIn,
                         testing::Values(TRITONSERVER_MODEL_CONTROL_NONE,
                                         TRITONSERVER_MODEL_CONTROL_POLL,
                                         TRITONSERVER_MODEL_CONTROL_EXPLICIT));

TEST_P(ProvidedIn, IsServedListedAndUnloadedAsOthersAre) {
  ASSERT_TRUE(Succeeded(Provide(server_, "bound", Echo())));
  EXPECT_TRUE(Answers(server_, "bound"));
  EXPECT_EQ(server_.State("bound"), "READY");
  EXPECT_EQ(server_.Config("bound").Text("/name"), "bound");
  EXPECT_EQ(server_.Successes("bound"), 1);
  EXPECT_TRUE(IsReady(server_));
  EXPECT_EQ(heard_.Take(), (Lines{"bound:1 LOADING 0/1", "bound:1 READY 1/1"}));
  ASSERT_TRUE(Succeeded(server_.UnloadAndWait("bound")));
  EXPECT_FALSE(server_.Ready("bound"));
  EXPECT_EQ(heard_.Take(), (Lines{"bound:1 UNLOADING", "bound:1 UNLOADED"}));
  EXPECT_EQ(Index(server_), "[]");
  EXPECT_TRUE(IsReady(server_));
  ASSERT_TRUE(Succeeded(Provide(server_, "bound", Echo()))) << "once more";
  EXPECT_TRUE(Answers(server_, "bound"));
}

TEST_P(ProvidedIn, IsLoadedAnewBesideTheOneThatServes) {
  ASSERT_TRUE(Succeeded(Provide(server_, "bound", Echo())));
  heard_.Take();
  bool answered = false;
  heard_.On("bound:1 LOADING 0/1", [&] { answered = Answers(server_, "bound"); });
  ASSERT_TRUE(Succeeded(Provide(server_, "bound", Echo("", "TYPE_INT32"))));
  EXPECT_TRUE(answered) << "while the other was loaded";
  EXPECT_EQ(server_.Config("bound").Text("/input/0/data_type"), "TYPE_INT32");

  EXPECT_TRUE(FailedWith(Provide(server_, "bound", Echo(kFails)), TRITONSERVER_ERROR_INTERNAL,
                         {"load failed for model 'bound': version 1", "model_initialize"}));
  EXPECT_EQ(heard_.Take().back(), "bound:1 READY 1/1 (its former load stays in service)");
  EXPECT_EQ(server_.Config("bound").Text("/input/0/data_type"), "TYPE_INT32");
  EXPECT_TRUE(server_.Ready("bound"));
}

// The same configuration may stand for other code of the program.
TEST_P(ProvidedIn, IsLoadedAnewThoughItsConfigurationIsTheSame) {
  ASSERT_TRUE(Succeeded(Provide(server_, "bound", Echo())));
  ASSERT_TRUE(Answers(server_, "bound"));
  ASSERT_TRUE(Succeeded(Provide(server_, "bound", Echo())));
  EXPECT_EQ(server_.Successes("bound"), 0) << "a new model";
}

TEST_P(ProvidedIn, FailsUntilItIsUnloadedOrProvidedAnew) {
  EXPECT_FALSE(Provide(server_, "bound", Echo(kFails)).ok());
  EXPECT_EQ(server_.State("bound"), "UNAVAILABLE");
  EXPECT_NE(server_.Reason("bound").find("model_initialize"), std::string::npos);
  EXPECT_FALSE(IsReady(server_));
  ASSERT_TRUE(Succeeded(server_.Unload("bound")));
  EXPECT_EQ(Index(server_), "[]");
  EXPECT_TRUE(IsReady(server_));

  EXPECT_FALSE(Provide(server_, "bound", Echo(kFails)).ok());
  ASSERT_TRUE(Succeeded(Provide(server_, "bound", Echo())));
  EXPECT_TRUE(Answers(server_, "bound") && IsReady(server_));
}

TEST_P(ProvidedIn, StepsAndEnsemblesFollowEachOther) {
  ASSERT_TRUE(Succeeded(Provide(server_, "step", Echo())));
  ASSERT_TRUE(Succeeded(Provide(server_, "chain", EnsembleOf("step"))));
  EXPECT_TRUE(Answers(server_, "chain"));
  heard_.Take();
  ASSERT_TRUE(Succeeded(Provide(server_, "step", Echo())));
  EXPECT_EQ(heard_.Take(), (Lines{"step:1 LOADING 0/2", "step:1 READY 1/2", "chain:1 LOADING 1/2",
                                  "chain:1 READY 2/2"}));
  EXPECT_TRUE(Answers(server_, "chain"));
  ASSERT_TRUE(Succeeded(server_.UnloadAndWait("step")));
  EXPECT_FALSE(server_.Ready("chain"));
  ASSERT_TRUE(Succeeded(Provide(server_, "step", Echo())));
  EXPECT_TRUE(Answers(server_, "chain"));
  EXPECT_TRUE(FailedWith(Provide(server_, "lost", EnsembleOf("nowhere")),
                         TRITONSERVER_ERROR_INVALID_ARG, {"nowhere"}));
}

TEST_P(ProvidedIn, BadConfigurationsLeaveNoTrace) {
  const std::string with_file =
      Echo(R"(, "model_warmup": [{"name": "w", "batch_size": 1, "inputs": {"input": )"
           R"({"data_type": "TYPE_FP32", "dims": [1], "input_data_file": "data"}}}])");
  const std::string with_strategy =
      Echo(R"(, "parameters": {"TRITON_BATCH_STRATEGY_PATH": {"string_value": "x.so"}})");
  const std::string with_agents =
      Echo(R"(, "model_repository_agents": {"agents": [{"name": "checksum"}]})");
  const std::pair<std::string, std::string> cases[] = {
      {"{", "not JSON"},
      {R"({"backend": "identity", "unknown": 1})", "unknown field 'unknown'"},
      {Echo(R"(, "name": "other")"),
       "unexpected name 'other' in the configuration of model 'bound'"},
      {"{}", "Could not determine backend for model 'bound'"},
      {Echo(R"(, "version_policy": {"specific": {"versions": [2]}})"),
       "at least one version must be available under the version policy of model 'bound'; it has "
       "version 1"},
      {with_file,
       "model 'bound': 'input_data_file' names 'data', but a provided model has no files"},
      {with_strategy,
       "model 'bound': 'TRITON_BATCH_STRATEGY_PATH' names 'x.so', but a provided model has no "
       "files"},
      {with_agents,
       "model 'bound': 'model_repository_agents' work on files, but a provided model has none"}};
  for (const auto& [config, text] : cases) {
    EXPECT_TRUE(
        FailedWith(Provide(server_, "bound", config), TRITONSERVER_ERROR_INVALID_ARG, {text}));
  }
  EXPECT_TRUE(FailedWith(Provide(server_, "../up", Echo()), TRITONSERVER_ERROR_INVALID_ARG,
                         {"invalid model name '../up'"}));
  EXPECT_EQ(Index(server_), "[]");
  EXPECT_EQ(heard_.Take(), Lines{});
  EXPECT_TRUE(IsReady(server_));
}

TEST_P(ProvidedIn, NamesOfRepositoriesAreTheirs) {
  repository().Add("stored", Identity());
  EXPECT_TRUE(FailedWith(Provide(server_, "stored", Echo()), TRITONSERVER_ERROR_ALREADY_EXISTS,
                         {"model 'stored' can't be provided: a model repository has it"}));
  EXPECT_EQ(heard_.Take(), Lines{});
}

TEST_F(Provided, IsNotLoadedByNameAsLongAsItIsProvided) {
  const std::string text = "model 'bound' was loaded from a configuration that the host provides";
  ASSERT_TRUE(Succeeded(Provide(server_, "bound", Echo())));
  EXPECT_TRUE(FailedWith(server_.Load("bound"), TRITONSERVER_ERROR_INVALID_ARG, {text}));
  EXPECT_TRUE(FailedWith(server_.LoadWithConfig("bound", Echo(), {{"1/weights", "x"}}),
                         TRITONSERVER_ERROR_INVALID_ARG, {text}));
  repository().Add("bound", Identity());
  EXPECT_TRUE(FailedWith(server_.Load("bound"), TRITONSERVER_ERROR_INVALID_ARG, {text}));
  EXPECT_TRUE(Answers(server_, "bound"));
  heard_.Take();
  ASSERT_TRUE(Succeeded(server_.UnloadAndWait("bound")));
  ASSERT_TRUE(Succeeded(server_.Load("bound")));
  EXPECT_TRUE(Answers(server_, "bound"));
}

TEST_F(Provided, DoesNotReplaceWhatFilesWereLoadedFor) {
  ASSERT_TRUE(Succeeded(server_.LoadWithConfig("given", Echo(), {{"1/weights", "x"}})));
  EXPECT_TRUE(FailedWith(Provide(server_, "given", Echo()), TRITONSERVER_ERROR_ALREADY_EXISTS,
                         {"model 'given' can't be provided: it was loaded from files"}));
  EXPECT_TRUE(Answers(server_, "given"));
  ASSERT_TRUE(Succeeded(server_.UnloadAndWait("given")));
  ASSERT_TRUE(Succeeded(Provide(server_, "given", Echo())));
  EXPECT_TRUE(Answers(server_, "given"));
}

TEST_F(Provided, EnsemblesBringTheStepsThatRepositoriesHave) {
  repository().Add("one", Identity());
  ASSERT_TRUE(Succeeded(Provide(server_, "chain", EnsembleOf("one"))));
  EXPECT_TRUE(Answers(server_, "chain") && server_.Ready("one"));
  EXPECT_TRUE(Succeeded(
      Outcome::Of(TRITONSERVER_ServerUnloadModelAndDependents(server_.handle(), "chain"))));
  EXPECT_FALSE(server_.Ready("one")) << "nobody else needs it";
}

TEST_F(Provided, IsAStepOfEnsemblesInRepositories) {
  ASSERT_TRUE(Succeeded(Provide(server_, "bound", Echo())));
  repository().Add("one", Identity());
  repository().Add("chain", Chain({"one", "bound"}));
  heard_.Take();
  ASSERT_TRUE(Succeeded(server_.Load("chain")));
  EXPECT_TRUE(Answers(server_, "chain"));
  EXPECT_EQ(heard_.Take().back(), "chain:1 READY 2/2") << "the step was there";
}

class ProvidedInPollMode : public Provided {
 protected:
  ProvidedInPollMode() : Provided(TRITONSERVER_MODEL_CONTROL_POLL) {}
};

TEST_F(ProvidedInPollMode, IsLeftAloneByPolls) {
  ASSERT_TRUE(Succeeded(Provide(server_, "bound", Echo())));
  heard_.Take();
  ASSERT_TRUE(Succeeded(Poll(server_)));
  EXPECT_TRUE(Answers(server_, "bound"));
  repository().Add("bound", Identity());
  repository().Add("other", Identity());
  ASSERT_TRUE(Succeeded(Poll(server_)));
  EXPECT_EQ(heard_.Take(), (Lines{"other:1 LOADING 0/1", "other:1 READY 1/1"}));
  EXPECT_EQ(server_.Successes("bound"), 1) << "the same model";
  // Its name is free again when it has gone.
  ASSERT_TRUE(Succeeded(server_.UnloadAndWait("bound")));
  ASSERT_TRUE(Succeeded(Poll(server_)));
  EXPECT_TRUE(Answers(server_, "bound"));
  EXPECT_TRUE(FailedWith(server_.Unload("bound"), TRITONSERVER_ERROR_UNAVAILABLE,
                         {"explicit model load / unload is not allowed"}));
}

TEST(ProvidedWithNamespaces, IsInNone) {
  Repository other;
  Server server(In(TRITONSERVER_MODEL_CONTROL_EXPLICIT, [&](auto* options) {
    Must(TRITONSERVER_ServerOptionsSetModelNamespacing(options, true));
    Must(TRITONSERVER_ServerOptionsSetModelRepositoryPath(options, other.root().c_str()));
  }));
  ASSERT_TRUE(Succeeded(Provide(server, "bound", Echo())));
  EXPECT_TRUE(Answers(server, "bound"));
  other.Add("bound", Identity());
  EXPECT_TRUE(FailedWith(server.Load("bound"), TRITONSERVER_ERROR_INVALID_ARG,
                         {"a configuration that the host provides"}));
  EXPECT_TRUE(Answers(server, "bound")) << "not ambiguous";
  EXPECT_TRUE(FailedWith(Provide(server, "space::bound", Echo()), TRITONSERVER_ERROR_INVALID_ARG,
                         {"can't be in a namespace"}));
  other.Add("stored", Identity());
  EXPECT_TRUE(FailedWith(Provide(server, "stored", Echo()), TRITONSERVER_ERROR_ALREADY_EXISTS));
}

TEST(ProvidedAtTheEnd, IsGoneWithItsServerAndNotLoadedAfterIt) {
  Server server;
  ASSERT_TRUE(Succeeded(Provide(server, "bound", Echo())));
  Must(TRITONSERVER_ServerStop(server.handle()));
  EXPECT_TRUE(FailedWith(Provide(server, "bound", Echo()), TRITONSERVER_ERROR_UNAVAILABLE,
                         {"Server not ready"}));
}

}  // namespace
}  // namespace trident::contract
