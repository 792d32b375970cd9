// TRITONBACKEND_Input.

#include "capi/handles.h"
#include "inference/request.h"

using namespace trident;  // NOLINT: C functions live outside every namespace

namespace {

// Block `index` of `buffers`. Backends may ask an empty input for its first block: none, no bytes.
Status FindBlock(const InputTensor& input, const std::vector<ConstBuffer>& buffers, uint32_t index,
                 const ConstBuffer** block) {
  static const ConstBuffer kEmpty;
  if (index >= buffers.size() && index > 0) {
    return InvalidArg("out of bounds index ", index, ": input '", input.name(), "' has ",
                      buffers.size(), " buffers");
  }
  *block = buffers.empty() ? &kEmpty : &buffers[index];
  return Status::Ok();
}

uint64_t TotalBytes(const std::vector<ConstBuffer>& buffers) {
  uint64_t total = 0;
  for (const ConstBuffer& buffer : buffers) total += buffer.attributes.byte_size;
  return total;
}

}  // namespace

extern "C" {

TRITONSERVER_Error* TRITONBACKEND_InputProperties(TRITONBACKEND_Input* input, const char** name,
                                                  TRITONSERVER_DataType* datatype,
                                                  const int64_t** shape, uint32_t* dims_count,
                                                  uint64_t* byte_size, uint32_t* buffer_count) {
  TRIDENT_REQUIRE(input);
  return TRITONBACKEND_InputPropertiesForHostPolicy(input, nullptr, name, datatype, shape,
                                                    dims_count, byte_size, buffer_count);
}

TRITONSERVER_Error* TRITONBACKEND_InputPropertiesForHostPolicy(
    TRITONBACKEND_Input* input, const char* host_policy_name, const char** name,
    TRITONSERVER_DataType* datatype, const int64_t** shape, uint32_t* dims_count,
    uint64_t* byte_size, uint32_t* buffer_count) {
  TRIDENT_REQUIRE(input);
  return Guard([&] {
    const InputTensor& tensor = *Core(input);
    const std::vector<ConstBuffer>& buffers = tensor.BuffersFor(host_policy_name);
    if (name != nullptr) *name = tensor.name().c_str();
    if (datatype != nullptr) *datatype = static_cast<TRITONSERVER_DataType>(tensor.datatype());
    if (shape != nullptr) *shape = tensor.backend_shape().data();
    if (dims_count != nullptr) *dims_count = static_cast<uint32_t>(tensor.backend_shape().size());
    if (byte_size != nullptr) *byte_size = TotalBytes(buffers);
    if (buffer_count != nullptr) *buffer_count = static_cast<uint32_t>(buffers.size());
    return Status::Ok();
  });
}

TRITONSERVER_Error* TRITONBACKEND_InputBuffer(TRITONBACKEND_Input* input, uint32_t index,
                                              const void** buffer, uint64_t* buffer_byte_size,
                                              TRITONSERVER_MemoryType* memory_type,
                                              int64_t* memory_type_id) {
  TRIDENT_REQUIRE(input, buffer, buffer_byte_size, memory_type, memory_type_id);
  return TRITONBACKEND_InputBufferForHostPolicy(input, nullptr, index, buffer, buffer_byte_size,
                                                memory_type, memory_type_id);
}

TRITONSERVER_Error* TRITONBACKEND_InputBufferForHostPolicy(
    TRITONBACKEND_Input* input, const char* host_policy_name, uint32_t index, const void** buffer,
    uint64_t* buffer_byte_size, TRITONSERVER_MemoryType* memory_type, int64_t* memory_type_id) {
  TRIDENT_REQUIRE(input, buffer, buffer_byte_size, memory_type, memory_type_id);
  *buffer = nullptr;
  *buffer_byte_size = 0;
  return Guard([&] {
    const InputTensor& tensor = *Core(input);
    const ConstBuffer* block = nullptr;
    TRIDENT_RETURN_IF_ERROR(FindBlock(tensor, tensor.BuffersFor(host_policy_name), index, &block));
    *buffer = block->data;
    *buffer_byte_size = block->attributes.byte_size;
    *memory_type = static_cast<TRITONSERVER_MemoryType>(block->attributes.memory_type);
    *memory_type_id = block->attributes.memory_type_id;
    return Status::Ok();
  });
}

TRITONSERVER_Error* TRITONBACKEND_InputBufferAttributes(
    TRITONBACKEND_Input* input, uint32_t index, const void** buffer,
    TRITONSERVER_BufferAttributes** buffer_attributes) {
  TRIDENT_REQUIRE(input, buffer, buffer_attributes);
  *buffer = nullptr;
  *buffer_attributes = nullptr;
  return Guard([&] {
    const ConstBuffer* block = nullptr;
    TRIDENT_RETURN_IF_ERROR(FindBlock(*Core(input), Core(input)->buffers(), index, &block));
    *buffer = block->data;
    *buffer_attributes = HandleOf<TRITONSERVER_BufferAttributes>(
        const_cast<BufferAttributes*>(&block->attributes));  // the ABI knows no const
    return Status::Ok();
  });
}

}  // extern "C"
