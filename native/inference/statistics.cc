#include "inference/statistics.h"

#include "base/clock.h"

namespace trident {
namespace {

// Backends read clocks on their own; a reading out of order counts as no time, not as 2^64 ns.
uint64_t Between(uint64_t from, uint64_t to) { return to > from && from != 0 ? to - from : 0; }

void Add(Duration* duration, uint64_t ns) {
  ++duration->count;
  duration->ns += ns;
}

void Observe(LatencySummary* summary, uint64_t ns) { summary->Observe(ns / 1000); }

}  // namespace

void ModelStatistics::RecordSuccess(uint64_t batch_size, uint64_t request_start,
                                    uint64_t queue_start, const ExecutionTimes& times) {
  inference_count_.fetch_add(batch_size, std::memory_order_relaxed);
  success_.Add(Between(request_start, times.exec_end));
  queue_.Add(Between(queue_start, times.exec_start));
  compute_input_.Add(Between(times.exec_start, times.compute_start));
  compute_infer_.Add(Between(times.compute_start, times.compute_end));
  compute_output_.Add(Between(times.compute_end, times.exec_end));
  if (summaries_ == nullptr) return;
  Observe(&summaries_->request, Between(request_start, times.exec_end));
  Observe(&summaries_->queue, Between(queue_start, times.exec_start));
  Observe(&summaries_->compute_input, Between(times.exec_start, times.compute_start));
  Observe(&summaries_->compute_infer, Between(times.compute_start, times.compute_end));
  Observe(&summaries_->compute_output, Between(times.compute_end, times.exec_end));
}

void ModelStatistics::RecordCacheHit(uint64_t request_start, uint64_t lookup_start,
                                     uint64_t lookup_end, uint64_t now) {
  success_.Add(Between(request_start, now));
  queue_.Add(Between(request_start, lookup_start));
  cache_hit_.Add(Between(lookup_start, lookup_end));
  if (summaries_ == nullptr) return;
  Observe(&summaries_->request, Between(request_start, now));
  Observe(&summaries_->queue, Between(request_start, lookup_start));
  Observe(&summaries_->cache_hit, Between(lookup_start, lookup_end));
}

void ComputeTotals::Add(const ExecutionTimes& times) {
  input_ns.fetch_add(Between(times.exec_start, times.compute_start), std::memory_order_relaxed);
  infer_ns.fetch_add(Between(times.compute_start, times.compute_end), std::memory_order_relaxed);
  output_ns.fetch_add(Between(times.compute_end, times.exec_end), std::memory_order_relaxed);
}

void ComputeTotals::Add(const ComputeTotals& other) {
  input_ns.fetch_add(other.input_ns, std::memory_order_relaxed);
  infer_ns.fetch_add(other.infer_ns, std::memory_order_relaxed);
  output_ns.fetch_add(other.output_ns, std::memory_order_relaxed);
}

void ModelStatistics::RecordComposed(uint64_t batch_size, uint64_t request_start,
                                     uint64_t compute_start, uint64_t now,
                                     const ComputeTotals& totals) {
  inference_count_.fetch_add(batch_size, std::memory_order_relaxed);
  execution_count_.fetch_add(1, std::memory_order_relaxed);
  last_inference_ms_.store(WallClockMs(), std::memory_order_relaxed);
  success_.Add(Between(request_start, now));
  queue_.Add(Between(request_start, compute_start));
  compute_input_.Add(totals.input_ns);
  compute_infer_.Add(totals.infer_ns);
  compute_output_.Add(totals.output_ns);
  if (summaries_ != nullptr) {
    Observe(&summaries_->request, Between(request_start, now));
    Observe(&summaries_->queue, Between(request_start, compute_start));
    Observe(&summaries_->compute_input, totals.input_ns);
    Observe(&summaries_->compute_infer, totals.infer_ns);
    Observe(&summaries_->compute_output, totals.output_ns);
  }
  MutexLock lock(mutex_);
  StatisticsSnapshot::Batch& batch = batches_[batch_size];
  batch.batch_size = batch_size;
  trident::Add(&batch.compute_input, totals.input_ns);
  trident::Add(&batch.compute_infer, totals.infer_ns);
  trident::Add(&batch.compute_output, totals.output_ns);
}

void ModelStatistics::RecordCacheMiss(uint64_t lookup_ns, uint64_t insertion_ns) {
  cache_miss_.Add(lookup_ns + insertion_ns);
  if (summaries_ != nullptr) Observe(&summaries_->cache_miss, lookup_ns + insertion_ns);
  success_.ns.fetch_add(insertion_ns, std::memory_order_relaxed);
}

void ModelStatistics::RecordFailure(FailureReason reason, uint64_t request_start, uint64_t now) {
  fail_.Add(Between(request_start, now));
  failures_[static_cast<size_t>(reason)].fetch_add(1, std::memory_order_relaxed);
}

void ModelStatistics::RecordBatch(uint64_t batch_size, const ExecutionTimes& times) {
  execution_count_.fetch_add(1, std::memory_order_relaxed);
  last_inference_ms_.store(WallClockMs(), std::memory_order_relaxed);
  MutexLock lock(mutex_);
  StatisticsSnapshot::Batch& batch = batches_[batch_size];
  batch.batch_size = batch_size;
  Add(&batch.compute_input, Between(times.exec_start, times.compute_start));
  Add(&batch.compute_infer, Between(times.compute_start, times.compute_end));
  Add(&batch.compute_output, Between(times.compute_end, times.exec_end));
}

Status ModelStatistics::RecordResponse(uint64_t place, StatusCode outcome,
                                       const ResponseTimes& times) {
  // What was computed for nobody does not count as computed.
  const bool cancelled = outcome == StatusCode::kCancelled;
  const bool has_outputs = times.output_start != 0 && !cancelled;
  const uint64_t infer_end = has_outputs ? times.output_start : times.end;
  if (times.start > infer_end) {
    return InvalidArg("Response start cannot happen after ",
                      has_outputs ? "compute output start" : "response end");
  }
  if (infer_end > times.end) {
    return InvalidArg("Compute output start cannot happen after response end");
  }
  const uint64_t total_ns = times.end - times.start;
  const uint64_t output_ns = times.end - infer_end;
  MutexLock lock(mutex_);
  StatisticsSnapshot::Response& row = responses_[place];
  if (cancelled) {
    Add(&row.cancel, total_ns);
    return Status::Ok();
  }
  const bool failed = outcome != StatusCode::kOk;
  Add(&row.compute_infer, infer_end - times.start);
  if (output_ns > 0 || (has_outputs && !failed)) Add(&row.compute_output, output_ns);
  Add(failed ? &row.fail : has_outputs ? &row.success : &row.empty, total_ns);
  return Status::Ok();
}

void ModelStatistics::RecordCopies(uint64_t count, uint64_t bytes) {
  copy_count_.fetch_add(count, std::memory_order_relaxed);
  copy_bytes_.fetch_add(bytes, std::memory_order_relaxed);
}

StatisticsTotals ModelStatistics::ReadTotals() const {
  StatisticsTotals out;
  out.last_inference_ms = last_inference_ms_.load(std::memory_order_relaxed);
  out.inference_count = inference_count_.load(std::memory_order_relaxed);
  out.execution_count = execution_count_.load(std::memory_order_relaxed);
  out.success = success_.Read();
  out.fail = fail_.Read();
  out.queue = queue_.Read();
  out.compute_input = compute_input_.Read();
  out.compute_infer = compute_infer_.Read();
  out.compute_output = compute_output_.Read();
  out.cache_hit = cache_hit_.Read();
  out.cache_miss = cache_miss_.Read();
  out.copy_count = copy_count_.load(std::memory_order_relaxed);
  out.copy_bytes = copy_bytes_.load(std::memory_order_relaxed);
  for (size_t i = 0; i < kFailureReasons; ++i) {
    out.failures[i] = failures_[i].load(std::memory_order_relaxed);
  }
  return out;
}

StatisticsSnapshot ModelStatistics::Read() const {
  StatisticsSnapshot out{ReadTotals()};
  MutexLock lock(mutex_);
  for (const auto& [size, batch] : batches_) out.batches.push_back(batch);
  out.responses = responses_;
  return out;
}

}  // namespace trident
