#pragma once

#include <condition_variable>
#include <mutex>
#include <vector>

#include "slot.h"

namespace trident::bench {

// Hands slots that are over from the server's threads to the one that submits them. Only a push to
// an empty queue wakes it. Must outlive the server: its threads may still be on their way out of
// Push when the last slot has been taken. Thread-safe, but Take is for one thread.
class OverQueue {
 public:
  void Push(Slot* slot) {
    bool wake = false;
    {
      const std::lock_guard lock(mutex_);
      slots_.push_back(slot);
      wake = waiting_ && slots_.size() == 1;
    }
    if (wake) arrived_.notify_one();
  }

  // Replaces the contents of `slots` by what has come; with `wait`, by at least one.
  void Take(std::vector<Slot*>* slots, bool wait) {
    slots->clear();
    std::unique_lock lock(mutex_);
    waiting_ = true;
    if (wait) arrived_.wait(lock, [&] { return !slots_.empty(); });
    waiting_ = false;
    slots->swap(slots_);
  }

 private:
  std::mutex mutex_;
  std::condition_variable arrived_;
  bool waiting_ = false;
  std::vector<Slot*> slots_;
};

}  // namespace trident::bench
