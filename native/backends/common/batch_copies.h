#pragma once

#include <memory>
#include <vector>

#include "backends/common/copy_count.h"
#include "backends/common/copy_stream.h"
#include "backends/common/model_config.h"

namespace trident::backend {

// The copies that an instance makes for a batch, wherever requests, responses and its own memory
// lie. An instance on a GPU has a stream, on which its copies and its computation take turns; one
// on the CPU gets a stream of a device at the first buffer there. Nothing waits but Synchronize,
// once per batch, before responses are sent and requests released. Instance thread only.
class BatchCopies {
 public:
  // The model's `optimization` says which copies are staged in pinned memory.
  static Status Create(TRITONBACKEND_ModelInstance* instance, const ModelConfig& config,
                       std::unique_ptr<BatchCopies>* copies);

  // Where the instance works, and would have its outputs.
  MemoryPlace place() const { return place_; }
  // The stream of an instance on a GPU; null for one on the CPU.
  cuda::Stream* stream() const { return on_gpu() ? &streams_[0]->stream() : nullptr; }
  // For a DeviceBlock.
  TRITONBACKEND_MemoryManager* memory_manager() const { return manager_; }

  // Between any two places; both must last until Synchronize. Between host memories at once, to and
  // from the instance's device in the order of the calls. A failure is this copy's alone, as long
  // as Synchronize succeeds.
  Status Copy(void* to, MemoryPlace to_place, const void* from, MemoryPlace from_place,
              uint64_t byte_size);
  // For an instance on a GPU: what is put on stream() afterwards finds the copies made, and is
  // waited for by Synchronize.
  Status Submit() { return on_gpu() ? streams_[0]->Submit() : Status(); }
  // All copies have been made, and all of stream() is done; otherwise the batch has failed.
  Status Synchronize() { return streams_.empty() ? Status() : SynchronizeStreams(); }

  // A copy between memories of the host that the caller has made.
  void Count(uint64_t byte_size) { count_.Add(byte_size); }
  // The copies since the last time that had memory of the host at an end.
  CopyCount TakeCount() { return std::exchange(count_, CopyCount()); }

 private:
  BatchCopies(TRITONBACKEND_MemoryManager* manager, PinnedStaging staging)
      : manager_(manager), staging_(staging) {}

  bool on_gpu() const { return place_.on_device(); }
  Status SynchronizeStreams();
  Status StreamOf(int64_t device_id, CopyStream** stream);

  TRITONBACKEND_MemoryManager* const manager_;
  const PinnedStaging staging_;
  MemoryPlace place_;
  std::vector<std::unique_ptr<CopyStream>> streams_;  // the instance's own, if any, is the first
  CopyCount count_;
};

}  // namespace trident::backend
