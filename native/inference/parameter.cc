#include "inference/parameter.h"

#include "inference/buffer.h"

namespace trident {

const char* ParameterTypeName(ParameterType type) {
  switch (type) {
    case ParameterType::kString:
      return "STRING";
    case ParameterType::kInt:
      return "INT";
    case ParameterType::kBool:
      return "BOOL";
    case ParameterType::kDouble:
      return "DOUBLE";
    case ParameterType::kBytes:
      return "BYTES";
  }
  return "<invalid>";
}

const void* Parameter::ValuePointer() const {
  switch (type) {
    case ParameterType::kString:
      return string_value.c_str();
    case ParameterType::kInt:
      return &int_value;
    case ParameterType::kBool:
      return &bool_value;
    case ParameterType::kDouble:
      return &double_value;
    case ParameterType::kBytes:
      return bytes;
  }
  return nullptr;
}

const char* MemoryTypeName(MemoryType type) {
  switch (type) {
    case MemoryType::kCpu:
      return "CPU";
    case MemoryType::kCpuPinned:
      return "CPU_PINNED";
    case MemoryType::kGpu:
      return "GPU";
  }
  return "<invalid>";
}

}  // namespace trident
