#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "base/clock.h"

namespace trident {

// How the waiting requests of a model are grouped; from its configuration.
struct BatchPolicy {
  bool dynamic = false;             // false: every request runs alone
  uint32_t max_batch_size = 1;      // items; a request alone may not exceed it
  std::vector<uint32_t> preferred;  // batch sizes to aim for, ascending; empty: the maximum
  uint64_t max_queue_delay_ns = 0;  // how long a batch below the preferred sizes may wait
  bool adaptive_delay = false;      // where there are deadlines: it waits where that pays instead

  uint32_t LargestPreferred() const {
    return preferred.empty() ? max_batch_size : preferred.back();
  }
};

// The head of a queue, in the order of service, as far as one batch could reach.
struct PendingRequests {
  std::span<const uint32_t> batch_sizes;  // up to and with the first that exceeds the maximum
  bool closed = false;     // the request behind them can't join their batch: unlike, or not wanted
  uint64_t oldest_ns = 0;  // when the first of those that fit together came
};

struct Decision {
  size_t take = 0;                           // requests to run now; 0: wait
  uint64_t look_again_ns = kNever;           // decide again at this time at the latest, or
  uint64_t look_again_at_items = 0;          // when this many items are pending, or
  uint64_t look_again_if_due_before_ns = 0;  // when a request comes that is due before this time
};

// The batching rule, whole: no lock, clock or thread. Triton's dynamic batcher as its users see it:
// the largest preferred size that can be filled goes at once; a batch that can't grow goes at once;
// anything else goes when its oldest request has waited max_queue_delay_ns.
Decision Decide(const PendingRequests& pending, const BatchPolicy& policy, uint64_t now_ns);

// The same, when a batch may wait until `until_ns`, or not at all (kNoWait).
inline constexpr uint64_t kNoWait = 0;
Decision DecideUntil(const PendingRequests& pending, const BatchPolicy& policy, uint64_t until_ns,
                     uint64_t now_ns);

}  // namespace trident
