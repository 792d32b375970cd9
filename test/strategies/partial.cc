// Only one of the five functions of a batching strategy.

#include "triton/core/tritonbackend.h"

extern "C" TRITONBACKEND_ISPEC TRITONSERVER_Error* TRITONBACKEND_ModelBatchFinalize(void*) {
  return nullptr;
}
