#include "metrics/histogram.h"

#include <algorithm>
#include <cmath>
#include <limits>

namespace trident {
namespace {

std::vector<double> WithoutInfinity(std::vector<double> bounds) {
  if (!bounds.empty() && bounds.back() == std::numeric_limits<double>::infinity()) {
    bounds.pop_back();
  }
  return bounds;
}

}  // namespace

Status Histogram::CheckBounds(const std::vector<double>& bounds) {
  const auto misplaced = [](double a, double b) { return !(a < b); };
  if (bounds.empty() || (!std::isnan(bounds[0]) && std::adjacent_find(bounds.begin(), bounds.end(),
                                                                      misplaced) == bounds.end())) {
    return Status::Ok();
  }
  return InvalidArg("the bounds of a histogram's buckets must be numbers in ascending order");
}

Histogram::Histogram(std::vector<double> bounds)
    : bounds_(WithoutInfinity(std::move(bounds))),
      counts_(std::make_unique<std::atomic<uint64_t>[]>(bounds_.size() + 1)) {}

void Histogram::Observe(double value) {
  const auto bound =
      std::isnan(value) ? bounds_.end() : std::lower_bound(bounds_.begin(), bounds_.end(), value);
  counts_[static_cast<size_t>(bound - bounds_.begin())].fetch_add(1, std::memory_order_relaxed);
  sum_.fetch_add(value, std::memory_order_relaxed);
}

Histogram::Reading Histogram::Read() const {
  Reading reading;
  for (size_t i = 0; i <= bounds_.size(); ++i) {
    reading.count += counts_[i].load(std::memory_order_relaxed);
    if (i < bounds_.size()) reading.up_to.push_back(reading.count);
  }
  reading.sum = sum_.load(std::memory_order_relaxed);
  return reading;
}

}  // namespace trident
