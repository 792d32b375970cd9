#pragma once

#include <cstdint>
#include <memory>
#include <span>

#include "base/status.h"
#include "inference/buffer.h"
#include "memory/memory_pools.h"

namespace trident {

// The core's one way to touch bytes that may lie on a device. Each copy waits until it is done;
// what it reads must be there by then. After a failure all who listen have heard of a device that
// is lost, so the caller holds no lock, unless it says so.

// Copies to and from any memory, also from one device to another.
Status CopyBuffer(void* to, const BufferAttributes& to_place, const void* from,
                  const BufferAttributes& from_place, uint64_t byte_size);
// All of `blocks`, one behind the other.
Status CopyBlocks(std::span<const ConstBuffer> blocks, void* to, const BufferAttributes& to_place);
// The same for a caller that holds a lock: nobody hears of lost devices.
Status CopyBlocksUnderLock(std::span<const ConstBuffer> blocks, void* to,
                           const BufferAttributes& to_place);

// Whether the CPU may read all of `blocks`.
bool OnHost(std::span<const ConstBuffer> blocks);

struct OwnedBufferDeleter {
  std::shared_ptr<MemoryPool> pool;  // null: from the heap
  void operator()(void* memory) const;
};

// Memory of the core's own, and where it lies.
struct OwnedBuffer {
  std::unique_ptr<void, OwnedBufferDeleter> memory;
  BufferAttributes attributes;
};

// Null for memory that is in no pool. INVALID_ARG for an unknown type; else as MemoryPools.
Result<MemoryPool*> PoolFor(MemoryType type, int64_t id, MemoryPools& pools);

// From the pool of `pools` for memory as wished, else from the heap: without pools (null) or such a
// pool, or when it has no room. UNAVAILABLE when the heap has none, either;
// INVALID_ARG for an unknown type of memory.
Result<OwnedBuffer> AllocateBuffer(uint64_t byte_size, const BufferAttributes& wished = {},
                                   const std::shared_ptr<MemoryPools>& pools = nullptr);

}  // namespace trident
