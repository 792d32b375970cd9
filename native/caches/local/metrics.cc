#include "caches/local/metrics.h"

namespace trident {
namespace {

double Microseconds(std::chrono::nanoseconds duration) {
  return std::chrono::duration<double, std::micro>(duration).count();
}

struct GaugeKind {
  const char* name;
  const char* description;
  double (*value)(const CacheCounts& counts);
};

constexpr GaugeKind kGauges[] = {
    {"nv_cache_util", "Part of the response cache that is in use, from 0 to 1",
     [](const CacheCounts& counts) { return counts.utilization; }},
    {"nv_cache_num_entries", "Responses in the cache",
     [](const CacheCounts& counts) { return static_cast<double>(counts.entries); }},
    {"nv_cache_num_hits", "Look-ups that found a response",
     [](const CacheCounts& counts) { return static_cast<double>(counts.hits); }},
    {"nv_cache_num_misses", "Look-ups that found none",
     [](const CacheCounts& counts) { return static_cast<double>(counts.misses); }},
    {"nv_cache_num_lookups", "Look-ups",
     [](const CacheCounts& counts) { return static_cast<double>(counts.hits + counts.misses); }},
    {"nv_cache_num_evictions", "Responses that made room for others",
     [](const CacheCounts& counts) { return static_cast<double>(counts.evictions); }},
    {"nv_cache_lookup_duration", "Microseconds of all look-ups",
     [](const CacheCounts& counts) { return Microseconds(counts.lookup_time); }},
    {"nv_cache_insertion_duration", "Microseconds of all insertions",
     [](const CacheCounts& counts) { return Microseconds(counts.insertion_time); }},
};

}  // namespace

CacheMetrics::CacheMetrics() {
  for (size_t i = 0; i < gauges_.size(); ++i) {
    Gauge& gauge = gauges_[i];
    TRITONSERVER_Error* error = TRITONSERVER_MetricFamilyNew(
        &gauge.family, TRITONSERVER_METRIC_KIND_GAUGE, kGauges[i].name, kGauges[i].description);
    if (error == nullptr) error = TRITONSERVER_MetricNew(&gauge.metric, gauge.family, nullptr, 0);
    TRITONSERVER_ErrorDelete(error);
  }
}

CacheMetrics::~CacheMetrics() {
  for (const Gauge& gauge : gauges_) {
    if (gauge.metric != nullptr) {
      TRITONSERVER_ErrorDelete(TRITONSERVER_MetricDelete(gauge.metric));
    }
    if (gauge.family != nullptr) {
      TRITONSERVER_ErrorDelete(TRITONSERVER_MetricFamilyDelete(gauge.family));
    }
  }
}

void CacheMetrics::Show(const CacheCounts& counts) {
  for (size_t i = 0; i < gauges_.size(); ++i) {
    if (gauges_[i].metric == nullptr) continue;
    TRITONSERVER_ErrorDelete(TRITONSERVER_MetricSet(gauges_[i].metric, kGauges[i].value(counts)));
  }
}

}  // namespace trident
