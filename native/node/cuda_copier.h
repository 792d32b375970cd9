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

// Makes the copies that JS asks for, each device's on a stream of its own and as if one after the
// other in the order they were asked for. The thread that asks never waits for the driver: one
// thread of the pool does. Thread-safe.
class CudaCopier {
 public:
  CudaCopier(CompletionQueue* queue, TaskPool* pool, Staging* staging);
  // When no copy is left; on the JS thread.
  ~CudaCopier();
  CudaCopier(const CudaCopier&) = delete;
  CudaCopier& operator=(const CudaCopier&) = delete;

  // Its end, or failure, comes through the queue. UNAVAILABLE, and nothing asked, when there is no
  // thread.
  Status Start(CudaCopy copy);

 private:
  // What is under way on one device. The stream goes first, and waits for what it still does.
  struct Lane {
    std::vector<CudaCopy> asked;
    std::vector<CudaCopy> unfinished;  // nobody knows whether the device still uses what they hold
    std::unique_ptr<cuda::Stream> stream;
  };

  void Run();
  void Copy(std::vector<CudaCopy> copies);
  void Ask(CudaCopy copy);
  void FinishAll();
  void Finish(cuda::Device* device, Lane* lane);
  void Tell(CudaCopy copy, Status status);

  CompletionQueue* const queue_;
  TaskPool* const pool_;
  Staging* const staging_;
  std::map<cuda::Device*, Lane> lanes_;  // of the thread that runs
  Mutex mutex_;
  std::vector<CudaCopy> waiting_ GUARDED_BY(mutex_);
  bool running_ GUARDED_BY(mutex_) = false;
};

}  // namespace trident
