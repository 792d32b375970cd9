#include "node/staging.h"

#include <algorithm>
#include <bit>
#include <cstdlib>
#include <utility>

namespace trident {

Staging::Buffer Staging::Take(uint64_t byte_size) {
  if (byte_size <= kLargestPinned) {
    if (Pinned memory = TakeFree(std::max(kSmallest, std::bit_ceil(byte_size)))) {
      auto* const data = static_cast<uint8_t*>(memory->data());
      // A deleter has to be copyable.
      auto owned = std::make_shared<Pinned>(std::move(memory));
      return {data, [this, owned](uint8_t*) { Return(std::move(*owned)); }};
    }
  }
  // Also of no bytes: null is no memory.
  auto* const data = static_cast<uint8_t*>(malloc(std::max<uint64_t>(byte_size, 1)));
  return data == nullptr ? nullptr : Buffer(data, free);
}

// The smallest that suffices. Null, and missed, when there is none.
Staging::Pinned Staging::TakeFree(uint64_t byte_size) {
  MutexLock lock(mutex_);
  auto best = free_.end();
  for (auto one = free_.begin(); one != free_.end(); ++one) {
    const uint64_t bytes = (*one)->byte_size();
    if (bytes >= byte_size && (best == free_.end() || bytes < (*best)->byte_size())) best = one;
  }
  if (best == free_.end()) {
    missed_bytes_ = std::max(missed_bytes_, byte_size);
    return nullptr;
  }
  Pinned memory = std::move(*best);
  free_.erase(best);
  return memory;
}

void Staging::Refill(cuda::Device* device) {
  std::vector<Pinned> dropped;  // unpinned without the lock
  uint64_t byte_size = 0;
  {
    MutexLock lock(mutex_);
    byte_size = std::exchange(missed_bytes_, 0);
    if (byte_size == 0 || !MakeRoom(byte_size, &dropped)) return;
    pinned_bytes_ += byte_size;
  }
  dropped.clear();
  auto memory = cuda::PinnedMemory::Allocate(byte_size, device);
  MutexLock lock(mutex_);
  if (memory.ok()) {
    free_.push_back(std::move(memory).value());
  } else {
    pinned_bytes_ -= byte_size;
  }
}

// In place of free buffers that are too small, the longest unused first.
bool Staging::MakeRoom(uint64_t byte_size, std::vector<Pinned>* dropped) {
  for (auto one = free_.begin(); pinned_bytes_ + byte_size > kMostPinned && one != free_.end();) {
    if ((*one)->byte_size() >= byte_size) {
      ++one;
      continue;
    }
    pinned_bytes_ -= (*one)->byte_size();
    dropped->push_back(std::move(*one));
    one = free_.erase(one);
  }
  return pinned_bytes_ + byte_size <= kMostPinned;
}

void Staging::Return(Pinned memory) {
  MutexLock lock(mutex_);
  free_.push_back(std::move(memory));
}

}  // namespace trident
