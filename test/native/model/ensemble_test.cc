// Ensembles against the configurations of their steps' models (statements 1 to 3 and 8), and the
// texts that Triton's users know.

#include "model/ensemble.h"

#include <gtest/gtest.h>

#include "config/normalize.h"
#include "config/text_format.h"
#include "config/validate.h"

namespace trident {
namespace {

using Configs = std::map<std::string, std::shared_ptr<const ModelConfig>>;

ModelConfig Parse(const std::string& name, const std::string& text) {
  const auto config = ParseModelConfigText("name: '" + name + "' " + text, name);
  EXPECT_TRUE(config.ok()) << config.status().message();
  return *config;
}

std::string In(const std::string& name, const std::string& dims, const std::string& more = "",
               const std::string& type = "TYPE_FP32") {
  return "input { name: '" + name + "' data_type: " + type + " dims: " + dims + " " + more + "} ";
}
std::string Out(const std::string& name, const std::string& dims, const std::string& more = "",
                const std::string& type = "TYPE_FP32") {
  return "output { name: '" + name + "' data_type: " + type + " dims: " + dims + " " + more + "} ";
}
std::string Step(const std::string& model, const std::map<std::string, std::string>& inputs,
                 const std::map<std::string, std::string>& outputs) {
  std::string text = "step { model_name: '" + model + "' model_version: -1 ";
  for (const auto& [name, tensor] : inputs) {
    text += "input_map { key: '" + name + "' value: '" + tensor + "' } ";
  }
  for (const auto& [name, tensor] : outputs) {
    text += "output_map { key: '" + name + "' value: '" + tensor + "' } ";
  }
  return text + "} ";
}

class EnsembleComposition : public testing::Test {
 protected:
  void Add(const std::string& name, const std::string& text) {
    models_[name] = std::make_shared<const ModelConfig>(Parse(name, text));
  }
  // Completes an ensemble "E"; its configuration stays in `ensemble_`.
  Status Complete(const std::string& tensors, const std::string& steps) {
    ensemble_ =
        Parse("E", "platform: 'ensemble' " + tensors + "ensemble_scheduling { " + steps + " }");
    Normalize(&ensemble_);
    if (Status status = Validate(ensemble_); !status.ok()) return status;
    std::vector<std::shared_ptr<const ModelConfig>> steps_models;
    for (const EnsembleStep& step : ensemble_.ensemble_scheduling->step) {
      steps_models.push_back(models_.at(step.model_name));
    }
    return CompleteEnsemble(steps_models, &ensemble_);
  }
  void ExpectRefused(const Status& status, const std::string& message) {
    EXPECT_EQ(status.code(), StatusCode::kInvalidArg);
    EXPECT_EQ(status.message(), message);
  }

