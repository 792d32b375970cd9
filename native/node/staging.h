#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "base/mutex.h"
#include "cuda/memory.h"

namespace trident {

// Host memory on the way between JS and devices. Small buffers are pinned and used again; what is
// large, or more than the pool may pin, is ordinary memory, which the driver copies more slowly.
// Outlives its buffers. Thread-safe.
class Staging {
 public:
  using Buffer = std::shared_ptr<uint8_t>;

  // Null when memory is short.
  Buffer Take(uint64_t byte_size);

 private:
  static constexpr uint64_t kSmallest = 64 << 10;
  static constexpr uint64_t kLargestPinned = 16
                                             << 20;  // beyond it, pinning costs more than it gains
  static constexpr uint64_t kMostPinned = 64 << 20;

  using Pinned = std::unique_ptr<cuda::PinnedMemory>;

  Pinned TakePinned(uint64_t byte_size);
  void Return(Pinned memory);

  Mutex mutex_;
  std::vector<Pinned> free_ GUARDED_BY(mutex_);
  uint64_t pinned_bytes_ GUARDED_BY(mutex_) = 0;  // in use, too
};

}  // namespace trident
