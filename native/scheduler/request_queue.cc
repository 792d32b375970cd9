#include "scheduler/request_queue.h"

namespace trident {

RequestQueue::~RequestQueue() {
  while (!empty()) PopFront();
}

void RequestQueue::PushBack(RequestPtr owned) {
  InferenceRequest* request = owned.release();
  request->previous_ = back_;
  request->next_ = nullptr;
  request->queue_ = this;
  request->some_places_behind_ = nullptr;
  (back_ != nullptr ? back_->next_ : front_) = request;
  back_ = request;
  ++size_;
  items_ += request->batch_size();
  if (behind_back_ == nullptr) {
    behind_back_ = request;
    from_back_ = 0;
  } else if (++from_back_ > kPrefetchDistance) {
    behind_back_ = behind_back_->next_;
    --from_back_;
    behind_back_->some_places_behind_ = &request->next_;
    behind_back_->its_expiry_entry_ = request->expiry_entry_;
  }
}

RequestPtr RequestQueue::PopFront() { return Unlink(front_); }

RequestPtr RequestQueue::Remove(InferenceRequest* request) {
  return request->queue_ == this ? Unlink(request) : nullptr;
}

RequestPtr RequestQueue::Unlink(InferenceRequest* request) {
  if (request == behind_back_) {
    behind_back_ = request->next_;
    --from_back_;  // of nothing it starts again at 0
  }
  (request->previous_ != nullptr ? request->previous_->next_ : front_) = request->next_;
  (request->next_ != nullptr ? request->next_->previous_ : back_) = request->previous_;
  request->next_ = request->previous_ = nullptr;
  request->queue_ = nullptr;
  --size_;
  items_ -= request->batch_size();
  return RequestPtr(request);
}

}  // namespace trident
