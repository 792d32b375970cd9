#pragma once

#include <node_api.h>

#include "base/status.h"
#include "node/server_handle.h"
#include "triton/core/tritonserver.h"

namespace trident {

// Applies the facade's list of server options, [[kind, ...values], ...], to `options`; what
// concerns the bridge itself, to `handle`.
Status ApplySettings(napi_env env, napi_value list, ServerHandle* handle,
                     TRITONSERVER_ServerOptions* options);

}  // namespace trident
