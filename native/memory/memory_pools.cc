#include "memory/memory_pools.h"

#include "cuda/device.h"
#include "cuda/memory.h"

namespace trident {
namespace {

// Shares what owns a block under the address of its first byte.
template <typename Memory>
Result<std::shared_ptr<char>> Shared(Result<std::unique_ptr<Memory>> memory) {
  if (!memory.ok()) return memory.status();
  const std::shared_ptr<Memory> owner = std::move(memory).value();
  return std::shared_ptr<char>(owner, static_cast<char*>(owner->data()));
}

std::string DevicePoolName(int64_t id) { return StrCat("memory pool of device ", id); }

uint64_t OffsetOf(const void* piece, const char* block) {
  return reinterpret_cast<uintptr_t>(piece) - reinterpret_cast<uintptr_t>(block);
}

}  // namespace

MemoryPool::MemoryPool(std::string name, uint64_t byte_size, MakeBlock make_block)
    : name_(std::move(name)),
      byte_size_(byte_size),
      make_block_(std::move(make_block)),
      pieces_(byte_size) {}

// Without `mutex_` while the driver is asked: who frees, or asks of a block that is there, does not
// wait for it.
Status MemoryPool::EnsureBlock() {
  if (byte_size_ == 0) return Unavailable("the ", name_, " has no bytes");
  MutexLock making(making_mutex_);
  {
    MutexLock lock(mutex_);
    if (block_ != nullptr) return Status::Ok();
  }
  if (refusals_left_ > 0) {
    --refusals_left_;
    return problem_;
  }
  Result<std::shared_ptr<char>> block = make_block_(byte_size_);
  if (!block.ok()) {
    refusals_left_ = kRefusals;
    problem_ = block.status().WithPrefix(StrCat("there is no ", name_, ": "));
    return problem_;
  }
  MutexLock lock(mutex_);
  block_ = std::move(block).value();
  total_bytes_.store(byte_size_, std::memory_order_release);
  return Status::Ok();
}

Result<void*> MemoryPool::Allocate(uint64_t byte_size) {
  if (total_bytes_.load(std::memory_order_acquire) == 0) TRIDENT_RETURN_IF_ERROR(EnsureBlock());
  MutexLock lock(mutex_);
  const std::optional<uint64_t> offset = pieces_.Allocate(byte_size);
  used_bytes_.store(pieces_.used_bytes(), std::memory_order_relaxed);
  if (offset) return static_cast<void*>(block_.get() + *offset);
  return Unavailable("the ", name_, " has no room for ", byte_size,
                     " bytes: ", pieces_.used_bytes(), " of its ", byte_size_, " are in use");
}

Status MemoryPool::Free(void* piece) {
  MutexLock lock(mutex_);
  // A foreign address makes an offset that no piece has.
  if (block_ == nullptr || !pieces_.Free(OffsetOf(piece, block_.get()))) {
    return InvalidArg("what is to be freed was not allocated in the ", name_);
  }
  used_bytes_.store(pieces_.used_bytes(), std::memory_order_relaxed);
  return Status::Ok();
}

MemoryPools::MemoryPools(Options options)
    : options_(std::move(options)),
      pinned_("pinned memory pool", options_.pinned_bytes,
              [](uint64_t byte_size) { return Shared(cuda::PinnedMemory::Allocate(byte_size)); }) {}

Result<MemoryPool*> MemoryPools::OnDevice(int64_t id) {
  {
    MutexLock lock(mutex_);
    if (const auto found = on_devices_.find(id); found != on_devices_.end()) return &found->second;
  }
  const Result<cuda::Device*> found = cuda::Device::Find(id);
  if (!found.ok())
    return found.status().WithPrefix(StrCat("there is no ", DevicePoolName(id), ": "));
  cuda::Device* const device = *found;
  const auto given = options_.device_bytes.find(device->id());
  const uint64_t byte_size =
      given == options_.device_bytes.end() ? options_.default_device_bytes : given->second;
  const auto make_block = [device](uint64_t bytes) {
    return Shared(cuda::DeviceMemory::Allocate(device, bytes));
  };
  MutexLock lock(mutex_);
  return &on_devices_.try_emplace(id, DevicePoolName(id), byte_size, make_block).first->second;
}

}  // namespace trident
