#pragma once

#include "over_queue.h"
#include "samples.h"

namespace trident::bench {

struct OpenLoopPlan {
  double rate = 0;  // requests per second, on average
  // Arrivals are a Poisson process; with `bursts` one of twice the rate that is on for 50 ms and
  // off for 50 ms.
  bool bursts = false;
  double seconds = 1;
  uint64_t seed = 1;
  uint64_t slo_us = 0;      // 0: none
  uint64_t timeout_us = 0;  // of each request; 0: the model's own
};

// Submits requests when they are due, however many are under way, and says how they ended. Every
// latency counts from the intended start of its request, so that a server that is late makes
// nobody look punctual. `queue` is empty before and after.
Json RunOpenLoop(const ModelClient& client, OverQueue* queue, const OpenLoopPlan& plan);

}  // namespace trident::bench
