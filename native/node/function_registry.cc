#include "node/function_registry.h"

#include <utility>

#include "node/function_execution.h"

namespace trident {

FunctionRegistry& FunctionRegistry::Get() {
  static auto* const registry = new FunctionRegistry();
  return *registry;
}

void FunctionRegistry::Add(const std::shared_ptr<FunctionInstance>& instance) {
  MutexLock lock(mutex_);
  instance->set_number(++last_instance_);
  instances_.emplace(last_instance_, instance);
}

void FunctionRegistry::Remove(int32_t instance) {
  MutexLock lock(mutex_);
  instances_.erase(instance);
  graph_.RemoveInstance(instance);
}

std::shared_ptr<FunctionInstance> FunctionRegistry::Find(int32_t instance) {
  MutexLock lock(mutex_);
  const auto found = instances_.find(instance);
  return found == instances_.end() ? nullptr : found->second;
}

std::vector<std::shared_ptr<FunctionInstance>> FunctionRegistry::All() {
  MutexLock lock(mutex_);
  std::vector<std::shared_ptr<FunctionInstance>> all;
  for (const auto& [number, instance] : instances_) all.push_back(instance);
  return all;
}

void FunctionRegistry::Settle(const FunctionInstance& instance, const FunctionHome* home) {
  MutexLock lock(mutex_);
  if (!instances_.contains(instance.number())) return;  // finalized meanwhile
  const FunctionModel& model = instance.model();
  const auto version = static_cast<int64_t>(model.version);
  graph_.AddInstance(instance.number(), {instance.server().server, model.name, version}, home);
}

void FunctionRegistry::Begin(const std::shared_ptr<FunctionExecution>& execution,
                             std::vector<uint64_t> calls) {
  MutexLock lock(mutex_);
  executions_.emplace(execution->number(), execution);
  graph_.BeginExecution(execution->number(), execution->instance().number(), std::move(calls));
}

void FunctionRegistry::Run(int64_t execution) {
  MutexLock lock(mutex_);
  graph_.Run(execution);
}

void FunctionRegistry::End(int64_t execution) {
  std::shared_ptr<FunctionExecution> ended;  // let go of without the lock
  MutexLock lock(mutex_);
  graph_.EndExecution(execution);
  const auto found = executions_.find(execution);
  if (found == executions_.end()) return;
  ended = std::move(found->second);
  executions_.erase(found);
}

std::shared_ptr<FunctionExecution> FunctionRegistry::FindExecution(int64_t execution) {
  MutexLock lock(mutex_);
  const auto found = executions_.find(execution);
  return found == executions_.end() ? nullptr : found->second;
}

std::vector<std::shared_ptr<FunctionExecution>> FunctionRegistry::Executions() {
  MutexLock lock(mutex_);
  std::vector<std::shared_ptr<FunctionExecution>> all;
  for (const auto& [number, execution] : executions_) all.push_back(execution);
  return all;
}

void FunctionRegistry::BeginCall(const FunctionCall& call) {
  std::vector<CallGraph::Model> needs;
  if (call.models.empty()) needs.push_back({call.server, call.target, call.version});
  for (const std::string& model : call.models) needs.push_back({call.server, model});
  MutexLock lock(mutex_);
  graph_.AddCall(call.number, call.target, std::move(needs), call.caller);
}

void FunctionRegistry::EndCall(uint64_t call) {
  MutexLock lock(mutex_);
  graph_.EndCall(call);
}

std::vector<std::string> FunctionRegistry::FindCycle(uint64_t call) {
  MutexLock lock(mutex_);
  return graph_.FindCycle(call);
}

bool FunctionRegistry::WaitsForAnyOf(const std::set<int64_t>& lost, uint64_t call) {
  MutexLock lock(mutex_);
  return graph_.WaitsForAnyOf(lost, call);
}

std::vector<std::shared_ptr<FunctionExecution>> FunctionRegistry::ExecutionsOf(uint64_t call) {
  MutexLock lock(mutex_);
  std::vector<std::shared_ptr<FunctionExecution>> executions;
  for (const int64_t number : graph_.ExecutionsOf(call)) {
    const auto found = executions_.find(number);
    if (found != executions_.end()) executions.push_back(found->second);
  }
  return executions;
}

void FunctionRegistry::BlockThread(const FunctionHome* home, uint64_t call) {
  MutexLock lock(mutex_);
  graph_.BlockThread(home, call);
}

void FunctionRegistry::UnblockThread(const FunctionHome* home) {
  MutexLock lock(mutex_);
  graph_.UnblockThread(home);
}

std::string PathOf(const std::vector<std::string>& models) {
  std::string path;
  for (const std::string& model : models) path += (path.empty() ? "" : " -> ") + model;
  return path;
}

}  // namespace trident
