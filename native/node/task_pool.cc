#include "node/task_pool.h"

#include <pthread.h>

#include <system_error>
#include <utility>

namespace trident {

TaskPool::~TaskPool() {
  std::vector<std::thread> threads;
  {
    MutexLock lock(mutex_);
    stopping_ = true;
    threads.swap(threads_);
    changed_.NotifyAll();
  }
  for (std::thread& thread : threads) thread.join();
}

Status TaskPool::Run(std::function<void()> task) {
  MutexLock lock(mutex_);
  tasks_.push_back(std::move(task));
  if (idle_ >= tasks_.size() || threads_.size() == kMaxThreads) {
    changed_.NotifyOne();
    return Status::Ok();
  }
  try {
    threads_.emplace_back([this] {
      pthread_setname_np(pthread_self(), "trident-task");
      Loop();
    });
  } catch (const std::system_error& error) {
    if (!threads_.empty()) return Status::Ok();  // a busy one will take it
    tasks_.pop_back();
    return Unavailable("can't start a thread: ", error.what());
  }
  return Status::Ok();
}

void TaskPool::Loop() {
  mutex_.Lock();
  while (true) {
    while (tasks_.empty() && !stopping_) {
      ++idle_;
      changed_.Wait(mutex_);
      --idle_;
    }
    if (tasks_.empty()) break;
    std::function<void()> task = std::move(tasks_.front());
    tasks_.pop_front();
    mutex_.Unlock();
    task();
    task = nullptr;
    mutex_.Lock();
  }
  mutex_.Unlock();
}

}  // namespace trident
