#include "inference/response_pool.h"

#include <utility>

#include "inference/response.h"

namespace trident {

ResponsePool::~ResponsePool() {
  while (first_ != nullptr) delete std::exchange(first_, first_->next_spare_);
}

InferenceResponse* ResponsePool::Take() {
  {
    MutexLock lock(mutex_);
    if (first_ != nullptr) {
      --size_;
      return std::exchange(first_, first_->next_spare_);
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
      return;
    }
  }
  delete empty;
}

}  // namespace trident
