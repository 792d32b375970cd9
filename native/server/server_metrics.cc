#include "server/server_metrics.h"

#include <optional>
#include <string>
#include <string_view>

#include "metrics/custom_metrics.h"
#include "metrics/server_families.h"

namespace trident {
namespace {

// In the order of FailureReason.
constexpr std::string_view kReasons[kFailureReasons] = {
    "reason=\"REJECTED\",", "reason=\"CANCELED\",", "reason=\"BACKEND\",", "reason=\"OTHER\","};

// All that families ask. Models lie far apart in memory, readings side by side.
struct ModelReading {
  Model* model;
  StatisticsTotals totals;
  uint64_t waiting;
  uint64_t load_ns;
  bool cached;
  size_t labels_at;  // in the texts of all labels
  size_t head_size, tail_size;
};

// Which models have a family.
using Filter = bool (*)(const ModelReading&);
bool All(const ModelReading&) { return true; }
bool Cached(const ModelReading& of) { return of.cached; }
bool NotCached(const ModelReading& of) { return !of.cached; }

// Writes one family after the other, each for all models: its samples stand together.
class ModelFamilies {
 public:
  ModelFamilies(const std::vector<std::shared_ptr<Model>>& models, MetricsText* text)
      : text_(*text) {
    // About what the counters take: a long text is not to be moved while it grows.
    constexpr size_t kBytesPerModel = 1600;
    text_.Reserve(models.size() * kBytesPerModel);
    readings_.reserve(models.size());
    for (const auto& model : models) {
      const std::shared_ptr<const ModelLabels> labels = model->metric_labels();
      readings_.push_back({model.get(), model->statistics().ReadTotals(), model->waiting_requests(),
                           model->load_ns(), model->cached(), labels_.size(), labels->head.size(),
                           labels->tail.size()});
      labels_.append(labels->head).append(labels->tail).append("}");
    }
  }

  // `value` makes a number of a reading.
  template <typename Value>
  void Write(const FamilyHead& family, const Value& value, Filter has = All) {
    const std::string name = std::string(family.name) + "{";
    ForEach(family, has, [&](const ModelReading& of) {
      text_.Line({name, ClosedLabels(of)}, value(of));
    });
  }

  void WriteCount(const FamilyHead& family, Duration StatisticsTotals::*duration,
                  Filter has = All) {
    Write(
        family, [&](const ModelReading& of) { return (of.totals.*duration).count; }, has);
  }
  void WriteDuration(const FamilyHead& family, Duration StatisticsTotals::*duration,
                     Filter has = All) {
    Write(
        family, [&](const ModelReading& of) { return (of.totals.*duration).ns / 1000; }, has);
  }

  void WriteFailures() {
    const std::string name = std::string(kRequestFailure.name) + "{";
    ForEach(kRequestFailure, All, [&](const ModelReading& of) {
      for (size_t i = 0; i < kFailureReasons; ++i) {
        text_.Line({name, Head(of), kReasons[i], ClosedTail(of)}, of.totals.failures[i]);
      }
    });
  }

  void WriteSummary(const FamilyHead& family, LatencySummary LatencySummaries::*summary,
                    const std::vector<double>& quantiles, uint64_t now_ns, Filter has = All) {
    const std::string name(family.name);
    ForEach(family, has, [&](const ModelReading& of) {
      const auto reading = (of.model->statistics().summaries()->*summary).Read(quantiles, now_ns);
      for (size_t i = 0; i < quantiles.size(); ++i) {
        const std::string quantile = NumberText(quantiles[i]);
        text_.Line({name, "{", Labels(of), ",quantile=\"", quantile, "\"}"}, reading.values_us[i]);
      }
      text_.Sample(name + "_sum", Labels(of), reading.sum_us);
      text_.Sample(name + "_count", Labels(of), reading.count);
    });
  }

  void WriteFirstResponses() {
    ForEach(kFirstResponse, All,
            [&](const ModelReading& of) { text_.Sample(*of.model->first_response(), Labels(of)); });
  }

 private:
  template <typename WriteOne>
  void ForEach(const FamilyHead& family, Filter has, const WriteOne& write_one) {
    text_.Begin(family);
    for (const ModelReading& reading : readings_) {
      if (has(reading)) write_one(reading);
    }
    WriteCustomMetrics(family.name, Samples::kAll, &text_);
  }

  // Parts of a model's labels, which stand in a row; "closed" with the brace that ends them.
  std::string_view Part(const ModelReading& of, size_t from, size_t size) const {
    return std::string_view(labels_).substr(of.labels_at + from, size);
  }
  std::string_view Head(const ModelReading& of) const { return Part(of, 0, of.head_size); }
  std::string_view ClosedTail(const ModelReading& of) const {
    return Part(of, of.head_size, of.tail_size + 1);
  }
  std::string_view Labels(const ModelReading& of) const {
    return Part(of, 0, of.head_size + of.tail_size);
  }
  std::string_view ClosedLabels(const ModelReading& of) const {
    return Part(of, 0, of.head_size + of.tail_size + 1);
  }

