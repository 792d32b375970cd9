#pragma once

#include <chrono>
#include <cstdint>

namespace trident::backend {

// Nanoseconds of the steady clock, which statistics are reported in.
inline uint64_t NowNs() {
  return std::chrono::duration_cast<std::chrono::nanoseconds>(
             std::chrono::steady_clock::now().time_since_epoch())
      .count();
}

}  // namespace trident::backend
