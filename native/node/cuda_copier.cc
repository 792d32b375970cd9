#include "node/cuda_copier.h"

#include <utility>

#include "node/completion_queue.h"
#include "node/task_pool.h"

namespace trident {

// What is asked of one device.
struct CudaCopier::Lane {
  explicit Lane(cuda::Device* device) : device(device) {}

  cuda::Device* const device;
  // Under the copier's mutex.
  std::vector<CudaCopy> waiting;
  bool running = false;
  // Of the thread that runs. The stream goes first, and waits for what it still does.
  std::vector<CudaCopy> unfinished;  // nobody knows whether the device still uses what they hold
  std::unique_ptr<cuda::Stream> stream;
};

CudaCopier::CudaCopier(CompletionQueue* queue, TaskPool* pool) : queue_(queue), pool_(pool) {}
CudaCopier::~CudaCopier() = default;

Status CudaCopier::Start(cuda::Device* device, CudaCopy copy) {
  MutexLock lock(mutex_);
  std::unique_ptr<Lane>& lane = lanes_[device];
  if (lane == nullptr) lane = std::make_unique<Lane>(device);
  if (!lane->running) {
    TRIDENT_RETURN_IF_ERROR(pool_->Run([this, lane = lane.get()] { Run(lane); }));
    lane->running = true;
  }
  lane->waiting.push_back(std::move(copy));
  return Status::Ok();
}

void CudaCopier::Run(Lane* lane) {
  while (true) {
    std::vector<CudaCopy> copies;
    {
      MutexLock lock(mutex_);
      copies.swap(lane->waiting);
      if (copies.empty()) lane->running = false;
    }
    if (copies.empty()) return;
    Copy(lane, std::move(copies));
  }
}

// Asks for all of them, then waits once.
void CudaCopier::Copy(Lane* lane, std::vector<CudaCopy> copies) {
  Status ready;
  if (lane->stream == nullptr) {
    auto stream = cuda::Stream::Create(lane->device);
    ready = stream.status();
    if (stream.ok()) lane->stream = std::move(stream).value();
  }
  std::vector<Status> results;
  for (const CudaCopy& copy : copies) {
    results.push_back(ready.ok() ? lane->stream->Copy(copy.to, copy.to_place, copy.from,
                                                      copy.from_place, copy.byte_size)
                                 : ready);
  }
  const Status over = ready.ok() ? lane->stream->Synchronize() : ready;
  if (over.ok()) lane->unfinished.clear();
  for (size_t i = 0; i < copies.size(); ++i) {
    TaskResult result{copies[i].task, results[i].ok() ? over : results[i],
                      std::move(copies[i].finish)};
    const bool uncertain = results[i].ok() && !over.ok();
    if (uncertain) lane->unfinished.push_back(std::move(copies[i]));
    copies[i] = CudaCopy();  // before JS is told
    queue_->Push(std::move(result));
  }
}

}  // namespace trident
