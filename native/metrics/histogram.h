#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <vector>

#include "base/status.h"

namespace trident {

// Counts values by the bounds they do not exceed. Lock-free; thread-safe.
class Histogram {
 public:
  struct Reading {
    std::vector<uint64_t> up_to;  // by bound: how many values did not exceed it
    uint64_t count = 0;           // of all values
    double sum = 0;
  };

  // INVALID_ARG unless they ascend.
  static Status CheckBounds(const std::vector<double>& bounds);

  explicit Histogram(std::vector<double> bounds);

  void Observe(double value);
  Reading Read() const;
  const std::vector<double>& bounds() const { return bounds_; }

 private:
  const std::vector<double> bounds_;  // without infinity, which is a bound of every histogram
  const std::unique_ptr<std::atomic<uint64_t>[]> counts_;  // the last: beyond all bounds
  std::atomic<double> sum_{0};
};

}  // namespace trident
