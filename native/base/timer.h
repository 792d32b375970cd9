#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <thread>

#include "base/clock.h"
#include "base/mutex.h"

namespace trident {

// Something that wants to be called at a certain time. Ring may destroy the alarm itself.
class Alarm {
 public:
  virtual ~Alarm() = default;
  virtual void Ring() = 0;
};

// Rings alarms at their time: the door through which tests bring virtual time to what must happen
// even if nobody calls (timeouts). An alarm is set for one time at most. Thread-safe.
class Timer {
 public:
  virtual ~Timer() = default;
  // Rings `alarm` once, at `when_ns` or at the time it is already set for, whichever is earlier.
  virtual void RingBy(Alarm* alarm, uint64_t when_ns) = 0;
  // `alarm` will not ring any more, and does not ring now unless it is the caller.
  virtual void Forget(Alarm* alarm) = 0;
};

// A timer with a thread of its own, started with the first alarm. Thread-safe.
class TimerThread : public Timer {
 public:
  explicit TimerThread(Clock& clock) : shared_(std::make_shared<Shared>(clock)) {}
  // May run on the timer's own thread, in the last ring.
  ~TimerThread() override;

  void RingBy(Alarm* alarm, uint64_t when_ns) override;
  void Forget(Alarm* alarm) override;

 private:
  // Outlives the timer until its thread has noticed.
  struct Shared {
    explicit Shared(Clock& clock) : clock(clock) {}
    Clock& clock;
    Mutex mutex;
    CondVar changed;
    std::multimap<uint64_t, Alarm*> by_time GUARDED_BY(mutex);
    std::map<Alarm*, std::multimap<uint64_t, Alarm*>::iterator> set GUARDED_BY(mutex);
    Alarm* ringing GUARDED_BY(mutex) = nullptr;
    bool ended GUARDED_BY(mutex) = false;
  };
  static void Run(const std::shared_ptr<Shared>& shared);

  const std::shared_ptr<Shared> shared_;
  std::thread thread_;  // guarded by shared_->mutex until destruction
};

}  // namespace trident
