#include "node/call_graph.h"

#include <gtest/gtest.h>

namespace trident {
namespace {

using Path = std::vector<std::string>;

// Models by name, of one server; threads by number.
class CallGraphTest : public testing::Test {
 protected:
  void Instance(int32_t number, const std::string& model, int thread = 0, int64_t version = 1) {
    graph_.AddInstance(number, {nullptr, model, version}, &threads_[thread]);
  }
  void Begin(int64_t execution, int32_t instance, std::vector<uint64_t> calls = {}) {
    graph_.BeginExecution(execution, instance, std::move(calls));
    graph_.Run(execution);
  }
  Path Call(uint64_t call, const std::string& target, int64_t caller, Path needs = {}) {
    std::vector<CallGraph::Model> models;
    if (needs.empty()) needs = {target};
    for (const std::string& model : needs) models.push_back({nullptr, model});
    graph_.AddCall(call, target, models, caller);
    return graph_.FindCycle(call);
  }

  int threads_[2] = {};
  CallGraph graph_;
};

TEST_F(CallGraphTest, AModelThatCallsItselfNeedsAnotherInstance) {
  Instance(1, "a");
  Begin(10, 1);
  EXPECT_EQ(Call(100, "a", 10), Path({"a", "a"}));
  Instance(2, "a");
  EXPECT_EQ(graph_.FindCycle(100), Path());
}

TEST_F(CallGraphTest, AFreeInstanceOfAnotherVersionIsOfNoUse) {
  Instance(1, "a", 0, /*version=*/2);
  Instance(2, "a", 0, /*version=*/1);
  Instance(3, "a", 0, /*version=*/3);
  Begin(10, 1);
  graph_.AddCall(100, "a", {{nullptr, "a", 2}}, 10);
  EXPECT_EQ(graph_.FindCycle(100), Path({"a", "a"}));
  graph_.EndCall(100);
  EXPECT_EQ(Call(200, "a", 10), Path());  // the highest is free
  graph_.RemoveInstance(3);
  EXPECT_EQ(graph_.FindCycle(200), Path({"a", "a"}));  // the lower one is not taken for it
}

TEST_F(CallGraphTest, WhatIsLostKeepsAllThatWaitForIt) {
  Instance(1, "a");
  Instance(2, "b");
  Begin(20, 2);
  Call(100, "a", 0);
  Begin(10, 1, {100});
  Call(200, "b", 10);
  EXPECT_FALSE(graph_.WaitsForAnyOf({}, 100));
  EXPECT_TRUE(graph_.WaitsForAnyOf({20}, 100));
  EXPECT_EQ(graph_.FindCycle(100), Path());
  Instance(3, "b");
  EXPECT_FALSE(graph_.WaitsForAnyOf({20}, 100));
}

TEST_F(CallGraphTest, ACycleOfTwoIsNamedInTheOrderOfItsCalls) {
  Instance(1, "a");
  Instance(2, "b");
  Begin(10, 1);
  EXPECT_EQ(Call(100, "b", 10), Path());
  Begin(20, 2, {100});
  const Path cycle = Call(200, "a", 20);
  EXPECT_EQ(cycle, Path({"a", "b", "a"}));
}

TEST_F(CallGraphTest, ModelsThatAreNoFunctionsNeverWait) {
  Instance(1, "a");
  Begin(10, 1);
  EXPECT_EQ(Call(100, "digits", 10), Path());
}

TEST_F(CallGraphTest, BusyIsNotStuck) {
  Instance(1, "a");
  Instance(2, "b");
  Begin(10, 1);
  Begin(20, 2);  // of somebody else; it calls nobody
  EXPECT_EQ(Call(100, "b", 10), Path());
}

TEST_F(CallGraphTest, TwoThatWaitForEachOthersModelsAreStuckOnceBothHaveCalled) {
  Instance(1, "a");
  Instance(2, "b");
  Begin(10, 1);
  Begin(20, 2);
  EXPECT_EQ(Call(100, "b", 10), Path());
  EXPECT_EQ(Call(200, "a", 20), Path({"a", "b", "a"}));
  graph_.EndCall(200);  // refused
  graph_.EndExecution(20);
  EXPECT_EQ(graph_.FindCycle(100), Path());
}

TEST_F(CallGraphTest, AllInstancesHaveToBeStuck) {
  Instance(1, "a");
  Instance(2, "b");
  Instance(3, "b");
  Begin(10, 1);
  EXPECT_EQ(Call(100, "b", 10), Path());
  Begin(20, 2, {100});
  Begin(30, 3);
  EXPECT_EQ(Call(200, "b", 20), Path());  // the other instance will be free
  EXPECT_EQ(Call(300, "a", 30), Path({"a", "b", "b", "a"}));
}

TEST_F(CallGraphTest, AnEnsembleNeedsAllOfItsModels) {
  Instance(1, "a");
  Begin(10, 1);
  EXPECT_EQ(Call(100, "pipeline", 10, {"digits", "a"}), Path({"a", "pipeline", "a"}));
}

TEST_F(CallGraphTest, AStepThatRunsIsWhatTheCallWaitsFor) {
  Instance(1, "a");
  Instance(2, "b");
  Begin(10, 1);
  EXPECT_EQ(Call(100, "pipeline", 10, {"b"}), Path());
  Begin(20, 2, {100});
  EXPECT_EQ(graph_.ExecutionsOf(100), std::vector<int64_t>({20}));
  EXPECT_EQ(graph_.FindCycle(100), Path());
  EXPECT_EQ(Call(200, "b", 20), Path({"b", "b"}));
}

TEST_F(CallGraphTest, ABlockedThreadHoldsUpWhatRunsThere) {
  Instance(1, "a", 0);
  Begin(10, 1);
  EXPECT_EQ(Call(100, "a", 0), Path());  // nobody's, and 10 may end yet
  graph_.BlockThread(&threads_[0], 100);
  EXPECT_EQ(graph_.FindCycle(100), Path({"a", "a"}));
  graph_.UnblockThread(&threads_[0]);
  EXPECT_EQ(graph_.FindCycle(100), Path());
}

TEST_F(CallGraphTest, ABlockedThreadStillBegins) {
  Instance(1, "a", 0);
  Call(100, "a", 0);
  graph_.BlockThread(&threads_[0], 100);
  graph_.BeginExecution(10, 1, {100});
  EXPECT_EQ(graph_.FindCycle(100), Path());
  graph_.Run(10);  // and has returned with a promise
  EXPECT_EQ(graph_.FindCycle(100), Path({"a", "a"}));
  EXPECT_EQ(graph_.ExecutionsOf(100), std::vector<int64_t>({10}));
}

TEST_F(CallGraphTest, OtherThreadsGoOn) {
  Instance(1, "a", 1);
  Begin(10, 1);
  Call(100, "a", 0);
  graph_.BlockThread(&threads_[0], 100);
  EXPECT_EQ(graph_.FindCycle(100), Path());
}

TEST_F(CallGraphTest, WhatHasEndedIsForgotten) {
  Instance(1, "a");
  Begin(10, 1);
  Call(100, "a", 10);
  graph_.RemoveInstance(1);
  EXPECT_EQ(graph_.FindCycle(100), Path());
  graph_.EndCall(100);
  EXPECT_EQ(graph_.FindCycle(100), Path());
  graph_.EndExecution(10);
  EXPECT_TRUE(graph_.ExecutionsOf(100).empty());
}

}  // namespace
}  // namespace trident
