#pragma once

#include "backends/common/status.h"

namespace trident::backend {

// Refuses a server whose backend API has another major version, or lacks what this plug-in was
// compiled against.
Status CheckApiVersion(const char* backend_name);

}  // namespace trident::backend
