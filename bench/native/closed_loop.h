#pragma once

#include "over_queue.h"
#include "samples.h"

namespace trident::bench {

struct ClosedLoopResult {
  Summary latency;  // until the submitting thread has the answer
  double requests_per_second = 0;
  double inline_share = 0;  // of the requests, how many were executed by the submitting thread
};

// Keeps `outstanding` requests going for this long, after a warm-up of a fifth of it. `queue` is
// empty before and after.
ClosedLoopResult RunClosedLoop(const ModelClient& client, OverQueue* queue, uint64_t outstanding,
                               double seconds);

}  // namespace trident::bench
