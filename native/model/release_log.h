#pragma once

#include <span>
#include <vector>

#include "triton/core/tritonbackend.h"

namespace trident {

// The requests of one execution that its backend releases on this thread: those may be gone, and
// are not to be answered again when it fails. On the stack; executions nest when a backend has
// another model run on its thread.
class ReleaseLog {
 public:
  // `given`: those that are executed. `memory` is reused from batch to batch.
  ReleaseLog(std::span<TRITONBACKEND_Request* const> given,
             std::vector<TRITONBACKEND_Request*>* memory)
      : given_(given), released_(*memory), outer_(innermost_) {
    released_.clear();
    released_.reserve(given.size());
    innermost_ = this;
  }
  ~ReleaseLog() { innermost_ = outer_; }
  ReleaseLog(const ReleaseLog&) = delete;
  ReleaseLog& operator=(const ReleaseLog&) = delete;

  bool Has(TRITONBACKEND_Request* request) const;
  // Whether this thread is at an execution whose log uses `memory`.
  static bool IsOpen(const std::vector<TRITONBACKEND_Request*>& memory);
  // To be called before the release. An execution that has released a request may be given it again
  // further in, so the innermost is the one that it is noted for.
  static void Add(TRITONBACKEND_Request* request) {
    ReleaseLog* log = innermost_;
    while (log != nullptr && !log->WasGiven(request)) log = log->outer_;
    if (log != nullptr) log->released_.push_back(request);
  }

 private:
  // Backends mostly release in the order in which they are given, where one look tells.
  bool WasGiven(TRITONBACKEND_Request* request) const {
    const size_t next = released_.size();
    return (next < given_.size() && given_[next] == request) || IsAmongGiven(request);
  }
  bool IsAmongGiven(TRITONBACKEND_Request* request) const;

  // At a known distance from the thread's pointer, so that a release costs no call to find it.
  [[gnu::tls_model("initial-exec")]] static constinit thread_local ReleaseLog* innermost_;

  const std::span<TRITONBACKEND_Request* const> given_;
  std::vector<TRITONBACKEND_Request*>& released_;
  ReleaseLog* const outer_;
};

}  // namespace trident
