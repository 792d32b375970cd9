// TRITONSERVER_Parameter.

#include "capi/handles.h"
#include "inference/parameter.h"

using namespace trident;  // NOLINT: C functions live outside every namespace

namespace {

Parameter MakeParameter(const char* name, TRITONSERVER_ParameterType type, const void* value) {
  switch (type) {
    case TRITONSERVER_PARAMETER_INT:
      return Parameter::Int(name, *static_cast<const int64_t*>(value));
    case TRITONSERVER_PARAMETER_BOOL:
      return Parameter::Bool(name, *static_cast<const bool*>(value));
    case TRITONSERVER_PARAMETER_DOUBLE:
      return Parameter::Double(name, *static_cast<const double*>(value));
    default:
      return Parameter::String(name, static_cast<const char*>(value));
  }
}

// These functions can't say what went wrong, so all that does is null.
template <typename Make>
TRITONSERVER_Parameter* NewOrNull(Make&& make) noexcept {
  try {
    return HandleOf<TRITONSERVER_Parameter>(new Parameter(make()));
  } catch (...) {
    return nullptr;
  }
}

}  // namespace

extern "C" {

TRITONSERVER_Parameter* TRITONSERVER_ParameterNew(const char* name, TRITONSERVER_ParameterType type,
                                                  const void* value) {
  const int number = ReadEnum<int>(type);
  const bool copied =
      number >= TRITONSERVER_PARAMETER_STRING && number < TRITONSERVER_PARAMETER_BYTES;
  if (name == nullptr || value == nullptr || !copied) return nullptr;
  return NewOrNull([&] { return MakeParameter(name, type, value); });
}

TRITONSERVER_Parameter* TRITONSERVER_ParameterBytesNew(const char* name, const void* byte_ptr,
                                                       uint64_t size) {
  if (name == nullptr || (byte_ptr == nullptr && size != 0)) return nullptr;
  return NewOrNull([&] { return Parameter::Bytes(name, byte_ptr, size); });
}

void TRITONSERVER_ParameterDelete(TRITONSERVER_Parameter* parameter) { delete Core(parameter); }

}  // extern "C"
