// Where the libraries of backends are looked for; what becomes of those that are there needs some.

#include <gtest/gtest.h>

#include "model/backend.h"

namespace trident {
namespace {

class WithoutBackends : public testing::Test {
 protected:
  WithoutBackends() : manager_({.backend_directory = "/nowhere"}, std::make_shared<Logger>()) {}

  std::string Message(const ModelConfig& config, const std::string& model_directory) {
    const auto backend = manager_.Get(config, model_directory, 3);
    EXPECT_FALSE(backend.ok());
    EXPECT_EQ(backend.status().code(), StatusCode::kInvalidArg);
    return backend.status().message();
  }

  BackendManager manager_;
};

ModelConfig Config(const std::string& backend) {
  ModelConfig config;
  config.name = "m";
  config.backend = backend;
  return config;
}

TEST_F(WithoutBackends, LibrariesOfTheModelGoFirst) {
  EXPECT_EQ(Message(Config("own"), "/models/m"),
            "unable to find backend library 'libtriton_own.so' for model 'm', searched: "
            "/models/m/3, /models/m, /nowhere/own");
}

TEST_F(WithoutBackends, AModelWithoutFilesHasNoLibrariesEither) {
  EXPECT_EQ(Message(Config("own"), ""),
            "unable to find backend library 'libtriton_own.so' for model 'm', searched: "
            "/nowhere/own");
}

TEST_F(WithoutBackends, IsolationIsAPlugInWhateverTheBackend) {
  ModelConfig config = Config("own");
  config.isolation = "process";
  EXPECT_EQ(Message(config, "/models/m"),
            "'isolation' needs the plug-in isolation/libtriton_isolation.so in /nowhere");
  config.backend = "../own";
  EXPECT_EQ(Message(config, "/models/m"), "backend name '../own' is not a plain name");
}

}  // namespace
}  // namespace trident
