#pragma once

#include <array>
#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <optional>
#include <utility>
#include <vector>

#include "base/mutex.h"
#include "base/status.h"
#include "cuda/memory.h"

namespace trident {

// Takes device memory that nobody uses any more, to have it used again.
class CudaRecycler {
 public:
  virtual ~CudaRecycler() = default;
  using Memory = std::unique_ptr<cuda::DeviceMemory>;
  // What it does not keep any more, which may be `memory`. Thread-safe; makes no driver call.
  virtual std::vector<Memory> Keep(Memory memory) = 0;
  // Frees what it has of `device`, for who needs the room. False when there was none. Thread-safe.
  virtual bool Clear(const cuda::Device& device) = 0;
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
  uint64_t ending = 0;  // the ledger's number of its end
};

/* What this process has of device memory: by handle, so that one of its own leads to the original
 * and another's is opened once, and by address. Also ends it: when the last hold goes, memory is
 * freed or closed on a thread of the ledger's, because the driver then waits for the device, and
 * holds end where requests do. Lives as long as the process. Thread-safe; no driver call is made
 * under its mutex. */
class CudaLedger {
 public:
  static CudaLedger& Get();

  // As cuda::DeviceMemory::Allocate, when what is being freed, and what `recycler` has kept, has
  // made room.
  Result<std::unique_ptr<cuda::DeviceMemory>> Allocate(cuda::Device* device, uint64_t byte_size,
                                                       CudaRecycler* recycler = nullptr);
  std::shared_ptr<CudaAllocation> Adopt(std::unique_ptr<cuda::DeviceMemory> memory,
                                        std::weak_ptr<CudaRecycler> recycler = {});
  // The allocation of that range: what is known here, else one that somebody else frees.
  std::shared_ptr<CudaAllocation> Wrap(cuda::Device* device, const cuda::AddressRange& range);
  // What was exported here, whichever device it is on; else opened for `device`, once. Errors as
  // cuda::DeviceMemory::Open.
  Result<std::shared_ptr<CudaAllocation>> Open(cuda::Device* device, const cuda::IpcHandle& handle);
  Result<cuda::IpcHandle> Export(const std::shared_ptr<CudaAllocation>& allocation);

  // Until all memory, of `device` or any, whose last hold has gone by now is freed or closed. False
  // when there was none.
  bool AwaitDisposal(const cuda::Device* device = nullptr);

 private:
  using HandleBytes = std::array<unsigned char, sizeof(cuda::IpcHandle)>;
  using OpenKey = std::pair<HandleBytes, int>;  // handle, device

  CudaLedger() = default;
  static HandleBytes Bytes(const cuda::IpcHandle& handle);
  std::shared_ptr<CudaAllocation> Share(std::unique_ptr<CudaAllocation> allocation);
  void End(std::unique_ptr<CudaAllocation> allocation);
  void Dispose(std::unique_ptr<CudaAllocation> allocation);
  bool IsEnding(const cuda::Device* device, uint64_t before) REQUIRES(mutex_);
  void Forget(const CudaAllocation& allocation) REQUIRES(mutex_);
  bool HaveThread() REQUIRES(mutex_);
  void DisposeAll() REQUIRES(mutex_);

  Mutex mutex_;
  CondVar changed_;
  // Of this process: by the handle it was given, several where somebody else frees it, and by the
  // address it begins at.
  std::multimap<HandleBytes, std::weak_ptr<CudaAllocation>> exported_ GUARDED_BY(mutex_);
  std::map<const void*, std::weak_ptr<CudaAllocation>> known_ GUARDED_BY(mutex_);
  // Of other processes. One that is being opened or closed has expired: who wants it waits.
  std::map<OpenKey, std::weak_ptr<CudaAllocation>> opened_ GUARDED_BY(mutex_);
  std::deque<std::unique_ptr<CudaAllocation>> ended_ GUARDED_BY(mutex_);
  // What has ended and is not yet freed or closed: the device of each, numbered as they ended.
  std::map<uint64_t, const cuda::Device*> ending_ GUARDED_BY(mutex_);
  uint64_t endings_ GUARDED_BY(mutex_) = 0;
  bool has_thread_ GUARDED_BY(mutex_) = false;
};

}  // namespace trident
