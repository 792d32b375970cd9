#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <vector>

#include "base/mutex.h"
#include "base/status.h"
#include "cuda/stream.h"
#include "memory/cuda_memory.h"
#include "node/staging.h"

namespace trident {

class CompletionQueue;
class TaskPool;

// One copy from or to memory of a device, and what it holds until it is over.
struct CudaCopy {
  int32_t task = 0;
  void* to = nullptr;
  cuda::Place to_place;
  const void* from = nullptr;
  cuda::Place from_place;
  uint64_t byte_size = 0;

  CudaMemory memory;
  CudaMemory other_memory;  // of a copy between two
  Staging::Buffer staging;
  std::function<void(Status*)> finish;  // as TaskResult's
};

// Makes the copies that JS asks for, those of one device in the order they were asked for, each
// device's on a stream of its own. The thread that asks never waits for the driver: at most one
// thread of the pool per device does. Thread-safe.
class CudaCopier {
 public:
  CudaCopier(CompletionQueue* queue, TaskPool* pool);
  // When no copy is left.
  ~CudaCopier();
  CudaCopier(const CudaCopier&) = delete;
  CudaCopier& operator=(const CudaCopier&) = delete;

  // Its end, or failure, comes through the queue. UNAVAILABLE, and nothing asked, when there is no
  // thread.
  Status Start(cuda::Device* device, CudaCopy copy);

 private:
  struct Lane;

  void Run(Lane* lane);
  void Copy(Lane* lane, std::vector<CudaCopy> copies);

  CompletionQueue* const queue_;
  TaskPool* const pool_;
  Mutex mutex_;
  std::map<cuda::Device*, std::unique_ptr<Lane>> lanes_ GUARDED_BY(mutex_);
};

}  // namespace trident
