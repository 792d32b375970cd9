#pragma once

#include <memory>

#include "base/mutex.h"
#include "inference/request.h"

namespace trident {

class OrderedSink;

// Lets the responses of a model leave in the order in which its requests came, whoever answers
// them: instances, the cache, a timeout, a cancellation. Each request gets a place in the line;
// what is sent for it waits until all before it have ended, and is then delivered by the thread
// that ended the last of them. One thread delivers at a time, and none under the lock. A request
// that goes without any response (it was refused after all) leaves the line with its channel.
// Shared by the model, the scheduler and all places. Thread-safe.
class ResponseOrder : public std::enable_shared_from_this<ResponseOrder> {
 public:
  // The next place for `request`, which is submitted and not yet queued or answered, unless it has
  // one already.
  void Reserve(InferenceRequest* request);

 private:
  friend class OrderedSink;

  void Deliver(OrderedSink* place, ResponsePtr response, uint32_t flags);
  void Leave(OrderedSink* place);
  void DeliverWhatMayGo();
  void Unlink(OrderedSink* place) REQUIRES(mutex_);

  Mutex mutex_;
  OrderedSink* first_ GUARDED_BY(mutex_) = nullptr;
  OrderedSink* last_ GUARDED_BY(mutex_) = nullptr;
  bool delivering_ GUARDED_BY(mutex_) = false;  // some thread is at it and will look again
};

}  // namespace trident
