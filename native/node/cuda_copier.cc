#include "node/cuda_copier.h"

#include <utility>

#include "node/completion_queue.h"
#include "node/task_pool.h"

namespace trident {

CudaCopier::CudaCopier(CompletionQueue* queue, TaskPool* pool, Staging* staging)
    : queue_(queue), pool_(pool), staging_(staging) {}
CudaCopier::~CudaCopier() = default;

Status CudaCopier::Start(CudaCopy copy) {
  MutexLock lock(mutex_);
  if (!running_) {
    TRIDENT_RETURN_IF_ERROR(pool_->Run([this] { Run(); }));
    running_ = true;
  }
  waiting_.push_back(std::move(copy));
  return Status::Ok();
}

void CudaCopier::Run() {
  while (true) {
    std::vector<CudaCopy> copies;
    {
      MutexLock lock(mutex_);
      copies.swap(waiting_);
      if (copies.empty()) running_ = false;
    }
    if (copies.empty()) return;
    Copy(std::move(copies));
  }
}

// Asks for all of them, then waits once per device. What goes from one device to another comes
// after all that was asked for of either, and before all that follows.
void CudaCopier::Copy(std::vector<CudaCopy> copies) {
  for (CudaCopy& copy : copies) {
    const bool crosses = copy.from_place.on_device() && copy.to_place.on_device() &&
                         copy.from_place != copy.to_place;
    if (crosses) FinishAll();
    Ask(std::move(copy));
    if (crosses) FinishAll();
  }
  FinishAll();
}

void CudaCopier::Ask(CudaCopy copy) {
  cuda::Device* const device = &copy.memory.device();
  Lane& lane = lanes_[device];
  Status asked;
  if (lane.stream == nullptr) {
    auto stream = cuda::Stream::Create(device);
    asked = stream.status();
    if (stream.ok()) lane.stream = std::move(stream).value();
  }
  if (asked.ok()) {
    asked = lane.stream->Copy(copy.to, copy.to_place, copy.from, copy.from_place, copy.byte_size);
  }
  if (asked.ok()) {
    lane.asked.push_back(std::move(copy));
  } else {
    Tell(std::move(copy), std::move(asked));
  }
}

void CudaCopier::FinishAll() {
  for (auto& [device, lane] : lanes_) {
    if (!lane.asked.empty()) Finish(device, &lane);
  }
}

void CudaCopier::Finish(cuda::Device* device, Lane* lane) {
  const Status over = lane->stream->Synchronize();
  if (over.ok() && !lane->unfinished.empty()) {
    // Let go on the JS thread, as what they hold may be an array of it.
    const auto ended = std::make_shared<std::vector<CudaCopy>>(std::move(lane->unfinished));
    lane->unfinished.clear();
    CudaCopy& next = lane->asked.front();
    next.finish = [finish = std::move(next.finish), ended](Status* status) { finish(status); };
  }
  for (CudaCopy& copy : lane->asked) {
    if (!over.ok()) lane->unfinished.push_back(copy);
    Tell(std::move(copy), over);
  }
  lane->asked.clear();
  if (over.ok()) staging_->Refill(device);
}

void CudaCopier::Tell(CudaCopy copy, Status status) {
  TaskResult result{copy.task, std::move(status), std::move(copy.finish)};
  copy = CudaCopy();  // before JS is told
  queue_->Push(std::move(result));
}

}  // namespace trident
