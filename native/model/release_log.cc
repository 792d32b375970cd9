#include "model/release_log.h"

#include <algorithm>

namespace trident {

thread_local constinit ReleaseLog* ReleaseLog::innermost_ = nullptr;

bool ReleaseLog::Has(TRITONBACKEND_Request* request) const {
  return std::find(released_.begin(), released_.end(), request) != released_.end();
}

bool ReleaseLog::IsAmongGiven(TRITONBACKEND_Request* request) const {
  return std::find(given_.begin(), given_.end(), request) != given_.end();
}

}  // namespace trident
