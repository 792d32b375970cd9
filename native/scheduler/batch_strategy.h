#pragma once

#include <cstddef>
#include <span>

#include "inference/request.h"

namespace trident {

// A model's own say in which requests share a batch, on top of what the configuration says. Never
// called under a lock, and only by one thread at a time.
class BatchStrategy {
 public:
  virtual ~BatchStrategy() = default;
  // `candidates` may share a batch as far as the configuration goes; how many of them, from the
  // first, do. 0 counts as 1: a request must run, if only alone.
  virtual size_t Accept(std::span<InferenceRequest* const> candidates) = 0;
};

}  // namespace trident
