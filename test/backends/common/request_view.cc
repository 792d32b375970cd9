#include "common/request_view.h"

#include <cstdio>
#include <cstdlib>
#include <cstring>

#include "backends/common/clock.h"

namespace trident::test {
namespace {

// The request's parameter called `key`; its value null when there is none.
Status FindParameter(TRITONBACKEND_Request* request, const char* key,
                     TRITONSERVER_ParameterType* type, const void** value) {
  *value = nullptr;
  uint32_t count = 0;
  BACKEND_RETURN_IF_ERROR(TRITONBACKEND_RequestParameterCount(request, &count));
  for (uint32_t i = 0; i < count; ++i) {
    const char* name = nullptr;
    const void* found = nullptr;
    BACKEND_RETURN_IF_ERROR(TRITONBACKEND_RequestParameter(request, i, &name, type, &found));
    if (strcmp(name, key) != 0) continue;
    *value = found;
    break;
  }
  return Status();
}

}  // namespace

bool HasInput(TRITONBACKEND_Request* request, const char* name) {
  TRITONBACKEND_Input* input = nullptr;
  return Status(TRITONBACKEND_RequestInput(request, name, &input)).ok();
}

Status ReadInput(TRITONBACKEND_Request* request, const char* name, Tensor* tensor) {
  TRITONBACKEND_Input* input = nullptr;
  const int64_t* shape = nullptr;
  uint32_t dims_count = 0;
  uint32_t buffer_count = 0;
  BACKEND_RETURN_IF_ERROR(TRITONBACKEND_RequestInput(request, name, &input));
  BACKEND_RETURN_IF_ERROR(TRITONBACKEND_InputProperties(input, nullptr, &tensor->datatype, &shape,
                                                        &dims_count, nullptr, &buffer_count));
  tensor->shape.assign(shape, shape + dims_count);
  tensor->bytes.clear();
  for (uint32_t i = 0; i < buffer_count; ++i) {
    const void* data = nullptr;
    uint64_t bytes = 0;
    TRITONSERVER_MemoryType memory_type = TRITONSERVER_MEMORY_CPU;
    int64_t memory_type_id = 0;
    BACKEND_RETURN_IF_ERROR(
        TRITONBACKEND_InputBuffer(input, i, &data, &bytes, &memory_type, &memory_type_id));
    tensor->bytes.append(static_cast<const char*>(data), bytes);
  }
  return Status();
}

Status ReadParameter(TRITONBACKEND_Request* request, const char* key, int64_t* value) {
  TRITONSERVER_ParameterType type;
  const void* found = nullptr;
  BACKEND_RETURN_IF_ERROR(FindParameter(request, key, &type, &found));
  if (found == nullptr) return Status();
  if (type == TRITONSERVER_PARAMETER_STRING) {
    *value = strtoll(static_cast<const char*>(found), nullptr, 10);
  } else if (type == TRITONSERVER_PARAMETER_DOUBLE) {
    *value = static_cast<int64_t>(*static_cast<const double*>(found));
  } else if (type == TRITONSERVER_PARAMETER_INT) {
    *value = *static_cast<const int64_t*>(found);
  } else {
    return backend::InvalidArg("parameter '", key, "' must be a number");
  }
  return Status();
}

Status ReadParameter(TRITONBACKEND_Request* request, const char* key, std::string* value) {
  TRITONSERVER_ParameterType type;
  const void* found = nullptr;
  BACKEND_RETURN_IF_ERROR(FindParameter(request, key, &type, &found));
  if (found == nullptr) return Status();
  if (type != TRITONSERVER_PARAMETER_STRING) {
    return backend::InvalidArg("parameter '", key, "' must be a string");
  }
  *value = static_cast<const char*>(found);
  return Status();
}

Status ReadWantedOutputs(TRITONBACKEND_Request* request, std::vector<std::string>* names) {
  names->clear();
  uint32_t count = 0;
  BACKEND_RETURN_IF_ERROR(TRITONBACKEND_RequestOutputCount(request, &count));
  for (uint32_t i = 0; i < count; ++i) {
    const char* name = nullptr;
    BACKEND_RETURN_IF_ERROR(TRITONBACKEND_RequestOutputName(request, i, &name));
    names->emplace_back(name);
  }
  return Status();
}

Status WriteOutput(TRITONBACKEND_Response* response, const char* name, const Tensor& tensor) {
  TRITONBACKEND_Output* output = nullptr;
  void* buffer = nullptr;
  TRITONSERVER_MemoryType memory_type = TRITONSERVER_MEMORY_CPU;
  int64_t memory_type_id = 0;
  BACKEND_RETURN_IF_ERROR(TRITONBACKEND_ResponseOutput(response, &output, name, tensor.datatype,
                                                       tensor.shape.data(),
                                                       static_cast<uint32_t>(tensor.shape.size())));
  BACKEND_RETURN_IF_ERROR(TRITONBACKEND_OutputBuffer(output, &buffer, tensor.bytes.size(),
                                                     &memory_type, &memory_type_id));
  if (!tensor.bytes.empty()) memcpy(buffer, tensor.bytes.data(), tensor.bytes.size());
  return Status();
}

void Refuse(TRITONBACKEND_ModelInstance* instance, TRITONBACKEND_Request* request,
            const Status& error) {
  const uint64_t now = backend::NowNs();
  Must(TRITONBACKEND_ModelInstanceReportStatistics(instance, request, false, now, now, now, now));
  TRITONBACKEND_Response* response = nullptr;
  Must(TRITONBACKEND_ResponseNew(&response, request));
  Must(TRITONBACKEND_ResponseSend(response, TRITONSERVER_RESPONSE_COMPLETE_FINAL, error.get()));
  Must(TRITONBACKEND_RequestRelease(request, TRITONSERVER_REQUEST_RELEASE_ALL));
}

void Must(TRITONSERVER_Error* error) {
  if (error == nullptr) return;
  fprintf(stderr, "test backend: %s\n", TRITONSERVER_ErrorMessage(error));
  abort();
}

}  // namespace trident::test
