#pragma once

#include "trident/extension.h"

namespace trident {

struct FunctionServer;

// The backend `javascript`, for one server: its models are functions, each instance of which runs
// on the JS thread that has made it ready. `server` outlives the server's models.
TRITONSERVER_TridentBackend FunctionBackend(FunctionServer* server);

}  // namespace trident
