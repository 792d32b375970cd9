#pragma once

#include <memory>
#include <string>

#include "base/status.h"
#include "trident/extension.h"

namespace trident {

// Takes a C ABI error (null is success) and deletes it.
inline Status TakeError(TRITONSERVER_Error* error) {
  if (error == nullptr) return Status::Ok();
  Status status(static_cast<StatusCode>(TRITONSERVER_ErrorCode(error)),
                TRITONSERVER_ErrorMessage(error));
  TRITONSERVER_ErrorDelete(error);
  return status;
}

// The JSON of a message; deletes the message.
inline std::string TakeJson(TRITONSERVER_Message* message) {
  const char* base = nullptr;
  size_t byte_size = 0;
  std::string json;
  if (TakeError(TRITONSERVER_MessageSerializeToJson(message, &base, &byte_size)).ok()) {
    json.assign(base, byte_size);
  }
  (void)TakeError(TRITONSERVER_MessageDelete(message));
  return json;
}

}  // namespace trident
