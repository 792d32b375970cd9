#ifndef TRIDENT_TEST_CAPI_CONFORMANCE_BACKEND_H_
#define TRIDENT_TEST_CAPI_CONFORMANCE_BACKEND_H_

#include "checks.h"
#include "trident/extension.h"
#include "triton/core/tritonbackend.h"

static const TRITONSERVER_Error_Code kInvalid = TRITONSERVER_ERROR_INVALID_ARG;

// `instance` answers and releases `request`, with all the checks of what belongs to a request.
void ServeWithChecks(TRITONBACKEND_ModelInstance* instance, TRITONBACKEND_Request* request);

#endif
