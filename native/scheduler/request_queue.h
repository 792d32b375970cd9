#pragma once

#include <cstddef>

#include "inference/request.h"

namespace trident {

// Waiting requests, oldest first. Linked through the requests themselves, so that adding, taking
// and removing from the middle cost the same at any length and allocate nothing. Owns what it
// holds. Externally synchronised by its scheduler.
class RequestQueue {
 public:
  ~RequestQueue();

  void PushBack(RequestPtr request);
  RequestPtr PopFront();
  // Null when `request` is not in a queue.
  RequestPtr Remove(InferenceRequest* request);

  bool empty() const { return front_ == nullptr; }
  size_t size() const { return size_; }
  uint64_t items() const { return items_; }  // sum of batch sizes
  const InferenceRequest* front() const { return front_; }
  static const InferenceRequest* Next(const InferenceRequest& request) { return request.next_; }

 private:
  RequestPtr Unlink(InferenceRequest* request);

  InferenceRequest* front_ = nullptr;
  InferenceRequest* back_ = nullptr;
  size_t size_ = 0;
  uint64_t items_ = 0;
};

}  // namespace trident
