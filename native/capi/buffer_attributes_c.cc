// TRITONSERVER_BufferAttributes.

#include "capi/handles.h"
#include "inference/buffer.h"

using namespace trident;  // NOLINT: C functions live outside every namespace

extern "C" {

TRITONSERVER_Error* TRITONSERVER_BufferAttributesNew(
    TRITONSERVER_BufferAttributes** buffer_attributes) {
  TRIDENT_REQUIRE(buffer_attributes);
  return Guard([&] {
    *buffer_attributes = HandleOf<TRITONSERVER_BufferAttributes>(new BufferAttributes());
    return Status::Ok();
  });
}

TRITONSERVER_Error* TRITONSERVER_BufferAttributesDelete(
    TRITONSERVER_BufferAttributes* buffer_attributes) {
  delete Core(buffer_attributes);
  return nullptr;
}

TRITONSERVER_Error* TRITONSERVER_BufferAttributesMemoryType(
    TRITONSERVER_BufferAttributes* buffer_attributes, TRITONSERVER_MemoryType* memory_type) {
  TRIDENT_REQUIRE(buffer_attributes, memory_type);
  *memory_type = static_cast<TRITONSERVER_MemoryType>(Core(buffer_attributes)->memory_type);
  return nullptr;
}

TRITONSERVER_Error* TRITONSERVER_BufferAttributesSetMemoryType(
    TRITONSERVER_BufferAttributes* buffer_attributes, TRITONSERVER_MemoryType memory_type) {
  TRIDENT_REQUIRE(buffer_attributes);
  Core(buffer_attributes)->memory_type = ReadEnum<MemoryType>(memory_type);
  return nullptr;
}

TRITONSERVER_Error* TRITONSERVER_BufferAttributesMemoryTypeId(
    TRITONSERVER_BufferAttributes* buffer_attributes, int64_t* memory_type_id) {
  TRIDENT_REQUIRE(buffer_attributes, memory_type_id);
  *memory_type_id = Core(buffer_attributes)->memory_type_id;
  return nullptr;
}

TRITONSERVER_Error* TRITONSERVER_BufferAttributesSetMemoryTypeId(
    TRITONSERVER_BufferAttributes* buffer_attributes, int64_t memory_type_id) {
  TRIDENT_REQUIRE(buffer_attributes);
  Core(buffer_attributes)->memory_type_id = memory_type_id;
  return nullptr;
}

TRITONSERVER_Error* TRITONSERVER_BufferAttributesByteSize(
    TRITONSERVER_BufferAttributes* buffer_attributes, size_t* byte_size) {
  TRIDENT_REQUIRE(buffer_attributes, byte_size);
  *byte_size = Core(buffer_attributes)->byte_size;
  return nullptr;
}

TRITONSERVER_Error* TRITONSERVER_BufferAttributesSetByteSize(
    TRITONSERVER_BufferAttributes* buffer_attributes, size_t byte_size) {
  TRIDENT_REQUIRE(buffer_attributes);
  Core(buffer_attributes)->byte_size = byte_size;
  return nullptr;
}

TRITONSERVER_Error* TRITONSERVER_BufferAttributesCudaIpcHandle(
    TRITONSERVER_BufferAttributes* buffer_attributes, void** cuda_ipc_handle) {
  TRIDENT_REQUIRE(buffer_attributes, cuda_ipc_handle);
  *cuda_ipc_handle = Core(buffer_attributes)->cuda_ipc_handle;
  return nullptr;
}

TRITONSERVER_Error* TRITONSERVER_BufferAttributesSetCudaIpcHandle(
    TRITONSERVER_BufferAttributes* buffer_attributes, void* cuda_ipc_handle) {
  TRIDENT_REQUIRE(buffer_attributes);
  Core(buffer_attributes)->cuda_ipc_handle = cuda_ipc_handle;
  return nullptr;
}

}  // extern "C"
