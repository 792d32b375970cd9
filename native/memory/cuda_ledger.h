#pragma once

#include <array>
#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <optional>
#include <utility>

#include "base/mutex.h"
#include "base/status.h"
#include "cuda/memory.h"

namespace trident {

// Takes device memory that nobody uses any more, to have it used again.
class CudaRecycler {
 public:
  virtual ~CudaRecycler() = default;
  // False: it has enough of it, and left `memory` as it was. Thread-safe; makes no driver call.
  virtual bool Keep(std::unique_ptr<cuda::DeviceMemory>& memory) = 0;
};

// An allocation of a device, as this process came to it. Made by the ledger. Immutable, but for
// what is marked.
struct CudaAllocation {
  cuda::Device* device = nullptr;
  void* data = nullptr;  // where it begins; of an opened one, where its handle leads
  uint64_t byte_size = 0;
  std::unique_ptr<cuda::DeviceMemory> memory;  // null: somebody else frees it
  bool opened = false;                         // from a handle
  std::optional<cuda::IpcHandle> handle;       // once it is known; under the ledger's mutex
  std::weak_ptr<CudaRecycler> recycler;
};

/* What this process has of device memory: by handle, so that one of its own leads to the original
 * and another's is opened once, and by address. Also ends it: when the last hold goes, memory is
 * freed or closed on a thread of the ledger's, because the driver then waits for the device, and
 * holds end where requests do. Lives as long as the process. Thread-safe; no driver call is made
 * under its mutex. */
class CudaLedger {
 public:
  static CudaLedger& Get();

  // As cuda::DeviceMemory::Allocate, when what is being freed has made room.
  Result<std::unique_ptr<cuda::DeviceMemory>> Allocate(cuda::Device* device, uint64_t byte_size);
  std::shared_ptr<CudaAllocation> Adopt(std::unique_ptr<cuda::DeviceMemory> memory,
                                        std::weak_ptr<CudaRecycler> recycler = {});
  // The allocation of that range: what is known here, else one that somebody else frees.
  std::shared_ptr<CudaAllocation> Wrap(cuda::Device* device, const cuda::AddressRange& range);
  // What was exported here, whichever device it is on; else opened for `device`, once. Errors as
  // cuda::DeviceMemory::Open.
  Result<std::shared_ptr<CudaAllocation>> Open(cuda::Device* device, const cuda::IpcHandle& handle);
  Result<cuda::IpcHandle> Export(const std::shared_ptr<CudaAllocation>& allocation);

  // Until all memory whose last hold has gone is freed or closed. False when there was none.
  bool AwaitDisposal();

 private:
  using HandleBytes = std::array<unsigned char, sizeof(cuda::IpcHandle)>;
  using OpenKey = std::pair<HandleBytes, int>;  // handle, device

  CudaLedger() = default;
  static HandleBytes Bytes(const cuda::IpcHandle& handle);
  std::shared_ptr<CudaAllocation> Share(std::unique_ptr<CudaAllocation> allocation);
  void End(std::unique_ptr<CudaAllocation> allocation);
  void Forget(const CudaAllocation& allocation) REQUIRES(mutex_);
  bool HaveThread() REQUIRES(mutex_);
  void DisposeAll() REQUIRES(mutex_);

  Mutex mutex_;
  CondVar changed_;
  // Of this process: by the handle it was given, and by the address it begins at.
  std::map<HandleBytes, std::weak_ptr<CudaAllocation>> exported_ GUARDED_BY(mutex_);
  std::map<const void*, std::weak_ptr<CudaAllocation>> known_ GUARDED_BY(mutex_);
  // Of other processes. One that is being opened or closed has expired: who wants it waits.
  std::map<OpenKey, std::weak_ptr<CudaAllocation>> opened_ GUARDED_BY(mutex_);
  std::deque<std::unique_ptr<CudaAllocation>> ended_ GUARDED_BY(mutex_);
  size_t disposing_ GUARDED_BY(mutex_) = 0;
  bool has_thread_ GUARDED_BY(mutex_) = false;
};

}  // namespace trident
