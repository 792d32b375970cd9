#pragma once

#include <cstdint>
#include <map>

namespace trident {

// What a queue does for the requests of one priority level.
struct LevelPolicy {
  uint64_t timeout_ns = 0;              // how long a request may wait; 0: for ever
  bool allow_timeout_override = false;  // a request may ask for less
  bool delay = false;     // who has waited too long goes behind the others instead of being refused
  uint32_t max_size = 0;  // requests that may wait; 0: no bound
};

// The policies of a queue. Level 1 is served before level 2, and so on.
struct QueuePolicies {
  uint64_t levels = 0;  // 0: requests have no priority
  uint64_t default_level = 0;
  LevelPolicy default_policy;
  std::map<uint64_t, LevelPolicy> by_level;  // where it is not the default
  bool deadlines = false;                    // who is not answered by a deadline is refused
  uint64_t slo_ns = 0;                       // the deadline of a request that brings none; 0: none

  // The level of a request that asks for `priority`.
  uint64_t LevelOf(uint64_t priority) const {
    if (levels == 0) return 0;
    return priority == 0 || priority > levels ? default_level : priority;
  }
  const LevelPolicy& PolicyOf(uint64_t level) const {
    const auto own = by_level.find(level);
    return own != by_level.end() ? own->second : default_policy;
  }
  bool AnyTimeout() const;
  // A request may be served before one that came earlier.
  bool MayOvertake() const;
};

// When a request that came at `start_ns` and asks for `timeout_us` (0: does not ask) has waited too
// long; kNever: it may wait for ever. Where the policy has no timeout, no request can ask for one.
uint64_t DeadlineOf(const LevelPolicy& policy, uint64_t start_ns, uint64_t timeout_us);

// When the answer to a request is due that came at `start_ns` and asks for `deadline_us` (0: does
// not ask); kNever: at no time.
uint64_t AnswerDue(const QueuePolicies& policies, uint64_t start_ns, uint64_t deadline_us);

}  // namespace trident
