#include "repository/load_threads.h"

#include <atomic>
#include <system_error>
#include <thread>
#include <vector>

namespace trident {

// One of the pieces of work that may run at the same time.
class LoadThreads::Slot {
 public:
  explicit Slot(LoadThreads* threads) : threads_(threads) {
    MutexLock lock(threads_->mutex_);
    while (threads_->running_ >= threads_->limit_) threads_->slot_free_.Wait(threads_->mutex_);
    ++threads_->running_;
  }
  ~Slot() {
    {
      MutexLock lock(threads_->mutex_);
      --threads_->running_;
    }
    threads_->slot_free_.NotifyOne();
  }
  Slot(const Slot&) = delete;
  Slot& operator=(const Slot&) = delete;

 private:
  LoadThreads* const threads_;
};

bool LoadThreads::AddHelper() {
  MutexLock lock(mutex_);
  if (helpers_ + 1 >= limit_) return false;
  ++helpers_;
  return true;
}

void LoadThreads::RemoveHelper() {
  MutexLock lock(mutex_);
  --helpers_;
}

void LoadThreads::Run(size_t count, const std::function<void(size_t)>& work) {
  std::atomic<size_t> next{0};
  const auto run = [&] {
    for (size_t i = next.fetch_add(1); i < count; i = next.fetch_add(1)) {
      const Slot slot(this);
      work(i);
    }
  };
  std::vector<std::thread> helpers;
  for (size_t i = 1; i < count && AddHelper(); ++i) {
    try {
      helpers.emplace_back(run);
    } catch (const std::exception&) {  // no thread, or no memory for one: those there do the rest
      RemoveHelper();
      break;
    }
  }
  run();
  for (std::thread& helper : helpers) {
    helper.join();
    RemoveHelper();
  }
}

}  // namespace trident
