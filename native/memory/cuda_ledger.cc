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
                                                                 uint64_t byte_size) {
  auto memory = cuda::DeviceMemory::Allocate(device, byte_size);
  if (memory.ok() || !AwaitDisposal()) return memory;
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
    const auto found = known_.find(range.base);
    if (found != known_.end()) {
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
    if (const auto own = exported_.find(key.first); own != exported_.end()) {
      if (std::shared_ptr<CudaAllocation> original = own->second.lock()) return original;
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
  allocation->handle = handle;
  exported_[Bytes(handle)] = allocation;
  return handle;
}

// Before the memory is freed: its address may be another allocation's at once.
void CudaLedger::Forget(const CudaAllocation& allocation) {
  const auto known = known_.find(allocation.data);
  if (known != known_.end() && known->second.expired()) known_.erase(known);
  if (allocation.opened || !allocation.handle) return;
  const auto exported = exported_.find(Bytes(*allocation.handle));
  if (exported != exported_.end() && exported->second.expired()) exported_.erase(exported);
}

void CudaLedger::End(std::unique_ptr<CudaAllocation> allocation) {
  {
    MutexLock lock(mutex_);
    Forget(*allocation);
  }
  if (allocation->memory == nullptr) return;
  // What has been exported may be open elsewhere.
  if (const auto recycler = allocation->recycler.lock();
      recycler != nullptr && !allocation->handle && recycler->Keep(allocation->memory)) {
    return;
  }
  MutexLock lock(mutex_);
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
    ++disposing_;
    mutex_.Unlock();
    allocation->memory.reset();
    mutex_.Lock();
    --disposing_;
    if (allocation->opened) opened_.erase({Bytes(*allocation->handle), allocation->device->id()});
    changed_.NotifyAll();
  }
}

bool CudaLedger::AwaitDisposal() {
  MutexLock lock(mutex_);
  if (ended_.empty() && disposing_ == 0) return false;
  while (!ended_.empty() || disposing_ > 0) changed_.Wait(mutex_);
  return true;
}

}  // namespace trident
