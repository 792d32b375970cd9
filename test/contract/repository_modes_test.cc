// The three model control modes, what a server does at its start, and polls.

#include <filesystem>
#include <thread>

#include "environment.h"
#include "life.h"

namespace trident::contract {
namespace {

// How a server would start over `repository`.
Outcome Start(const Repository& repository,
              const std::function<void(TRITONSERVER_ServerOptions*)>& more) {
  TRITONSERVER_ServerOptions* options = nullptr;
  Must(TRITONSERVER_ServerOptionsNew(&options));
  Must(TRITONSERVER_ServerOptionsSetModelRepositoryPath(options, repository.root().c_str()));
  Must(TRITONSERVER_ServerOptionsSetBackendDirectory(options, environment.backends.c_str()));
  Must(TRITONSERVER_ServerOptionsSetLogError(options, false));
  more(options);
  TRITONSERVER_Server* server = nullptr;
  const Outcome outcome = Outcome::Of(TRITONSERVER_ServerNew(&server, options));
  if (outcome.ok()) Must(TRITONSERVER_ServerDelete(server));
  Must(TRITONSERVER_ServerOptionsDelete(options));
  return outcome;
}

std::function<void(TRITONSERVER_ServerOptions*)> Explicit(const std::vector<std::string>& models) {
  return [models](TRITONSERVER_ServerOptions* options) {
    Must(TRITONSERVER_ServerOptionsSetModelControlMode(options,
                                                       TRITONSERVER_MODEL_CONTROL_EXPLICIT));
    for (const std::string& model : models) {
      Must(TRITONSERVER_ServerOptionsSetStartupModel(options, model.c_str()));
    }
  };
}

// The models of these tests lie in a repository that is there before the server.
class Modes : public testing::Test {
 protected:
  Modes() {
    repository_.Add("one", Identity());
    repository_.Add("two", Identity());
  }
  ServerSettings Over(TRITONSERVER_ModelControlMode mode,
                      const std::vector<std::string>& startup = {}) {
    return In(mode, [this, startup](TRITONSERVER_ServerOptions* options) {
      Must(TRITONSERVER_ServerOptionsSetModelRepositoryPath(options, repository_.root().c_str()));
      for (const std::string& model : startup) {
        Must(TRITONSERVER_ServerOptionsSetStartupModel(options, model.c_str()));
      }
      heard_.ListenIn(options);
    });
  }
  static Outcome Register(const Server& server, const std::string& path) {
    return Outcome::Of(
        TRITONSERVER_ServerRegisterModelRepository(server.handle(), path.c_str(), nullptr, 0));
  }
  static Outcome Unregister(const Server& server, const std::string& path) {
    return Outcome::Of(TRITONSERVER_ServerUnregisterModelRepository(server.handle(), path.c_str()));
  }

