#include "config/normalize.h"

#include <gtest/gtest.h>

namespace trident {
namespace {

using Kind = InstanceGroupKind;
using Ints = std::vector<int32_t>;

TEST(NormalizeTest, FillsDefaults) {
  ModelConfig config;
  Normalize(&config);
  EXPECT_EQ(config.version_policy->latest->num_versions, 1u);
  EXPECT_TRUE(config.optimization->input_pinned_memory->enable);
  EXPECT_TRUE(config.optimization->output_pinned_memory->enable);
  EXPECT_FALSE(config.HasScheduler());
  EXPECT_TRUE(config.instance_group.empty());
}

TEST(NormalizeTest, KeepsWhatIsGivenAndIsIdempotent) {
  ModelConfig config;
  config.version_policy.emplace().specific.emplace().versions = {2};
  config.optimization.emplace().input_pinned_memory.emplace().enable = false;
  config.max_batch_size = 8;
  config.dynamic_batching.emplace().preferred_batch_size = {4};
  Normalize(&config);
  EXPECT_FALSE(config.version_policy->latest);
  EXPECT_FALSE(config.optimization->input_pinned_memory->enable);
  EXPECT_TRUE(config.optimization->output_pinned_memory->enable);
  EXPECT_EQ(config.dynamic_batching->preferred_batch_size, (Ints{4}));
  const ModelConfig once = config;
  Normalize(&config);
  EXPECT_EQ(config, once);
}

TEST(NormalizeTest, DefaultsOfFieldsThatAreNotTritonsAreNotSettings) {
  ModelConfig config;
  config.execution = "";
  config.isolation = "";
  config.execution_timeout_microseconds = 0;
  Normalize(&config);
  EXPECT_FALSE(config.execution || config.isolation || config.execution_timeout_microseconds);

  config.execution = "main";
  config.isolation = "process";
  config.execution_timeout_microseconds = 7;
  Normalize(&config);
  EXPECT_EQ(config.execution, "main");
  EXPECT_TRUE(config.IsIsolated());
  EXPECT_EQ(config.execution_timeout_microseconds, 7u);
}

TEST(NormalizeTest, AnEmptyPolicyMeansTheLatestVersion) {
  ModelConfig config;
  config.version_policy.emplace();
  Normalize(&config);
  EXPECT_EQ(config.version_policy->latest->num_versions, 1u);
  config.version_policy->latest->num_versions = 0;
  Normalize(&config);
  EXPECT_EQ(config.version_policy->latest->num_versions, 1u);
}

TEST(NormalizeTest, PreferredBatchSizeIsTheMaximum) {
  ModelConfig config;
  config.max_batch_size = 16;
  config.dynamic_batching.emplace();
  Normalize(&config);
  EXPECT_EQ(config.dynamic_batching->preferred_batch_size, (Ints{16}));

  ModelConfig sequence;
  sequence.max_batch_size = 16;
  sequence.sequence_batching.emplace().oldest.emplace();
  Normalize(&sequence);
  EXPECT_EQ(sequence.sequence_batching->oldest->preferred_batch_size, (Ints{16}));
  EXPECT_EQ(sequence.sequence_batching->max_sequence_idle_microseconds, 1'000'000u);

  ModelConfig unbatched;
  unbatched.dynamic_batching.emplace();
  Normalize(&unbatched);
  EXPECT_TRUE(unbatched.dynamic_batching->preferred_batch_size.empty());
}

TEST(NormalizeTest, EnsemblesGetNoOptimizationNorInstances) {
  ModelConfig config;
  config.ensemble_scheduling.emplace();
  Normalize(&config);
  NormalizeInstanceGroups({}, {}, &config);
  EXPECT_FALSE(config.optimization);
  EXPECT_TRUE(config.instance_group.empty());
}

InstanceGroup Group(Kind kind, int32_t count = 0, Ints gpus = {}) {
  InstanceGroup group;
  group.kind = kind;
  group.count = count;
  group.gpus = std::move(gpus);
  return group;
}

struct GroupCase {
  const char* what;
  const char* backend;
  std::vector<InstanceGroup> given;
  std::vector<InstanceGroup> preferred;
  Ints usable_gpus;
  Kind kind;  // of the first group
  int32_t count;
  Ints gpus;
};

class InstanceGroupTest : public testing::TestWithParam<GroupCase> {};

TEST_P(InstanceGroupTest, IsResolved) {
  const GroupCase& c = GetParam();
  SCOPED_TRACE(c.what);
  ModelConfig config;
  config.name = "m";
  config.backend = c.backend;
  config.instance_group = c.given;
  NormalizeInstanceGroups(c.preferred, c.usable_gpus, &config);
  ASSERT_FALSE(config.instance_group.empty());
  const InstanceGroup& group = config.instance_group[0];
  EXPECT_EQ(group.kind, c.kind);
  EXPECT_EQ(group.count, c.count);
  EXPECT_EQ(group.gpus, c.gpus);
  EXPECT_EQ(group.name, c.given.empty() ? "m" : "m_0");
  EXPECT_EQ(group.host_policy, c.kind == Kind::kCpu     ? "cpu"
                               : c.kind == Kind::kModel ? "model"
                                                        : "");
  const ModelConfig once = config;
  NormalizeInstanceGroups(c.preferred, c.usable_gpus, &config);
  EXPECT_EQ(config, once);
}

INSTANTIATE_TEST_SUITE_P(
    Cases, InstanceGroupTest,
    testing::Values(
        GroupCase{"implicit", "identity", {}, {}, {}, Kind::kCpu, 1, {}},
        GroupCase{"onnxruntime runs two on CPU", "onnxruntime", {}, {}, {}, Kind::kCpu, 2, {}},
        GroupCase{"onnxruntime with a group without count",
                  "onnxruntime",
                  {Group(Kind::kCpu)},
                  {},
                  {},
                  Kind::kCpu,
                  2,
                  {}},
        GroupCase{"a given count stays",
                  "onnxruntime",
                  {Group(Kind::kCpu, 1)},
                  {},
                  {},
                  Kind::kCpu,
                  1,
                  {}},
        GroupCase{"one on GPU even for onnxruntime",
                  "onnxruntime",
                  {},
                  {},
                  {0, 1},
                  Kind::kGpu,
                  1,
                  {0, 1}},
        GroupCase{"KIND_MODEL", "python", {Group(Kind::kModel)}, {}, {0}, Kind::kModel, 1, {}},
        GroupCase{
            "AUTO without GPU is CPU", "b", {Group(Kind::kAuto, 3)}, {}, {}, Kind::kCpu, 3, {}},
        GroupCase{"AUTO with a missing GPU is CPU",
                  "b",
                  {Group(Kind::kAuto, 1, {0, 7})},
                  {},
                  {0},
                  Kind::kCpu,
                  1,
                  {}},
        GroupCase{"AUTO with its GPU is GPU",
                  "b",
                  {Group(Kind::kAuto, 1, {1})},
                  {},
                  {0, 1},
                  Kind::kGpu,
                  1,
                  {1}},
        GroupCase{"AUTO is CPU where the backend prefers only that",
                  "b",
                  {Group(Kind::kAuto, 1)},
                  {Group(Kind::kCpu)},
                  {0},
                  Kind::kCpu,
                  1,
                  {}},
        GroupCase{"AUTO is GPU where the backend prefers that, too",
                  "b",
                  {Group(Kind::kAuto, 1)},
                  {Group(Kind::kGpu), Group(Kind::kCpu)},
                  {0},
                  Kind::kGpu,
                  1,
                  {0}},
        GroupCase{"GPU without list takes all",
                  "b",
                  {Group(Kind::kGpu)},
                  {},
                  {0, 1},
                  Kind::kGpu,
                  1,
                  {0, 1}},
        GroupCase{
            "the backend prefers CPU", "b", {}, {Group(Kind::kCpu, 4)}, {0}, Kind::kCpu, 4, {}},
        GroupCase{"a GPU preference needs a GPU",
                  "b",
                  {},
                  {Group(Kind::kGpu, 2), Group(Kind::kCpu, 5)},
                  {},
                  Kind::kCpu,
                  5,
                  {}},
        GroupCase{"a GPU preference is cut to what is there",
                  "b",
                  {},
                  {Group(Kind::kGpu, 2, {1, 9})},
                  {0, 1},
                  Kind::kGpu,
                  2,
                  {1}},
        GroupCase{"a preference fills a missing count",
                  "b",
                  {Group(Kind::kCpu)},
                  {Group(Kind::kGpu, 2), Group(Kind::kCpu, 5)},
                  {},
                  Kind::kCpu,
                  5,
                  {}},
        GroupCase{"a preference fills missing GPUs",
                  "b",
                  {Group(Kind::kGpu, 1)},
                  {Group(Kind::kGpu, 2, {1})},
                  {0, 1},
                  Kind::kGpu,
                  1,
                  {1}},
        GroupCase{"an AUTO preference resolves",
                  "b",
                  {},
                  {Group(Kind::kAuto, 3)},
                  {},
                  Kind::kCpu,
                  3,
                  {}}));

TEST(InstanceGroupNamesTest, AreNumberedByPlaceUnlessGiven) {
  ModelConfig config;
  config.name = "m";
  config.instance_group.resize(3);
  config.instance_group[1].name = "mine";
  config.instance_group[1].host_policy = "numa_1";
  NormalizeInstanceGroups({}, {}, &config);
  EXPECT_EQ(config.instance_group[0].name, "m_0");
  EXPECT_EQ(config.instance_group[1].name, "mine");
  EXPECT_EQ(config.instance_group[1].host_policy, "numa_1");
  EXPECT_EQ(config.instance_group[2].name, "m_2");
}

TEST(NormalizeTest, KnowsWhichModelsMayUseGpus) {
  const auto may = [](std::vector<InstanceGroup> groups, std::vector<InstanceGroup> preferred) {
    ModelConfig config;
    config.instance_group = std::move(groups);
    return MayUseGpus(preferred, config);
  };
  EXPECT_TRUE(may({}, {}));
  EXPECT_TRUE(may({}, {Group(Kind::kGpu), Group(Kind::kCpu)}));
  EXPECT_TRUE(may({}, {Group(Kind::kAuto)}));
  EXPECT_FALSE(may({}, {Group(Kind::kCpu), Group(Kind::kGpu)}));
  EXPECT_FALSE(may({}, {Group(Kind::kModel)}));
  EXPECT_TRUE(may({Group(Kind::kCpu), Group(Kind::kAuto)}, {}));
  EXPECT_FALSE(may({Group(Kind::kCpu), Group(Kind::kAuto)}, {Group(Kind::kCpu)}));
  EXPECT_TRUE(may({Group(Kind::kGpu)}, {}));
  EXPECT_FALSE(may({Group(Kind::kCpu), Group(Kind::kModel)}, {Group(Kind::kGpu)}));
  ModelConfig ensemble;
  ensemble.ensemble_scheduling.emplace();
  EXPECT_FALSE(MayUseGpus({}, ensemble));
}

}  // namespace
}  // namespace trident
