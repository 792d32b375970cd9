#include "repository/plan.h"

#include <gtest/gtest.h>

namespace trident {
namespace {

using Versions = std::set<int64_t>;

TEST(VersionsToServe, LatestTakesTheHighestNumbers) {
  ModelVersionPolicy policy;
  policy.latest = VersionPolicyLatest{2};
  EXPECT_EQ(VersionsToServe(policy, {1, 3, 10}), (Versions{3, 10}));
  EXPECT_EQ(VersionsToServe(policy, {7}), (Versions{7}));
  EXPECT_EQ(VersionsToServe(policy, {}), Versions{});
}

TEST(VersionsToServe, NoPolicyMeansTheLatestOne) {
  EXPECT_EQ(VersionsToServe({}, {1, 3, 10}), (Versions{10}));
}

TEST(VersionsToServe, AllAndSpecific) {
  ModelVersionPolicy all;
  all.all = VersionPolicyAll{};
  EXPECT_EQ(VersionsToServe(all, {1, 3}), (Versions{1, 3}));
  ModelVersionPolicy specific;
  specific.specific = VersionPolicySpecific{{3, 4}};
  EXPECT_EQ(VersionsToServe(specific, {1, 3}), (Versions{3})) << "4 is not on disk";
}

TEST(ClassifyDirectory, TellsVersionsFromTheRest) {
  int64_t version = 0;
  EXPECT_EQ(ClassifyDirectory("12", &version), DirectoryKind::kVersion);
  EXPECT_EQ(version, 12);
  for (const char* name : {"0", "01", "-1", "1a", "v1", "", "99999999999999999999", " 1"}) {
    EXPECT_EQ(ClassifyDirectory(name, &version), DirectoryKind::kForeign) << name;
  }
  for (const char* name : {"warmup", "initial_state", "configs", "golden"}) {
    EXPECT_EQ(ClassifyDirectory(name, &version), DirectoryKind::kReserved) << name;
  }
}

TEST(CheckModelName, RefusesWhatCouldLeaveTheRepository) {
  for (const std::string& name :
       {std::string("digits"), std::string("a.b-c_1"), std::string("é")}) {
    EXPECT_TRUE(CheckModelName(name).ok()) << name;
  }
  for (const std::string& name :
       {std::string(), std::string(".."), std::string("."), std::string("../x"), std::string("a/b"),
        std::string("a\\b"), std::string("a\nb"), std::string("a\0b", 3), std::string(256, 'a')}) {
    EXPECT_EQ(CheckModelName(name).code(), StatusCode::kInvalidArg) << name;
  }
}

TEST(CheckNeedsNoFiles, FindsEveryFieldThatNamesAFile) {
  EXPECT_TRUE(CheckNeedsNoFiles({}).ok());
  ModelConfig labels;
  labels.output.emplace_back().label_filename = "labels.txt";
  ModelConfig state;
  state.sequence_batching.emplace().state.emplace_back().initial_state.emplace_back().data_file =
      "zeros";
  ModelConfig warmup;
  warmup.model_warmup.emplace_back().inputs["x"].input_data_file = "data";
  ModelConfig strategy;
  strategy.parameters["TRITON_BATCH_STRATEGY_PATH"].string_value = "x.so";
  ModelConfig agents;
  agents.model_repository_agents.emplace().agents.emplace_back().name = "checksum";
  for (const ModelConfig& config : {labels, state, warmup, strategy, agents}) {
    EXPECT_EQ(CheckNeedsNoFiles(config).code(), StatusCode::kInvalidArg);
  }
}

TEST(CheckRelativePath, StaysInside) {
  for (const char* path : {"1/model.onnx", "labels.txt", "1/a/b/c", "..a/b"}) {
    EXPECT_TRUE(CheckRelativePath(path).ok()) << path;
  }
  for (const char* path :
       {"", "/etc/passwd", "..", "../x", "1/../../x", "1//x", "1/", "./x", "1/."}) {
    EXPECT_EQ(CheckRelativePath(path).code(), StatusCode::kInvalidArg) << path;
  }
}

}  // namespace
}  // namespace trident
