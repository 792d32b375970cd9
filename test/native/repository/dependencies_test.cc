#include "repository/dependencies.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <random>

namespace trident {
namespace {

const ModelIdentity kA{"", "a"}, kB{"", "b"}, kC{"", "c"}, kD{"", "d"}, kE{"", "e"};

std::vector<EnsembleStep> Steps(const std::vector<std::string>& names, int64_t version = -1) {
  std::vector<EnsembleStep> steps;
  for (const std::string& name : names) {
    steps.emplace_back();
    steps.back().model_name = name;
    steps.back().model_version = version;
  }
  return steps;
}

ServedModel Serves(std::set<int64_t> versions) { return {std::move(versions), Status::Ok()}; }

TEST(Dependencies, EnsemblesAreLoadedAfterTheirSteps) {
  // e -> d -> (a, b); d -> c -> a
  const DependencyGraph graph(
      {{kA, {}}, {kB, {}}, {kC, Steps({"a"})}, {kD, Steps({"a", "b", "c"})}, {kE, Steps({"d"})}});
  EXPECT_EQ(graph.LoadOrder({kA, kB, kC, kD, kE}),
            (std::vector<ModelSet>{{kA, kB}, {kC}, {kD}, {kE}}));
  EXPECT_EQ(graph.LoadOrder({kE, kA}), (std::vector<ModelSet>{{kA, kE}}));
  EXPECT_EQ(graph.Dependents({kA}), (ModelSet{kC, kD, kE}));
  EXPECT_EQ(graph.Dependents({kB}), (ModelSet{kD, kE}));
  EXPECT_EQ(graph.Dependents({kE}), ModelSet{});
}

// 3.5.3
TEST(Dependencies, AStepThatIsNotThereIsNamed) {
  const DependencyGraph graph({{kA, {}}, {kD, Steps({"a", "x", "y", "x"})}});
  EXPECT_EQ(graph.StatusOf(kD).code(), StatusCode::kInvalidArg);
  EXPECT_EQ(graph.StatusOf(kD).message(),
            "ensemble d contains models that are not available or ambiguous: x, y");
  EXPECT_TRUE(graph.StatusOf(kA).ok());
}

// 3.5.3
TEST(Dependencies, ACircleIsShownFromEveryEnsembleInIt) {
  const DependencyGraph graph({{kA, Steps({"b"})},
                               {kB, Steps({"c"})},
                               {kC, Steps({"a"})},
                               {kD, Steps({"a"})},
                               {kE, Steps({"e"})}});
  EXPECT_EQ(graph.StatusOf(kA).message(),
            "circular dependency between ensembles: a -> b -> c -> a");
  EXPECT_EQ(graph.StatusOf(kC).message(),
            "circular dependency between ensembles: c -> a -> b -> c");
  EXPECT_EQ(graph.StatusOf(kE).message(), "circular dependency between ensembles: e -> e");
  EXPECT_TRUE(graph.StatusOf(kD).ok()) << "it only depends on the circle";
  EXPECT_EQ(graph.CheckSteps(kD, {}).message(),
            "ensemble 'd' depends on 'a' which is not valid. Model 'a' failed with error: " +
                graph.StatusOf(kA).message());
  EXPECT_EQ(graph.LoadOrder({kA, kB, kC}), (std::vector<ModelSet>{{kA, kB, kC}}));
}

// 3.5.3
TEST(Dependencies, AStepMustServeTheVersionThatIsAskedFor) {
  const DependencyGraph graph({{kA, {}}, {kD, Steps({"a"})}, {kE, Steps({"a"}, 3)}});
  EXPECT_TRUE(graph.CheckSteps(kD, {{kA, Serves({1})}}).ok());
  EXPECT_EQ(graph.CheckSteps(kD, {{kA, Serves({})}}).message(),
            "ensemble 'd' depends on 'a' which has no loaded version.");
  EXPECT_EQ(graph.CheckSteps(kD, {{kA, {{}, Internal("broken")}}}).message(),
            "ensemble 'd' depends on 'a' which has no loaded version. Model 'a' loading failed "
            "with error: broken");
  EXPECT_EQ(graph.CheckSteps(kE, {{kA, Serves({1, 2})}}).message(),
            "ensemble 'e' depends on 'a' whose required version 3 is not loaded.");
  EXPECT_TRUE(graph.CheckSteps(kE, {{kA, Serves({1, 3})}}).ok());
}

// 3.15.8
TEST(Dependencies, AStepIsLookedForInTheEnsemblesOwnNamespaceFirst) {
  const ModelIdentity a1{"r1", "a"}, a2{"r2", "a"}, e1{"r1", "e"}, e3{"r3", "e"}, b2{"r2", "b"};
  const ModelIdentity f1{"r1", "f"};
  const DependencyGraph graph(
      {{a1, {}}, {a2, {}}, {b2, {}}, {e1, Steps({"a"})}, {e3, Steps({"a"})}, {f1, Steps({"b"})}});
  EXPECT_EQ(graph.StepsOf(e1), ModelSet{a1});
  EXPECT_EQ(graph.StepsOf(f1), ModelSet{b2}) << "the only one of its name";
  EXPECT_EQ(graph.StatusOf(e3).message(),
            "ensemble r3::e contains models that are not available or ambiguous: a");
}

// 3.13.6
TEST(Dependencies, UnloadingWithDependentsTakesWhatNobodyElseNeeds) {
  // d -> (a, b), e -> (b, c), c -> a
  const DependencyGraph graph(
      {{kA, {}}, {kB, {}}, {kC, Steps({"a"})}, {kD, Steps({"a", "b"})}, {kE, Steps({"b", "c"})}});
  EXPECT_EQ(graph.UnloadWith({kD}, {kD, kE}), ModelSet{kD}) << "e needs both steps";
  EXPECT_EQ(graph.UnloadWith({kE}, {kE}), (ModelSet{kC, kE})) << "d needs a and b";
  EXPECT_EQ(graph.UnloadWith({kE}, {kC, kE}), ModelSet{kE}) << "c was asked for by name";
  EXPECT_EQ(graph.UnloadWith({kD, kE}, {}), (ModelSet{kA, kB, kC, kD, kE}));
  EXPECT_EQ(graph.UnloadWith({kD, kE}, {kA}), (ModelSet{kB, kC, kD, kE}));
  EXPECT_EQ(graph.UnloadWith({{"", "unknown"}}, {}), (ModelSet{{"", "unknown"}}));
}

// Whatever the graph: steps come first, circles are reported, nothing hangs.
TEST(Dependencies, HoldForRandomGraphs) {
  const unsigned seed = std::random_device{}();
  SCOPED_TRACE(testing::Message() << "seed " << seed);
  std::mt19937 random(seed);
  for (int round = 0; round < 200; ++round) {
    DependencyGraph::Nodes nodes;
    ModelSet all;
    for (int i = 0; i < 12; ++i) {
      const ModelIdentity model{"", "m" + std::to_string(i)};
      std::vector<std::string> steps;
      for (unsigned n = random() % 3; n > 0; --n) {
        steps.push_back("m" + std::to_string(random() % 12));
      }
      nodes[model] = Steps(steps);
      all.insert(model);
    }
    const DependencyGraph graph(nodes);
    ModelSet done;
    for (const ModelSet& group : graph.LoadOrder(all)) {
      for (const ModelIdentity& model : group) {
        // Of a circle, or dependent on one.
        ModelSet needs = graph.StepsOf(model);
        for (size_t size = 0; size != needs.size();) {
          size = needs.size();
          for (const ModelIdentity& step : ModelSet(needs)) {
            needs.insert(graph.StepsOf(step).begin(), graph.StepsOf(step).end());
          }
        }
        EXPECT_EQ(needs.count(model) > 0, !graph.StatusOf(model).ok());
        const bool circles = std::any_of(needs.begin(), needs.end(), [&](const auto& step) {
          return !graph.StatusOf(step).ok();
        });
        for (const ModelIdentity& step : graph.StepsOf(model)) {
          EXPECT_TRUE(done.count(step) > 0 || circles) << model.name << " before " << step.name;
        }
      }
      done.insert(group.begin(), group.end());
    }
    EXPECT_EQ(done, all);
  }
}

}  // namespace
}  // namespace trident
