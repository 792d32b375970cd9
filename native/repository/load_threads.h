#pragma once

#include <cstddef>
#include <functional>

#include "base/mutex.h"

namespace trident {

// The threads that load models, for all who load at the same time: at most `limit` pieces of work
// run at once, and at most `limit` - 1 threads exist beside the callers'. They end when there is
// nothing to do. Thread-safe.
class LoadThreads {
 public:
  explicit LoadThreads(unsigned limit) : limit_(limit > 0 ? limit : 1) {}

  // Runs `work(i)` for every i < count, on this thread and those to be had. `work` must not throw
  // nor come back here.
  void Run(size_t count, const std::function<void(size_t)>& work);

 private:
  class Slot;
  bool AddHelper();
  void RemoveHelper();

  const unsigned limit_;
  Mutex mutex_;
  CondVar slot_free_;
  unsigned running_ GUARDED_BY(mutex_) = 0;
  unsigned helpers_ GUARDED_BY(mutex_) = 0;
};

}  // namespace trident
