#pragma once

#include <array>
#include <chrono>
#include <cstdint>

#include "triton/core/tritonserver.h"

namespace trident {

// What the cache has done and holds. Its users change it under their lock.
struct CacheCounts {
  double utilization = 0;
  uint64_t entries = 0, hits = 0, misses = 0, evictions = 0;
  std::chrono::nanoseconds lookup_time{0}, insertion_time{0};
};

// The counts as gauges, with the names that Triton's local cache gives them. All of a process share
// them, and a server may have none. Externally synchronised by the cache.
class CacheMetrics {
 public:
  CacheMetrics();
  ~CacheMetrics();
  CacheMetrics(const CacheMetrics&) = delete;
  CacheMetrics& operator=(const CacheMetrics&) = delete;

  void Show(const CacheCounts& counts);

 private:
  struct Gauge {
    TRITONSERVER_MetricFamily* family = nullptr;
    TRITONSERVER_Metric* metric = nullptr;
  };
  std::array<Gauge, 8> gauges_;
};

}  // namespace trident
