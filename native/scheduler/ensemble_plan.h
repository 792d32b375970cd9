#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "config/model_config.h"

namespace trident {

struct EnsembleTensor;
// Null: its step, or the request, left the tensor out.
using EnsembleValue = std::shared_ptr<const EnsembleTensor>;

// An ensemble's data flow as its configuration draws it: steps that read and write tensors, both by
// index. Immutable after construction.
class EnsemblePlan {
 public:
  struct Port {
    std::string name;  // the model's
    size_t tensor = 0;
  };
  struct Step {
    std::string model;
    std::vector<Port> inputs, outputs;
    std::vector<size_t> reads;  // each tensor once
    size_t first_alike = 0;     // the first step with the same model and version; may be itself
  };
  struct Tensor {
    std::string name;
    std::optional<size_t> writer;  // none: the request
    std::vector<size_t> readers;
  };

  // `config` has passed Validate.
  explicit EnsemblePlan(const ModelConfig& config);

  const std::vector<Step>& steps() const { return steps_; }
  const std::vector<Tensor>& tensors() const { return tensors_; }
  // Position of a tensor that the configuration names.
  size_t TensorNamed(const std::string& name) const { return by_name_.at(name); }
  // Which steps these tensors need, directly or not.
  std::vector<bool> StepsFor(const std::vector<size_t>& tensors) const;

 private:
  size_t AddTensor(const std::string& name);

  std::vector<Step> steps_;
  std::vector<Tensor> tensors_;
  std::map<std::string, size_t> by_name_;
};

// Where one request stands in its plan. A step is ready when all its inputs are there, and so are
// the outputs, which count as one more step: number steps().size().
//
// A step whose model streams may answer any number of times. Each answer is a new iteration for all
// that follows it, numbered as the answers come; everybody else passes on the iteration of its
// inputs. A valid ensemble joins only tensors with the same streaming origin, so their iterations
// correspond. Pure. Externally synchronised by the ensemble scheduler.
class EnsembleFlow {
 public:
  struct Ready {
    size_t step = 0;
    uint64_t iteration = 0;
    std::vector<EnsembleValue> inputs;  // in the order of the step's inputs, or of the outputs
  };

  // `plan` outlives this. `streams`: by step.
  EnsembleFlow(const EnsemblePlan& plan, std::vector<size_t> outputs, std::vector<bool> streams);

  bool Needs(size_t step) const { return needed_[step]; }
  // Whether a needed step or the response wants this tensor; others are not to be Put.
  bool Wants(size_t tensor) const { return readers_[tensor] > 0; }
  const std::vector<size_t>& outputs() const { return outputs_; }

  // The iteration of the next answer that `step` gives when it runs for `iteration`.
  uint64_t IterationOfAnswer(size_t step, uint64_t iteration) {
    return streams_[step] ? next_iteration_[step]++ : iteration;
  }
  // Once for a tensor and an iteration.
  void Put(size_t tensor, uint64_t iteration, EnsembleValue value);
  // What has become ready since the last call, each once, in the order in which it did.
  std::vector<Ready> Take();
  // Everything still kept; nothing becomes ready any more.
  std::vector<EnsembleValue> Clear();

 private:
  struct Kept {
    EnsembleValue value;
    size_t readers_left = 0;
  };

  const std::vector<size_t>& ReadsOf(size_t step) const;
  void LookAt(size_t step, uint64_t iteration);
  Ready Collect(size_t step, uint64_t iteration);

  const EnsemblePlan& plan_;
  const std::vector<size_t> outputs_;
  const std::vector<bool> streams_;
  std::vector<bool> needed_;
  std::vector<size_t> readers_;                 // by tensor
  std::vector<bool> is_output_;                 // by tensor
  std::vector<std::map<uint64_t, Kept>> kept_;  // by tensor and iteration
  std::vector<uint64_t> next_iteration_;        // by step
  std::vector<Ready> ready_;
};

}  // namespace trident
