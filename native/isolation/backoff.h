#pragma once

#include <cstdint>

namespace trident::isolation {

// When a process that has ended is started again: at once the first time; then, until an execution
// succeeds, after 100 ms, 200 ms, and so on up to 30 s, so that a model which ends every process
// costs little. Pure: it reads no clock. Externally synchronised.
class Backoff {
 public:
  static constexpr uint64_t kFirstDelayNs = 100'000'000;
  static constexpr uint64_t kMaxDelayNs = 30'000'000'000;

  // The process has ended: when it may start again.
  uint64_t Ended(uint64_t now_ns);
  // An execution has succeeded.
  void Succeeded() { next_delay_ns_ = 0; }

 private:
  uint64_t next_delay_ns_ = 0;
};

}  // namespace trident::isolation
