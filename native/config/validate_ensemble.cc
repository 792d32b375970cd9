#include <deque>
#include <map>
#include <set>
#include <vector>

#include "config/known_backends.h"
#include "config/validate_parts.h"

namespace trident {
namespace {

// An ensemble's data flow: tensors are written by the request or by one step, and read by steps.
class Flow {
 public:
  Status Build(const ModelConfig& config);
  // Runs the steps whose inputs are there, until none is left that can run.
  void Propagate(const ModelConfig& config);
  Status CheckOutputs(const ModelConfig& config) const;
  Status CheckUnused(const ModelConfig& config) const;

 private:
  struct Tensor {
    bool ready = false;
    int writer = -1;           // step, or none
    std::vector<int> readers;  // steps
  };
  struct Step {
    std::set<std::string> reads;
    std::set<std::string> writes;
    size_t waiting = 0;  // reads not ready yet
  };

  Status AddStep(const EnsembleStep& step);

  std::map<std::string, Tensor> tensors_;
  std::vector<Step> steps_;
};

Status Flow::AddStep(const EnsembleStep& step) {
  const int index = static_cast<int>(steps_.size());
  const char* missing = step.model_name.empty()   ? "model_name"
                        : step.input_map.empty()  ? "input_map"
                        : step.output_map.empty() ? "output_map"
                                                  : nullptr;
  if (missing != nullptr) return InvalidArg("must specify '", missing, "' in step ", index);
  Step& added = steps_.emplace_back();
  for (const auto& [output, name] : step.output_map) {
    Tensor& tensor = tensors_[name];
    if (tensor.writer >= 0) {
      return InvalidArg("ensemble tensor '", name,
                        "' can appear in an output map only once, appears again in step ", index);
    }
    tensor.writer = index;
    added.writes.insert(name);
  }
  for (const auto& [input, name] : step.input_map) {
    if (added.reads.insert(name).second) tensors_[name].readers.push_back(index);
  }
  added.waiting = added.reads.size();
  return Status::Ok();
}

Status Flow::Build(const ModelConfig& config) {
  for (const EnsembleStep& step : config.ensemble_scheduling->step) {
    TRIDENT_RETURN_IF_ERROR(AddStep(step));
  }
  for (const ModelInput& input : config.input) {
    const auto found = tensors_.find(input.name);
    if (found == tensors_.end() || found->second.readers.empty()) {
      return InvalidArg("ensemble input '", input.name, "' is not used");
    }
    if (found->second.writer >= 0) {
      return InvalidArg("ensemble input '", input.name, "' is also an output of step ",
                        found->second.writer);
    }
  }
  return Status::Ok();
}

void Flow::Propagate(const ModelConfig& config) {
  std::deque<Tensor*> fresh;
  const auto make_ready = [&fresh](Tensor* tensor) {
    if (!tensor->ready) fresh.push_back(tensor);
    tensor->ready = true;
  };
  for (const ModelInput& input : config.input) make_ready(&tensors_[input.name]);
  while (!fresh.empty()) {
    const Tensor& tensor = *fresh.front();
    fresh.pop_front();
    for (int reader : tensor.readers) {
      Step& step = steps_[reader];
      if (--step.waiting > 0) continue;
      for (const std::string& name : step.writes) make_ready(&tensors_[name]);
    }
  }
}

Status Flow::CheckOutputs(const ModelConfig& config) const {
  for (const ModelOutput& output : config.output) {
    const auto found = tensors_.find(output.name);
    if (found == tensors_.end()) {
      return InvalidArg("ensemble output '", output.name, "' is not used");
    }
    if (found->second.ready) continue;
    // Walks back from the output to a tensor that nothing writes; a circle ends where it closes.
    std::string cause = output.name;
    std::set<std::string> seen = {cause};
    for (bool moved = true; moved;) {
      moved = false;
      const int writer = tensors_.at(cause).writer;
      if (writer < 0) break;
      for (const std::string& name : steps_[writer].reads) {
        if (tensors_.at(name).ready || !seen.insert(name).second) continue;
        cause = name;
        moved = true;
        break;
      }
    }
    return InvalidArg("ensemble output '", output.name, "' is never written: tensor '", cause,
                      tensors_.at(cause).writer < 0 ? "' has no source" : "' depends on itself");
  }
  return Status::Ok();
}

Status Flow::CheckUnused(const ModelConfig& config) const {
  std::set<std::string> outputs;
  for (const ModelOutput& output : config.output) outputs.insert(output.name);
  for (const auto& [name, tensor] : tensors_) {
    if (outputs.count(name) > 0) continue;
    if (!tensor.ready || tensor.readers.empty()) {
      return InvalidArg("ensemble tensor '", name, "' is unused");
    }
  }
  return Status::Ok();
}

}  // namespace

Status ValidateEnsemble(const ModelConfig& config) {
  if (config.platform != kEnsemblePlatform) {
    return InvalidArg("'ensemble_scheduling' cannot be set, as 'platform' is \"", config.platform,
                      "\" and not \"ensemble\"");
  }
  const char* unwanted = !config.instance_group.empty() ? "instance_group"
                         : config.optimization          ? "optimization"
                         : !config.model_warmup.empty() ? "model_warmup"
                                                        : nullptr;
  if (unwanted != nullptr) return InvalidArg("an ensemble must not specify '", unwanted, "'");
  if (config.ensemble_scheduling->step.empty()) {
    return InvalidArg("'ensemble_scheduling' must specify 'step'");
  }
  Flow flow;
  TRIDENT_RETURN_IF_ERROR(flow.Build(config));
  flow.Propagate(config);
  TRIDENT_RETURN_IF_ERROR(flow.CheckOutputs(config));
  return flow.CheckUnused(config);
}

}  // namespace trident
