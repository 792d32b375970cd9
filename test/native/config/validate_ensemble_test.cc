#include <gtest/gtest.h>

#include <string>

#include "config/text_format.h"
#include "config/validate.h"

namespace trident {
namespace {

struct Case {
  const char* text;     // the rest of an ensemble with input 'in' and output 'out'
  const char* message;  // "" when it must be valid
};

// "in>out" style steps keep the table readable: each "a,b>c" maps ensemble tensors a and b to
// inputs of a model and its output to c.
std::string Step(const std::string& flow) {
  std::string text = "step { model_name: 's' model_version: -1 ";
  std::string field = "input_map";
  size_t count = 0;
  std::string name;
  for (char c : flow + ",") {
    if (c != ',' && c != '>') {
      name += c;
      continue;
    }
    text += field + " { key: 'p" + std::to_string(count++) + "' value: '" + name + "' } ";
    name.clear();
    if (c == '>') field = "output_map";
  }
  return text + "} ";
}

std::string Check(const std::string& rest) {
  const auto config = ParseModelConfigText(
      "name: 'e' platform: 'ensemble' version_policy { all { } } "
      "input { name: 'in' data_type: TYPE_FP32 dims: 1 } "
      "output { name: 'out' data_type: TYPE_FP32 dims: 1 } " +
          rest,
      "config.pbtxt");
  if (!config.ok()) return config.status().message();
  const Status status = Validate(*config);
  EXPECT_TRUE(status.ok() || status.code() == StatusCode::kInvalidArg);
  EXPECT_TRUE(ValidateInstanceGroups(*config, {}).ok());
  return status.message();
}

class FlowRule : public testing::TestWithParam<std::pair<std::vector<const char*>, const char*>> {};

TEST_P(FlowRule, Holds) {
  std::string steps;
  for (const char* flow : GetParam().first) steps += Step(flow);
  const std::string message = GetParam().second;
  EXPECT_EQ(Check("ensemble_scheduling { " + steps + "}"),
            message.empty() ? "" : "model 'e': " + message);
}

using Flow = std::pair<std::vector<const char*>, const char*>;
INSTANTIATE_TEST_SUITE_P(
    Flows, FlowRule,
    testing::Values(
        Flow{{"in>out"}, ""}, Flow{{"in>a", "a>out"}, ""},
        Flow{{"a>out", "in>a"}, ""},            // order does not matter
        Flow{{"in>a", "in>b", "a,b>out"}, ""},  // diamond
        Flow{{"in,in>a", "a,a,in>out"}, ""},    // one tensor, several inputs
        Flow{{"in>a,out", "a,in>b", "b>c", "a,b,c>d", "d>e"}, "ensemble tensor 'e' is unused"},
        Flow{{"in>out", "in>out"},
             "ensemble tensor 'out' can appear in an output map only once, appears again in step "
             "1"},
        Flow{{"in>out,out"},
             "ensemble tensor 'out' can appear in an output map only once, appears again in step "
             "0"},
        Flow{{"x>out"}, "ensemble input 'in' is not used"},
        Flow{{"x>in", "x>out"}, "ensemble input 'in' is not used"},
        Flow{{"in>out", "x>in"}, "ensemble input 'in' is also an output of step 1"},
        Flow{{"in>a"}, "ensemble output 'out' is not used"},
        Flow{{"in,x>out"}, "ensemble output 'out' is never written: tensor 'x' has no source"},
        Flow{{"in,y>a", "a>out", "z>y"},
             "ensemble output 'out' is never written: tensor 'z' has no source"},
        Flow{{"in,out>out"},
             "ensemble output 'out' is never written: tensor 'out' depends on "
             "itself"},
        Flow{{"in,b>a", "a>b", "b>out"},
             "ensemble output 'out' is never written: tensor 'a' depends on itself"},
        Flow{{"in>out", "x>a"}, "ensemble tensor 'a' is unused"},
        Flow{{"in>out,spare"}, "ensemble tensor 'spare' is unused"},
        Flow{{"in>out", "out>b"}, "ensemble tensor 'b' is unused"}));

class EnsembleRule : public testing::TestWithParam<Case> {};

TEST_P(EnsembleRule, Holds) {
  EXPECT_EQ(Check(GetParam().text), std::string("model 'e': ") + GetParam().message);
}

INSTANTIATE_TEST_SUITE_P(
    Cases, EnsembleRule,
    testing::Values(
        Case{"ensemble_scheduling { }", "'ensemble_scheduling' must specify 'step'"},
        Case{"ensemble_scheduling { step { } }", "must specify 'model_name' in step 0"},
        Case{"ensemble_scheduling { step { model_name: 'a' } }",
             "must specify 'input_map' in step 0"},
        Case{"ensemble_scheduling { step { model_name: 'a' input_map { key: 'x' value: 'in' } } }",
             "must specify 'output_map' in step 0"},
        Case{"ensemble_scheduling { } instance_group { }",
             "an ensemble must not specify 'instance_group'"},
        Case{"ensemble_scheduling { } optimization { }",
             "an ensemble must not specify 'optimization'"},
        Case{"ensemble_scheduling { } model_warmup { }",
             "an ensemble must not specify 'model_warmup'"}));

TEST(EnsembleTest, ALongChainIsCheckedInOneGo) {
  std::string steps = Step("in>t0");
  for (int i = 1; i < 5000; ++i) {
    steps += Step("t" + std::to_string(i - 1) + ">t" + std::to_string(i));
  }
  EXPECT_EQ(Check("ensemble_scheduling { " + steps + Step("t4999>out") + "}"), "");
  EXPECT_EQ(Check("ensemble_scheduling { " + steps + Step("in,gone>out") + "}"),
            "model 'e': ensemble output 'out' is never written: tensor 'gone' has no source");
}

}  // namespace
}  // namespace trident
