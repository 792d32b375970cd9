#pragma once

#include <cstddef>
#include <memory>

#include "base/mutex.h"

namespace trident {

class InferenceResponse;

// What recycles a response instead of deleting it.
struct ResponseRecycler {
  void operator()(InferenceResponse* response) const;
};
// A response; whoever drops it frees its outputs' memory.
using ResponsePtr = std::unique_ptr<InferenceResponse, ResponseRecycler>;

// The empty responses of a model. One that its receiver has dropped, on whichever thread, serves
// again with all the memory its names and shapes have taken, so that a steady load allocates none.
// Thread-safe.
class ResponsePool {
 public:
  ResponsePool() = default;
  ~ResponsePool();
  ResponsePool(const ResponsePool&) = delete;
  ResponsePool& operator=(const ResponsePool&) = delete;

  // An empty response, which the caller owns.
  InferenceResponse* Take();
  void Give(InferenceResponse* empty);

 private:
  InferenceResponse* PopFront() REQUIRES(mutex_);

  // More are let go: a client who held very many should not cost their memory for ever.
  static constexpr size_t kMostSpare = 1024;

  Mutex mutex_;
  InferenceResponse* first_ GUARDED_BY(mutex_) = nullptr;
  size_t size_ GUARDED_BY(mutex_) = 0;
};

}  // namespace trident
