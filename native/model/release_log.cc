#include "model/release_log.h"

#include <algorithm>

namespace trident {

thread_local constinit ReleaseLog* ReleaseLog::innermost_ = nullptr;

bool ReleaseLog::Has(TRITONBACKEND_Request* request) const {
  return std::find(released_.begin(), released_.end(), request) != released_.end();
}

bool ReleaseLog::IsOpen(const std::vector<TRITONBACKEND_Request*>& memory) {
  const ReleaseLog* log = innermost_;
  while (log != nullptr && &log->released_ != &memory) log = log->outer_;
  return log != nullptr;
}

bool ReleaseLog::IsAmongGiven(TRITONBACKEND_Request* request) const {
  return std::find(given_.begin(), given_.end(), request) != given_.end();
}

}  // namespace trident
