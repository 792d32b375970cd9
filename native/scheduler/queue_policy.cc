#include "scheduler/queue_policy.h"

#include <algorithm>

#include "base/checked.h"
#include "base/clock.h"

namespace trident {

bool QueuePolicies::AnyTimeout() const {
  return default_policy.timeout_ns != 0 ||
         std::any_of(by_level.begin(), by_level.end(),
                     [](const auto& level) { return level.second.timeout_ns != 0; });
}

bool QueuePolicies::MayOvertake() const {
  return levels > 1 || default_policy.delay ||
         std::any_of(by_level.begin(), by_level.end(),
                     [](const auto& level) { return level.second.delay; });
}

uint64_t DeadlineOf(const LevelPolicy& policy, uint64_t start_ns, uint64_t timeout_us) {
  uint64_t timeout_ns = policy.timeout_ns;
  if (timeout_ns == 0) return kNever;
  uint64_t asked_ns = 0;
  if (policy.allow_timeout_override && timeout_us != 0 &&
      CheckedMultiply(timeout_us, 1000, &asked_ns)) {
    timeout_ns = std::min(timeout_ns, asked_ns);
  }
  uint64_t deadline = 0;
  return CheckedAdd(start_ns, timeout_ns, &deadline) ? deadline : kNever;
}

uint64_t AnswerDue(const QueuePolicies& policies, uint64_t start_ns, uint64_t deadline_us) {
  uint64_t within_ns = policies.slo_ns;
  if (deadline_us != 0 && !CheckedMultiply(deadline_us, 1000, &within_ns)) return kNever;
  uint64_t due_ns = 0;
  return policies.deadlines && within_ns != 0 && CheckedAdd(start_ns, within_ns, &due_ns) ? due_ns
                                                                                          : kNever;
}

}  // namespace trident
