#pragma once

#include "inference/trace.h"

namespace trident {

class InferenceRequest;
class InferenceResponse;

// Tells the trace of a traced request about its inputs, if it wants to know: as the client gave
// them, or as the backend sees them under `host_policy`. What lies on a device is copied to the
// host, and left out when that fails.
void TraceQueuedInputs(const InferenceRequest& request);
void TraceBackendInputs(const InferenceRequest& request, const char* host_policy);

void TraceOutputs(InferenceTrace* trace, const InferenceResponse& response);

}  // namespace trident
