#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <set>
#include <string>
#include <unordered_map>
#include <vector>

#include "base/mutex.h"
#include "base/status.h"
#include "node/call_graph.h"
#include "node/function_instance.h"

namespace trident {

// What a call is on behalf of, and what it needs.
struct FunctionCall {
  uint64_t number = 0;
  const void* server = nullptr;
  std::string target;
  int64_t version = -1;                    // of the target; -1: its highest
  const std::vector<std::string>& models;  // none: the target
  int64_t caller = 0;                      // an execution, or 0
};

// All instances of functions in the process, by number, what they execute, and who waits for whom.
// Lives as long as the process. Thread-safe.
class FunctionRegistry {
 public:
  static FunctionRegistry& Get();

  void Add(const std::shared_ptr<FunctionInstance>& instance);
  void Remove(int32_t instance);
  std::shared_ptr<FunctionInstance> Find(int32_t instance);
  std::vector<std::shared_ptr<FunctionInstance>> All();

  // The instance runs on the thread of `home`.
  void Settle(const FunctionInstance& instance, const FunctionHome* home);

  int64_t NextExecution() { return ++last_execution_; }
  // `calls`: the contexts of its requests.
  void Begin(const std::shared_ptr<FunctionExecution>& execution, std::vector<uint64_t> calls);
  void Run(int64_t execution);
  void End(int64_t execution);
  std::shared_ptr<FunctionExecution> FindExecution(int64_t execution);
  std::vector<std::shared_ptr<FunctionExecution>> Executions();

  uint64_t NextCall() { return ++last_call_; }
  void BeginCall(const FunctionCall& call);
  void EndCall(uint64_t call);
  // The models along which it waits for itself; empty when it doesn't, or has ended.
  std::vector<std::string> FindCycle(uint64_t call);
  // Whether it can't end because executions that are `lost` don't.
  bool WaitsForAnyOf(const std::set<int64_t>& lost, uint64_t call);
  // Those of it that have begun.
  std::vector<std::shared_ptr<FunctionExecution>> ExecutionsOf(uint64_t call);
  // The thread of `home` begins executions only, until the call has ended.
  void BlockThread(const FunctionHome* home, uint64_t call);
  void UnblockThread(const FunctionHome* home);

 private:
  std::atomic<int64_t> last_execution_{0};
  std::atomic<uint64_t> last_call_{0};
  Mutex mutex_;
  int32_t last_instance_ GUARDED_BY(mutex_) = 0;
  std::unordered_map<int32_t, std::shared_ptr<FunctionInstance>> instances_ GUARDED_BY(mutex_);
  std::unordered_map<int64_t, std::shared_ptr<FunctionExecution>> executions_ GUARDED_BY(mutex_);
  CallGraph graph_ GUARDED_BY(mutex_);
};

// "a -> b -> a"
std::string PathOf(const std::vector<std::string>& models);

}  // namespace trident
