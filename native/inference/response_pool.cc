#include "inference/response_pool.h"

#include <sanitizer/asan_interface.h>

#include <utility>

#include "inference/response.h"

namespace trident {

ResponsePool::~ResponsePool() {
  while (first_ != nullptr) delete PopFront();
}

// Whoever still uses a spare one is found out by the address sanitizer.
InferenceResponse* ResponsePool::PopFront() {
  ASAN_UNPOISON_MEMORY_REGION(first_, sizeof(*first_));
  return std::exchange(first_, first_->next_spare_);
}

InferenceResponse* ResponsePool::Take() {
  {
    MutexLock lock(mutex_);
    if (first_ != nullptr) {
      --size_;
      return PopFront();
    }
  }
  return new InferenceResponse;
}

void ResponsePool::Give(InferenceResponse* empty) {
  {
    MutexLock lock(mutex_);
    if (size_ < kMostSpare) {
      ++size_;
      empty->next_spare_ = std::exchange(first_, empty);
      ASAN_POISON_MEMORY_REGION(empty, sizeof(*empty));
      return;
    }
  }
  delete empty;
}

}  // namespace trident
