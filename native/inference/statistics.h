#pragma once

#include <atomic>
#include <cstdint>
#include <map>
#include <memory>
#include <vector>

#include "base/mutex.h"
#include "base/status.h"
#include "metrics/latency_summary.h"

namespace trident {

// A count of events and the time they took together.
struct Duration {
  uint64_t count = 0;
  uint64_t ns = 0;
};

// Why a request failed, as metrics tell it.
enum class FailureReason { kRejected, kCanceled, kBackend, kOther };
inline constexpr size_t kFailureReasons = 4;

// A reading of a model version's counters, in the terms of Triton's statistics.
struct StatisticsTotals {
  uint64_t last_inference_ms = 0;  // since the Unix epoch; 0: never
  uint64_t inference_count = 0;    // batch items of successful requests
  uint64_t execution_count = 0;    // backend executions
  Duration success, fail, queue, compute_input, compute_infer, compute_output;
  Duration cache_hit;   // time of the look-up
  Duration cache_miss;  // time of the look-up and the insertion
  uint64_t copy_count = 0, copy_bytes = 0;
  uint64_t failures[kFailureReasons] = {};  // by reason
};

// The same, and what is counted by batch and by response.
struct StatisticsSnapshot : StatisticsTotals {
  struct Batch {
    uint64_t batch_size = 0;
    Duration compute_input, compute_infer, compute_output;
  };
  // All the responses that came at the same place in the answers to their requests.
  struct Response {
    Duration compute_infer, compute_output;
    Duration success, fail, empty, cancel;  // what became of them; empty: a success without outputs
  };
  std::vector<Batch> batches;              // by batch size
  std::map<uint64_t, Response> responses;  // by place, from 0; those that backends report
};

// How the durations of a model version's requests are distributed.
struct LatencySummaries {
  LatencySummary request, queue, compute_input, compute_infer, compute_output;
  LatencySummary cache_hit, cache_miss;
};

// The moments of one execution, as a backend reports them; steady clock, ns.
struct ExecutionTimes {
  uint64_t exec_start = 0, compute_start = 0, compute_end = 0, exec_end = 0;
};

// The moments of one response, as a backend reports them; steady clock, ns.
struct ResponseTimes {
  uint64_t start = 0;
  uint64_t output_start = 0;  // 0: it has no outputs
  uint64_t end = 0;
};

// Compute times of executions on behalf of one request of an ensemble. Thread-safe.
struct ComputeTotals {
  std::atomic<uint64_t> input_ns{0}, infer_ns{0}, output_ns{0};
  void Add(const ExecutionTimes& times);
  void Add(const ComputeTotals& other);
};

// Counters of one model version. The request path only does relaxed adds. Thread-safe.
class ModelStatistics {
 public:
  // From now on; before the first request.
  void KeepSummaries() { summaries_ = std::make_unique<LatencySummaries>(); }

  // `request_start` and `queue_start` are the request's own; zero times count as no duration.
  void RecordSuccess(uint64_t batch_size, uint64_t request_start, uint64_t queue_start,
                     const ExecutionTimes& times);
  // A request answered from the cache: a success that waited until its look-up, and no inference.
  void RecordCacheHit(uint64_t request_start, uint64_t lookup_start, uint64_t lookup_end,
                      uint64_t now);
  // Of a request that is recorded as a success, too, but ended only with the insertion.
  void RecordCacheMiss(uint64_t lookup_ns, uint64_t insertion_ns);
  void RecordFailure(FailureReason reason, uint64_t request_start, uint64_t now);
  // A request whose work others did, and counted, too: for an ensemble, one execution.
  void RecordComposed(uint64_t batch_size, uint64_t request_start, uint64_t compute_start,
                      uint64_t now, const ComputeTotals& totals);
  void RecordBatch(uint64_t batch_size, const ExecutionTimes& times);
  // The response at `place` of a request's answer. INVALID_ARG for times out of order.
  Status RecordResponse(uint64_t place, StatusCode outcome, const ResponseTimes& times);
  void RecordCopies(uint64_t count, uint64_t bytes);

  StatisticsSnapshot Read() const;
  // Waits for nobody.
  StatisticsTotals ReadTotals() const;
  LatencySummaries* summaries() { return summaries_.get(); }  // null: not kept

 private:
  struct AtomicDuration {
    std::atomic<uint64_t> count{0}, ns{0};
    void Add(uint64_t duration_ns) {
      count.fetch_add(1, std::memory_order_relaxed);
      ns.fetch_add(duration_ns, std::memory_order_relaxed);
    }
    Duration Read() const {
      return {count.load(std::memory_order_relaxed), ns.load(std::memory_order_relaxed)};
    }
  };

  std::atomic<uint64_t> last_inference_ms_{0}, inference_count_{0}, execution_count_{0};
  std::atomic<uint64_t> copy_count_{0}, copy_bytes_{0};
  AtomicDuration success_, fail_, queue_, compute_input_, compute_infer_, compute_output_;
  AtomicDuration cache_hit_, cache_miss_;
  std::atomic<uint64_t> failures_[kFailureReasons] = {};
  std::unique_ptr<LatencySummaries> summaries_;

  mutable Mutex mutex_;
  std::map<uint64_t, StatisticsSnapshot::Batch> batches_ GUARDED_BY(mutex_);
  std::map<uint64_t, StatisticsSnapshot::Response> responses_ GUARDED_BY(mutex_);
};

}  // namespace trident
