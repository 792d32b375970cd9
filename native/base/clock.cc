#include "base/clock.h"

#include <chrono>

namespace trident {
namespace {

class SystemClock : public Clock {
 public:
  uint64_t Now() override { return NowNs(); }
  void WaitUntil(CondVar& condition, Mutex& mutex, uint64_t deadline_ns) override {
    if (deadline_ns == kNever) {
      condition.Wait(mutex);
    } else {
      condition.WaitUntil(mutex, deadline_ns);
    }
  }
};

}  // namespace

uint64_t NowNs() {
  return std::chrono::duration_cast<std::chrono::nanoseconds>(
             std::chrono::steady_clock::now().time_since_epoch())
      .count();
}

uint64_t WallClockMs() {
  return std::chrono::duration_cast<std::chrono::milliseconds>(
             std::chrono::system_clock::now().time_since_epoch())
      .count();
}

Clock& Clock::System() {
  static auto* clock = new SystemClock();
  return *clock;
}

}  // namespace trident
