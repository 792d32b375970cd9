// TRITONSERVER_Error.

#include <string_view>

#include "capi/handles.h"

using namespace trident;  // NOLINT: C functions live outside every namespace

namespace trident {

TRITONSERVER_Error* NullArgument(const char* function, const char* arguments, int index) noexcept {
  std::string_view rest(arguments);
  while (index-- > 0) rest.remove_prefix(rest.find(',') + 2);
  return ToError(InvalidArg(function, ": argument '", rest.substr(0, rest.find(',')), "' is null"));
}

}  // namespace trident

extern "C" {

TRITONSERVER_Error* TRITONSERVER_ErrorNew(TRITONSERVER_Error_Code code, const char* msg) {
  const int number = ReadEnum<int>(code);
  const bool known = number >= TRITONSERVER_ERROR_UNKNOWN && number <= TRITONSERVER_ERROR_CANCELLED;
  return Guard([&] {
    return Status(known ? static_cast<StatusCode>(number) : StatusCode::kUnknown,
                  msg == nullptr ? "" : msg);
  });
}

void TRITONSERVER_ErrorDelete(TRITONSERVER_Error* error) { delete Core(error); }

TRITONSERVER_Error_Code TRITONSERVER_ErrorCode(TRITONSERVER_Error* error) {
  return error == nullptr ? TRITONSERVER_ERROR_UNKNOWN
                          : static_cast<TRITONSERVER_Error_Code>(Core(error)->code());
}

const char* TRITONSERVER_ErrorCodeString(TRITONSERVER_Error* error) {
  return StatusCodeName(error == nullptr ? StatusCode::kOk : Core(error)->code());
}

const char* TRITONSERVER_ErrorMessage(TRITONSERVER_Error* error) {
  return error == nullptr ? "" : Core(error)->message().c_str();
}

}  // extern "C"
