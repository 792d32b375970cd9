// Versions, reloads and models from memory: what is in service, and when.

#include <atomic>
#include <filesystem>

#include "echo.h"

namespace trident::contract {
namespace {

std::string EchoJson(const std::string& backend, int instances = 1) {
  return R"({"backend":")" + backend +
         R"(","max_batch_size":8,"dynamic_batching":{},)"
         R"("input":[{"name":"input","data_type":"TYPE_FP32","dims":[-1]}],)"
         R"("output":[{"name":"output","data_type":"TYPE_FP32","dims":[-1]}],)"
         R"("instance_group":[{"kind":"KIND_CPU","count":)" +
         std::to_string(instances) + "}]}";
}

class Repositories : public testing::TestWithParam<const char*> {
 protected:
  static bool onnx() { return std::string(GetParam()) == "onnxruntime"; }

  // Writes the model in these versions without loading it.
  void Write(const std::string& more, const std::vector<int>& versions = {1}) {
    server_.repository().Add(
        "echo", EchoConfig(GetParam(), TRITONSERVER_TYPE_FP32, "dynamic_batching { } " + more),
        versions);
    if (!onnx()) return;
    for (const int version : versions) {
      server_.repository().Write("echo/" + std::to_string(version) + "/model.onnx",
                                 OnnxFile("identity_fp32"));
    }
  }

  int64_t VersionThatAnswers(int64_t version = -1) {
    const Answer answer = EchoRequest(server_, "echo", {1, 2}, version).Infer();
    EXPECT_TRUE(Succeeded(answer.outcome));
    return answer.version;
  }

  Server server_;
};

TEST_P(Repositories, VersionPoliciesChooseWhatIsServed) {
  const struct {
    std::string policy;
    std::vector<int> served;
  } cases[] = {
      {"", {7}},
      {"version_policy { latest { } }", {7}},
      {"version_policy { latest { num_versions: 2 } }", {3, 7}},
      {"version_policy { latest { num_versions: 9 } }", {1, 2, 3, 7}},
      {"version_policy { all { } }", {1, 2, 3, 7}},
      {"version_policy { specific { versions: [ 1, 3 ] } }", {1, 3}},
      {"version_policy { specific { versions: [ 2, 99 ] } }", {2}},
  };
  for (const auto& [policy, served] : cases) {
    SCOPED_TRACE(policy);
    Write(policy, {1, 2, 3, 7});
    ASSERT_TRUE(Succeeded(server_.Load("echo")));
    for (const int version : {1, 2, 3, 7}) {
      if (std::count(served.begin(), served.end(), version) > 0) {
        EXPECT_EQ(server_.State("echo", version), "READY");
        EXPECT_EQ(VersionThatAnswers(version), version);
      } else {
        EXPECT_FALSE(server_.Ready("echo", version));
        EXPECT_FALSE(server_.Knows("echo", version).ok());
      }
    }
    EXPECT_EQ(VersionThatAnswers(), served.back());
    EXPECT_TRUE(
        FailedWith(server_.Knows("echo", 99), TRITONSERVER_ERROR_NOT_FOUND, {"'echo'", "99"}));
    ASSERT_TRUE(Succeeded(server_.UnloadAndWait("echo")));
  }
}

TEST_P(Repositories, APolicyThatLeavesNothingIsRefused) {
  Write("version_policy { specific { versions: [ 5 ] } }", {1, 2});
  EXPECT_TRUE(FailedWith(server_.Load("echo"), TRITONSERVER_ERROR_INVALID_ARG,
                         {"'echo'", "version policy"}));
}

TEST_P(Repositories, AReloadTakesUpANewVersionAndRetiresTheOld) {
  Write("");
  ASSERT_TRUE(Succeeded(server_.Load("echo")));
  Request reused = EchoRequest(server_, "echo", {1});
  EXPECT_EQ(reused.Infer().version, 1);
  Write("", {2});
  ASSERT_TRUE(Succeeded(server_.Load("echo")));
  EXPECT_EQ(VersionThatAnswers(), 2);
  // A request without a version of its own follows the model.
  EXPECT_EQ(reused.Infer().version, 2);
  EXPECT_EQ(server_.State("echo", 2), "READY");
  EXPECT_FALSE(server_.Ready("echo", 1));
}

TEST_P(Repositories, LoadingAnUnchangedModelAgainChangesNothing) {
  Write("");
  ASSERT_TRUE(Succeeded(server_.Load("echo")));
  VersionThatAnswers();
  ASSERT_TRUE(Succeeded(server_.Load("echo")));
  EXPECT_EQ(server_.Successes("echo"), 1);  // a fresh model would count from zero
}

