// The pure part of ensembles: who waits for what.

#include "scheduler/ensemble_plan.h"

#include "ensemble_fixture.h"

namespace trident::ensemble_test {
namespace {

ModelConfig Parse(const std::string& steps) {
  const auto config = ParseModelConfigText(
      "name: 'E' platform: 'ensemble' "
      "input { name: 'X' data_type: TYPE_INT32 dims: -1 } "
      "output { name: 'Y' data_type: TYPE_INT32 dims: -1 } "
      "ensemble_scheduling { " +
          steps + " }",
      "E");
  EXPECT_TRUE(config.ok()) << config.status().message();
  return *config;
}

EnsembleValue Value() { return std::make_shared<EnsembleTensor>(); }

TEST(EnsemblePlan, KnowsWritersAndReaders) {
  const EnsemblePlan plan(Parse(Step("a", "in=X", "out=T") + Step("b", "p=T,q=T,r=X", "out=Y")));
  const EnsemblePlan::Tensor& x = plan.tensors()[plan.TensorNamed("X")];
  const EnsemblePlan::Tensor& t = plan.tensors()[plan.TensorNamed("T")];
  EXPECT_FALSE(x.writer.has_value());
  EXPECT_EQ(x.readers, (std::vector<size_t>{0, 1}));
  EXPECT_EQ(t.writer, 0u);
  EXPECT_EQ(t.readers, (std::vector<size_t>{1}));  // once, though it is read twice
  EXPECT_EQ(plan.steps()[1].inputs.size(), 3u);
  EXPECT_EQ(plan.steps()[1].reads.size(), 2u);
}

TEST(EnsemblePlan, StepsOfOneModelAndVersionAreAlike) {
  const EnsemblePlan plan(Parse(Chain({"a", "b", "a"}) +
                                "step { model_name: 'a' model_version: 2 "
                                "input_map { key: 'in' value: 'X' } "
                                "output_map { key: 'out' value: 'other' } }"));
  EXPECT_EQ(plan.steps()[2].first_alike, 0u);
  EXPECT_EQ(plan.steps()[1].first_alike, 1u);
  EXPECT_EQ(plan.steps()[3].first_alike, 3u);
}

TEST(EnsemblePlan, OnlyTheWayToTheOutputsIsNeeded) {
  const EnsemblePlan plan(
      Parse(Step("a", "in=X", "out=T") + Step("b", "in=T", "out=Y") + Step("c", "in=T", "out=Z")));
  EXPECT_EQ(plan.StepsFor({plan.TensorNamed("Y")}), (std::vector<bool>{true, true, false}));
  EXPECT_EQ(plan.StepsFor({plan.TensorNamed("Z")}), (std::vector<bool>{true, false, true}));
  EXPECT_EQ(plan.StepsFor({plan.TensorNamed("X")}), (std::vector<bool>{false, false, false}));
  EXPECT_EQ(plan.StepsFor({}), (std::vector<bool>{false, false, false}));
}

TEST(EnsembleFlow, AStepIsReadyOnceWithTheLastOfItsInputs) {
  const EnsemblePlan plan(Parse(Step("a", "in=X", "out=T") + Step("b", "p=T,q=X", "out=Y")));
  const size_t x = plan.TensorNamed("X"), t = plan.TensorNamed("T"), y = plan.TensorNamed("Y");
  EnsembleFlow flow(plan, {y}, {false, false});
  const EnsembleValue first = Value(), second = Value();
  flow.Put(x, 0, first);
  std::vector<EnsembleFlow::Ready> ready = flow.Take();
  ASSERT_EQ(ready.size(), 1u);
  EXPECT_EQ(ready[0].step, 0u);
  EXPECT_TRUE(flow.Take().empty());
  flow.Put(t, 0, second);
  ready = flow.Take();
  ASSERT_EQ(ready.size(), 1u);
  EXPECT_EQ(ready[0].step, 1u);
  EXPECT_EQ(ready[0].inputs, (std::vector<EnsembleValue>{second, first}));
  flow.Put(y, 0, nullptr);  // left out is there, too
  ready = flow.Take();
  ASSERT_EQ(ready.size(), 1u);
  EXPECT_EQ(ready[0].step, plan.steps().size());
}

TEST(EnsembleFlow, KeepsAValueForAsLongAsSomebodyWaitsForIt) {
  const EnsemblePlan plan(Parse(Step("a", "in=X", "out=T") + Step("b", "p=T,q=X", "out=Y")));
  EnsembleFlow flow(plan, {plan.TensorNamed("Y")}, {false, false});
  EnsembleValue x = Value(), t = Value();
  const std::weak_ptr<const EnsembleTensor> seen_x = x, seen_t = t;
  flow.Put(plan.TensorNamed("X"), 0, std::move(x));
  (void)flow.Take();
  EXPECT_FALSE(seen_x.expired());
  flow.Put(plan.TensorNamed("T"), 0, std::move(t));
  (void)flow.Take();
  EXPECT_TRUE(seen_x.expired());
  EXPECT_TRUE(seen_t.expired());
}

TEST(EnsembleFlow, AStreamNumbersItsAnswersAndOthersPassTheNumberOn) {
  const EnsemblePlan plan(Parse(Chain({"source", "map"})));
  EnsembleFlow flow(plan, {plan.TensorNamed("Y")}, {true, false});
  EXPECT_EQ(flow.IterationOfAnswer(0, 0), 0u);
  EXPECT_EQ(flow.IterationOfAnswer(0, 0), 1u);
  EXPECT_EQ(flow.IterationOfAnswer(1, 1), 1u);
  EXPECT_EQ(flow.IterationOfAnswer(1, 0), 0u);
}

TEST(EnsembleFlow, NothingIsReadyAfterClear) {
  const EnsemblePlan plan(Parse(Step("a", "in=X", "out=T") + Step("b", "p=T,q=X", "out=Y")));
  EnsembleFlow flow(plan, {plan.TensorNamed("Y")}, {false, false});
  flow.Put(plan.TensorNamed("X"), 0, Value());
  EXPECT_FALSE(flow.Clear().empty());
  EXPECT_TRUE(flow.Take().empty());
}

}  // namespace
}  // namespace trident::ensemble_test
