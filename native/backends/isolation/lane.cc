#include "backends/isolation/lane.h"

#include <utility>

namespace trident::isolated {

Lane::~Lane() {
  Close();
  thread_.join();
}

void Lane::Do(std::function<void()> task) {
  MutexLock lock(mutex_);
  while (tasks_.size() >= kMostTasks) changed_.Wait(mutex_);
  tasks_.push_back(std::move(task));
  changed_.NotifyAll();
}

void Lane::Close() {
  MutexLock lock(mutex_);
  closed_ = true;
  changed_.NotifyAll();
}

bool Lane::finished() {
  MutexLock lock(mutex_);
  return finished_;
}

void Lane::Run() {
  for (;;) {
    std::function<void()> task;
    {
      MutexLock lock(mutex_);
      while (tasks_.empty() && !closed_) changed_.Wait(mutex_);
      if (tasks_.empty()) {
        finished_ = true;
        return;
      }
      task = std::move(tasks_.front());
      tasks_.pop_front();
      changed_.NotifyAll();
    }
    task();
  }
}

}  // namespace trident::isolated
