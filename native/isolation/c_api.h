#pragma once

#include <memory>
#include <string>

#include "base/status.h"
#include "isolation/wire.h"
#include "triton/core/tritonserver.h"

// What passes between the C API and the messages.
namespace trident::isolation {

// The outcome of a call of the C API, whose error it takes.
inline Status Taken(TRITONSERVER_Error* error) {
  if (error == nullptr) return Status::Ok();
  Status status(static_cast<StatusCode>(TRITONSERVER_ErrorCode(error)),
                TRITONSERVER_ErrorMessage(error));
  TRITONSERVER_ErrorDelete(error);
  return status;
}

// Null for success; else the caller owns the result.
inline TRITONSERVER_Error* ErrorOf(const Status& status) {
  if (status.ok()) return nullptr;
  return TRITONSERVER_ErrorNew(static_cast<TRITONSERVER_Error_Code>(status.code()),
                               status.message().c_str());
}

inline Status StatusOf(const Failure& failure) { return {failure.code, failure.message}; }

// Of more text than anybody reads, the beginning: it is to fit into a message.
inline constexpr size_t kMaxFailureBytes = size_t{1} << 20;
inline Failure FailureOf(const Status& status) {
  return {status.code(), status.message().substr(0, kMaxFailureBytes)};
}

inline TRITONSERVER_DataType CType(DataType datatype) {
  return static_cast<TRITONSERVER_DataType>(datatype);
}

// A parameter as the C API has its value; INTERNAL for a type that is none of these.
inline Result<Parameter> ParameterOf(const char* name, TRITONSERVER_ParameterType type,
                                     const void* value) {
  switch (type) {
    case TRITONSERVER_PARAMETER_STRING:
      return Parameter{name, std::string(static_cast<const char*>(value))};
    case TRITONSERVER_PARAMETER_INT:
      return Parameter{name, *static_cast<const int64_t*>(value)};
    case TRITONSERVER_PARAMETER_BOOL:
      return Parameter{name, *static_cast<const bool*>(value)};
    case TRITONSERVER_PARAMETER_DOUBLE:
      return Parameter{name, *static_cast<const double*>(value)};
    default:
      return Internal("parameter '", name, "' has a type that no message knows");
  }
}

}  // namespace trident::isolation
