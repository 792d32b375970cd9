#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

namespace trident {

/* Who waits for whom among functions that call models. A call waits until it is executed, and for
 * that execution; an execution waits for the calls it has made, all of them. Models without
 * instances here never keep anybody waiting for ever.
 *
 * Numbers of calls, executions, instances and threads are the user's. Externally synchronised. */
class CallGraph {
 public:
  struct Model {
    const void* server = nullptr;
    std::string name;
    int64_t version = -1;  // in what a call needs: the highest of those here
    auto operator<=>(const Model&) const = default;
  };

  // `thread` is where the instance's executions run, one after the other up to where they wait.
  void AddInstance(int32_t instance, Model model, const void* thread);
  void RemoveInstance(int32_t instance);

  // `calls` are those that are being executed here; numbers of no call are ignored.
  void BeginExecution(int64_t execution, int32_t instance, std::vector<uint64_t> calls);
  // It has begun to run on its thread, and so can't begin again there while that is blocked.
  void Run(int64_t execution);
  void EndExecution(int64_t execution);

  // `caller` 0: nobody's. `needs` are the models that the call is executed by, all of them: that of
  // an ensemble is taken to wait for any of them, and so may be refused though it could end, as
  // where what is stuck is needed by a step that is past.
  void AddCall(uint64_t call, std::string target, std::vector<Model> needs, int64_t caller);
  void EndCall(uint64_t call);
  // The thread does nothing but begin executions until the call has ended. What it has begun may
  // block it again meanwhile.
  void BlockThread(const void* thread, uint64_t call) { blocked_[thread].push_back(call); }
  void UnblockThread(const void* thread);

  // The models along which `call` waits for itself, the first of them again at the end; empty when
  // it can end, or has.
  std::vector<std::string> FindCycle(uint64_t call) const;

  // Whether the call can't end because executions that are `lost` don't.
  bool WaitsForAnyOf(const std::set<int64_t>& lost, uint64_t call) const;

  // Executions of `call` that have begun to run.
  std::vector<int64_t> ExecutionsOf(uint64_t call) const;

 private:
  struct Instance {
    Model model;
    const void* thread = nullptr;
    int64_t execution = 0;  // 0: it is free
  };
  struct Execution {
    int32_t instance = 0;
    bool runs = false;
    std::vector<uint64_t> calls;  // that it executes
    std::set<uint64_t> made;
  };
  struct Call {
    std::string target;
    std::vector<Model> needs;
    int64_t caller = 0;
    std::set<int64_t> executions;  // under way
  };
  // What is not known to end.
  struct Stuck {
    std::set<int64_t> executions;
    std::set<uint64_t> calls;
  };

  // Those that may execute what needs the model.
  std::vector<const Instance*> InstancesOf(const Model& model) const;
  bool HasToWait(const Call& call) const;
  // `lost`: executions that don't end.
  Stuck FindStuck(const std::set<int64_t>& lost = {}) const;
  // What keeps it from ending; nullopt: nothing does.
  std::optional<int64_t> BlockerOf(const Call& call, const Stuck& stuck) const;
  std::optional<uint64_t> BlockerOf(const Execution& execution, const Stuck& stuck) const;
  std::optional<int64_t> BlockerOf(const Model& model, const Stuck& stuck) const;

  std::map<int32_t, Instance> instances_;
  std::map<int64_t, Execution> executions_;
  std::map<uint64_t, Call> calls_;
  std::map<const void*, std::vector<uint64_t>> blocked_;  // the innermost last
};

}  // namespace trident
