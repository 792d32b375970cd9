#pragma once

#include "backends/onnxruntime/ort_api.h"
#include "triton/core/tritonserver.h"

namespace trident::ort {

// Every Triton datatype has an ONNX element type; the other way round INVALID says that there is
// none.
TRITONSERVER_DataType ToTriton(OrtElementType type);

// Names for messages, e.g. "COMPLEX64" and "sequence".
const char* OnnxName(OrtElementType type);
const char* NonTensorName(OrtValueType type);

}  // namespace trident::ort
