#pragma once

#include <deque>
#include <functional>
#include <memory>

#include "base/mutex.h"

namespace trident {

// Runs what waits for requests to end, each on a thread of its own: whoever unloads a model must
// not be kept, even where no thread can be had. Then the work stays parked until one can, which is
// tried at every later call and at the end of every drain. Thread-safe; outlived by no work.
class Drains {
 public:
  using Work = std::function<void()>;
  // Starts a thread for `work`; false when there is none to be had. Tests bring their own.
  using StartThread = std::function<bool(Work work)>;
  explicit Drains(StartThread start = nullptr);

  // Runs `work`, soon, on another thread. `work` must not throw.
  void Start(Work work);
  // Waits until all work has ended; false when `deadline_ns` comes first.
  bool WaitAll(uint64_t deadline_ns);
  // Tries again to find threads for parked work; true if some still waits.
  bool StartParked();

 private:
  void Run(std::shared_ptr<Work> work);

  const StartThread start_thread_;
  Mutex mutex_;
  CondVar ended_;
  // Shared, so that what the work holds exists once and goes where the work ends.
  std::deque<std::shared_ptr<Work>> parked_ GUARDED_BY(mutex_);
  size_t unfinished_ GUARDED_BY(mutex_) = 0;
};

// How often those who wait for a drain look for a thread to run it, once there was none.
inline constexpr uint64_t kRetryThreadNs = 20'000'000;

}  // namespace trident
