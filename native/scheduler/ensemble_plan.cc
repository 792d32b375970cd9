#include "scheduler/ensemble_plan.h"

#include <algorithm>
#include <utility>

namespace trident {

EnsemblePlan::EnsemblePlan(const ModelConfig& config) {
  for (const ModelInput& input : config.input) AddTensor(input.name);
  for (const ModelOutput& output : config.output) AddTensor(output.name);
  const std::vector<EnsembleStep>& configured = config.ensemble_scheduling->step;
  for (size_t i = 0; i < configured.size(); ++i) {
    Step step;
    step.model = configured[i].model_name;
    for (const auto& [name, tensor] : configured[i].input_map) {
      const size_t index = AddTensor(tensor);
      step.inputs.push_back({name, index});
      if (std::find(step.reads.begin(), step.reads.end(), index) != step.reads.end()) continue;
      step.reads.push_back(index);
      tensors_[index].readers.push_back(i);
    }
    for (const auto& [name, tensor] : configured[i].output_map) {
      const size_t index = AddTensor(tensor);
      step.outputs.push_back({name, index});
      tensors_[index].writer = i;
    }
    const auto alike = std::find_if(configured.begin(), configured.end(), [&](const auto& other) {
      return other.model_name == configured[i].model_name &&
             other.model_version == configured[i].model_version &&
             other.model_namespace == configured[i].model_namespace;
    });
    step.first_alike = static_cast<size_t>(alike - configured.begin());
    steps_.push_back(std::move(step));
  }
}

size_t EnsemblePlan::AddTensor(const std::string& name) {
  const auto [at, added] = by_name_.emplace(name, tensors_.size());
  if (added) tensors_.push_back({name, std::nullopt, {}});
  return at->second;
}

std::vector<bool> EnsemblePlan::StepsFor(const std::vector<size_t>& tensors) const {
  std::vector<bool> needed(steps_.size(), false);
  std::vector<size_t> open = tensors;
  while (!open.empty()) {
    const std::optional<size_t> writer = tensors_[open.back()].writer;
    open.pop_back();
    if (!writer || needed[*writer]) continue;
    needed[*writer] = true;
    open.insert(open.end(), steps_[*writer].reads.begin(), steps_[*writer].reads.end());
  }
  return needed;
}

EnsembleFlow::EnsembleFlow(const EnsemblePlan& plan, std::vector<size_t> outputs,
                           std::vector<bool> streams)
    : plan_(plan),
      outputs_(std::move(outputs)),
      streams_(std::move(streams)),
      needed_(plan.StepsFor(outputs_)),
      readers_(plan.tensors().size(), 0),
      is_output_(plan.tensors().size(), false),
      kept_(plan.tensors().size()),
      next_iteration_(plan.steps().size(), 0) {
  for (size_t i = 0; i < plan.steps().size(); ++i) {
    if (!needed_[i]) continue;
    for (const size_t tensor : plan.steps()[i].reads) ++readers_[tensor];
  }
  for (const size_t tensor : outputs_) {
    ++readers_[tensor];
    is_output_[tensor] = true;
  }
}

const std::vector<size_t>& EnsembleFlow::ReadsOf(size_t step) const {
  return step == plan_.steps().size() ? outputs_ : plan_.steps()[step].reads;
}

void EnsembleFlow::Put(size_t tensor, uint64_t iteration, EnsembleValue value) {
  kept_[tensor].emplace(iteration, Kept{std::move(value), readers_[tensor]});
  // Who reads several tensors is ready with the last of them, and so only once.
  for (const size_t reader : plan_.tensors()[tensor].readers) {
    if (needed_[reader]) LookAt(reader, iteration);
  }
  if (is_output_[tensor]) LookAt(plan_.steps().size(), iteration);
}

void EnsembleFlow::LookAt(size_t step, uint64_t iteration) {
  for (const size_t tensor : ReadsOf(step)) {
    if (kept_[tensor].count(iteration) == 0) return;
  }
  ready_.push_back(Collect(step, iteration));
}

EnsembleFlow::Ready EnsembleFlow::Collect(size_t step, uint64_t iteration) {
  Ready ready{step, iteration, {}};
  if (step == plan_.steps().size()) {
    for (const size_t tensor : outputs_) {
      ready.inputs.push_back(kept_[tensor].at(iteration).value);
    }
  } else {
    for (const EnsemblePlan::Port& port : plan_.steps()[step].inputs) {
      ready.inputs.push_back(kept_[port.tensor].at(iteration).value);
    }
  }
  return ready;
}

std::vector<EnsembleFlow::Ready> EnsembleFlow::Take() {
  for (const Ready& ready : ready_) {
    for (const size_t tensor : ReadsOf(ready.step)) {
      const auto kept = kept_[tensor].find(ready.iteration);
      if (--kept->second.readers_left == 0) kept_[tensor].erase(kept);
    }
  }
  return std::exchange(ready_, {});
}

std::vector<EnsembleValue> EnsembleFlow::Clear() {
  std::vector<EnsembleValue> values;
  for (auto& by_iteration : kept_) {
    for (auto& [iteration, kept] : by_iteration) values.push_back(std::move(kept.value));
    by_iteration.clear();
  }
  for (Ready& ready : ready_) {
    values.insert(values.end(), ready.inputs.begin(), ready.inputs.end());
  }
  ready_.clear();
  return values;
}

}  // namespace trident
