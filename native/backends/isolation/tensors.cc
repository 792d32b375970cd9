#include "backends/isolation/tensors.h"

#include "backends/common/memory.h"
#include "isolation/c_api.h"

namespace trident::isolated {
namespace {

using backend::MemoryPlace;
using backend::Status;

Status ReadIdentity(TRITONBACKEND_Request* request, isolation::Request* message) {
  const char* text = nullptr;
  BACKEND_RETURN_IF_ERROR(TRITONBACKEND_RequestId(request, &text));
  message->id = text;
  uint64_t number = 0;
  if (const Status is_number(TRITONBACKEND_RequestCorrelationId(request, &number));
      is_number.ok()) {
    message->correlation_id = number;
  } else {
    BACKEND_RETURN_IF_ERROR(TRITONBACKEND_RequestCorrelationIdString(request, &text));
    message->correlation_id = std::string(text);
  }
  BACKEND_RETURN_IF_ERROR(TRITONBACKEND_RequestFlags(request, &message->flags));
  return TRITONBACKEND_InferenceRequestTimeoutMicroseconds(request, &message->timeout_microseconds);
}

Status ReadParameters(TRITONBACKEND_Request* request, isolation::Request* message) {
  uint32_t count = 0;
  BACKEND_RETURN_IF_ERROR(TRITONBACKEND_RequestParameterCount(request, &count));
  for (uint32_t i = 0; i < count; ++i) {
    const char* name = nullptr;
    TRITONSERVER_ParameterType type;
    const void* value = nullptr;
    BACKEND_RETURN_IF_ERROR(TRITONBACKEND_RequestParameter(request, i, &name, &type, &value));
    Result<isolation::Parameter> parameter = isolation::ParameterOf(name, type, value);
    if (!parameter.ok()) return backend::FromCore(parameter.status());
    message->parameters.push_back(std::move(parameter).value());
  }
  return Status();
}

Status ReadOutputs(TRITONBACKEND_Request* request, isolation::Request* message) {
  uint32_t count = 0;
  BACKEND_RETURN_IF_ERROR(TRITONBACKEND_RequestOutputCount(request, &count));
  message->fills_place = count == 0;
  for (uint32_t i = 0; i < count; ++i) {
    const char* name = nullptr;
    BACKEND_RETURN_IF_ERROR(TRITONBACKEND_RequestOutputName(request, i, &name));
    message->requested_outputs.emplace_back(name);
  }
  return Status();
}

Status ReadInput(TRITONBACKEND_Input* input, const char* host_policy, isolation::Channel* channel,
                 backend::BatchCopies* copies, isolation::Tensor* tensor,
                 std::vector<isolation::Block>* blocks) {
  const char* name = nullptr;
  TRITONSERVER_DataType datatype;
  const int64_t* shape = nullptr;
  uint32_t rank = 0;
  uint64_t byte_size = 0;
  uint32_t pieces = 0;
  BACKEND_RETURN_IF_ERROR(TRITONBACKEND_InputPropertiesForHostPolicy(
      input, host_policy, &name, &datatype, &shape, &rank, &byte_size, &pieces));
  tensor->name = name;
  tensor->datatype = static_cast<DataType>(datatype);
  tensor->shape.assign(shape, shape + rank);
  if (byte_size == 0) return Status();
  const Result<isolation::Block> block = channel->Allocate(byte_size);
  if (!block.ok()) return backend::FromCore(block.status());
  blocks->push_back(*block);
  tensor->data = *block;
  std::byte* to = channel->Data(*block);
  for (uint32_t i = 0; i < pieces; ++i) {
    const void* from = nullptr;
    uint64_t from_bytes = 0;
    MemoryPlace place;
    BACKEND_RETURN_IF_ERROR(TRITONBACKEND_InputBufferForHostPolicy(
        input, host_policy, i, &from, &from_bytes, &place.type, &place.type_id));
    BACKEND_RETURN_IF_ERROR(copies->Copy(to, MemoryPlace(), from, place, from_bytes));
    to += from_bytes;
  }
  return Status();
}

Status WriteOutput(const isolation::Tensor& tensor, isolation::Channel* channel,
                   backend::BatchCopies* copies, TRITONBACKEND_Response* response) {
  const auto bytes = channel->View(tensor.data);
  if (!bytes.ok()) return backend::FromCore(bytes.status());
  TRITONBACKEND_Output* output = nullptr;
  BACKEND_RETURN_IF_ERROR(TRITONBACKEND_ResponseOutput(
      response, &output, tensor.name.c_str(), isolation::CType(tensor.datatype),
      tensor.shape.data(), static_cast<uint32_t>(tensor.shape.size())));
  void* to = nullptr;
  MemoryPlace place;
  BACKEND_RETURN_IF_ERROR(
      TRITONBACKEND_OutputBuffer(output, &to, bytes->size(), &place.type, &place.type_id));
  if (bytes->empty()) return Status();
  return copies->Copy(to, place, bytes->data(), MemoryPlace(), bytes->size());
}

Status WriteState(const isolation::Tensor& tensor, isolation::Channel* channel,
                  backend::BatchCopies* copies, TRITONBACKEND_Request* request) {
  const auto bytes = channel->View(tensor.data);
  if (!bytes.ok()) return backend::FromCore(bytes.status());
  TRITONBACKEND_State* state = nullptr;
  BACKEND_RETURN_IF_ERROR(TRITONBACKEND_StateNew(
      &state, request, tensor.name.c_str(), isolation::CType(tensor.datatype), tensor.shape.data(),
      static_cast<uint32_t>(tensor.shape.size())));
  void* to = nullptr;
  MemoryPlace place;
  BACKEND_RETURN_IF_ERROR(
      TRITONBACKEND_StateBuffer(state, &to, bytes->size(), &place.type, &place.type_id));
  if (!bytes->empty()) {
    BACKEND_RETURN_IF_ERROR(copies->Copy(to, place, bytes->data(), MemoryPlace(), bytes->size()));
    BACKEND_RETURN_IF_ERROR(copies->Synchronize());
  }
  return TRITONBACKEND_StateUpdate(state);
}

Status SetParameter(const isolation::Parameter& parameter, TRITONBACKEND_Response* response) {
  const char* const name = parameter.name.c_str();
  return std::visit(
      [&](const auto& value) -> Status {
        using T = std::decay_t<decltype(value)>;
        if constexpr (std::is_same_v<T, std::string>) {
          return TRITONBACKEND_ResponseSetStringParameter(response, name, value.c_str());
        } else if constexpr (std::is_same_v<T, int64_t>) {
          return TRITONBACKEND_ResponseSetIntParameter(response, name, value);
        } else if constexpr (std::is_same_v<T, bool>) {
          return TRITONBACKEND_ResponseSetBoolParameter(response, name, value);
        } else {
          return TRITONBACKEND_ResponseSetDoubleParameter(response, name, value);
        }
      },
      parameter.value);
}

}  // namespace

Status ReadRequest(TRITONBACKEND_Request* request, const char* host_policy,
                   isolation::Channel* channel, backend::BatchCopies* copies,
                   isolation::Request* message, std::vector<isolation::Block>* blocks) {
  BACKEND_RETURN_IF_ERROR(ReadIdentity(request, message));
  BACKEND_RETURN_IF_ERROR(ReadParameters(request, message));
  BACKEND_RETURN_IF_ERROR(ReadOutputs(request, message));
  uint32_t count = 0;
  BACKEND_RETURN_IF_ERROR(TRITONBACKEND_RequestInputCount(request, &count));
  message->inputs.resize(count);
  for (uint32_t i = 0; i < count; ++i) {
    TRITONBACKEND_Input* input = nullptr;
    BACKEND_RETURN_IF_ERROR(TRITONBACKEND_RequestInputByIndex(request, i, &input));
    BACKEND_RETURN_IF_ERROR(
        ReadInput(input, host_policy, channel, copies, &message->inputs[i], blocks));
  }
  return Status();
}

Status FillResponse(const isolation::Response& message, isolation::Channel* channel,
                    backend::BatchCopies* copies, TRITONBACKEND_Response* response) {
  for (const isolation::Parameter& parameter : message.parameters) {
    BACKEND_RETURN_IF_ERROR(SetParameter(parameter, response));
  }
  if (message.failure) return backend::FromCore(isolation::StatusOf(*message.failure));
  for (const isolation::Tensor& output : message.outputs) {
    BACKEND_RETURN_IF_ERROR(WriteOutput(output, channel, copies, response));
  }
  return Status();
}

Status WriteStates(const std::vector<isolation::Tensor>& states, isolation::Channel* channel,
                   backend::BatchCopies* copies, TRITONBACKEND_Request* request) {
  for (const isolation::Tensor& state : states) {
    BACKEND_RETURN_IF_ERROR(WriteState(state, channel, copies, request));
  }
  return Status();
}

}  // namespace trident::isolated
