#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "memory/memory_pools.h"
#include "metrics/cpu_usage.h"
#include "metrics/gpu_usage.h"
#include "metrics/text.h"
#include "model/model.h"
#include "scheduler/response_cache.h"
#include "server/latency_metrics.h"

namespace trident {

// A server's own metrics, with Triton's names, in a text. None of them waits for a request, nor a
// request for one of them.
void WriteModelMetrics(const std::vector<std::shared_ptr<Model>>& models,
                       const LatencyMetrics& latencies, uint64_t now_ns, MetricsText* text);
void WriteCacheMetrics(const CacheCounters& cache, MetricsText* text);
// Of 0 bytes as long as nobody has asked for pinned memory.
void WritePinnedMemoryMetrics(const MemoryPool& pool, MetricsText* text);
void WriteCpuMetrics(const CpuUsage::Reading& cpu, MetricsText* text);
void WriteGpuMetrics(const std::vector<GpuReading>& gpus, MetricsText* text);
// Of the devices that this process sees; nothing while nobody has looked for any.
void WriteDeviceHealth(MetricsText* text);

}  // namespace trident
