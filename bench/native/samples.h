#pragma once

#include <chrono>
#include <cstdint>
#include <nlohmann/json.hpp>
#include <vector>

namespace trident::bench {

using Json = nlohmann::ordered_json;

inline uint64_t NowNs() {
  return static_cast<uint64_t>(std::chrono::steady_clock::now().time_since_epoch().count());
}

// What a series of times comes to.
struct Summary {
  uint64_t count = 0;
  double p50_us = 0;
  double p90_us = 0;
  double p99_us = 0;
};

// Sorts the times; all zero when there are none. A percentile is the smallest of them that so many
// do not exceed, as everywhere in the benchmark.
Summary Summarise(std::vector<uint64_t>& times_ns);

double Median(std::vector<double> values);

// To two decimals, for people who read the JSON.
double Rounded(double value);

}  // namespace trident::bench
