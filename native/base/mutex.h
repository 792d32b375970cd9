#pragma once

#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <mutex>

// Clang's thread-safety attributes; other compilers see nothing.
#if defined(__clang__)
#define TRIDENT_THREAD_ATTRIBUTE(x) __attribute__((x))
#else
#define TRIDENT_THREAD_ATTRIBUTE(x)
#endif
#define GUARDED_BY(x) TRIDENT_THREAD_ATTRIBUTE(guarded_by(x))
#define REQUIRES(...) TRIDENT_THREAD_ATTRIBUTE(requires_capability(__VA_ARGS__))
#define EXCLUDES(...) TRIDENT_THREAD_ATTRIBUTE(locks_excluded(__VA_ARGS__))

namespace trident {

// std::mutex with the annotations that let clang check who guards what. Thread-safe.
class TRIDENT_THREAD_ATTRIBUTE(capability("mutex")) Mutex {
 public:
  void Lock() TRIDENT_THREAD_ATTRIBUTE(acquire_capability()) { mutex_.lock(); }
  void Unlock() TRIDENT_THREAD_ATTRIBUTE(release_capability()) { mutex_.unlock(); }
  bool TryLock() TRIDENT_THREAD_ATTRIBUTE(try_acquire_capability(true)) {
    return mutex_.try_lock();
  }

 private:
  friend class CondVar;
  std::mutex mutex_;
};

class TRIDENT_THREAD_ATTRIBUTE(scoped_lockable) MutexLock {
 public:
  explicit MutexLock(Mutex& mutex) TRIDENT_THREAD_ATTRIBUTE(acquire_capability(mutex))
      : mutex_(mutex) {
    mutex_.Lock();
  }
  ~MutexLock() TRIDENT_THREAD_ATTRIBUTE(release_capability()) { mutex_.Unlock(); }
  MutexLock(const MutexLock&) = delete;
  MutexLock& operator=(const MutexLock&) = delete;

 private:
  Mutex& mutex_;
};

// A condition variable for Mutex. Spurious wakes happen: wait in a loop. Thread-safe.
class CondVar {
 public:
  void Wait(Mutex& mutex) REQUIRES(mutex) {
    std::unique_lock<std::mutex> lock(mutex.mutex_, std::adopt_lock);
    condition_.wait(lock);
    lock.release();
  }

  // Until notified or until the steady clock reads `deadline_ns`. False when the time came first.
  bool WaitUntil(Mutex& mutex, uint64_t deadline_ns) REQUIRES(mutex) {
    // Beyond what the clock can read, which it takes for the past: never.
    if (deadline_ns > static_cast<uint64_t>(INT64_MAX)) {
      Wait(mutex);
      return true;
    }
    std::unique_lock<std::mutex> lock(mutex.mutex_, std::adopt_lock);
    const std::chrono::steady_clock::time_point deadline{
        std::chrono::duration_cast<std::chrono::steady_clock::duration>(
            std::chrono::nanoseconds(deadline_ns))};
    const bool notified = condition_.wait_until(lock, deadline) == std::cv_status::no_timeout;
    lock.release();
    return notified;
  }

  void NotifyOne() { condition_.notify_one(); }
  void NotifyAll() { condition_.notify_all(); }

 private:
  std::condition_variable condition_;
};

}  // namespace trident
