#include "memory/cuda_blocks.h"

#include <algorithm>
#include <bit>
#include <iterator>
#include <map>
#include <utility>
#include <vector>

#include "base/mutex.h"

namespace trident {
namespace {

// What is kept of each device at most.
constexpr size_t kMostBlocks = 16;
constexpr uint64_t kMostBytes = 64 << 20;
constexpr uint64_t kSmallestStep = 512;

// What to allocate for so many bytes: of few sizes, so that a kept block serves more often, and at
// most an eighth too much.
uint64_t BlockSize(uint64_t byte_size) {
  if (byte_size > kMostBytes) return byte_size;  // not kept
  const uint64_t step = std::max(kSmallestStep, std::bit_floor(byte_size) / 8);
  return (byte_size + step - 1) / step * step;
}

}  // namespace

// Outlives the blocks that were taken, each of which knows it.
class CudaBlocks::Kept : public CudaRecycler {
 public:
  // In place of those that nobody has wanted for longest.
  std::vector<Memory> Keep(Memory memory) override {
    std::vector<Memory> dropped;
    if (memory->byte_size() > kMostBytes) {
      dropped.push_back(std::move(memory));
      return dropped;
    }
    MutexLock lock(mutex_);
    OfDevice& kept = devices_[&memory->device()];
    kept.bytes += memory->byte_size();
    kept.blocks.push_back(std::move(memory));
    while (kept.blocks.size() > kMostBlocks || kept.bytes > kMostBytes) {
      dropped.push_back(kept.Remove(kept.blocks.begin()));
    }
    return dropped;
  }

  bool Clear(const cuda::Device& device) override {
    std::vector<Memory> dropped;  // freed without the lock
    MutexLock lock(mutex_);
    OfDevice& kept = devices_[&device];
    dropped.swap(kept.blocks);
    kept.bytes = 0;
    return !dropped.empty();
  }

  void Clear() {
    std::map<const cuda::Device*, OfDevice> dropped;  // freed without the lock
    MutexLock lock(mutex_);
    dropped.swap(devices_);
  }

  // The last used of this size, so that those too many grow old. Null when there is none.
  Memory Take(const cuda::Device& device, uint64_t byte_size) {
    MutexLock lock(mutex_);
    OfDevice& kept = devices_[&device];
    const auto found =
        std::find_if(kept.blocks.rbegin(), kept.blocks.rend(),
                     [byte_size](const Memory& block) { return block->byte_size() == byte_size; });
    return found == kept.blocks.rend() ? nullptr : kept.Remove(std::prev(found.base()));
  }

 private:
  struct OfDevice {
    std::vector<Memory> blocks;  // the last used at the end
    uint64_t bytes = 0;

    Memory Remove(std::vector<Memory>::iterator position) {
      Memory block = std::move(*position);
      blocks.erase(position);
      bytes -= block->byte_size();
      return block;
    }
  };

  Mutex mutex_;
  std::map<const cuda::Device*, OfDevice> devices_ GUARDED_BY(mutex_);
};

CudaBlocks::CudaBlocks() : kept_(std::make_shared<Kept>()) {}
CudaBlocks::~CudaBlocks() = default;

Result<CudaMemory> CudaBlocks::Take(int64_t device_id, uint64_t byte_size) {
  TRIDENT_ASSIGN_OR_RETURN(cuda::Device* const device, cuda::Device::Find(device_id));
  const uint64_t block_size = BlockSize(byte_size);
  std::unique_ptr<cuda::DeviceMemory> block = kept_->Take(*device, block_size);
  if (block == nullptr) {
    TRIDENT_ASSIGN_OR_RETURN(block, CudaLedger::Get().Allocate(device, block_size, kept_.get()));
  }
  return CudaMemory::Of(CudaLedger::Get().Adopt(std::move(block), kept_), byte_size);
}

Result<CudaMemory> CudaBlocks::Allocate(int64_t device_id, uint64_t byte_size) {
  return CudaMemory::Allocate(device_id, byte_size, kept_.get());
}

void CudaBlocks::Clear() { kept_->Clear(); }

}  // namespace trident
