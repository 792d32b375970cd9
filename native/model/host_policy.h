#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "base/status.h"
#include "config/model_config.h"

namespace trident {

// Where threads of an instance run and where their memory comes from: the settings "cpu-cores" and
// "numa-node" of a host policy. Immutable after construction.
class HostPolicy {
 public:
  using Settings = std::map<std::string, std::string>;

  // INVALID_ARG, naming policy and setting, for text that is none of Triton's formats: cores are
  // "0-3" or "0-3,8-11", a node is a number.
  static Result<HostPolicy> Parse(const std::string& name, const Settings& settings);

  bool empty() const { return cores_.empty() && !node_; }
  const std::vector<int>& cores() const { return cores_; }
  const std::optional<int>& node() const { return node_; }

  // Puts the calling thread under this policy for good. INVALID_ARG where this machine lacks a core
  // or the node, UNAVAILABLE where the process may not; the thread is then as it was.
  Status Apply() const;

 private:
  friend class ScopedHostPolicy;
  std::string name_;
  std::vector<int> cores_;
  std::optional<int> node_;
};

// Keeps the calling thread under a policy for its lifetime. Used by one thread.
class ScopedHostPolicy {
 public:
  explicit ScopedHostPolicy(const HostPolicy& policy);
  ~ScopedHostPolicy();
  ScopedHostPolicy(const ScopedHostPolicy&) = delete;
  ScopedHostPolicy& operator=(const ScopedHostPolicy&) = delete;

  const Status& status() const { return status_; }

 private:
  using Mask = std::vector<unsigned long>;
  Mask cores_;  // of the thread as it was; empty: not changed
  Mask nodes_;
  std::optional<int> memory_mode_;
  Status status_;
};

// By how much the nice level of threads that execute a model of this priority differs from the
// host's: the steps between Triton's levels 0, 5 and 19.
int NiceStepOf(ModelPriority priority);
// Moves the calling thread's level; as far as the process may, which is not at all upwards without
// the privilege.
void ApplyNiceStep(int step);

}  // namespace trident
