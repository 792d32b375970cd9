// TRITONBACKEND_Response, its outputs, and TRITONBACKEND_ResponseFactory.

#include "capi/request_access.h"
#include "capi/response_factory.h"

using namespace trident;  // NOLINT: C functions live outside every namespace

namespace {

void DescribeOutput(const OutputTensor& output, TRITONSERVER_DataType* datatype,
                    const int64_t** shape, uint64_t* dim_count) {
  *datatype = static_cast<TRITONSERVER_DataType>(output.datatype());
  *shape = output.shape().data();
  *dim_count = output.shape().size();
}

template <typename Make>
TRITONSERVER_Error* AddParameter(TRITONBACKEND_Response* response, Make&& make) {
  return Guard([&] {
    Core(response)->parameters().push_back(make());
    return Status::Ok();
  });
}

}  // namespace

extern "C" {

// Response factories ------------------------------------------------------------------------------

TRITONSERVER_Error* TRITONBACKEND_ResponseFactoryNew(TRITONBACKEND_ResponseFactory** factory,
                                                     TRITONBACKEND_Request* request) {
  TRIDENT_REQUIRE(factory, request);
  if (!IsExecuting(request)) return NotExecuting(__func__);
  return Guard([&] {
    *factory =
        HandleOf<TRITONBACKEND_ResponseFactory>(new ResponseFactory(Core(request)->channel()));
    return Status::Ok();
  });
}

TRITONSERVER_Error* TRITONBACKEND_ResponseFactoryDelete(TRITONBACKEND_ResponseFactory* factory) {
  return Guard([&] {
    delete Core(factory);
    return Status::Ok();
  });
}

TRITONSERVER_Error* TRITONBACKEND_ResponseFactoryIsCancelled(TRITONBACKEND_ResponseFactory* factory,
                                                             bool* is_cancelled) {
  TRIDENT_REQUIRE(factory, is_cancelled);
  *is_cancelled = Core(factory)->channel->cancelled();
  return nullptr;
}

TRITONSERVER_Error* TRITONBACKEND_ResponseFactorySendFlags(TRITONBACKEND_ResponseFactory* factory,
                                                           uint32_t send_flags) {
  TRIDENT_REQUIRE(factory);
  return Guard([&] { return Core(factory)->channel->Send(nullptr, send_flags); });
}

// Responses ---------------------------------------------------------------------------------------

TRITONSERVER_Error* TRITONBACKEND_ResponseNew(TRITONBACKEND_Response** response,
                                              TRITONBACKEND_Request* request) {
  TRIDENT_REQUIRE(response, request);
  if (!IsExecuting(request)) return NotExecuting(__func__);
  return Guard([&] {
    *response = HandleOf<TRITONBACKEND_Response>(
        InferenceResponse::New(Core(request)->channel()).release());
    return Status::Ok();
  });
}

TRITONSERVER_Error* TRITONBACKEND_ResponseNewFromFactory(TRITONBACKEND_Response** response,
                                                         TRITONBACKEND_ResponseFactory* factory) {
  TRIDENT_REQUIRE(response, factory);
  return Guard([&] {
    *response =
        HandleOf<TRITONBACKEND_Response>(InferenceResponse::New(Core(factory)->channel).release());
    return Status::Ok();
  });
}

TRITONSERVER_Error* TRITONBACKEND_ResponseDelete(TRITONBACKEND_Response* response) {
  return Guard([&] {
    ResponsePtr(Core(response)).reset();
    return Status::Ok();
  });
}

TRITONSERVER_Error* TRITONBACKEND_ResponseSetStringParameter(TRITONBACKEND_Response* response,
                                                             const char* name, const char* value) {
  TRIDENT_REQUIRE(response, name, value);
  return AddParameter(response, [&] { return Parameter::String(name, value); });
}

TRITONSERVER_Error* TRITONBACKEND_ResponseSetIntParameter(TRITONBACKEND_Response* response,
                                                          const char* name, int64_t value) {
  TRIDENT_REQUIRE(response, name);
  return AddParameter(response, [&] { return Parameter::Int(name, value); });
}

TRITONSERVER_Error* TRITONBACKEND_ResponseSetBoolParameter(TRITONBACKEND_Response* response,
                                                           const char* name, bool value) {
  TRIDENT_REQUIRE(response, name);
  return AddParameter(response, [&] { return Parameter::Bool(name, value); });
}

TRITONSERVER_Error* TRITONBACKEND_ResponseSetDoubleParameter(TRITONBACKEND_Response* response,
                                                             const char* name, double value) {
  TRIDENT_REQUIRE(response, name);
  return AddParameter(response, [&] { return Parameter::Double(name, value); });
}

TRITONSERVER_Error* TRITONBACKEND_ResponseOutput(TRITONBACKEND_Response* response,
                                                 TRITONBACKEND_Output** output, const char* name,
                                                 TRITONSERVER_DataType datatype,
                                                 const int64_t* shape, uint32_t dims_count) {
  TRIDENT_REQUIRE(response, output, name);
  if (dims_count > 0) TRIDENT_REQUIRE(shape);
  return Guard([&] {
    *output = HandleOf<TRITONBACKEND_Output>(Core(response)->AddOutput(
        name, ReadEnum<DataType>(datatype), std::span(shape, dims_count)));
    return Status::Ok();
  });
}

TRITONSERVER_Error* TRITONBACKEND_ResponseSend(TRITONBACKEND_Response* response,
                                               uint32_t send_flags, TRITONSERVER_Error* error) {
  TRIDENT_REQUIRE(response);
  return Guard([&] {
    ResponsePtr owned(Core(response));
    if (error != nullptr) owned->target().BackendFailed();
    owned->set_status(ReadError(error));
    return InferenceResponse::Send(std::move(owned), send_flags);
  });
}

TRITONSERVER_Error* TRITONBACKEND_InferenceResponseOutput(TRITONBACKEND_Response* response,
                                                          uint32_t index, const char** name,
                                                          TRITONSERVER_DataType* datatype,
                                                          const int64_t** shape,
                                                          uint64_t* dim_count) {
  TRIDENT_REQUIRE(response, name, datatype, shape, dim_count);
  return Guard([&] {
    const auto outputs = Core(response)->outputs();
    if (index >= outputs.size()) {
      return InvalidArg("out of bounds index ", index, ": response has ", outputs.size(),
                        " outputs");
    }
    *name = outputs[index]->name().c_str();
    DescribeOutput(*outputs[index], datatype, shape, dim_count);
    return Status::Ok();
  });
}

TRITONSERVER_Error* TRITONBACKEND_InferenceResponseOutputByName(TRITONBACKEND_Response* response,
                                                                const char* name,
                                                                TRITONSERVER_DataType* datatype,
                                                                const int64_t** shape,
                                                                uint64_t* dim_count) {
  TRIDENT_REQUIRE(response, name, datatype, shape, dim_count);
  return Guard([&] {
    const OutputTensor* output = Core(response)->FindOutput(name);
    if (output == nullptr) return NotFound("response has no output '", name, "'");
    DescribeOutput(*output, datatype, shape, dim_count);
    return Status::Ok();
  });
}

// Outputs -----------------------------------------------------------------------------------------

TRITONSERVER_Error* TRITONBACKEND_OutputBuffer(TRITONBACKEND_Output* output, void** buffer,
                                               uint64_t buffer_byte_size,
                                               TRITONSERVER_MemoryType* memory_type,
                                               int64_t* memory_type_id) {
  TRIDENT_REQUIRE(output, buffer, memory_type, memory_type_id);
  *buffer = nullptr;
  return Guard([&] {
    OutputTensor& tensor = *Core(output);
    TRIDENT_RETURN_IF_ERROR(tensor.Allocate(
        buffer_byte_size,
        {.memory_type = ReadEnum<MemoryType>(*memory_type), .memory_type_id = *memory_type_id}));
    *buffer = tensor.buffer().data;
    *memory_type = static_cast<TRITONSERVER_MemoryType>(tensor.buffer().attributes.memory_type);
    *memory_type_id = tensor.buffer().attributes.memory_type_id;
    return Status::Ok();
  });
}

TRITONSERVER_Error* TRITONBACKEND_OutputBufferAttributes(
    TRITONBACKEND_Output* output, TRITONSERVER_BufferAttributes** buffer_attributes) {
  TRIDENT_REQUIRE(output, buffer_attributes);
  *buffer_attributes = HandleOf<TRITONSERVER_BufferAttributes>(&Core(output)->buffer().attributes);
  return nullptr;
}

}  // extern "C"
