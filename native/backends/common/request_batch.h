#pragma once

#include <cstdint>
#include <vector>

#include "backends/common/status.h"
#include "triton/core/tritonbackend.h"

namespace trident::backend {

// When the parts of an execution began and ended, in NowNs.
struct ExecutionTimes {
  uint64_t exec_start_ns = 0;
  uint64_t compute_start_ns = 0;
  uint64_t compute_end_ns = 0;
};

// The requests of one execution with their responses: whatever happens to a request, Finish reports
// it, answers it and releases it, exactly once. Reused from one execution to the next, so that it
// does not allocate. Owns requests and responses from Begin to Finish. Instance thread only.
class RequestBatch {
 public:
  // Takes the requests over and creates their responses. On failure, all are still the caller's.
  Status Begin(TRITONBACKEND_Request** requests, uint32_t count);

  size_t size() const { return items_.size(); }
  TRITONBACKEND_Request* request(size_t i) const { return items_[i].request; }
  TRITONBACKEND_Response* response(size_t i) const { return items_[i].response; }
  bool failed(size_t i) const { return !items_[i].status.ok(); }
  size_t failed_count() const { return failed_count_; }
  bool all_failed() const { return failed_count_ == items_.size(); }

  // Answers request i with this error; the first failure counts.
  void Fail(size_t i, Status status);
  // Does so for every request that has not failed yet.
  void FailAll(const Status& status);

  // Statistics go first: who has the answer also sees it counted. `batch_items` is the sum of the
  // successful requests' batch sizes.
  void Finish(TRITONBACKEND_ModelInstance* instance, const ExecutionTimes& times,
              uint64_t batch_items);

 private:
  struct Item {
    TRITONBACKEND_Request* request = nullptr;
    TRITONBACKEND_Response* response = nullptr;
    Status status;
  };

  std::vector<Item> items_;
  size_t failed_count_ = 0;
};

}  // namespace trident::backend
