#include "node/staging.h"

#include <algorithm>
#include <bit>
#include <cstdlib>
#include <utility>

namespace trident {

Staging::Buffer Staging::Take(uint64_t byte_size) {
  if (byte_size <= kLargestPinned) {
    if (Pinned memory = TakePinned(std::max(kSmallest, std::bit_ceil(byte_size)))) {
      auto* const data = static_cast<uint8_t*>(memory->data());
      // A deleter has to be copyable.
      auto owned = std::make_shared<Pinned>(std::move(memory));
      return {data, [this, owned](uint8_t*) { Return(std::move(*owned)); }};
    }
  }
  auto* const data = static_cast<uint8_t*>(malloc(byte_size));
  return data == nullptr ? nullptr : Buffer(data, free);
}

// Null when no more may, or can, be pinned.
Staging::Pinned Staging::TakePinned(uint64_t byte_size) {
  {
    MutexLock lock(mutex_);
    const auto found = std::find_if(free_.begin(), free_.end(), [byte_size](const Pinned& memory) {
      return memory->byte_size() == byte_size;
    });
    if (found != free_.end()) {
      Pinned memory = std::move(*found);
      free_.erase(found);
      return memory;
    }
    if (pinned_bytes_ + byte_size > kMostPinned) return nullptr;
    pinned_bytes_ += byte_size;
  }
  auto memory = cuda::PinnedMemory::Allocate(byte_size);
  if (memory.ok()) return std::move(memory).value();
  MutexLock lock(mutex_);
  pinned_bytes_ -= byte_size;
  return nullptr;
}

void Staging::Return(Pinned memory) {
  MutexLock lock(mutex_);
  free_.push_back(std::move(memory));
}

}  // namespace trident
