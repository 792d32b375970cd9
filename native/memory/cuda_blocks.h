#pragma once

#include <cstdint>
#include <memory>

#include "base/status.h"
#include "memory/cuda_ledger.h"
#include "memory/cuda_memory.h"

namespace trident {

// Device memory for outputs whose place is not known before they are made: keeps a few blocks that
// are done with, so that a steady load neither allocates nor frees. Thread-safe.
class CudaBlocks {
 public:
  CudaBlocks();
  ~CudaBlocks();
  CudaBlocks(const CudaBlocks&) = delete;
  CudaBlocks& operator=(const CudaBlocks&) = delete;

  // What is taken may outlive this. Errors as CudaMemory::Allocate.
  Result<CudaMemory> Take(int64_t device_id, uint64_t byte_size);
  // As CudaMemory::Allocate, for what is not to be kept.
  Result<CudaMemory> Allocate(int64_t device_id, uint64_t byte_size);
  // Frees what is kept.
  void Clear();

 private:
  class Kept;

  const std::shared_ptr<Kept> kept_;
};

}  // namespace trident
