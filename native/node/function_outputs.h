#pragma once

#include <node_api.h>

#include <string>
#include <vector>

#include "base/status.h"
#include "cuda/stream.h"
#include "triton/core/tritonbackend.h"

namespace trident {

// Copies of tensors, for the statistics of the instance.
class CopyCount {
 public:
  void Add(uint64_t byte_size) {
    if (byte_size == 0) return;
    ++count_;
    byte_size_ += byte_size;
  }
  void Report(TRITONBACKEND_ModelInstance* instance) const;

 private:
  uint64_t count_ = 0;
  uint64_t byte_size_ = 0;
};

// Sends a response to `request`, which `instance` executes, with the outputs that JS gives, by
// turns name, datatype, shape and bytes; those that were not asked for are left out. What is named
// in `states` becomes the state of the request's sequence. Nothing is sent when this fails.
Status SendOutputs(napi_env env, TRITONBACKEND_ModelInstance* instance,
                   TRITONBACKEND_Request* request, const std::vector<std::string>& states,
                   napi_value outputs, uint32_t flags);
// A response that is an error, and final.
void SendError(TRITONBACKEND_Request* request, const Status& error);
// The final flag alone.
void SendFinal(TRITONBACKEND_Request* request);

cuda::Place PlaceOf(TRITONSERVER_MemoryType type, int64_t id);
// Wherever the two memories are.
Status CopyBytes(void* to, cuda::Place to_place, const void* from, cuda::Place from_place,
                 uint64_t byte_size);

}  // namespace trident
