#pragma once

#include <cstddef>

#include "inference/request.h"

namespace trident {

// Waiting requests, oldest first. Linked through the requests themselves, so that adding, taking
// and removing from the middle cost the same at any length and allocate nothing. Owns what it
// holds; a request is in one queue at a time. Externally synchronised by its scheduler.
class RequestQueue {
 public:
  RequestQueue() = default;
  ~RequestQueue();
  RequestQueue(const RequestQueue&) = delete;
  RequestQueue& operator=(const RequestQueue&) = delete;

  void PushBack(RequestPtr request);
  RequestPtr PopFront();
  // Null when `request` is not in this queue.
  RequestPtr Remove(InferenceRequest* request);

  bool empty() const { return front_ == nullptr; }
  size_t size() const { return size_; }
  uint64_t items() const { return items_; }  // sum of batch sizes
  InferenceRequest* front() const { return front_; }
  static InferenceRequest* Next(const InferenceRequest& request) { return request.next_; }
  // The queue that holds `request`, or null.
  static RequestQueue* Holding(const InferenceRequest& request) { return request.queue_; }
  // Brings into the cache what taking a request some places behind `request` will touch.
  static void Prefetch(const InferenceRequest& request) {
    __builtin_prefetch(request.its_expiry_entry_, 1);
    __builtin_prefetch(request.some_places_behind_, 1);
  }

 private:
  // Measured with trident_queue_cost: nearer comes too late, further is forgotten again.
  static constexpr size_t kPrefetchDistance = 12;

  RequestPtr Unlink(InferenceRequest* request);

  InferenceRequest* front_ = nullptr;
  InferenceRequest* back_ = nullptr;
  InferenceRequest* behind_back_ = nullptr;  // kPrefetchDistance places before the end
  size_t from_back_ = 0;                     // how many places that is now
  size_t size_ = 0;
  uint64_t items_ = 0;
};

}  // namespace trident
