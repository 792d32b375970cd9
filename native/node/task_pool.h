#pragma once

#include <deque>
#include <functional>
#include <thread>
#include <vector>

#include "base/mutex.h"
#include "base/status.h"

namespace trident {

// Threads for calls that block: start, stop, load, unload. Started when there is a task and none
// of them is idle, up to a small number; never libuv's, which file access and DNS need.
// Thread-safe.
class TaskPool {
 public:
  TaskPool() = default;
  // Runs what is queued to its end, then joins the threads.
  ~TaskPool();
  TaskPool(const TaskPool&) = delete;
  TaskPool& operator=(const TaskPool&) = delete;

  // UNAVAILABLE, and nothing queued, when the first thread can't be started.
  Status Run(std::function<void()> task);

 private:
  static constexpr size_t kMaxThreads = 8;

  void Loop();

  Mutex mutex_;
  CondVar changed_;
  std::deque<std::function<void()>> tasks_ GUARDED_BY(mutex_);
  std::vector<std::thread> threads_ GUARDED_BY(mutex_);
  size_t idle_ GUARDED_BY(mutex_) = 0;
  bool stopping_ GUARDED_BY(mutex_) = false;
};

}  // namespace trident
