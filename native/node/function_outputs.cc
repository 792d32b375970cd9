#include "node/function_outputs.h"

#include <algorithm>
#include <cstring>
#include <memory>

#include "node/napi_util.h"
#include "node/triton_util.h"
#include "trident/extension.h"

namespace trident {
namespace {

struct UnsentDeleter {
  void operator()(TRITONBACKEND_Response* response) const {
    (void)TakeError(TRITONBACKEND_ResponseDelete(response));
  }
};
using UnsentResponse = std::unique_ptr<TRITONBACKEND_Response, UnsentDeleter>;

struct JsOutput {
  std::string name;
  TRITONSERVER_DataType datatype = TRITONSERVER_TYPE_INVALID;
  std::vector<int64_t> shape;
  ByteSpan bytes;
};

JsOutput ReadOutput(napi_env env, napi_value outputs, size_t at) {
  JsOutput output;
  output.name = ToString(env, Element(env, outputs, at));
  output.datatype = static_cast<TRITONSERVER_DataType>(ToInt32(env, Element(env, outputs, at + 1)));
  output.shape = ToShape(env, Element(env, outputs, at + 2));
  output.bytes = BufferBytes(env, Element(env, outputs, at + 3));
  return output;
}

Result<bool> IsRequested(TRITONBACKEND_Request* request, const std::string& name) {
  uint32_t count = 0;
  TRIDENT_RETURN_IF_ERROR(TakeError(TRITONBACKEND_RequestOutputCount(request, &count)));
  for (uint32_t i = 0; i < count; ++i) {
    const char* requested = nullptr;
    TRIDENT_RETURN_IF_ERROR(TakeError(TRITONBACKEND_RequestOutputName(request, i, &requested)));
    if (name == requested) return true;
  }
  return false;
}

Status FillOutput(const JsOutput& js, TRITONBACKEND_Response* response, CopyCount* copies) {
  TRITONBACKEND_Output* output = nullptr;
  TRIDENT_RETURN_IF_ERROR(TakeError(
      TRITONBACKEND_ResponseOutput(response, &output, js.name.c_str(), js.datatype, js.shape.data(),
                                   static_cast<uint32_t>(js.shape.size()))));
  void* to = nullptr;
  TRITONSERVER_MemoryType type = TRITONSERVER_MEMORY_CPU;
  int64_t id = 0;
  TRIDENT_RETURN_IF_ERROR(
      TakeError(TRITONBACKEND_OutputBuffer(output, &to, js.bytes.byte_size, &type, &id)));
  copies->Add(js.bytes.byte_size);
  return CopyBytes(to, PlaceOf(type, id), js.bytes.data, {}, js.bytes.byte_size);
}

Status FillState(const JsOutput& js, TRITONBACKEND_Request* request, CopyCount* copies) {
  TRITONBACKEND_State* state = nullptr;
  TRIDENT_RETURN_IF_ERROR(
      TakeError(TRITONBACKEND_StateNew(&state, request, js.name.c_str(), js.datatype,
                                       js.shape.data(), static_cast<uint32_t>(js.shape.size()))));
  void* to = nullptr;
  TRITONSERVER_MemoryType type = TRITONSERVER_MEMORY_CPU;
  int64_t id = 0;
  TRIDENT_RETURN_IF_ERROR(
      TakeError(TRITONBACKEND_StateBuffer(state, &to, js.bytes.byte_size, &type, &id)));
  copies->Add(js.bytes.byte_size);
  TRIDENT_RETURN_IF_ERROR(CopyBytes(to, PlaceOf(type, id), js.bytes.data, {}, js.bytes.byte_size));
  return TakeError(TRITONBACKEND_StateUpdate(state));
}

}  // namespace

void CopyCount::Report(TRITONBACKEND_ModelInstance* instance) const {
  if (count_ == 0) return;
  (void)TakeError(TRITONBACKEND_TridentModelInstanceReportCopies(instance, count_, byte_size_));
}

Status SendOutputs(napi_env env, TRITONBACKEND_ModelInstance* instance,
                   TRITONBACKEND_Request* request, const std::vector<std::string>& states,
                   napi_value outputs, uint32_t flags) {
  TRITONBACKEND_Response* made = nullptr;
  TRIDENT_RETURN_IF_ERROR(TakeError(TRITONBACKEND_ResponseNew(&made, request)));
  UnsentResponse response(made);
  CopyCount copies;
  const size_t length = ArrayLength(env, outputs);
  for (size_t at = 0; at + 3 < length; at += 4) {
    const JsOutput output = ReadOutput(env, outputs, at);
    if (!output.bytes.valid) {
      return InvalidArg("output '", output.name, "' has no bytes: is its array detached?");
    }
    if (std::find(states.begin(), states.end(), output.name) != states.end()) {
      TRIDENT_RETURN_IF_ERROR(FillState(output, request, &copies));
    }
    TRIDENT_ASSIGN_OR_RETURN(const bool requested, IsRequested(request, output.name));
    if (requested) TRIDENT_RETURN_IF_ERROR(FillOutput(output, response.get(), &copies));
  }
  copies.Report(instance);  // before who hears of the response asks for it
  return TakeError(TRITONBACKEND_ResponseSend(response.release(), flags, nullptr));
}

void SendError(TRITONBACKEND_Request* request, const Status& error) {
  TRITONBACKEND_Response* response = nullptr;
  // Without memory for a response the request ends as one that was let go of unanswered.
  if (!TakeError(TRITONBACKEND_ResponseNew(&response, request)).ok()) return;
  TRITONSERVER_Error* const told = TRITONSERVER_ErrorNew(
      static_cast<TRITONSERVER_Error_Code>(error.code()), error.message().c_str());
  (void)TakeError(TRITONBACKEND_ResponseSend(response, TRITONSERVER_RESPONSE_COMPLETE_FINAL, told));
  TRITONSERVER_ErrorDelete(told);
}

void SendFinal(TRITONBACKEND_Request* request) {
  TRITONBACKEND_ResponseFactory* factory = nullptr;
  if (!TakeError(TRITONBACKEND_ResponseFactoryNew(&factory, request)).ok()) return;
  (void)TakeError(
      TRITONBACKEND_ResponseFactorySendFlags(factory, TRITONSERVER_RESPONSE_COMPLETE_FINAL));
  (void)TakeError(TRITONBACKEND_ResponseFactoryDelete(factory));
}

cuda::Place PlaceOf(TRITONSERVER_MemoryType type, int64_t id) {
  return type == TRITONSERVER_MEMORY_GPU ? cuda::Place{static_cast<int>(id)} : cuda::Place{};
}

Status CopyBytes(void* to, cuda::Place to_place, const void* from, cuda::Place from_place,
                 uint64_t byte_size) {
  if (byte_size == 0) return Status::Ok();
  if (!to_place.on_device() && !from_place.on_device()) {
    memcpy(to, from, byte_size);
    return Status::Ok();
  }
  const int device_id = to_place.on_device() ? to_place.device_id : from_place.device_id;
  TRIDENT_ASSIGN_OR_RETURN(cuda::Device* const device, cuda::Device::Find(device_id));
  TRIDENT_ASSIGN_OR_RETURN(const auto stream, cuda::Stream::Create(device));
  TRIDENT_RETURN_IF_ERROR(stream->Copy(to, to_place, from, from_place, byte_size));
  return stream->Synchronize();
}

}  // namespace trident
