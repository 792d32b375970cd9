#pragma once

#include <memory>
#include <string>
#include <vector>

#include "config/model_config.h"
#include "model/direct_execution.h"

namespace trident {

// The warm-up samples of a model, with their data. Built once and run on every instance before the
// model is ready; the requests go straight to the backend, past every scheduler. Immutable after
// construction.
class Warmup {
 public:
  // Reads files from warmup/ in `model_directory`. INVALID_ARG, naming model, sample and input, for
  // a sample that can't be built.
  static Result<Warmup> Read(const ModelConfig& config, const std::string& model_directory);

  bool empty() const { return samples_.empty(); }

  // Runs all samples in order, each as often as it says, on `instance` of `model`; the first
  // failure. Returns when all requests have ended.
  Status Run(const std::shared_ptr<InferenceTarget>& model, ModelInstance* instance) const;

 private:
  using Input = DirectExecution::Input;
  struct Sample {
    std::string name;
    uint32_t batch_size;  // requests in one execution
    uint32_t count;
    std::vector<Input> inputs;
  };
  static Result<Sample> ReadSample(const ModelConfig& config, const ModelWarmup& warmup,
                                   const std::string& model_directory);
  static Result<Input> ReadInput(const ModelConfig& config, const std::string& name,
                                 const WarmupInput& warmup, const std::string& model_directory);
  Status RunOnce(const std::shared_ptr<InferenceTarget>& model, ModelInstance* instance,
                 const Sample& sample) const;

  std::vector<Sample> samples_;
  std::shared_ptr<const StateSpecs> states_;  // null: the model has none
};

}  // namespace trident
