#include "model/worker.h"

namespace trident {

Worker::Worker() : thread_([this] { Run(); }) {}

Worker::~Worker() {
  Wait();
  {
    MutexLock lock(mutex_);
    leave_ = true;
    changed_.NotifyAll();
  }
  thread_.join();
}

void Worker::Begin(std::function<void()> work) {
  Wait();
  MutexLock lock(mutex_);
  work_ = std::move(work);
  changed_.NotifyAll();
}

void Worker::Wait() {
  MutexLock lock(mutex_);
  while (work_ != nullptr || busy_) changed_.Wait(mutex_);
}

void Worker::Run() {
  while (true) {
    std::function<void()> work;
    {
      MutexLock lock(mutex_);
      while (work_ == nullptr && !leave_) changed_.Wait(mutex_);
      if (leave_) return;
      work.swap(work_);
      busy_ = true;
    }
    work();
    MutexLock lock(mutex_);
    busy_ = false;
    changed_.NotifyAll();
  }
}

}  // namespace trident