TEST_P(Repositories, AReusedRequestSaysWhenItsModelIsGone) {
  Write("");
  ASSERT_TRUE(Succeeded(server_.Load("echo")));
  Request request = EchoRequest(server_, "echo", {4});
  ASSERT_TRUE(Succeeded(server_.UnloadAndWait("echo")));
  EXPECT_TRUE(FailedWith(request.Send(), TRITONSERVER_ERROR_NOT_FOUND, {"'echo'"}));
  ASSERT_TRUE(Succeeded(server_.Load("echo")));
  EXPECT_TRUE(Succeeded(request.Infer().outcome));
}

TEST_P(Repositories, AFailedReloadKeepsTheOldVersionServing) {
  Write("");
  ASSERT_TRUE(Succeeded(server_.Load("echo")));
  const std::string broken_configs[] = {
      "backend: ",
      "max_batch_size: -1",
      "backend: \"no_such_backend\" max_batch_size: 8",
      EchoConfig(GetParam(), TRITONSERVER_TYPE_FP32,
                 onnx()
                     ? "default_model_filename: \"none.onnx\""
                     : "parameters { key: \"fail\" value { string_value: \"model_initialize\" } }"),
  };
  for (const std::string& config : broken_configs) {
    SCOPED_TRACE(config);
    server_.repository().Write("echo/config.pbtxt", config);
    EXPECT_FALSE(server_.Load("echo").ok());
    EXPECT_EQ(server_.State("echo"), "READY");
    EXPECT_EQ(VersionThatAnswers(), 1);
  }
}

TEST_P(Repositories, ReloadsUnderTrafficDropNothing) {
  Write("");
  const auto load = [&](int round) {
    const std::string json = EchoJson(GetParam(), 1 + round % 2);
    if (!onnx()) return server_.LoadWithConfig("echo", json);
    return server_.LoadWithConfig("echo", json, {{"1/model.onnx", OnnxFile("identity_fp32")}});
  };
  ASSERT_TRUE(Succeeded(load(0)));

  std::atomic<bool> stop{false};
  std::atomic<int64_t> answered{0};
  const auto client = [&](int kind) {
    Request reused = EchoRequest(server_, "echo", {1, 2, 3});
    while (!stop.load()) {
      Request fresh = EchoRequest(server_, "echo", {4, 5});
      Request& request = kind == 0 ? fresh : reused;
      bool ran_inline = false;
      const Outcome sent = kind == 2 ? request.SendInline(&ran_inline) : request.Send();
      EXPECT_TRUE(Succeeded(sent));
      if (!sent.ok()) break;
      EXPECT_TRUE(Succeeded(request.Wait().outcome));
      answered.fetch_add(1);
    }
  };
  std::vector<std::thread> clients;
  for (int kind = 0; kind < 3; ++kind) clients.emplace_back(client, kind);
  for (int round = 1; round <= 25 && !HasFailure(); ++round) {
    EXPECT_TRUE(Succeeded(load(round)));
    // The next change only after traffic over this one.
    for (const int64_t goal = answered.load() + 6; answered.load() < goal && !HasFailure();) {
      std::this_thread::yield();
    }
  }
  stop.store(true);
  for (std::thread& thread : clients) thread.join();
}

TEST_P(Repositories, AModelMayComeFromMemory) {
  const Server::Files files = {{"1/model.onnx", onnx() ? OnnxFile("identity_fp32")
                                                       : "identity needs no file, only a version"}};
  ASSERT_TRUE(Succeeded(server_.LoadWithConfig("echo", EchoJson(GetParam()), files)));
  EXPECT_EQ(VersionThatAnswers(), 1);
  EXPECT_EQ(server_.State("echo"), "READY");
  ASSERT_TRUE(Succeeded(server_.UnloadAndWait("echo")));
  EXPECT_FALSE(server_.Ready("echo"));
}

