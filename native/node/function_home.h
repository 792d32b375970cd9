#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <string>
#include <thread>
#include <variant>

#include "base/mutex.h"

namespace trident {

class CompletionQueue;
class FunctionExecution;
class FunctionInstance;

// What the JS thread of an environment is told about functions.
struct InstanceWanted {
  int32_t server = 0;
  int32_t instance = 0;
  std::string description;
};
struct InstanceOver {
  int32_t instance = 0;
};
struct InstanceLost {
  int32_t server = 0;
  int32_t instance = 0;
  std::string reason;
};
struct RequestCancelled {
  int64_t execution = 0;
  uint32_t request = 0;
};
struct RequestDrained {
  int64_t execution = 0;
  uint32_t request = 0;
  bool operator==(const RequestDrained&) const = default;
};
// Its requests have been answered elsewhere: what JS still has of it goes.
struct ExecutionAbandoned {
  std::shared_ptr<FunctionExecution> execution;
};

using FunctionEvent = std::variant<InstanceWanted, InstanceOver, InstanceLost, RequestCancelled,
                                   RequestDrained, ExecutionAbandoned>;

// The door to the JS thread of one environment for all that concerns functions. Others hold it
// longer than the environment lasts, whose end shuts it. Thread-safe.
class FunctionHome {
 public:
  // On the JS thread.
  explicit FunctionHome(CompletionQueue* queue) : queue_(queue) {}
  FunctionHome(const FunctionHome&) = delete;
  FunctionHome& operator=(const FunctionHome&) = delete;

  // False when it is shut: nobody will look at it.
  bool Post(FunctionEvent event);
  bool Post(std::shared_ptr<FunctionExecution> execution);
  void Shut();

  // For as long as it lasts the thread does not get to its event loop: what only that could bring
  // about, as another thread for an instance, does not come. On the JS thread; may be nested.
  class StandStill {
   public:
    explicit StandStill(FunctionHome* home) : home_(home) { ++home_->standing_still_; }
    ~StandStill() { --home_->standing_still_; }
    StandStill(const StandStill&) = delete;
    StandStill& operator=(const StandStill&) = delete;

   private:
    FunctionHome* const home_;
  };
  bool stands_still() const { return standing_still_ > 0; }

  bool IsThisThread() const { return std::this_thread::get_id() == js_thread_; }

 private:
  template <typename T>
  bool Push(T item);

  const std::thread::id js_thread_ = std::this_thread::get_id();
  std::atomic<int> standing_still_{0};
  Mutex mutex_;  // held together with the queue's, taken before it
  CompletionQueue* queue_ GUARDED_BY(mutex_);
};

}  // namespace trident
