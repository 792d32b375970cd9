#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>

#include "base/mutex.h"
#include "base/status.h"
#include "memory/suballocator.h"

namespace trident {

// Pieces of one block of memory, which is made when the first piece is asked for; when that fails,
// it is tried again now and then. Thread-safe.
class MemoryPool {
 public:
  // The first byte of the block, which lasts as long as the pointer.
  using MakeBlock = std::function<Result<std::shared_ptr<char>>(uint64_t byte_size)>;

  // `name` is for messages.
  MemoryPool(std::string name, uint64_t byte_size, MakeBlock make_block);

  // Begins at a multiple of Suballocator::kAlignment. UNAVAILABLE where there is no room.
  Result<void*> Allocate(uint64_t byte_size);
  // INVALID_ARG, and nothing has happened, when that is not a piece of this pool.
  Status Free(void* piece);

  // Read without waiting for who allocates.
  uint64_t total_bytes() const { return total_bytes_.load(std::memory_order_relaxed); }
  uint64_t used_bytes() const { return used_bytes_.load(std::memory_order_relaxed); }

 private:
  // How many are refused after a failure before the block is tried again, as the driver is slow.
  static constexpr int kRefusals = 63;

  Status EnsureBlock();

  const std::string name_;
  const uint64_t byte_size_;
  const MakeBlock make_block_;
  Mutex making_mutex_;  // before mutex_
  int refusals_left_ GUARDED_BY(making_mutex_) = 0;
  Status problem_ GUARDED_BY(making_mutex_);  // why there is no block
  Mutex mutex_;
  std::shared_ptr<char> block_ GUARDED_BY(mutex_);  // null: there is none
  Suballocator pieces_ GUARDED_BY(mutex_);
  std::atomic<uint64_t> total_bytes_{0};
  std::atomic<uint64_t> used_bytes_{0};
};

// What a server hands out to its backends: pinned memory of the host and memory of the devices. The
// driver is slow to allocate such memory, and may hold up all devices meanwhile, so it is asked for
// one block of each kind. Thread-safe.
class MemoryPools {
 public:
  struct Options {
    uint64_t pinned_bytes = 0;
    std::map<int, uint64_t> device_bytes;  // by device
    uint64_t default_device_bytes = 0;     // of the others
  };
  explicit MemoryPools(Options options);

  // UNSUPPORTED without a driver, else as MemoryPool.
  MemoryPool& pinned() { return pinned_; }
  // UNSUPPORTED without a driver, INVALID_ARG when there is no such device.
  Result<MemoryPool*> OnDevice(int64_t id);

 private:
  const Options options_;
  MemoryPool pinned_;
  Mutex mutex_;
  std::map<int64_t, MemoryPool> on_devices_ GUARDED_BY(mutex_);
};

}  // namespace trident
