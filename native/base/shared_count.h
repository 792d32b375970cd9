#pragma once

#include <atomic>
#include <cstdint>

namespace trident {

// A count that threads change one after the other, as under a lock, and that any thread may read at
// any time. Whoever sees a value sees all that was counted before it. Costs about what a plain
// number costs.
class SharedCount {
 public:
  SharedCount& operator+=(uint64_t more) { return Set(Get() + more); }
  SharedCount& operator-=(uint64_t less) { return Set(Get() - less); }
  SharedCount& operator++() { return *this += 1; }
  SharedCount& operator--() { return *this -= 1; }
  operator uint64_t() const { return Get(); }  // NOLINT: it stands for its number

 private:
  uint64_t Get() const { return value_.load(std::memory_order_acquire); }
  SharedCount& Set(uint64_t value) {
    value_.store(value, std::memory_order_release);
    return *this;
  }

  std::atomic<uint64_t> value_{0};
};

}  // namespace trident
