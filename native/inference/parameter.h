#pragma once

#include <cstdint>
#include <string>

namespace trident {

// Values equal TRITONSERVER_parametertype_enum.
enum class ParameterType : int { kString = 0, kInt = 1, kBool = 2, kDouble = 3, kBytes = 4 };

const char* ParameterTypeName(ParameterType type);

// A named value of a request, a response or a management call. A value type, except that kBytes
// only points at the caller's bytes.
struct Parameter {
  std::string name;
  ParameterType type = ParameterType::kString;
  std::string string_value;
  int64_t int_value = 0;
  bool bool_value = false;
  double double_value = 0;
  const void* bytes = nullptr;
  uint64_t byte_size = 0;

  static Parameter String(std::string name, std::string value) {
    Parameter p = Of(std::move(name), ParameterType::kString);
    p.string_value = std::move(value);
    return p;
  }
  static Parameter Int(std::string name, int64_t value) {
    Parameter p = Of(std::move(name), ParameterType::kInt);
    p.int_value = value;
    return p;
  }
  static Parameter Bool(std::string name, bool value) {
    Parameter p = Of(std::move(name), ParameterType::kBool);
    p.bool_value = value;
    return p;
  }
  static Parameter Double(std::string name, double value) {
    Parameter p = Of(std::move(name), ParameterType::kDouble);
    p.double_value = value;
    return p;
  }
  static Parameter Bytes(std::string name, const void* bytes, uint64_t byte_size) {
    Parameter p = Of(std::move(name), ParameterType::kBytes);
    p.bytes = bytes;
    p.byte_size = byte_size;
    return p;
  }

  // The address of the value in the form the C ABI hands out: char*, int64_t*, bool*, double*.
  const void* ValuePointer() const;

 private:
  static Parameter Of(std::string name, ParameterType type) {
    Parameter p;
    p.name = std::move(name);
    p.type = type;
    return p;
  }
};

}  // namespace trident
