#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <utility>
#include <vector>

#include "base/mutex.h"

namespace trident {

// How durations are distributed: their number and sum since ever, and quantiles of the last
// minutes. Observe is lock-free; Read has a lock of its own. Thread-safe.
class LatencySummary {
 public:
  struct Reading {
    uint64_t count = 0;
    uint64_t sum_us = 0;
    std::vector<double> values_us;  // one for each quantile; NaN when nothing was observed lately
  };

  void Observe(uint64_t us);
  // The quantiles, from 0 to 1, are of what was observed since some reading that is at least a
  // minute old, or since the beginning. They are exact up to 63 us and to 1.6 % beyond.
  Reading Read(const std::vector<double>& quantiles, uint64_t now_ns);

 private:
  // Buckets as wide as a 32nd of the power of two they begin at; one for each of the first 64.
  static constexpr unsigned kHalfBits = 5;
  static constexpr unsigned kPowers = 36;  // longer than 19 hours counts as 19 hours
  static constexpr size_t kBuckets = (kPowers - kHalfBits + 1) << kHalfBits;
  struct Mark {
    uint64_t time_ns = 0;
    std::vector<std::pair<size_t, uint64_t>> counts;  // of the buckets that have some
  };

  static size_t BucketOf(uint64_t us);
  static double ValueOf(size_t bucket);
  static double Quantile(double quantile, const std::vector<uint64_t>& recent,
                         uint64_t recent_count);

  std::array<std::atomic<uint64_t>, kBuckets> counts_{};
  std::atomic<uint64_t> sum_us_{0};
  Mutex mutex_;
  // What had been counted at two moments, the later at least a minute after the earlier.
  Mark earlier_ GUARDED_BY(mutex_), later_ GUARDED_BY(mutex_);
};

}  // namespace trident
