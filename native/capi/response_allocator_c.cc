// TRITONSERVER_ResponseAllocator.

#include "capi/callback_sink.h"
#include "capi/handles.h"

using namespace trident;  // NOLINT: C functions live outside every namespace

extern "C" {

TRITONSERVER_Error* TRITONSERVER_ResponseAllocatorNew(
    TRITONSERVER_ResponseAllocator** allocator, TRITONSERVER_ResponseAllocatorAllocFn_t alloc_fn,
    TRITONSERVER_ResponseAllocatorReleaseFn_t release_fn,
    TRITONSERVER_ResponseAllocatorStartFn_t start_fn) {
  TRIDENT_REQUIRE(allocator, alloc_fn, release_fn);
  return Guard([&] {
    *allocator = HandleOf<TRITONSERVER_ResponseAllocator>(
        new ResponseAllocator{.alloc = alloc_fn, .release = release_fn, .start = start_fn});
    return Status::Ok();
  });
}

TRITONSERVER_Error* TRITONSERVER_ResponseAllocatorDelete(
    TRITONSERVER_ResponseAllocator* allocator) {
  delete Core(allocator);
  return nullptr;
}

TRITONSERVER_Error* TRITONSERVER_ResponseAllocatorSetBufferAttributesFunction(
    TRITONSERVER_ResponseAllocator* allocator,
    TRITONSERVER_ResponseAllocatorBufferAttributesFn_t buffer_attributes_fn) {
  TRIDENT_REQUIRE(allocator);
  Core(allocator)->attributes = buffer_attributes_fn;
  return nullptr;
}

TRITONSERVER_Error* TRITONSERVER_ResponseAllocatorSetQueryFunction(
    TRITONSERVER_ResponseAllocator* allocator, TRITONSERVER_ResponseAllocatorQueryFn_t query_fn) {
  TRIDENT_REQUIRE(allocator);
  Core(allocator)->query = query_fn;
  return nullptr;
}

}  // extern "C"
