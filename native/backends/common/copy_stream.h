#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "backends/common/memory.h"
#include "backends/common/status.h"
#include "cuda/stream.h"

namespace trident::backend {

// Which copies between the host and devices go through pinned memory.
struct PinnedStaging {
  bool to_device = true;
  bool from_device = true;
};

// Pinned memory that one batch after another copies through, taken from its front on. Only grows:
// what a batch took in several blocks is one for the next. Externally synchronised.
class StagingBlock {
 public:
  explicit StagingBlock(TRITONBACKEND_MemoryManager* manager) : manager_(manager) {}

  // The bytes behind those taken before, or of a new block; null when there is no pinned memory to
  // be had.
  char* Take(uint64_t byte_size);
  // All that was taken is free again.
  void Clear();

 private:
  bool Grow(uint64_t byte_size);

  TRITONBACKEND_MemoryManager* const manager_;
  std::vector<std::unique_ptr<PooledMemory>> blocks_;  // the last one is taken from
  uint64_t used_ = 0;                                  // of the last block
  uint64_t wanted_ = 0;  // of the next first block, if it is to be had
};

// A stream of a device, and copies on it between the host and that device or between devices, in
// the order they are asked for. Host memory that is not pinned is copied through memory that is,
// neighbours in one transfer. Externally synchronised.
class CopyStream {
 public:
  static Status Create(cuda::Device* device, TRITONBACKEND_MemoryManager* manager,
                       PinnedStaging staging, std::unique_ptr<CopyStream>* stream);

  cuda::Stream& stream() { return *stream_; }

  // At least one of the places is a device's. Both memories must last until Synchronize, and what
  // is copied to is not to be looked at before.
  Status Copy(char* to, MemoryPlace to_place, const char* from, MemoryPlace from_place,
              uint64_t byte_size);
  // Hands over to the stream what Copy has only gathered. Work that is put on it now comes after
  // all copies, and is waited for as they are.
  Status Submit();
  // Waits, if there is anything to wait for. On failure, any of the copies since the last time may
  // not have been made, whatever Copy said.
  Status Synchronize();

 private:
  // Copies between neighbours in device memory and neighbours in staging, to be one transfer.
  struct Transfer {
    char* on_device = nullptr;
    MemoryPlace place;
    char* staged = nullptr;
    uint64_t byte_size = 0;
    bool to_device = false;
  };
  // From staging to where it is wanted, when the stream has written the former.
  struct Delivery {
    char* to = nullptr;
    const char* staged = nullptr;
    uint64_t byte_size = 0;
  };

  CopyStream(std::unique_ptr<cuda::Stream> stream, TRITONBACKEND_MemoryManager* manager,
             PinnedStaging staging)
      : through_(staging), staging_(manager), stream_(std::move(stream)) {}

  Status Flush();
  Status Stage(const Transfer& transfer);
  Status CopyNow(char* to, MemoryPlace to_place, const char* from, MemoryPlace from_place,
                 uint64_t byte_size);

  const PinnedStaging through_;
  StagingBlock staging_;
  Transfer open_;  // none while its size is 0
  std::vector<Delivery> deliveries_;
  bool working_ = false;
  Status broken_;                         // a transfer of many copies failed
  std::unique_ptr<cuda::Stream> stream_;  // goes first, and waits: then nobody uses the memory
};

}  // namespace trident::backend