  Repository repository_;
  Heard heard_;
};

// 3.13, first column
TEST_F(Modes, NoneLoadsAllAtStartAndNothingLater) {
  Server server(Over(TRITONSERVER_MODEL_CONTROL_NONE));
  EXPECT_TRUE(Answers(server, "one") && Answers(server, "two"));
  const std::string text = "explicit model load / unload is not allowed if polling is enabled";
  EXPECT_TRUE(FailedWith(server.Load("one"), TRITONSERVER_ERROR_UNAVAILABLE, {text}));
  EXPECT_TRUE(FailedWith(server.Unload("one"), TRITONSERVER_ERROR_UNAVAILABLE, {text}));
  EXPECT_TRUE(FailedWith(Poll(server), TRITONSERVER_ERROR_UNAVAILABLE, {"polling is disabled"}));
  EXPECT_TRUE(
      FailedWith(Register(server, repository_.root()), TRITONSERVER_ERROR_UNSUPPORTED,
                 {"repository registration is not allowed if model control mode is not EXPLICIT"}));
  EXPECT_TRUE(FailedWith(
      Unregister(server, repository_.root()), TRITONSERVER_ERROR_UNSUPPORTED,
      {"repository unregistration is not allowed if model control mode is not EXPLICIT"}));
  EXPECT_TRUE(Answers(server, "one"));
}

// 3.13, second column
TEST_F(Modes, PollRefusesExplicitLoadsAndRegistration) {
  Server server(Over(TRITONSERVER_MODEL_CONTROL_POLL));
  EXPECT_TRUE(Answers(server, "one") && Answers(server, "two"));
  EXPECT_TRUE(FailedWith(server.Load("one"), TRITONSERVER_ERROR_UNAVAILABLE, {"polling"}));
  EXPECT_TRUE(FailedWith(Register(server, repository_.root()), TRITONSERVER_ERROR_UNSUPPORTED));
}

// 3.13, third column
TEST_F(Modes, ExplicitLoadsItsStartupModels) {
  Server server(Over(TRITONSERVER_MODEL_CONTROL_EXPLICIT, {"two"}));
  EXPECT_TRUE(Answers(server, "two"));
  EXPECT_FALSE(server.Knows("one").ok());
  EXPECT_TRUE(FailedWith(Poll(server), TRITONSERVER_ERROR_UNAVAILABLE, {"polling is disabled"}));
  EXPECT_TRUE(Succeeded(server.Load("one")));
  EXPECT_TRUE(Answers(server, "one"));
}

TEST_F(Modes, ExplicitLoadsAllForAStarAlone) {
  Server server(Over(TRITONSERVER_MODEL_CONTROL_EXPLICIT, {"*"}));
  EXPECT_TRUE(Answers(server, "one") && Answers(server, "two"));
}

// 3.13.1
TEST_F(Modes, AStarMustBeTheOnlyStartupModel) {
  EXPECT_TRUE(
      FailedWith(Start(repository_, Explicit({"*", "one"})), TRITONSERVER_ERROR_INVALID_ARG,
                 {"Wildcard model name '*' must be the ONLY startup model if specified at all."}));
}

// 3.13.2
TEST_F(Modes, AStartupFailureSaysWhichModelAndWhy) {
  repository_.Add("broken", Broken());
  for (const std::vector<std::string>& models :
       {std::vector<std::string>{"broken", "one"}, std::vector<std::string>{"*"}}) {
    EXPECT_TRUE(FailedWith(Start(repository_, Explicit(models)), TRITONSERVER_ERROR_INTERNAL,
                           {"failed to load all models", "'broken'", "model_initialize"}));
  }
  EXPECT_TRUE(FailedWith(Start(repository_, Explicit({"absent"})), TRITONSERVER_ERROR_INTERNAL,
                         {"failed to load all models", "'absent'", "failed to poll"}));
}

// 3.1.2 and 3.1.3
TEST_F(Modes, WithoutExitOnErrorTheServerServesWhatItCan) {
  repository_.Add("broken", Broken());
  for (const bool strict : {true, false}) {
    ServerSettings settings = Over(TRITONSERVER_MODEL_CONTROL_NONE);
    settings.more = [strict, more = settings.more](TRITONSERVER_ServerOptions* options) {
      more(options);
      Must(TRITONSERVER_ServerOptionsSetExitOnError(options, false));
      Must(TRITONSERVER_ServerOptionsSetStrictReadiness(options, strict));
    };
    Server server(settings);
    EXPECT_TRUE(Answers(server, "one"));
    EXPECT_EQ(server.State("broken"), "UNAVAILABLE");
    EXPECT_EQ(IsReady(server), !strict);
    bool live = false;
    Must(TRITONSERVER_ServerIsLive(server.handle(), &live));
    EXPECT_TRUE(live);
  }
}

// 3.1.2, 3.1.3 and 3.1.5
TEST_F(Modes, AServerWhoseRepositoryCannotBeReadIsNotLive) {
  ServerSettings settings = Over(TRITONSERVER_MODEL_CONTROL_POLL);
  settings.more = [more = settings.more](TRITONSERVER_ServerOptions* options) {
    more(options);
    Must(TRITONSERVER_ServerOptionsSetExitOnError(options, false));
    Must(TRITONSERVER_ServerOptionsSetModelRepositoryPath(options, "/nowhere/at/all"));
  };
  Server server(settings);
  bool yes = true;
  Must(TRITONSERVER_ServerIsLive(server.handle(), &yes));
  EXPECT_FALSE(yes);
  yes = true;
  Must(TRITONSERVER_ServerIsReady(server.handle(), &yes));
  EXPECT_FALSE(yes);
  EXPECT_TRUE(Succeeded(Poll(server)));
  TRITONSERVER_Message* message = nullptr;
  EXPECT_TRUE(FailedWith(Outcome::Of(TRITONSERVER_ServerMetadata(server.handle(), &message)),
                         TRITONSERVER_ERROR_UNAVAILABLE, {"Server not ready"}));
}

// 3.1.6: not ready is an answer, unknown is an error.
TEST_F(Modes, OfAModelThatIsNotThereReadinessIsAnError) {
  Server server(Over(TRITONSERVER_MODEL_CONTROL_EXPLICIT, {"one"}));
  bool ready = true;
  const auto ask = [&](const char* model, int64_t version) {
    ready = true;
    return Outcome::Of(TRITONSERVER_ServerModelIsReady(server.handle(), model, version, &ready));
  };
  ASSERT_TRUE(Succeeded(ask("one", 1)));
  EXPECT_TRUE(ready);
  EXPECT_TRUE(FailedWith(ask("absent", -1), TRITONSERVER_ERROR_NOT_FOUND,
                         {"Request for unknown model: 'absent' is not found"}));
  EXPECT_TRUE(FailedWith(ask("one", 9), TRITONSERVER_ERROR_NOT_FOUND,
                         {"Request for unknown model: 'one' version 9 is not found"}));
  ASSERT_TRUE(Succeeded(server.UnloadAndWait("one")));
  EXPECT_TRUE(FailedWith(ask("one", -1), TRITONSERVER_ERROR_NOT_FOUND,
                         {"Request for unknown model: 'one' has no available versions"}));
  ASSERT_TRUE(Succeeded(ask("one", 1)));
  EXPECT_FALSE(ready);
  EXPECT_TRUE(FailedWith(server.Knows("one", 1), TRITONSERVER_ERROR_UNAVAILABLE,
                         {"Request for unknown model: 'one' version 1 is not at ready state"}));
}

// 3.1.3
TEST_F(Modes, AnUnloadedModelDoesNotMakeTheServerUnready) {
  Server server(Over(TRITONSERVER_MODEL_CONTROL_EXPLICIT, {"one"}));
  EXPECT_TRUE(IsReady(server));
  ASSERT_TRUE(Succeeded(server.UnloadAndWait("one")));
  EXPECT_EQ(server.Reason("one"), "unloaded");
  EXPECT_TRUE(IsReady(server));
}

// Polls -------------------------------------------------------------------------------------------

TEST_F(Modes, APollAppliesAddsChangesAndRemovals) {
  Server server(Over(TRITONSERVER_MODEL_CONTROL_POLL));
  repository_.Add("three", Identity());
  std::filesystem::remove_all(repository_.Path("two"));
  repository_.Add("one", Identity("version_policy { all { } }"), {1, 2});
  EXPECT_FALSE(server.Knows("three").ok()) << "before the poll";
  ASSERT_TRUE(Succeeded(Poll(server)));
  EXPECT_TRUE(Answers(server, "three"));
  EXPECT_FALSE(server.Knows("two").ok());
  // It leaves the index when it has drained, which a poll does not wait for.
  while (Index(server).find("\"two\"") != std::string::npos) std::this_thread::yield();
  EXPECT_EQ(EchoRequest(server, "one", {1}).Infer().version, 2);
  EXPECT_TRUE(IsReady(server));
}

TEST_F(Modes, APollWithoutChangesResetsNothing) {
  Server server(Over(TRITONSERVER_MODEL_CONTROL_POLL));
  EXPECT_TRUE(Answers(server, "one"));
  heard_.Take();
  ASSERT_TRUE(Succeeded(Poll(server)));
  EXPECT_EQ(heard_.Take(), std::vector<std::string>{});
  EXPECT_EQ(server.Successes("one"), 1);
}

TEST_F(Modes, AfterABrokenChangeTheOldVersionServesUntilTheFilesChangeAgain) {
  Server server(Over(TRITONSERVER_MODEL_CONTROL_POLL));
  repository_.Write("one/config.pbtxt", Broken());
  heard_.Take();
  ASSERT_TRUE(Succeeded(Poll(server)));
  EXPECT_TRUE(Answers(server, "one"));
  EXPECT_EQ(server.State("one"), "READY");
  EXPECT_FALSE(heard_.Take().empty());
  ASSERT_TRUE(Succeeded(Poll(server)));
  EXPECT_EQ(heard_.Take(), std::vector<std::string>{}) << "not tried again";
  repository_.Write("one/config.pbtxt", "not a configuration at all");
  ASSERT_TRUE(Succeeded(Poll(server)));
  EXPECT_TRUE(Answers(server, "one"));
  repository_.Write("one/config.pbtxt", Identity("version_policy { all { } }"));
  ASSERT_TRUE(Succeeded(Poll(server)));
  EXPECT_EQ(server.State("one"), "READY");
  EXPECT_TRUE(Answers(server, "one"));
}

// The files are looked at once more after the load.
TEST_F(Modes, WhatChangesWhileItLoadsIsLeftToTheNextPoll) {
  Server server(Over(TRITONSERVER_MODEL_CONTROL_POLL));
  heard_.On("three:1 LOADING 0/1", [this] { repository_.Write("three/1/weights", "more"); });
  repository_.Add("three", Identity());
  ASSERT_TRUE(Succeeded(Poll(server)));
  EXPECT_FALSE(server.Ready("three"));
  EXPECT_NE(server.Reason("three").find("changed while it was loaded"), std::string::npos);
  ASSERT_TRUE(Succeeded(Poll(server)));
  EXPECT_TRUE(Answers(server, "three"));
}

// 3.12.11 and 3.16
TEST_F(Modes, AModelInTwoRepositoriesIsServedFromNeither) {
  Server server(Over(TRITONSERVER_MODEL_CONTROL_POLL));
  server.repository().Add("one", Identity());
  ASSERT_TRUE(Succeeded(Poll(server)));
  EXPECT_FALSE(server.Knows("one").ok());
  EXPECT_NE(Index(server).find("{\"name\":\"one\",\"state\":\"UNAVAILABLE\",\"reason\":\"model "
                               "appears in two or more repositories\"}"),
            std::string::npos)
      << Index(server);
  std::filesystem::remove_all(server.repository().Path("one"));
  ASSERT_TRUE(Succeeded(Poll(server)));
  EXPECT_TRUE(Answers(server, "one"));
}

TEST_F(Modes, PollsKeepEnsemblesInStepWithTheirSteps) {
  repository_.Add("chain", Chain({"one", "two"}));
  Server server(Over(TRITONSERVER_MODEL_CONTROL_POLL));
  EXPECT_TRUE(Answers(server, "chain"));
  std::filesystem::rename(repository_.Path("two"), repository_.Path(".two"));
  ASSERT_TRUE(Succeeded(Poll(server)));
  EXPECT_FALSE(server.Ready("chain"));
  EXPECT_NE(server.Reason("chain").find("not available or ambiguous: two"), std::string::npos)
      << server.Reason("chain") << Index(server);
  EXPECT_FALSE(IsReady(server));
  std::filesystem::rename(repository_.Path(".two"), repository_.Path("two"));
  ASSERT_TRUE(Succeeded(Poll(server)));
  EXPECT_TRUE(Answers(server, "chain"));
  EXPECT_TRUE(IsReady(server));
}

}  // namespace
}  // namespace trident::contract
