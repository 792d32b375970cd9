#include "backends/common/version.h"

#include "triton/core/tritonbackend.h"

namespace trident::backend {

Status CheckApiVersion(const char* backend_name) {
  uint32_t major = 0;
  uint32_t minor = 0;
  BACKEND_RETURN_IF_ERROR(TRITONBACKEND_ApiVersion(&major, &minor));
  if (major != TRITONBACKEND_API_VERSION_MAJOR || minor < TRITONBACKEND_API_VERSION_MINOR) {
    return Unsupported("backend '", backend_name, "': expected backend API ",
                       TRITONBACKEND_API_VERSION_MAJOR, ".", TRITONBACKEND_API_VERSION_MINOR,
                       " or a later minor version, found ", major, ".", minor);
  }
  return Status();
}

}  // namespace trident::backend
