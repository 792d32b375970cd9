#pragma once

#include <functional>
#include <thread>

#include "base/mutex.h"

namespace trident {

// A thread that does one thing after the other, for libraries that keep state per calling thread.
// Used by one thread at a time.
class Worker {
 public:
  Worker();   // may throw std::system_error
  ~Worker();  // waits for what it has begun
  Worker(const Worker&) = delete;
  Worker& operator=(const Worker&) = delete;

  // Begins `work`, which throws nothing, once what was begun before has ended.
  void Begin(std::function<void()> work);
  // Until what was begun has ended.
  void Wait();
  void Do(std::function<void()> work) {
    Begin(std::move(work));
    Wait();
  }

 private:
  void Run();

  Mutex mutex_;
  CondVar changed_;
  std::function<void()> work_ GUARDED_BY(mutex_);  // empty: nothing is to be begun
  bool busy_ GUARDED_BY(mutex_) = false;
  bool leave_ GUARDED_BY(mutex_) = false;
  std::thread thread_;
};

}  // namespace trident
