#pragma once

#include <vector>

#include "base/log.h"
#include "server/options.h"

namespace trident {

// Which latencies a server keeps for all its models, and tells. *Externally synchronised by whoever
// owns the value.*
struct LatencyMetrics {
  bool counters = true;
  bool summaries = false;
  bool histograms = false;
  std::vector<double> quantiles = {0.5, 0.9, 0.95, 0.99, 0.999};  // of summaries
};

// What the metrics configuration says, whose settings have Triton's names. Warns of what it can't
// read, which counts as not said.
LatencyMetrics ReadLatencyMetrics(const ServerOptions& options, const Logger& logger);

}  // namespace trident
