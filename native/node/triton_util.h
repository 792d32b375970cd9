#pragma once

#include <memory>
#include <string>

#include "base/status.h"
#include "cuda/stream.h"
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

inline TRITONSERVER_LogFormat LogFormat(bool iso8601) {
  return iso8601 ? TRITONSERVER_LOG_ISO8601 : TRITONSERVER_LOG_DEFAULT;
}

// How the C ABI says where memory is.
struct MemoryOf {
  explicit MemoryOf(cuda::Place place)
      : type(place.on_device() ? TRITONSERVER_MEMORY_GPU : TRITONSERVER_MEMORY_CPU),
        id(place.on_device() ? place.device_id : 0) {}

  TRITONSERVER_MemoryType type;
  int64_t id;
};

struct ParameterDeleter {
  void operator()(TRITONSERVER_Parameter* parameter) const {
    TRITONSERVER_ParameterDelete(parameter);
  }
};

// One output of a response; what it points to lives as long as the response.
struct ResponseOutput {
  const char* name = nullptr;
  TRITONSERVER_DataType datatype = TRITONSERVER_TYPE_INVALID;
  const int64_t* shape = nullptr;
  uint64_t rank = 0;
  const void* base = nullptr;
  size_t byte_size = 0;
  TRITONSERVER_MemoryType memory_type = TRITONSERVER_MEMORY_CPU;
  void* owner = nullptr;  // what the allocator gave as the buffer's userp

  bool on_device() const { return memory_type == TRITONSERVER_MEMORY_GPU; }
};

inline Status ReadResponseOutput(TRITONSERVER_InferenceResponse* response, uint32_t index,
                                 ResponseOutput* output) {
  int64_t memory_type_id = 0;
  return TakeError(TRITONSERVER_InferenceResponseOutput(
      response, index, &output->name, &output->datatype, &output->shape, &output->rank,
      &output->base, &output->byte_size, &output->memory_type, &memory_type_id, &output->owner));
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
