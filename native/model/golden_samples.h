#pragma once

#include <memory>
#include <string>
#include <vector>

#include "config/model_config.h"
#include "model/direct_execution.h"
#include "model/golden_sample.h"

namespace trident {

// The golden samples of a model: requests whose answers are known. Run on one instance of each
// version that is loaded, after its warm-up, so that a version that answers otherwise never serves.
// Immutable after construction.
class GoldenSamples {
 public:
  // Reads golden/*.json in `model_directory`, in the order of their names; none without such a
  // directory. INVALID_ARG, naming the file, for what is no sample.
  static Result<GoldenSamples> Read(const ModelConfig& config, const std::string& model_directory);

  bool empty() const { return samples_.empty(); }

  // The first failure or difference, naming the file. Returns when all requests have ended.
  Status Run(const std::shared_ptr<InferenceTarget>& model, ModelInstance* instance) const;

 private:
  struct Sample {
    std::string file;
    GoldenSample expected;
    std::vector<DirectExecution::Input> inputs;
    std::vector<std::string> outputs;  // that the sample names
  };
  static Result<Sample> ReadSample(const ModelConfig& config, const std::string& path);
  Status RunOne(const std::shared_ptr<InferenceTarget>& model, ModelInstance* instance,
                const Sample& sample) const;

  std::vector<Sample> samples_;
  std::shared_ptr<const StateSpecs> states_;  // null: the model has none
};

}  // namespace trident
