#include "scheduler/request_queue.h"

namespace trident {

RequestQueue::~RequestQueue() {
  while (!empty()) PopFront();
}

void RequestQueue::PushBack(RequestPtr owned) {
  InferenceRequest* request = owned.release();
  request->previous_ = back_;
  request->next_ = nullptr;
  request->queued_ = true;
  (back_ != nullptr ? back_->next_ : front_) = request;
  back_ = request;
  ++size_;
  items_ += request->batch_size();
}

RequestPtr RequestQueue::PopFront() { return Unlink(front_); }

RequestPtr RequestQueue::Remove(InferenceRequest* request) {
  return request->queued_ ? Unlink(request) : nullptr;
}

RequestPtr RequestQueue::Unlink(InferenceRequest* request) {
  (request->previous_ != nullptr ? request->previous_->next_ : front_) = request->next_;
  (request->next_ != nullptr ? request->next_->previous_ : back_) = request->previous_;
  request->next_ = request->previous_ = nullptr;
  request->queued_ = false;
  --size_;
  items_ -= request->batch_size();
  return RequestPtr(request);
}

}  // namespace trident
