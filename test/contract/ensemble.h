#pragma once

#include <string>
#include <utility>
#include <vector>

#include "echo.h"

// Configurations of ensembles.
namespace trident::contract {

// Names of a model's tensors and of the ensemble's.
using Maps = std::vector<std::pair<std::string, std::string>>;

inline std::string Step(const std::string& model, const Maps& inputs, const Maps& outputs,
                        int version = -1) {
  std::string text =
      "step { model_name: \"" + model + "\" model_version: " + std::to_string(version) + " ";
  for (const auto& [name, tensor] : inputs) {
    text += "input_map { key: \"" + name + "\" value: \"" + tensor + "\" } ";
  }
  for (const auto& [name, tensor] : outputs) {
    text += "output_map { key: \"" + name + "\" value: \"" + tensor + "\" } ";
  }
  return text + "} ";
}

inline std::string Echo(const std::string& model, const std::string& from, const std::string& to) {
  return Step(model, {{"input", from}}, {{"output", to}});
}

// FP32 tensors [-1], in batches of up to 8.
inline std::string EnsembleConfig(const std::vector<std::string>& inputs,
                                  const std::vector<std::string>& outputs, const std::string& steps,
                                  int max_batch_size = 8) {
  std::string text =
      "platform: \"ensemble\" max_batch_size: " + std::to_string(max_batch_size) + " ";
  for (const std::string& name : inputs) {
    text += "input { name: \"" + name + "\" data_type: TYPE_FP32 dims: -1 } ";
  }
  for (const std::string& name : outputs) {
    text += "output { name: \"" + name + "\" data_type: TYPE_FP32 dims: -1 } ";
  }
  return text + "ensemble_scheduling { " + steps + "} ";
}

// A server with ensembles of identity models.
class Ensembles : public testing::Test {
 protected:
  void AddEcho(const std::string& model, const std::vector<int>& versions = {1}) {
    const std::string policy = versions.size() > 1 ? "version_policy { all { } } " : "";
    server_.repository().Add(
        model, EchoConfig("identity", TRITONSERVER_TYPE_FP32, "dynamic_batching { } " + policy),
        versions);
  }
  void AddPair(const std::string& name = "pair") {
    AddEcho("first");
    AddEcho("second");
    server_.repository().Add(name, EnsembleConfig({"input"}, {"output"},
                                                  Echo("first", "input", "between") +
                                                      Echo("second", "between", "output")));
    ASSERT_TRUE(Succeeded(server_.Load(name)));
  }
  Outcome LoadEnsemble(const std::string& config) {
    server_.repository().Add("bad", config);
    return server_.Load("bad");
  }
  void ExpectEcho(const std::string& model, const std::vector<float>& numbers) {
    const Answer answer = EchoRequest(server_, model, numbers).Infer();
    ASSERT_TRUE(Succeeded(answer.outcome));
    EXPECT_EQ(answer.output("output").bytes, BytesOf(numbers));
  }

  Server server_;
};

}  // namespace trident::contract
