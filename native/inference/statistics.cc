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

}  // namespace

void ModelStatistics::RecordSuccess(uint64_t batch_size, uint64_t request_start,
                                    uint64_t queue_start, const ExecutionTimes& times) {
  inference_count_.fetch_add(batch_size, std::memory_order_relaxed);
  success_.Add(Between(request_start, times.exec_end));
  queue_.Add(Between(queue_start, times.exec_start));
  compute_input_.Add(Between(times.exec_start, times.compute_start));
  compute_infer_.Add(Between(times.compute_start, times.compute_end));
  compute_output_.Add(Between(times.compute_end, times.exec_end));
}

void ModelStatistics::RecordFailure(uint64_t request_start, uint64_t now) {
  fail_.Add(Between(request_start, now));
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

void ModelStatistics::RecordCopies(uint64_t count, uint64_t bytes) {
  copy_count_.fetch_add(count, std::memory_order_relaxed);
  copy_bytes_.fetch_add(bytes, std::memory_order_relaxed);
}

StatisticsSnapshot ModelStatistics::Read() const {
  StatisticsSnapshot out;
  out.last_inference_ms = last_inference_ms_.load(std::memory_order_relaxed);
  out.inference_count = inference_count_.load(std::memory_order_relaxed);
  out.execution_count = execution_count_.load(std::memory_order_relaxed);
  out.success = success_.Read();
  out.fail = fail_.Read();
  out.queue = queue_.Read();
  out.compute_input = compute_input_.Read();
  out.compute_infer = compute_infer_.Read();
  out.compute_output = compute_output_.Read();
  out.copy_count = copy_count_.load(std::memory_order_relaxed);
  out.copy_bytes = copy_bytes_.load(std::memory_order_relaxed);
  MutexLock lock(mutex_);
  for (const auto& [size, batch] : batches_) out.batches.push_back(batch);
  return out;
}

}  // namespace trident
