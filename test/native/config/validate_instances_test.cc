#include <gtest/gtest.h>

#include <string>

#include "config/text_format.h"
#include "config/validate.h"

namespace trident {
namespace {

struct Case {
  const char* text;
  std::vector<int32_t> usable_gpus;
  StatusCode code;
  const char* message;  // after the names of model and group
};

class InstanceRule : public testing::TestWithParam<Case> {};

TEST_P(InstanceRule, Holds) {
  const auto config = ParseModelConfigText(
      std::string("name: 'm' backend: 'b' instance_group { name: 'g' ") + GetParam().text + " }",
      "config.pbtxt");
  ASSERT_TRUE(config.ok()) << config.status().message();
  const Status status = ValidateInstanceGroups(*config, {.ids = GetParam().usable_gpus});
  EXPECT_EQ(status.code(), GetParam().code);
  const std::string message = GetParam().message;
  EXPECT_EQ(status.message(), message.empty() ? "" : "model 'm': instance group 'g' " + message);
}

INSTANTIATE_TEST_SUITE_P(
    Cases, InstanceRule,
    testing::Values(
        Case{"kind: KIND_CPU", {}, StatusCode::kOk, ""},
        Case{"kind: KIND_MODEL", {}, StatusCode::kOk, ""},
        Case{"kind: KIND_GPU gpus: [0, 1]", {0, 1}, StatusCode::kOk, ""},
        Case{"kind: KIND_AUTO", {}, StatusCode::kInternal, "has unresolved kind KIND_AUTO"},
        Case{"kind: KIND_CPU gpus: 0",
             {0},
             StatusCode::kInvalidArg,
             "has kind KIND_CPU but specifies one or more GPUs"},
        Case{"kind: KIND_MODEL gpus: 0",
             {0},
             StatusCode::kInvalidArg,
             "has kind KIND_MODEL but specifies one or more GPUs"},
        Case{"kind: KIND_GPU",
             {},
             StatusCode::kInvalidArg,
             "has kind KIND_GPU but no GPUs are available: there are none"},
        Case{"kind: KIND_GPU",
             {0},
             StatusCode::kInvalidArg,
             "has kind KIND_GPU but specifies no GPUs"},
        Case{"kind: KIND_GPU gpus: [0, 7]",
             {0, 1},
             StatusCode::kInvalidArg,
             "specifies invalid or unsupported GPU 7; usable GPUs are: 0, 1"},
        Case{"kind: KIND_GPU gpus: -1",
             {0},
             StatusCode::kInvalidArg,
             "specifies invalid or unsupported GPU -1; usable GPUs are: 0"},
        Case{"kind: KIND_CPU profile: '0'",
             {},
             StatusCode::kInvalidArg,
             "specifies 'profile', which is only supported for TensorRT models"}));

TEST(InstanceGroupsTest, ForGpusWhereThereIsNoneSayWhatIsMissing) {
  ModelConfig config;
  config.name = "m";
  config.instance_group.push_back({.name = "g", .kind = InstanceGroupKind::kGpu});
  const Status status = ValidateInstanceGroups(config, {.why_none = Unsupported("no driver")});
  EXPECT_EQ(status.code(), StatusCode::kUnsupported);
  EXPECT_EQ(status.message(),
            "model 'm': instance group 'g' has kind KIND_GPU but no GPUs are available: no driver");
}

TEST(InstanceGroupsTest, AreRequired) {
  ModelConfig config;
  config.name = "m";
  EXPECT_EQ(ValidateInstanceGroups(config, {}).message(),
            "model 'm': must specify one or more 'instance_group'");
}

TEST(InstanceGroupsTest, TensorRtProfilesAreNumbers) {
  ModelConfig config;
  config.name = "m";
  config.platform = "tensorrt_plan";
  InstanceGroup& group = config.instance_group.emplace_back();
  group.name = "g";
  group.kind = InstanceGroupKind::kCpu;
  group.profile = {"0", "12"};
  EXPECT_TRUE(ValidateInstanceGroups(config, {}).ok());
  for (const char* bad : {"", "-1", "one", "1x", "99999999999999999999"}) {
    group.profile = {bad};
    EXPECT_EQ(ValidateInstanceGroups(config, {}).message(),
              std::string("model 'm': instance group 'g' specifies 'profile' \"") + bad +
                  "\", which must be a non-negative integer");
  }
}

}  // namespace
}  // namespace trident
