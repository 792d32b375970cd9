#pragma once

#include <memory>
#include <span>

#include "base/status.h"
#include "inference/response_pool.h"
#include "inference/signature.h"
#include "inference/statistics.h"

namespace trident {

class InferenceRequest;
class MemoryPools;

// The model version a request is for, as far as requests and responses need to know it; the model
// room implements it. Kept alive by every request made for it and every response it gave.
// Thread-safe.
class InferenceTarget {
 public:
  virtual ~InferenceTarget() = default;

  virtual const ModelSignature& signature() const = 0;
  virtual ModelStatistics& statistics() = 0;

  // Brackets the time in which the model must not be finalised: from the moment a request is
  // submitted until its last response is out and the request itself is back with its owner.
  virtual void RequestStarted() = 0;
  virtual void RequestEnded() = 0;

  // Claimed and prepared requests in; each is taken (OK) or left, idle, with its caller (why).
  // Together they reach the queue, so together they may batch.
  virtual void Submit(std::span<InferenceRequest*> requests, std::span<Status> outcomes) = 0;

  // False when the model is leaving service. Otherwise, until Unreserve, it accepts the caller's
  // requests even if it is unloaded meanwhile.
  virtual bool Reserve() = 0;
  virtual void Unreserve() = 0;

  // The backend has answered an error, or is about to: what it runs on may be broken. Called
  // without a lock, but for an instance's turn at its device, before the client hears of the error.
  virtual void BackendFailed() {}

  // Where memory of devices comes from for what the backend writes; null: nowhere.
  virtual std::shared_ptr<MemoryPools> memory_pools() const { return nullptr; }

  // Ends `request` with CANCELLED if it still waits in the queue.
  virtual void CancelQueued(InferenceRequest* request) = 0;

  ResponsePool& responses() { return responses_; }

 private:
  ResponsePool responses_;
};

}  // namespace trident
