// TRITONBACKEND_State: what a backend hands on to the next request of a sequence.

#include "capi/handles.h"
#include "inference/sequence_state.h"

using namespace trident;  // NOLINT: C functions live outside every namespace

extern "C" {

TRITONSERVER_Error* TRITONBACKEND_StateNew(TRITONBACKEND_State** state,
                                           TRITONBACKEND_Request* request, const char* name,
                                           const TRITONSERVER_DataType datatype,
                                           const int64_t* shape, const uint32_t dims_count) {
  TRIDENT_REQUIRE(state, request, name);
  *state = nullptr;
  if (dims_count > 0) TRIDENT_REQUIRE(shape);
  return Guard([&] {
    const InferenceRequest& core = *Core(request);
    if (core.states == nullptr) {
      return InvalidArg(core.LogPrefix(), "unable to add state '", name,
                        "'. State configuration is missing for model '",
                        core.target()->signature().name, "'.");
    }
    TRIDENT_ASSIGN_OR_RETURN(StateTensor* const found, core.states->Find(name));
    TRIDENT_RETURN_IF_ERROR(
        found->Describe(ReadEnum<DataType>(datatype), Shape(shape, shape + dims_count)));
    *state = HandleOf<TRITONBACKEND_State>(found);
    return Status::Ok();
  });
}

TRITONSERVER_Error* TRITONBACKEND_StateBuffer(TRITONBACKEND_State* state, void** buffer,
                                              const uint64_t buffer_byte_size,
                                              TRITONSERVER_MemoryType* memory_type,
                                              int64_t* memory_type_id) {
  TRIDENT_REQUIRE(state, buffer, memory_type, memory_type_id);
  *buffer = nullptr;
  return Guard([&] {
    BufferAttributes attributes = {.memory_type = ReadEnum<MemoryType>(*memory_type),
                                   .memory_type_id = *memory_type_id};
    TRIDENT_RETURN_IF_ERROR(Core(state)->Buffer(buffer_byte_size, buffer, &attributes));
    *memory_type = static_cast<TRITONSERVER_MemoryType>(attributes.memory_type);
    *memory_type_id = attributes.memory_type_id;
    return Status::Ok();
  });
}

TRITONSERVER_Error* TRITONBACKEND_StateBufferAttributes(
    TRITONBACKEND_State* state, TRITONSERVER_BufferAttributes** buffer_attributes) {
  TRIDENT_REQUIRE(state, buffer_attributes);
  return Guard([&] {
    TRIDENT_ASSIGN_OR_RETURN(BufferAttributes* const attributes, Core(state)->attributes());
    *buffer_attributes = HandleOf<TRITONSERVER_BufferAttributes>(attributes);
    return Status::Ok();
  });
}

TRITONSERVER_Error* TRITONBACKEND_StateUpdate(TRITONBACKEND_State* state) {
  TRIDENT_REQUIRE(state);
  return Guard([&] { return Core(state)->Update(); });
}

}  // extern "C"
