#include "backends/onnxruntime/datatypes.h"

#include <iterator>

namespace trident::ort {
namespace {

struct TypeRow {
  TRITONSERVER_DataType datatype;
  const char* name;
};

// By OrtElementType.
constexpr TypeRow kTypes[] = {
    {TRITONSERVER_TYPE_INVALID, "undefined"},
    {TRITONSERVER_TYPE_FP32, "FLOAT"},
    {TRITONSERVER_TYPE_UINT8, "UINT8"},
    {TRITONSERVER_TYPE_INT8, "INT8"},
    {TRITONSERVER_TYPE_UINT16, "UINT16"},
    {TRITONSERVER_TYPE_INT16, "INT16"},
    {TRITONSERVER_TYPE_INT32, "INT32"},
    {TRITONSERVER_TYPE_INT64, "INT64"},
    {TRITONSERVER_TYPE_BYTES, "STRING"},
    {TRITONSERVER_TYPE_BOOL, "BOOL"},
    {TRITONSERVER_TYPE_FP16, "FLOAT16"},
    {TRITONSERVER_TYPE_FP64, "DOUBLE"},
    {TRITONSERVER_TYPE_UINT32, "UINT32"},
    {TRITONSERVER_TYPE_UINT64, "UINT64"},
    {TRITONSERVER_TYPE_INVALID, "COMPLEX64"},
    {TRITONSERVER_TYPE_INVALID, "COMPLEX128"},
    {TRITONSERVER_TYPE_BF16, "BFLOAT16"},
    {TRITONSERVER_TYPE_INVALID, "FLOAT8E4M3FN"},
    {TRITONSERVER_TYPE_INVALID, "FLOAT8E4M3FNUZ"},
    {TRITONSERVER_TYPE_INVALID, "FLOAT8E5M2"},
    {TRITONSERVER_TYPE_INVALID, "FLOAT8E5M2FNUZ"},
    {TRITONSERVER_TYPE_INVALID, "UINT4"},
    {TRITONSERVER_TYPE_INVALID, "INT4"},
};

// By ONNX value type.
constexpr const char* kNonTensors[] = {"unknown", "tensor",        "sequence", "map",
                                       "opaque",  "sparse tensor", "optional"};

}  // namespace

TRITONSERVER_DataType ToTriton(OrtElementType type) {
  return static_cast<size_t>(type) < std::size(kTypes) ? kTypes[type].datatype
                                                       : TRITONSERVER_TYPE_INVALID;
}

const char* OnnxName(OrtElementType type) {
  return static_cast<size_t>(type) < std::size(kTypes) ? kTypes[type].name : "unknown";
}

const char* NonTensorName(OrtValueType type) {
  return static_cast<size_t>(type) < std::size(kNonTensors) ? kNonTensors[type] : "unknown";
}

}  // namespace trident::ort
