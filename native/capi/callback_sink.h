#pragma once

#include "inference/sink.h"
#include "triton/core/tritonserver.h"

namespace trident {

// The object behind TRITONSERVER_ResponseAllocator: a client's functions. `start`, `attributes` and
// `query` may be null. *Externally synchronised by the client.*
struct ResponseAllocator {
  TRITONSERVER_ResponseAllocatorAllocFn_t alloc = nullptr;
  TRITONSERVER_ResponseAllocatorReleaseFn_t release = nullptr;
  TRITONSERVER_ResponseAllocatorStartFn_t start = nullptr;
  TRITONSERVER_ResponseAllocatorBufferAttributesFn_t attributes = nullptr;
  TRITONSERVER_ResponseAllocatorQueryFn_t query = nullptr;
};

// Hands responses to a C callback and takes their memory from a C allocator, which the client keeps
// alive for as long as any response may come or still exists. *Thread-safe*, as far as the client's
// functions are.
class CallbackSink : public ResponseSink {
 public:
  CallbackSink(ResponseAllocator* allocator, void* allocator_userp,
               TRITONSERVER_InferenceResponseCompleteFn_t complete, void* complete_userp)
      : allocator_(allocator),
        allocator_userp_(allocator_userp),
        complete_(complete),
        complete_userp_(complete_userp) {}

  Status StartResponse() override;
  Status Allocate(const char* output_name, uint64_t byte_size, OutputBuffer* buffer) override;
  void Free(const OutputBuffer& buffer) override;
  // UNAVAILABLE when the client has no query function.
  Status Query(const char* output_name, uint64_t* byte_size, BufferAttributes* attributes) override;
  void Deliver(ResponsePtr response, uint32_t flags) override;
  void* client_data() const override { return complete_userp_; }

 private:
  ResponseAllocator* const allocator_;
  void* const allocator_userp_;
  const TRITONSERVER_InferenceResponseCompleteFn_t complete_;
  void* const complete_userp_;
};

}  // namespace trident
