#include "memory/cuda_blocks.h"

#include <algorithm>
#include <bit>
#include <map>
#include <utility>

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
  bool Keep(std::unique_ptr<cuda::DeviceMemory>& memory) override {
    MutexLock lock(mutex_);
    OfDevice& kept = devices_[memory->device().id()];
    if (kept.blocks.size() == kMostBlocks || kept.bytes + memory->byte_size() > kMostBytes) {
      return false;
    }
    kept.bytes += memory->byte_size();
    const uint64_t byte_size = memory->byte_size();
    kept.blocks.emplace(byte_size, std::move(memory));
    return true;
  }

  // Null when none of this size is kept.
  std::unique_ptr<cuda::DeviceMemory> Take(int64_t device_id, uint64_t byte_size) {
    MutexLock lock(mutex_);
    OfDevice& kept = devices_[device_id];
    const auto found = kept.blocks.find(byte_size);
    if (found == kept.blocks.end()) return nullptr;
    kept.bytes -= byte_size;
    return std::move(kept.blocks.extract(found).mapped());
  }

  bool Clear() {
    std::map<int64_t, OfDevice> dropped;  // freed without the lock
    MutexLock lock(mutex_);
    dropped.swap(devices_);
    return std::any_of(dropped.begin(), dropped.end(),
                       [](const auto& item) { return !item.second.blocks.empty(); });
  }

 private:
  struct OfDevice {
    std::multimap<uint64_t, std::unique_ptr<cuda::DeviceMemory>> blocks;  // by size
    uint64_t bytes = 0;
  };

  Mutex mutex_;
  std::map<int64_t, OfDevice> devices_ GUARDED_BY(mutex_);
};

CudaBlocks::CudaBlocks() : kept_(std::make_shared<Kept>()) {}
CudaBlocks::~CudaBlocks() = default;

Result<CudaMemory> CudaBlocks::Take(int64_t device_id, uint64_t byte_size) {
  TRIDENT_ASSIGN_OR_RETURN(cuda::Device* const device, cuda::Device::Find(device_id));
  const uint64_t block_size = BlockSize(byte_size);
  std::unique_ptr<cuda::DeviceMemory> block = kept_->Take(device_id, block_size);
  if (block == nullptr) {
    auto made = CudaLedger::Get().Allocate(device, block_size);
    if (!made.ok() && Clear()) made = CudaLedger::Get().Allocate(device, block_size);
    if (!made.ok()) return made.status();
    block = std::move(made).value();
  }
  return CudaMemory::Of(CudaLedger::Get().Adopt(std::move(block), kept_), byte_size);
}

bool CudaBlocks::Clear() { return kept_->Clear(); }

}  // namespace trident
