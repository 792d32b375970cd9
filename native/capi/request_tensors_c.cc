// TRITONSERVER_InferenceRequest: its inputs and the outputs it asks for.

#include "capi/request_access.h"

using namespace trident;  // NOLINT: C functions live outside every namespace

namespace {

// `host_policy` null: for every instance.
TRITONSERVER_Error* AppendData(const char* function, TRITONSERVER_InferenceRequest* handle,
                               const char* name, const char* host_policy,
                               const ConstBuffer& buffer) {
  return ChangeRequest(function, handle, [&](InferenceRequest* request) {
    const Status fit = CheckBuffer(buffer.data, buffer.attributes);
    if (!fit.ok()) return fit.WithPrefix(StrCat(request->LogPrefix(), "input '", name, "': "));
    TRIDENT_ASSIGN_OR_RETURN(InputTensor* const input, request->FindInput(name));
    return host_policy == nullptr ? input->Append(buffer)
                                  : input->AppendForHostPolicy(host_policy, buffer);
  });
}

ConstBuffer MakeBuffer(const void* base, size_t byte_size, TRITONSERVER_MemoryType memory_type,
                       int64_t memory_type_id) {
  return {.data = base,
          .attributes = {.memory_type = ReadEnum<MemoryType>(memory_type),
                         .memory_type_id = memory_type_id,
                         .byte_size = byte_size}};
}

}  // namespace

extern "C" {

TRITONSERVER_Error* TRITONSERVER_InferenceRequestAddInput(
    TRITONSERVER_InferenceRequest* inference_request, const char* name,
    TRITONSERVER_DataType datatype, const int64_t* shape, uint64_t dim_count) {
  TRIDENT_REQUIRE(inference_request, name);
  if (dim_count > 0) TRIDENT_REQUIRE(shape);
  return ChangeRequest(__func__, inference_request, [&](InferenceRequest* request) {
    // Before anything that large is allocated or read.
    if (dim_count > kMaxRank) {
      return InvalidArg(request->LogPrefix(), "input '", name, "' has rank ", dim_count,
                        "; at most ", kMaxRank, " is allowed");
    }
    return request->AddInput(name, ReadEnum<DataType>(datatype), Shape(shape, shape + dim_count))
        .status();
  });
}

TRITONSERVER_Error* TRITONSERVER_InferenceRequestAddRawInput(
    TRITONSERVER_InferenceRequest* inference_request, const char* name) {
  TRIDENT_REQUIRE(inference_request, name);
  return ChangeRequest(__func__, inference_request,
                       [&](InferenceRequest* request) { return request->AddRawInput(name); });
}

TRITONSERVER_Error* TRITONSERVER_InferenceRequestRemoveInput(
    TRITONSERVER_InferenceRequest* inference_request, const char* name) {
  TRIDENT_REQUIRE(inference_request, name);
  return ChangeRequest(__func__, inference_request,
                       [&](InferenceRequest* request) { return request->RemoveInput(name); });
}

TRITONSERVER_Error* TRITONSERVER_InferenceRequestRemoveAllInputs(
    TRITONSERVER_InferenceRequest* inference_request) {
  TRIDENT_REQUIRE(inference_request);
  return ChangeRequest(__func__, inference_request, [](InferenceRequest* request) {
    request->RemoveAllInputs();
    return Status::Ok();
  });
}

TRITONSERVER_Error* TRITONSERVER_InferenceRequestAppendInputData(
    TRITONSERVER_InferenceRequest* inference_request, const char* name, const void* base,
    size_t byte_size, TRITONSERVER_MemoryType memory_type, int64_t memory_type_id) {
  TRIDENT_REQUIRE(inference_request, name);
  return AppendData(__func__, inference_request, name, nullptr,
                    MakeBuffer(base, byte_size, memory_type, memory_type_id));
}

TRITONSERVER_Error* TRITONSERVER_InferenceRequestAppendInputDataWithHostPolicy(
    TRITONSERVER_InferenceRequest* inference_request, const char* name, const void* base,
    size_t byte_size, TRITONSERVER_MemoryType memory_type, int64_t memory_type_id,
    const char* host_policy_name) {
  TRIDENT_REQUIRE(inference_request, name, host_policy_name);
  return AppendData(__func__, inference_request, name, host_policy_name,
                    MakeBuffer(base, byte_size, memory_type, memory_type_id));
}

TRITONSERVER_Error* TRITONSERVER_InferenceRequestAppendInputDataWithBufferAttributes(
    TRITONSERVER_InferenceRequest* inference_request, const char* name, const void* base,
    TRITONSERVER_BufferAttributes* buffer_attributes) {
  TRIDENT_REQUIRE(inference_request, name, buffer_attributes);
  return AppendData(__func__, inference_request, name, nullptr,
                    {.data = base, .attributes = *Core(buffer_attributes)});
}

TRITONSERVER_Error* TRITONSERVER_InferenceRequestRemoveAllInputData(
    TRITONSERVER_InferenceRequest* inference_request, const char* name) {
  TRIDENT_REQUIRE(inference_request, name);
  return ChangeRequest(__func__, inference_request, [&](InferenceRequest* request) {
    TRIDENT_ASSIGN_OR_RETURN(InputTensor* const input, request->FindInput(name));
    input->RemoveData();
    return Status::Ok();
  });
}

TRITONSERVER_Error* TRITONSERVER_InferenceRequestAddRequestedOutput(
    TRITONSERVER_InferenceRequest* inference_request, const char* name) {
  TRIDENT_REQUIRE(inference_request, name);
  return ChangeRequest(__func__, inference_request, [&](InferenceRequest* request) {
    return request->AddRequestedOutput(name);
  });
}

TRITONSERVER_Error* TRITONSERVER_InferenceRequestRemoveRequestedOutput(
    TRITONSERVER_InferenceRequest* inference_request, const char* name) {
  TRIDENT_REQUIRE(inference_request, name);
  return ChangeRequest(__func__, inference_request, [&](InferenceRequest* request) {
    return request->RemoveRequestedOutput(name);
  });
}

TRITONSERVER_Error* TRITONSERVER_InferenceRequestRemoveAllRequestedOutputs(
    TRITONSERVER_InferenceRequest* inference_request) {
  TRIDENT_REQUIRE(inference_request);
  return ChangeRequest(__func__, inference_request, [](InferenceRequest* request) {
    request->RemoveAllRequestedOutputs();
    return Status::Ok();
  });
}

}  // extern "C"