  MetricsText& text_;
  std::string labels_;
  std::vector<ModelReading> readings_;
};

void WriteCounters(ModelFamilies* metrics) {
  using Totals = StatisticsTotals;
  metrics->WriteDuration(kRequestDuration, &Totals::success);
  metrics->WriteDuration(kQueueDuration, &Totals::queue);
  metrics->WriteDuration(kComputeInputDuration, &Totals::compute_input);
  metrics->WriteDuration(kComputeInferDuration, &Totals::compute_infer);
  metrics->WriteDuration(kComputeOutputDuration, &Totals::compute_output);
  metrics->WriteCount(kModelCacheHits, &Totals::cache_hit, Cached);
  metrics->WriteCount(kModelCacheMisses, &Totals::cache_miss, Cached);
  metrics->WriteDuration(kModelCacheHitDuration, &Totals::cache_hit, Cached);
  metrics->WriteDuration(kModelCacheMissDuration, &Totals::cache_miss, Cached);
}

void WriteSummaries(const std::vector<double>& quantiles, uint64_t now_ns, ModelFamilies* metrics) {
  using Summaries = LatencySummaries;
  const auto write = [&](const FamilyHead& family, LatencySummary Summaries::*summary,
                         Filter has = All) {
    metrics->WriteSummary(family, summary, quantiles, now_ns, has);
  };
  // As in Triton: with a cache it would lack the time of insertions.
  write(kRequestSummary, &Summaries::request, NotCached);
  write(kQueueSummary, &Summaries::queue);
  write(kComputeInputSummary, &Summaries::compute_input);
  write(kComputeInferSummary, &Summaries::compute_infer);
  write(kComputeOutputSummary, &Summaries::compute_output);
  write(kModelCacheHitSummary, &Summaries::cache_hit, Cached);
  write(kModelCacheMissSummary, &Summaries::cache_miss, Cached);
}

// A family of one sample, without labels.
template <typename Number>
void WriteOne(const FamilyHead& family, Number value, MetricsText* text) {
  text->Begin(family);
  text->Sample(family.name, "", value);
  WriteCustomMetrics(family.name, Samples::kLabelled, text);
}

// A family of one sample for each GPU that has the value.
template <typename Number>
void WriteGpus(const FamilyHead& family, const std::vector<GpuReading>& gpus,
               std::optional<Number> GpuReading::*value, MetricsText* text) {
  text->Begin(family);
  for (const GpuReading& gpu : gpus) {
    if (gpu.*value) text->Sample(family.name, LabelText({{"gpu_uuid", gpu.uuid}}), *(gpu.*value));
  }
  WriteCustomMetrics(family.name, Samples::kAll, text);
}

}  // namespace

void WriteModelMetrics(const std::vector<std::shared_ptr<Model>>& models,
                       const LatencyMetrics& latencies, uint64_t now_ns, MetricsText* text) {
  using Reading = ModelReading;
  ModelFamilies metrics(models, text);
  metrics.WriteCount(kRequestSuccess, &StatisticsTotals::success);
  metrics.WriteFailures();
  metrics.Write(kInferenceCount, [](const Reading& of) { return of.totals.inference_count; });
  metrics.Write(kExecutionCount, [](const Reading& of) { return of.totals.execution_count; });
  metrics.Write(kPendingRequests, [](const Reading& of) { return of.waiting; });
  metrics.Write(kModelLoadDuration,
                [](const Reading& of) { return static_cast<double>(of.load_ns) / 1e9; });
  if (latencies.counters) WriteCounters(&metrics);
  if (latencies.histograms) metrics.WriteFirstResponses();
  if (latencies.summaries) WriteSummaries(latencies.quantiles, now_ns, &metrics);
}

void WriteCacheMetrics(const CacheCounters& cache, MetricsText* text) {
  WriteOne(kCacheUtilization, cache.utilization(), text);
  WriteOne(kCacheEntries, cache.entries, text);
  WriteOne(kCacheLookups, cache.lookups, text);
  WriteOne(kCacheHits, cache.hits, text);
  WriteOne(kCacheMisses, cache.misses, text);
  WriteOne(kCacheEvictions, cache.evictions, text);
  WriteOne(kCacheLookupDuration, cache.lookup_ns / 1000, text);
  WriteOne(kCacheInsertionDuration, cache.insertion_ns / 1000, text);
}

void WritePinnedMemoryMetrics(const MemoryPool& pool, MetricsText* text) {
  WriteOne(kPinnedPoolTotal, pool.total_bytes(), text);
  WriteOne(kPinnedPoolUsed, pool.used_bytes(), text);
}

void WriteCpuMetrics(const CpuUsage::Reading& cpu, MetricsText* text) {
  if (cpu.utilization) WriteOne(kCpuUtilization, *cpu.utilization, text);
  if (!cpu.memory) return;
  WriteOne(kCpuMemoryTotal, cpu.memory->total_bytes, text);
  WriteOne(kCpuMemoryUsed, cpu.memory->used_bytes, text);
}

void WriteGpuMetrics(const std::vector<GpuReading>& gpus, MetricsText* text) {
  WriteGpus(kGpuUtilization, gpus, &GpuReading::utilization, text);
  WriteGpus(kGpuMemoryTotal, gpus, &GpuReading::memory_total_bytes, text);
  WriteGpus(kGpuMemoryUsed, gpus, &GpuReading::memory_used_bytes, text);
  WriteGpus(kGpuPowerUsage, gpus, &GpuReading::power_watts, text);
  WriteGpus(kGpuPowerLimit, gpus, &GpuReading::power_limit_watts, text);
  WriteGpus(kGpuEnergy, gpus, &GpuReading::energy_joules, text);
}

void WriteDeviceHealth(MetricsText* text) {
  if (!cuda::DriverIsLoaded()) return;
  const auto devices = cuda::Device::All();
  if (!devices.ok()) return;
  text->Begin(kGpuLost);
  for (const cuda::Device* device : *devices) {
    const uint64_t lost = cuda::HealthOf(device->id()).ok() ? 0 : 1;
    text->Sample(kGpuLost.name, LabelText({{"gpu_uuid", device->uuid()}}), lost);
  }
  WriteCustomMetrics(kGpuLost.name, Samples::kAll, text);
}

}  // namespace trident
