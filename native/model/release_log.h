#pragma once

#include <vector>

#include "triton/core/tritonbackend.h"

namespace trident {

// The requests that backends release on this thread while one of them executes: those may be gone,
// and are not to be answered again when it fails. One per execution, on the stack; they nest when a
// backend has another model run on its thread.
class ReleaseLog {
 public:
  // `memory` is reused from batch to batch.
  explicit ReleaseLog(std::vector<TRITONBACKEND_Request*>* memory)
      : released_(*memory), outer_(innermost_) {
    released_.clear();
    innermost_ = this;
  }
  ~ReleaseLog() { innermost_ = outer_; }
  ReleaseLog(const ReleaseLog&) = delete;
  ReleaseLog& operator=(const ReleaseLog&) = delete;

  bool Has(TRITONBACKEND_Request* request) const;
  // To be called before the release.
  static void Add(TRITONBACKEND_Request* request) {
    for (ReleaseLog* log = innermost_; log != nullptr; log = log->outer_) {
      log->released_.push_back(request);
    }
  }

 private:
  // At a known distance from the thread's pointer, so that a release costs no call to find it.
  [[gnu::tls_model("initial-exec")]] static constinit thread_local ReleaseLog* innermost_;

  std::vector<TRITONBACKEND_Request*>& released_;
  ReleaseLog* const outer_;
};

}  // namespace trident
