#include "node/function_home.h"

#include <utility>

#include "node/completion_queue.h"

namespace trident {

template <typename T>
bool FunctionHome::Push(T item) {
  MutexLock lock(mutex_);
  if (queue_ == nullptr) return false;
  queue_->Push(std::move(item));
  return true;
}

bool FunctionHome::Post(FunctionEvent event) { return Push(std::move(event)); }

bool FunctionHome::Post(std::shared_ptr<FunctionExecution> execution) {
  return Push(std::move(execution));
}

void FunctionHome::Shut() {
  MutexLock lock(mutex_);
  queue_ = nullptr;
}

}  // namespace trident
