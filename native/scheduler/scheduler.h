#pragma once

#include <cstddef>
#include <span>
#include <vector>

#include "inference/request.h"

namespace trident {

using Batch = std::vector<RequestPtr>;

// Which requests go together, and when. Owns the requests that wait; has no thread of its own: the
// threads of those who ask do the work. An instance is an index to it. Thread-safe.
//
// Requests arrive submitted (InferenceRequest::Submit). An instance is free, or busy from the
// moment a take succeeds until Finished.
class Scheduler {
 public:
  virtual ~Scheduler() = default;

  // Takes every request it accepts; what it refuses stays where it is, with the reason in
  // `outcomes`. One lock for all, so that requests given together batch together.
  virtual void Enqueue(std::span<RequestPtr> requests, std::span<Status> outcomes) = 0;

  // Blocks until a batch is due for `instance`. False: stopped, and nothing waits any more.
  virtual bool Take(size_t instance, Batch* batch) = 0;

  // As Take, but never blocks: false leaves in `look_again_ns` when to ask again (kNever: when
  // something has changed).
  virtual bool TryTake(size_t instance, Batch* batch, uint64_t* look_again_ns) = 0;

  // The inline lane: if some instance is free, nothing waits, and the scheduler is not stopped,
  // claims that instance for the calling thread, which executes one request alone and then calls
  // Finished.
  virtual bool TakeInline(size_t* instance) = 0;

  // `instance` is done with its batch and free again.
  virtual void Finished(size_t instance) = 0;

  // Takes `request` out if it still waits; null if it does not.
  virtual RequestPtr Remove(InferenceRequest* request) = 0;

  // No new requests; those that wait are still handed out.
  virtual void Stop() = 0;
};

}  // namespace trident
