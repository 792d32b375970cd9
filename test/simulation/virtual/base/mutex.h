#pragma once

#include <cstdint>

// Takes the place of native/base/mutex.h in the simulation: the same classes, whose threads are the
// simulation's own. So production code that waits, wakes and locks runs as it is, on one thread.

#define TRIDENT_THREAD_ATTRIBUTE(x)
#define GUARDED_BY(x)
#define REQUIRES(...)
#define EXCLUDES(...)

namespace trident {

// Externally synchronised by the simulation: one thread of the machine runs it.
class Mutex {
 public:
  void Lock();
  void Unlock();
  bool TryLock();

 private:
  bool locked_ = false;
};

// Externally synchronised by the simulation.
class MutexLock {
 public:
  explicit MutexLock(Mutex& mutex) : mutex_(mutex) { mutex_.Lock(); }
  ~MutexLock() { mutex_.Unlock(); }
  MutexLock(const MutexLock&) = delete;
  MutexLock& operator=(const MutexLock&) = delete;

 private:
  Mutex& mutex_;
};

// Externally synchronised by the simulation.
class CondVar {
 public:
  void Wait(Mutex& mutex);
  bool WaitUntil(Mutex& mutex, uint64_t deadline_ns);
  void NotifyOne();
  void NotifyAll();
};

}  // namespace trident
