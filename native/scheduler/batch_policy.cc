#include "scheduler/batch_policy.h"

#include <algorithm>

#include "base/checked.h"

namespace trident {
namespace {

bool IsPreferred(const BatchPolicy& policy, uint64_t items) {
  if (policy.preferred.empty()) return items == policy.max_batch_size;
  return std::binary_search(policy.preferred.begin(), policy.preferred.end(), items);
}

// The batch size at which waiting longer has no purpose.
uint64_t NextPreferred(const BatchPolicy& policy, uint64_t items) {
  const auto next = std::upper_bound(policy.preferred.begin(), policy.preferred.end(), items);
  return next != policy.preferred.end() ? *next : policy.LargestPreferred();
}

}  // namespace

Decision Decide(const PendingRequests& pending, const BatchPolicy& policy, uint64_t now_ns) {
  uint64_t until_ns = kNoWait;
  if (policy.max_queue_delay_ns != 0 &&
      !CheckedAdd(pending.oldest_ns, policy.max_queue_delay_ns, &until_ns)) {
    until_ns = kNever;
  }
  return DecideUntil(pending, policy, until_ns, now_ns);
}

Decision DecideUntil(const PendingRequests& pending, const BatchPolicy& policy, uint64_t until_ns,
                     uint64_t now_ns) {
  if (pending.batch_sizes.empty()) return {};
  if (!policy.dynamic) return {.take = 1};

  uint64_t items = 0;
  size_t count = 0;
  size_t preferred_count = 0;  // requests that make up the best preferred size; 0: none does
  bool can_grow = !pending.closed;
  for (const uint32_t size : pending.batch_sizes) {
    if (count > 0) {
      if (items + size > policy.LargestPreferred() && preferred_count == 0) preferred_count = count;
      if (items + size > policy.max_batch_size) {
        can_grow = false;
        break;
      }
    }
    items += size;
    ++count;
    if (IsPreferred(policy, items)) preferred_count = count;
  }

  const bool delay_over = until_ns != kNoWait && now_ns >= until_ns;
  if (preferred_count > 0 && !delay_over) return {.take = preferred_count};
  if (!can_grow || items >= policy.LargestPreferred() || until_ns == kNoWait || delay_over) {
    return {.take = count};
  }
  return {
      .take = 0, .look_again_ns = until_ns, .look_again_at_items = NextPreferred(policy, items)};
}

}  // namespace trident