TEST_P(Repositories, ModelsFromMemoryLeaveNothingBehind) {
  const Repository scratch;
  const char* before = getenv("TMPDIR");
  const std::string saved = before != nullptr ? before : "";
  setenv("TMPDIR", scratch.root().c_str(), 1);
  const Server::Files files = {{"1/model.onnx", onnx() ? OnnxFile("identity_fp32") : "x"}};
  EXPECT_TRUE(Succeeded(server_.LoadWithConfig("echo", EchoJson(GetParam()), files)));
  EXPECT_FALSE(std::filesystem::is_empty(scratch.root()));
  EXPECT_FALSE(server_.LoadWithConfig("other", R"({"max_batch_size":-1})", files).ok());
  EXPECT_FALSE(server_.LoadWithConfig("third", EchoJson(GetParam()), {{"../x", "x"}}).ok());
  EXPECT_TRUE(Succeeded(server_.UnloadAndWait("echo")));
  EXPECT_TRUE(Succeeded(server_.UnloadAndWait("other")));
  EXPECT_TRUE(std::filesystem::is_empty(scratch.root()));
  before != nullptr ? setenv("TMPDIR", saved.c_str(), 1) : unsetenv("TMPDIR");
}

TEST_P(Repositories, LoadParametersAreCheckedOneByOne) {
  const std::string json = EchoJson(GetParam());
  const auto refused = [&](const Server::Files& files, const std::string& text) {
    EXPECT_TRUE(FailedWith(server_.LoadWithConfig("echo", json, files),
                           TRITONSERVER_ERROR_INVALID_ARG, {text}));
  };
  refused({{"../1/model.onnx", "x"}}, "../1/model.onnx");
  refused({{"/1/model.onnx", "x"}}, "/1/model.onnx");
  refused({{"1/./model.onnx", "x"}}, "1/./model.onnx");
  refused({{"1//model.onnx", "x"}}, "1//model.onnx");
  refused({{"", "x"}}, "path ''");
  refused({{"1/model.onnx", "x"}, {"1/model.onnx/x", "x"}}, "1/model.onnx/x");
  refused({{"model.onnx", "x"}}, "at least one version");
  EXPECT_TRUE(FailedWith(server_.LoadWithConfig("echo", "{ not JSON", {{"1/x", "x"}}),
                         TRITONSERVER_ERROR_INVALID_ARG, {"JSON"}));
  EXPECT_TRUE(FailedWith(server_.LoadWithConfig("echo", R"({"name":"other"})", {{"1/x", "x"}}),
                         TRITONSERVER_ERROR_INVALID_ARG, {"'other'", "'echo'"}));
  EXPECT_TRUE(FailedWith(
      server_.LoadWithParameters("echo", {TRITONSERVER_ParameterBytesNew("file:1/x", "x", 1)}),
      TRITONSERVER_ERROR_INVALID_ARG, {"'config'"}));
  EXPECT_TRUE(FailedWith(
      server_.LoadWithParameters(
          "echo", {TRITONSERVER_ParameterNew("colour", TRITONSERVER_PARAMETER_STRING, "red")}),
      TRITONSERVER_ERROR_INVALID_ARG, {"'colour'"}));
  const int64_t number = 1;
  EXPECT_TRUE(FailedWith(
      server_.LoadWithParameters(
          "echo", {TRITONSERVER_ParameterNew("config", TRITONSERVER_PARAMETER_INT, &number)}),
      TRITONSERVER_ERROR_INVALID_ARG, {"'config'", "string"}));
  EXPECT_FALSE(server_.Ready("echo"));
}

INSTANTIATE_TEST_SUITE_P(All, Repositories, testing::ValuesIn(kBackends),
                         [](const auto& info) { return std::string(info.param); });

TEST(NewVersions, ThatFailAreShownBesideTheOneThatServes) {
  Server server;
  LoadEcho(&server, "echo", "onnxruntime", TRITONSERVER_TYPE_FP32);
  server.repository().Write("echo/2/model.onnx", "not a model");
  EXPECT_TRUE(FailedWith(server.Load("echo"), TRITONSERVER_ERROR_INVALID_ARG, {"version 2"}));
  EXPECT_EQ(server.State("echo", 1), "READY");
  EXPECT_EQ(server.State("echo", 2), "UNAVAILABLE");
  EXPECT_NE(server.Reason("echo", 2), "");
  EXPECT_EQ(EchoRequest(server, "echo", {1}).Infer().version, 1);
}

TEST(RepositoryNames, MustBeDirectoriesOfTheRepository) {
  Server server;
  for (const std::string name : {"", ".hidden", "../echo", "a/b", "a\nb"}) {
    EXPECT_TRUE(FailedWith(server.Load(name), TRITONSERVER_ERROR_INVALID_ARG)) << name;
  }
  EXPECT_TRUE(FailedWith(server.Load("absent"), TRITONSERVER_ERROR_INTERNAL, {"'absent'"}));
}

}  // namespace
}  // namespace trident::contract
