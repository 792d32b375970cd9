#pragma once

#include <cstddef>
#include <memory>
#include <span>
#include <vector>

#include "base/clock.h"
#include "base/log.h"
#include "base/timer.h"
#include "inference/request.h"

namespace trident {

class ResponseOrder;

using Batch = std::vector<RequestPtr>;

// What a scheduler is built on. `signature` and `clock` outlive it.
struct SchedulerContext {
  const ModelSignature& signature;
  Clock& clock;
  std::shared_ptr<Timer> timer;
  std::shared_ptr<Logger> logger;        // null: nobody wants to know
  std::shared_ptr<ResponseOrder> order;  // null: responses go as they come
  bool never_blocks = false;             // whoever executes a batch only hands it over
};

// Called when there may be something to do for an instance that was left (TakeOrLeave): without a
// lock, once each time it was left. May come late, when the instance has been taken up again or has
// ended.
class Waker {
 public:
  virtual ~Waker() = default;
  virtual void Wake() = 0;
};

// An instance claimed for the calling thread, and when: the start of its requests.
struct InlineClaim {
  size_t instance = 0;
  uint64_t taken_ns = 0;
};

// Which requests go together, and when. Owns the requests that wait; has no thread of its own: the
// threads of those who ask do the work, and the timer's where nobody asks in time. An instance is
// an index to it. Thread-safe.
//
// Requests arrive submitted (InferenceRequest::Submit). An instance is free, or busy from the
// moment a take succeeds until Finished.
class Scheduler {
 public:
  virtual ~Scheduler() = default;

  // Takes every request it accepts; what it refuses stays where it is, with the reason in
  // `outcomes`. One lock for all, so that requests given together batch together.
  virtual void Enqueue(std::span<RequestPtr> requests, std::span<Status> outcomes) = 0;

  // Requests that wait for an instance. Waits for nobody, so it may be outdated.
  virtual uint64_t waiting() const { return 0; }

  // Ends `request` with CANCELLED if it still waits (and what can't go on without it).
  virtual void Cancel(InferenceRequest* request) = 0;

  // Blocks until a batch is due for `instance`. False: none will come any more, because the
  // scheduler was stopped or the instance removed, and all work for it is done.
  virtual bool Take(size_t instance, Batch* batch) = 0;

  // As Take, but leaves the batch where it is; somebody else may get it.
  virtual bool Await(size_t instance) = 0;

  // As Take, but never blocks: false leaves in `look_again_ns` when to ask again (kNever: when
  // something has changed).
  virtual bool TryTake(size_t instance, Batch* batch, uint64_t* look_again_ns) = 0;

  // As TryTake, for threads that go from instance to instance: false leaves `instance`, whose waker
  // will tell when something has changed. One thread at a time.
  virtual bool TakeOrLeave(size_t instance, Batch* batch, uint64_t* look_again_ns) = 0;

  // Whether TryTake would have a batch for `instance` now.
  virtual bool IsDue(size_t /*instance*/) { return false; }

  // The inline lane: if some instance is free, nothing waits, the scheduler is not stopped,
  // `requests` would be one batch, and executions of its size are known to take at most `budget_ns`
  // (kNever: the caller waits for them, however long they take), claims that instance for the
  // calling thread, which submits and executes them and then calls Finished. False also where
  // requests need more than an instance (order, sequences). Executions that never block are as good
  // as known.
  virtual bool TakeInline(std::span<InferenceRequest* const> requests, uint64_t budget_ns,
                          InlineClaim* claim) = 0;

  // `instance` is done with its batch and free again. Who drives it may have left it meanwhile.
  virtual void Finished(size_t instance) = 0;

  // One more instance, free; its index. Indices are never used again. With a `waker` it begins as
  // if it had been left; null: threads of its own will call Take.
  virtual size_t AddInstance(std::shared_ptr<Waker> waker) = 0;
  size_t AddInstance() { return AddInstance(nullptr); }
  // No new work for `instance`; what only it can do (the sequences it has begun) it still gets.
  virtual void RemoveInstance(size_t instance) = 0;

  // As RemoveInstance, of one that can't work any more, for this reason: it only answers what it
  // still gets, and the sequences it has begun end.
  virtual void LoseInstance(size_t instance, const Status& /*why*/) { RemoveInstance(instance); }

  // No new requests; those that wait are still handed out.
  virtual void Stop() = 0;
};

}  // namespace trident
