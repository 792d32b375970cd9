#pragma once

#include <cstdint>

#include "base/mutex.h"

namespace trident {

// Nanoseconds of the monotonic clock; the time base of queues and statistics.
uint64_t NowNs();

// Milliseconds since the Unix epoch; only for what users read (last_inference).
uint64_t WallClockMs();

inline constexpr uint64_t kNever = UINT64_MAX;

// What time it is and how to wait for it: the door through which tests bring virtual time.
// Thread-safe.
class Clock {
 public:
  virtual ~Clock() = default;
  virtual uint64_t Now() = 0;
  // Waits on `condition` until notified or until Now() reaches `deadline_ns` (kNever: no limit).
  // May wake for no reason.
  virtual void WaitUntil(CondVar& condition, Mutex& mutex, uint64_t deadline_ns) = 0;

  // The monotonic clock; never destroyed.
  static Clock& System();
};

}  // namespace trident
