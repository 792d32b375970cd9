#include "metrics/latency_summary.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <limits>

namespace trident {
namespace {

constexpr uint64_t kWindowNs = uint64_t{60} * 1000 * 1000 * 1000;

}  // namespace

// The leading bits of a number: its power of two, and which 32nd of it.
size_t LatencySummary::BucketOf(uint64_t us) {
  us = std::min(us, (uint64_t{1} << kPowers) - 1);
  const unsigned bits = static_cast<unsigned>(std::bit_width(us));
  if (bits <= kHalfBits + 1) return us;
  const unsigned shift = bits - kHalfBits - 1;
  return (size_t{shift} << kHalfBits) + (us >> shift);
}

// The middle of the bucket.
double LatencySummary::ValueOf(size_t bucket) {
  if (bucket < (size_t{2} << kHalfBits)) return static_cast<double>(bucket);
  const size_t shift = (bucket >> kHalfBits) - 1;
  const uint64_t first = (bucket - (shift << kHalfBits)) << shift;
  return static_cast<double>(first) + static_cast<double>((uint64_t{1} << shift) - 1) / 2;
}

void LatencySummary::Observe(uint64_t us) {
  counts_[BucketOf(us)].fetch_add(1, std::memory_order_relaxed);
  sum_us_.fetch_add(us, std::memory_order_relaxed);
}

LatencySummary::Reading LatencySummary::Read(const std::vector<double>& quantiles,
                                             uint64_t now_ns) {
  Reading reading;
  std::vector<uint64_t> counts(kBuckets);
  MutexLock lock(mutex_);  // before the counts: they must not be older than a mark
  for (size_t i = 0; i < kBuckets; ++i) {
    counts[i] = counts_[i].load(std::memory_order_relaxed);
    reading.count += counts[i];
  }
  reading.sum_us = sum_us_.load(std::memory_order_relaxed);

  std::vector<uint64_t> recent = counts;
  uint64_t recent_count = reading.count;
  for (const auto& [bucket, count] : earlier_.counts) {
    recent[bucket] -= count;
    recent_count -= count;
  }
  for (const double quantile : quantiles) {
    reading.values_us.push_back(Quantile(quantile, recent, recent_count));
  }
  // One that began earlier may read later.
  if (now_ns >= later_.time_ns + kWindowNs) {
    earlier_ = std::move(later_);
    later_ = {now_ns, {}};
    for (size_t i = 0; i < kBuckets; ++i) {
      if (counts[i] > 0) later_.counts.emplace_back(i, counts[i]);
    }
  }
  return reading;
}

double LatencySummary::Quantile(double quantile, const std::vector<uint64_t>& recent,
                                uint64_t recent_count) {
  if (recent_count == 0) return std::numeric_limits<double>::quiet_NaN();
  const double rank = std::ceil(quantile * static_cast<double>(recent_count));
  uint64_t seen = 0;
  size_t bucket = 0;
  while (seen + recent[bucket] < std::max(uint64_t{1}, static_cast<uint64_t>(rank))) {
    seen += recent[bucket++];
  }
  return ValueOf(bucket);
}

}  // namespace trident
