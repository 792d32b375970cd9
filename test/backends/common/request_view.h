#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "backends/common/status.h"
#include "triton/core/tritonbackend.h"

// What backends of tests read of a request and write to a response. They copy freely: clear code
// counts here, not speed.
namespace trident::test {

using backend::Status;

struct Tensor {
  TRITONSERVER_DataType datatype = TRITONSERVER_TYPE_INVALID;
  std::vector<int64_t> shape;
  std::string bytes;

  // The element at `index` of a tensor of T.
  template <typename T>
  T At(size_t index = 0) const {
    return reinterpret_cast<const T*>(bytes.data())[index];
  }
  template <typename T>
  size_t Count() const {
    return bytes.size() / sizeof(T);
  }
};

bool HasInput(TRITONBACKEND_Request* request, const char* name);
Status ReadInput(TRITONBACKEND_Request* request, const char* name, Tensor* tensor);

// Leave the value alone when the request has no such parameter.
Status ReadParameter(TRITONBACKEND_Request* request, const char* key, int64_t* value);
Status ReadParameter(TRITONBACKEND_Request* request, const char* key, std::string* value);

Status ReadWantedOutputs(TRITONBACKEND_Request* request, std::vector<std::string>* names);

Status WriteOutput(TRITONBACKEND_Response* response, const char* name, const Tensor& tensor);

// Ends a request that an execution owns: statistics, a response with `error`, release.
void Refuse(TRITONBACKEND_ModelInstance* instance, TRITONBACKEND_Request* request,
            const Status& error);

// For calls that can't fail in a working server: without them a test would wait for ever.
void Must(TRITONSERVER_Error* error);

}  // namespace trident::test
