#pragma once

#include <deque>
#include <functional>
#include <thread>

#include "base/mutex.h"

namespace trident::isolated {

// A thread for the responses of one request that has several: its client may take its time over
// each, and the other requests of the instance are not to wait for that. Does what it is given, in
// order, until it is closed and has done it. Thread-safe.
class Lane {
 public:
  // May throw std::system_error.
  Lane() : thread_([this] { Run(); }) {}
  // Waits for what it has been given.
  ~Lane();
  Lane(const Lane&) = delete;
  Lane& operator=(const Lane&) = delete;

  // Waits while there is too much to do already.
  void Do(std::function<void()> task);
  void Close();
  bool finished();

 private:
  static constexpr size_t kMostTasks = 4096;

  void Run();

  Mutex mutex_;
  CondVar changed_;
  std::deque<std::function<void()>> tasks_ GUARDED_BY(mutex_);
  bool closed_ GUARDED_BY(mutex_) = false;
  bool finished_ GUARDED_BY(mutex_) = false;
  std::thread thread_;
};

}  // namespace trident::isolated
