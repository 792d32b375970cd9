#pragma once

#include <functional>

#include "triton/core/tritonserver.h"

namespace trident::isolation {

// All that the process of an isolated instance does: over the channel at kChannelDescriptor it is
// told what model to load, then executes the batches that it is sent, until it is told to end.
// Returns the exit code. `prepare`, if set, has the server's options before the server is made, on
// this thread: for programs that bring backends of their own.
int RunIsolatedInstance(const std::function<void(TRITONSERVER_ServerOptions*)>& prepare = nullptr);

}  // namespace trident::isolation
