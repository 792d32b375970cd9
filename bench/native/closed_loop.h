#pragma once

#include "over_queue.h"
#include "samples.h"

namespace trident::bench {

// Who submits a request again once it is over: the thread that submitted it before, to which the
// callback hands it over, or the callback itself.
enum class Resubmit { kThread, kCallback };

struct ClosedLoopResult {
  Summary latency;  // until the submitter has the answer: that thread, or the callback
  double requests_per_second = 0;
  double inline_share = 0;  // of the requests, how many were executed by the submitting thread
};

// Keeps `outstanding` requests going for this long, after a warm-up of a fifth of it. `queue` is
// empty before and after.
ClosedLoopResult RunClosedLoop(const ModelClient& client, OverQueue* queue, uint64_t outstanding,
                               double seconds, Resubmit resubmit);

}  // namespace trident::bench
