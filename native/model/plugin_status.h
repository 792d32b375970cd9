#pragma once

#include <exception>
#include <memory>

#include "base/status.h"
#include "triton/core/tritonserver.h"

namespace trident {

// The object behind TRITONSERVER_Error is a Status on the heap.
inline TRITONSERVER_Error* ToPluginError(Status status) {
  return status.ok() ? nullptr
                     : reinterpret_cast<TRITONSERVER_Error*>(new Status(std::move(status)));
}

// Consumes what a plug-in returned; null is success.
inline Status TakePluginError(TRITONSERVER_Error* error) {
  if (error == nullptr) return Status::Ok();
  const std::unique_ptr<Status> status(reinterpret_cast<Status*>(error));
  return *status;
}

// Calls an entry point of a plug-in, which may throw: plug-ins are often written in C++.
template <typename Function, typename... Arguments>
Status CallPlugin(Function* function, Arguments... arguments) {
  try {
    return TakePluginError(function(arguments...));
  } catch (const std::exception& error) {
    return Internal("it threw an exception: ", error.what());
  } catch (...) {
    return Internal("it threw an exception");
  }
}

}  // namespace trident
