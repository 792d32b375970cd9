#pragma once

#include "capi/handles.h"
#include "inference/request.h"

namespace trident {

// Whether the client has `request`, or has it in a moment: clients that have got the final response
// often go on without waiting for the release, which a backend owes them right after it. Waits for
// that, but not in a callback of the client, which may be what the release waits for, and not for
// ever.
bool AwaitRelease(const InferenceRequest& request);

// Guard for what changes a request: INVALID_ARG while it is in flight, for then it belongs to the
// server and a backend may be reading it. `body` takes the request and returns a Status.
template <typename Body>
TRITONSERVER_Error* ChangeRequest(const char* function, TRITONSERVER_InferenceRequest* handle,
                                  Body&& body) noexcept {
  return Guard([&] {
    InferenceRequest* const request = Core(handle);
    if (!AwaitRelease(*request)) {
      return InvalidArg(request->LogPrefix(), function, ": the request has not been released yet");
    }
    return body(request);
  });
}

// A backend may answer and release what it executes; and can still be told so of what it has
// released, as long as its owner keeps it. Nothing else of that request may be read.
inline bool IsExecuting(TRITONBACKEND_Request* request) {
  return Core(request)->state() == InferenceRequest::State::kExecuting;
}
inline TRITONSERVER_Error* NotExecuting(const char* function) {
  return Guard([&] { return InvalidArg(function, ": the request is not being executed"); });
}

// The sequence of a request; INVALID_ARG when it is of the other kind.
inline Status ReadCorrelationId(const InferenceRequest& request, uint64_t* number) {
  if (request.correlation_id.is_string) {
    return InvalidArg(request.LogPrefix(), "the correlation id is a string, not a number");
  }
  *number = request.correlation_id.number;
  return Status::Ok();
}
inline Status ReadCorrelationId(const InferenceRequest& request, const char** text) {
  if (!request.correlation_id.is_string) {
    return InvalidArg(request.LogPrefix(), "the correlation id is a number, not a string");
  }
  *text = request.correlation_id.text.c_str();
  return Status::Ok();
}

}  // namespace trident
