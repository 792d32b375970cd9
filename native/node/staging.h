#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "base/mutex.h"
#include "cuda/memory.h"

namespace trident {

// Host memory on the way between JS and devices. Small buffers are pinned and used again; where
// none is free, it is ordinary memory, which the driver copies more slowly. Outlives its buffers.
// Thread-safe.
class Staging {
 public:
  using Buffer = std::shared_ptr<uint8_t>;

  // Null when memory is short. Makes no driver call.
  Buffer Take(uint64_t byte_size);
  // Pins one buffer, by way of `device`, where any was missed since the last call. May take
  // milliseconds.
  void Refill(cuda::Device* device);

 private:
  static constexpr uint64_t kSmallest = 64 << 10;
  // Beyond it, pinning costs more than it gains.
  static constexpr uint64_t kLargestPinned = 16 << 20;
  static constexpr uint64_t kMostPinned = 64 << 20;

  using Pinned = std::unique_ptr<cuda::PinnedMemory>;

  Pinned TakeFree(uint64_t byte_size);
  bool MakeRoom(uint64_t byte_size, std::vector<Pinned>* dropped) REQUIRES(mutex_);
  void Return(Pinned memory);

  Mutex mutex_;
  std::vector<Pinned> free_ GUARDED_BY(mutex_);   // the last used at the end
  uint64_t missed_bytes_ GUARDED_BY(mutex_) = 0;  // of the largest
  uint64_t pinned_bytes_ GUARDED_BY(mutex_) = 0;  // in use, too
};

}  // namespace trident
