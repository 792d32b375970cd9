#include "samples.h"

#include <algorithm>
#include <cmath>

namespace trident::bench {

Summary Summarise(std::vector<uint64_t>& times_ns) {
  if (times_ns.empty()) return {};
  std::ranges::sort(times_ns);
  const auto at = [&](double fraction) {
    const double rank = std::ceil(fraction * static_cast<double>(times_ns.size()));
    return static_cast<double>(times_ns[static_cast<size_t>(rank) - 1]) / 1000;
  };
  return {times_ns.size(), at(0.5), at(0.9), at(0.99)};
}

double Median(std::vector<double> values) {
  if (values.empty()) return 0;
  std::ranges::sort(values);
  const size_t middle = values.size() / 2;
  return values.size() % 2 == 1 ? values[middle] : (values[middle - 1] + values[middle]) / 2;
}

double Rounded(double value) { return std::round(value * 100) / 100; }

}  // namespace trident::bench
