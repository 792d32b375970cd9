#include "memory/cuda_ledger.h"

#include <pthread.h>

#include <algorithm>
#include <iterator>
#include <system_error>
#include <thread>

namespace trident {

CudaLedger& CudaLedger::Get() {
  static CudaLedger* const ledger = new CudaLedger;
  return *ledger;
}

CudaLedger::HandleBytes CudaLedger::Bytes(const cuda::IpcHandle& handle) {
  HandleBytes bytes;
  std::copy(std::begin(handle.bytes), std::end(handle.bytes), bytes.begin());
  return bytes;
}

std::shared_ptr<CudaAllocation> CudaLedger::Share(std::unique_ptr<CudaAllocation> allocation) {
  return {allocation.release(),
          [this](CudaAllocation* ended) { End(std::unique_ptr<CudaAllocation>(ended)); }};
}

Result<std::unique_ptr<cuda::DeviceMemory>> CudaLedger::Allocate(cuda::Device* device,
                                                                 uint64_t byte_size,
                                                                 CudaRecycler* recycler) {
  auto memory = cuda::DeviceMemory::Allocate(device, byte_size);
  if (memory.ok() || memory.status().code() != StatusCode::kUnavailable) return memory;
  const bool cleared = recycler != nullptr && recycler->Clear(*device);
  const bool disposed = AwaitDisposal(device);
  if (!cleared && !disposed) return memory;
  return cuda::DeviceMemory::Allocate(device, byte_size);
}

std::shared_ptr<CudaAllocation> CudaLedger::Adopt(std::unique_ptr<cuda::DeviceMemory> memory,
                                                  std::weak_ptr<CudaRecycler> recycler) {
  auto allocation = std::make_unique<CudaAllocation>();
  allocation->device = &memory->device();
  allocation->data = memory->data();
  allocation->byte_size = memory->byte_size();
  allocation->memory = std::move(memory);
  allocation->recycler = std::move(recycler);
  std::shared_ptr<CudaAllocation> shared = Share(std::move(allocation));
  MutexLock lock(mutex_);
  known_[shared->data] = shared;
  return shared;
}

std::shared_ptr<CudaAllocation> CudaLedger::Wrap(cuda::Device* device,
                                                 const cuda::AddressRange& range) {
  {
    MutexLock lock(mutex_);
    // Not only at its beginning: a handle may lead into the middle.
    const void* const end = static_cast<char*>(range.base) + range.byte_size;
    const auto behind = known_.lower_bound(end);
    for (auto found = known_.lower_bound(range.base); found != behind; ++found) {
      if (std::shared_ptr<CudaAllocation> known = found->second.lock()) return known;
    }
  }
  auto allocation = std::make_unique<CudaAllocation>();
  allocation->device = device;
  allocation->data = range.base;
  allocation->byte_size = range.byte_size;
  return Share(std::move(allocation));
}

Result<std::shared_ptr<CudaAllocation>> CudaLedger::Open(cuda::Device* device,
                                                         const cuda::IpcHandle& handle) {
  const OpenKey key{Bytes(handle), device->id()};
  {
    MutexLock lock(mutex_);
    const auto [own, end] = exported_.equal_range(key.first);
    for (auto found = own; found != end; ++found) {
      if (std::shared_ptr<CudaAllocation> original = found->second.lock()) return original;
    }
    for (auto found = opened_.find(key); found != opened_.end(); found = opened_.find(key)) {
      if (std::shared_ptr<CudaAllocation> open = found->second.lock()) return open;
      changed_.Wait(mutex_);
    }
    opened_.try_emplace(key);
  }
  auto memory = cuda::DeviceMemory::Open(device, handle);
  std::shared_ptr<CudaAllocation> shared;
  if (memory.ok()) {
    auto allocation = std::make_unique<CudaAllocation>();
    allocation->device = device;
    allocation->data = (*memory)->data();
    allocation->byte_size = (*memory)->byte_size();
    allocation->memory = std::move(memory).value();
    allocation->opened = true;
    allocation->handle = handle;
    shared = Share(std::move(allocation));
  }
  MutexLock lock(mutex_);
  changed_.NotifyAll();
  if (shared == nullptr) {
    opened_.erase(key);
    return memory.status();
  }
  opened_[key] = shared;
  known_[shared->data] = shared;
  return shared;
}

Result<cuda::IpcHandle> CudaLedger::Export(const std::shared_ptr<CudaAllocation>& allocation) {
  {
    MutexLock lock(mutex_);
    if (allocation->handle) return *allocation->handle;
  }
  TRIDENT_ASSIGN_OR_RETURN(const cuda::IpcHandle handle,
                           cuda::Export(allocation->device, allocation->data));
  MutexLock lock(mutex_);
  if (!allocation->handle) exported_.emplace(Bytes(handle), allocation);
  allocation->handle = handle;
  return handle;
}

// Before the memory is freed: its address may be another allocation's at once.
void CudaLedger::Forget(const CudaAllocation& allocation) {
  const auto known = known_.find(allocation.data);
  if (known != known_.end() && known->second.expired()) known_.erase(known);
  if (allocation.opened || !allocation.handle) return;
  const auto [own, end] = exported_.equal_range(Bytes(*allocation.handle));
  for (auto found = own; found != end;) {
    found = found->second.expired() ? exported_.erase(found) : std::next(found);
  }
}

void CudaLedger::End(std::unique_ptr<CudaAllocation> allocation) {
  {
    MutexLock lock(mutex_);
    Forget(*allocation);
  }
  if (allocation->memory == nullptr) return;
  const auto recycler = allocation->recycler.lock();
  // What has been exported may be open elsewhere.
  if (recycler == nullptr || allocation->handle) {
    Dispose(std::move(allocation));
    return;
  }
  for (std::unique_ptr<cuda::DeviceMemory>& memory :
       recycler->Keep(std::move(allocation->memory))) {
    auto dropped = std::make_unique<CudaAllocation>();
    dropped->device = &memory->device();
    dropped->memory = std::move(memory);
    Dispose(std::move(dropped));
  }
}

void CudaLedger::Dispose(std::unique_ptr<CudaAllocation> allocation) {
  MutexLock lock(mutex_);
  allocation->ending = endings_++;
  ending_[allocation->ending] = allocation->device;
  ended_.push_back(std::move(allocation));
  if (HaveThread()) {
    changed_.NotifyAll();
  } else {
    DisposeAll();
  }
}

bool CudaLedger::HaveThread() {
  if (has_thread_) return true;
  try {
    std::thread([this] {
      pthread_setname_np(pthread_self(), "trident-cuda");
      MutexLock lock(mutex_);
      while (true) {
        DisposeAll();
        changed_.Wait(mutex_);
      }
    }).detach();
    has_thread_ = true;
  } catch (const std::system_error&) {
    // The next one may be luckier.
  }
  return has_thread_;
}

void CudaLedger::DisposeAll() {
  while (!ended_.empty()) {
    const std::unique_ptr<CudaAllocation> allocation = std::move(ended_.front());
    ended_.pop_front();
    mutex_.Unlock();
    allocation->memory.reset();
    mutex_.Lock();
    ending_.erase(allocation->ending);
    if (allocation->opened) opened_.erase({Bytes(*allocation->handle), allocation->device->id()});
    changed_.NotifyAll();
  }
}

bool CudaLedger::AwaitDisposal(const cuda::Device* device) {
  MutexLock lock(mutex_);
  const uint64_t before = endings_;
  const bool any = IsEnding(device, before);
  while (IsEnding(device, before)) changed_.Wait(mutex_);
  return any;
}

bool CudaLedger::IsEnding(const cuda::Device* device, uint64_t before) {
  return std::any_of(ending_.begin(), ending_.lower_bound(before), [device](const auto& ending) {
    return device == nullptr || ending.second == device;
  });
}

}  // namespace trident
