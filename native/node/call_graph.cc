#include "node/call_graph.h"

#include <algorithm>

namespace trident {

void CallGraph::AddInstance(int32_t instance, Model model, const void* thread) {
  instances_[instance] = Instance{std::move(model), thread};
}

void CallGraph::RemoveInstance(int32_t instance) {
  const auto found = instances_.find(instance);
  if (found == instances_.end()) return;
  EndExecution(found->second.execution);
  instances_.erase(instance);
}

void CallGraph::BeginExecution(int64_t execution, int32_t instance, std::vector<uint64_t> calls) {
  const auto found = instances_.find(instance);
  if (found == instances_.end()) return;
  found->second.execution = execution;
  for (const uint64_t call : calls) {
    const auto executed = calls_.find(call);
    if (executed != calls_.end()) executed->second.executions.insert(execution);
  }
  executions_[execution] = Execution{instance, false, std::move(calls), {}};
}

void CallGraph::Run(int64_t execution) {
  const auto found = executions_.find(execution);
  if (found != executions_.end()) found->second.runs = true;
}

void CallGraph::EndExecution(int64_t execution) {
  const auto found = executions_.find(execution);
  if (found == executions_.end()) return;
  for (const uint64_t call : found->second.calls) {
    const auto executed = calls_.find(call);
    if (executed != calls_.end()) executed->second.executions.erase(execution);
  }
  const auto instance = instances_.find(found->second.instance);
  if (instance != instances_.end()) instance->second.execution = 0;
  executions_.erase(found);
}

void CallGraph::AddCall(uint64_t call, std::string target, std::vector<Model> needs,
                        int64_t caller) {
  calls_[call] = Call{std::move(target), std::move(needs), caller, {}};
  const auto found = executions_.find(caller);
  if (found != executions_.end()) found->second.made.insert(call);
}

void CallGraph::EndCall(uint64_t call) {
  const auto found = calls_.find(call);
  if (found == calls_.end()) return;
  const auto caller = executions_.find(found->second.caller);
  if (caller != executions_.end()) caller->second.made.erase(call);
  calls_.erase(found);
}

void CallGraph::UnblockThread(const void* thread) {
  const auto found = blocked_.find(thread);
  found->second.pop_back();
  if (found->second.empty()) blocked_.erase(found);
}

// Any of the model's instances will do.
std::optional<int64_t> CallGraph::BlockerOf(const Model& model, const Stuck& stuck) const {
  std::optional<int64_t> blocker;
  for (const Instance* instance : InstancesOf(model)) {
    if (!stuck.executions.contains(instance->execution)) return std::nullopt;
    blocker = instance->execution;
  }
  return blocker;
}

std::vector<const CallGraph::Instance*> CallGraph::InstancesOf(const Model& model) const {
  std::vector<const Instance*> found;
  for (const auto& [number, instance] : instances_) {
    if (instance.model.server != model.server || instance.model.name != model.name) continue;
    const int64_t version = instance.model.version;
    if (model.version == -1 && !found.empty()) {
      const int64_t highest = found.front()->model.version;
      if (version < highest) continue;
      if (version > highest) found.clear();
    }
    if (model.version == -1 || model.version == version) found.push_back(&instance);
  }
  return found;
}

// Where it is being executed, that is what it waits for. Otherwise it is queued somewhere on its
// way, which is taken to lead through all the models it needs.
std::optional<int64_t> CallGraph::BlockerOf(const Call& call, const Stuck& stuck) const {
  for (const int64_t execution : call.executions) {
    if (stuck.executions.contains(execution)) return execution;
  }
  if (!call.executions.empty()) return std::nullopt;
  for (const Model& model : call.needs) {
    if (const auto blocker = BlockerOf(model, stuck)) return blocker;
  }
  return std::nullopt;
}

std::optional<uint64_t> CallGraph::BlockerOf(const Execution& execution, const Stuck& stuck) const {
  for (const uint64_t call : execution.made) {
    if (stuck.calls.contains(call)) return call;
  }
  const auto instance = instances_.find(execution.instance);
  if (!execution.runs || instance == instances_.end()) return std::nullopt;
  const auto blocked = blocked_.find(instance->second.thread);
  if (blocked == blocked_.end() || !stuck.calls.contains(blocked->second.back())) {
    return std::nullopt;
  }
  return blocked->second.back();
}

// Takes out what can end until nothing else can.
CallGraph::Stuck CallGraph::FindStuck(const std::set<int64_t>& lost) const {
  Stuck stuck;
  for (const auto& [number, execution] : executions_) stuck.executions.insert(number);
  for (const auto& [number, call] : calls_) stuck.calls.insert(number);
  size_t taken = 0;
  do {
    taken = std::erase_if(stuck.executions, [&](int64_t number) {
      return !lost.contains(number) && !BlockerOf(executions_.at(number), stuck);
    });
    taken += std::erase_if(stuck.calls,
                           [&](uint64_t number) { return !BlockerOf(calls_.at(number), stuck); });
  } while (taken > 0);
  return stuck;
}

// Where an instance of each model is free, nothing else need be looked at.
bool CallGraph::HasToWait(const Call& call) const {
  if (!call.executions.empty()) return true;
  return std::any_of(call.needs.begin(), call.needs.end(), [this](const Model& model) {
    bool busy = false;
    for (const Instance* instance : InstancesOf(model)) {
      if (instance->execution == 0) return false;
      busy = true;
    }
    return busy;
  });
}

std::vector<std::string> CallGraph::FindCycle(uint64_t call) const {
  const auto found = calls_.find(call);
  if (found == calls_.end() || !HasToWait(found->second)) return {};
  const Stuck stuck = FindStuck();
  if (!stuck.calls.contains(call)) return {};
  // What is stuck is stuck by something that is; following that leads into a circle.
  std::vector<int64_t> path;
  uint64_t at = call;
  while (true) {
    const int64_t execution = *BlockerOf(calls_.at(at), stuck);
    const auto begin = std::find(path.begin(), path.end(), execution);
    if (begin != path.end()) {
      path.erase(path.begin(), begin);
      break;
    }
    path.push_back(execution);
    at = *BlockerOf(executions_.at(execution), stuck);
  }
  std::vector<std::string> names;
  for (const int64_t execution : path) {
    const std::string& model = instances_.at(executions_.at(execution).instance).model.name;
    const uint64_t next = *BlockerOf(executions_.at(execution), stuck);
    names.push_back(model);
    const std::string& target = calls_.at(next).target;
    const int64_t blocker = *BlockerOf(calls_.at(next), stuck);
    // An ensemble stands between the caller and the model that executes its step.
    if (target != instances_.at(executions_.at(blocker).instance).model.name) {
      names.push_back(target);
    }
  }
  names.push_back(names.front());
  return names;
}

bool CallGraph::WaitsForAnyOf(const std::set<int64_t>& lost, uint64_t call) const {
  return !lost.empty() && FindStuck(lost).calls.contains(call);
}

std::vector<int64_t> CallGraph::ExecutionsOf(uint64_t call) const {
  const auto found = calls_.find(call);
  std::vector<int64_t> running;
  if (found == calls_.end()) return running;
  for (const int64_t execution : found->second.executions) {
    if (executions_.at(execution).runs) running.push_back(execution);
  }
  return running;
}

}  // namespace trident
