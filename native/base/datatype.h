#pragma once

#include <cstdint>
#include <string_view>

namespace trident {

// Tensor datatypes; values equal TRITONSERVER_datatype_enum.
enum class DataType : int {
  kInvalid = 0,
  kBool,
  kUint8,
  kUint16,
  kUint32,
  kUint64,
  kInt8,
  kInt16,
  kInt32,
  kInt64,
  kFp16,
  kFp32,
  kFp64,
  kBytes,
  kBf16,
};

// "FP32", "BYTES", ...; "<invalid>" for kInvalid or a value outside the enum.
const char* DataTypeName(DataType type);

// Inverse of DataTypeName; kInvalid for an unknown name.
DataType DataTypeFromName(std::string_view name);

// "TYPE_FP32", "TYPE_STRING", ...: the names of model configuration.
const char* DataTypeConfigName(DataType type);
DataType DataTypeFromConfigName(std::string_view name);

// Bytes of one element; 0 for BYTES (variable) and kInvalid.
uint32_t DataTypeByteSize(DataType type);

}  // namespace trident