  Configs models_;
  ModelConfig ensemble_;
};

TEST_F(EnsembleComposition, AFittingChain) {
  Add("a", In("in", "-1") + Out("out", "4"));
  Add("b", In("in", "-1") + Out("out", "-1"));
  EXPECT_TRUE(Complete(In("X", "3") + Out("Y", "9"), Step("a", {{"in", "X"}}, {{"out", "t"}}) +
                                                         Step("b", {{"in", "t"}}, {{"out", "Y"}}))
                  .ok());
  EXPECT_FALSE(ensemble_.IsDecoupled());
}

TEST_F(EnsembleComposition, DataTypesMustAgree) {
  Add("a", In("in", "1") + Out("out", "1", "", "TYPE_INT8"));
  Add("b", In("in", "1", "", "TYPE_STRING") + Out("out", "1"));
  ExpectRefused(
      Complete(In("X", "1") + Out("Y", "1"),
               Step("a", {{"in", "X"}}, {{"out", "t"}}) + Step("b", {{"in", "t"}}, {{"out", "Y"}})),
      "in ensemble E, ensemble tensor t: inconsistent data type: "
      "TYPE_INT8 is inferred "
      "from model a while TYPE_STRING is inferred from model b");
  ExpectRefused(Complete(In("X", "1") + Out("Y", "1"), Step("a", {{"in", "X"}}, {{"out", "Y"}})),
                "in ensemble E, ensemble tensor Y: inconsistent data type: "
                "TYPE_FP32 is inferred "
                "from model E while TYPE_INT8 is inferred from model a");
}

TEST_F(EnsembleComposition, ShapesMustAgree) {
  Add("a", In("in", "1") + Out("out", "[2, 3]"));
  Add("b", "max_batch_size: 4 " + In("in", "4") + Out("out", "1"));
  ExpectRefused(
      Complete(In("X", "1") + Out("Y", "1"),
               Step("a", {{"in", "X"}}, {{"out", "t"}}) + Step("b", {{"in", "t"}}, {{"out", "Y"}})),
      "in ensemble E, ensemble tensor t: inconsistent shape: [2,3] "
      "is inferred from model "
      "a while [-1,4] is inferred from model b");
}

// Statement 10: what is a batch to one model may be a plain tensor to another.
TEST_F(EnsembleComposition, AModelWithoutBatchingFitsWithOrWithoutTheBatchDimension) {
  Add("whole", In("in", "[-1, 4]") + Out("out", "[-1, 4]"));
  Add("item", In("in", "4") + Out("out", "4"));
  const std::string tensors = "max_batch_size: 8 " + In("X", "4") + Out("Y", "4");
  for (const std::string model : {"whole", "item"}) {
    EXPECT_TRUE(Complete(tensors, Step(model, {{"in", "X"}}, {{"out", "Y"}})).ok()) << model;
  }
}

TEST_F(EnsembleComposition, ReshapedTensorsCountInTheirReshapedForm) {
  Add("a", In("in", "[2, 2]") + Out("out", "[2, 2]"));
  const std::string reshape = "reshape { shape: [2, 2] } ";
  EXPECT_TRUE(Complete(In("X", "4", reshape) + Out("Y", "4", reshape),
                       Step("a", {{"in", "X"}}, {{"out", "Y"}}))
                  .ok());
  EXPECT_FALSE(
      Complete(In("X", "4") + Out("Y", "4", reshape), Step("a", {{"in", "X"}}, {{"out", "Y"}}))
          .ok());
}

TEST_F(EnsembleComposition, EveryInputOfAModelIsMappedUnlessItIsOptional) {
  Add("a", In("in", "1") + In("also", "1") + In("maybe", "1", "optional: true ") + Out("out", "1"));
  ExpectRefused(Complete(In("X", "1") + Out("Y", "1"), Step("a", {{"in", "X"}}, {{"out", "Y"}})),
                "in ensemble E, input also in model a is not mapped to any "
                "ensemble tensors");
  EXPECT_TRUE(Complete(In("X", "1") + Out("Y", "1"),
                       Step("a", {{"in", "X"}, {"also", "X"}}, {{"out", "Y"}}))
                  .ok());
}

TEST_F(EnsembleComposition, OnlyWhatAModelHasCanBeMapped) {
  Add("a", In("in", "1") + Out("out", "1"));
  ExpectRefused(Complete(In("X", "1") + Out("Y", "1"),
                         Step("a", {{"in", "X"}, {"nope", "X"}}, {{"out", "Y"}})),
                "in ensemble E, ensemble tensor X is mapping to non-existing input nope "
                "in model a");
  ExpectRefused(Complete(In("X", "1") + Out("Y", "1"), Step("a", {{"in", "X"}}, {{"nope", "Y"}})),
                "in ensemble E, ensemble tensor Y is mapped from non-existing "
                "output nope in model a");
}

TEST_F(EnsembleComposition, AStepMustTakeTheLargestBatch) {
  Add("a", "max_batch_size: 4 " + In("in", "1") + Out("out", "1"));
  const std::string tensors = In("X", "1") + Out("Y", "1");
  const std::string step = Step("a", {{"in", "X"}}, {{"out", "Y"}});
  ExpectRefused(Complete("max_batch_size: 5 " + tensors, step),
                "ensemble E allows maximum batch size 5, but it contains model "
                "a which only allows "
                "maximum batch size to be 4");
  EXPECT_TRUE(Complete("max_batch_size: 4 " + tensors, step).ok());
  EXPECT_TRUE(Complete(tensors, step).ok());
}

class DecoupledComposition : public EnsembleComposition {
 protected:
  DecoupledComposition() {
    const std::string tensors = In("in", "1") + Out("out", "1");
    Add("source", tensors + "model_transaction_policy { decoupled: true }");
    Add("map", tensors);
    Add("join", In("a", "1") + In("b", "1") + Out("out", "1"));
  }
  static std::string Map(const std::string& model, const std::string& from, const std::string& to) {
    return Step(model, {{"in", from}}, {{"out", to}});
  }
  static std::string Join(const std::string& a, const std::string& b, const std::string& to) {
    return Step("join", {{"a", a}, {"b", b}}, {{"out", to}});
  }
  const std::string tensors_ = In("X", "1") + Out("Y", "1");
};

TEST_F(DecoupledComposition, OneDecoupledStepMakesTheEnsembleDecoupled) {
  EXPECT_TRUE(Complete(tensors_, Map("source", "X", "t") + Map("map", "t", "Y")).ok());
  EXPECT_TRUE(ensemble_.IsDecoupled());
  // Computed, whatever the configuration says.
  EXPECT_TRUE(
      Complete(tensors_ + "model_transaction_policy { decoupled: true } ", Map("map", "X", "Y"))
          .ok());
  EXPECT_FALSE(ensemble_.IsDecoupled());
}

TEST_F(DecoupledComposition, BranchesOfOneStreamMayJoin) {
  EXPECT_TRUE(Complete(tensors_, Map("source", "X", "s") + Map("map", "s", "l") +
                                     Map("map", "s", "r") + Join("l", "r", "Y"))
                  .ok());
}

TEST_F(DecoupledComposition, DifferentStreamsMayNot) {
  const std::string message =
      "in ensemble E, step of model 'join' receives "
      "inputs originated from different decoupled "
      "models";
  ExpectRefused(Complete(tensors_, Map("source", "X", "s") + Join("s", "X", "Y")), message);
  ExpectRefused(
      Complete(tensors_, Map("source", "X", "s") + Map("source", "X", "r") + Join("s", "r", "Y")),
      message);
  // Declared in any order.
  ExpectRefused(Complete(tensors_, Join("l", "r", "Y") + Map("map", "s", "l") +
                                       Map("source", "s", "r") + Map("source", "X", "s")),
                message);
}

TEST_F(DecoupledComposition, NorMayOutputsComeFromDifferentStreams) {
  ExpectRefused(Complete(tensors_ + Out("Z", "1"), Map("source", "X", "Y") + Map("map", "X", "Z")),
                "in ensemble E, step of model 'E' receives inputs originated "
                "from different "
                "decoupled models");
}

TEST(EnsembleSteps, AMissingModelIsNamed) {
  const ModelConfig ensemble =
      Parse("E", "platform: 'ensemble' " + In("X", "1") + Out("Y", "1") + "ensemble_scheduling { " +
                     Step("gone", {{"in", "X"}}, {{"out", "Y"}}) + " }");
  const auto found = FindSteps(ensemble, [](const ModelIdentity& model, int64_t version) {
    EXPECT_EQ(model.name, "gone");
    EXPECT_EQ(version, -1);
    return Result<std::shared_ptr<Model>>(NotFound("is not there"));
  });
  EXPECT_EQ(found.status().code(), StatusCode::kNotFound);
  EXPECT_EQ(found.status().message(), "ensemble 'E' depends on 'gone': is not there");
}

}  // namespace
}  // namespace trident
