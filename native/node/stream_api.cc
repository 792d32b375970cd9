// Requests with any number of responses, as the facade sees them: a slot is made a stream before it
// is submitted, and its responses are taken one by one.

#include <cstring>
#include <utility>

#include "node/bridge.h"
#include "node/napi_util.h"
#include "node/response_parameters.h"
#include "node/triton_util.h"

namespace trident {
namespace {

napi_value NewArray(napi_env env, size_t length) {
  napi_value array = nullptr;
  napi_create_array_with_length(env, length, &array);
  return array;
}

Status NoSuchSlot() { return Internal("the addon was given the number of no stream it has"); }

// openStream(slot, limit, stallMs): the slot, which is not under way, is for one stream
napi_value OpenStream(napi_env env, napi_callback_info info) {
  static constexpr uint64_t kNsPerMs = 1'000'000;
  const JsCall call(env, info);
  RequestSlot* slot = call.bridge().slot_table.Find(call.Int32(0));
  if (slot == nullptr || slot->in_flight) return call.Throw(NoSuchSlot());
  slot->stream = std::make_shared<ResponseStream>(&call.bridge().queue(), slot->id, call.Size(1),
                                                  call.Size(2) * kNsPerMs);
  return nullptr;
}

// closeStream(slot): nobody takes its responses any more
napi_value CloseStream(napi_env env, napi_callback_info info) {
  const JsCall call(env, info);
  const RequestSlot* slot = call.bridge().slot_table.Find(call.Int32(0));
  if (slot != nullptr && slot->stream != nullptr) slot->stream->Abandon();
  return nullptr;
}

// [name, datatype, shape, byteSize, buffer]; no buffer for an output that was left on a device.
Result<napi_value> NewOutput(napi_env env, const ResponseOutput& output) {
  napi_value item = NewArray(env, 5);
  napi_set_element(env, item, 0, FromString(env, output.name));
  napi_set_element(env, item, 1, FromInt32(env, output.datatype));
  napi_set_element(env, item, 2, FromShape(env, {output.shape, output.shape + output.rank}));
  napi_set_element(env, item, 3, FromNumber(env, static_cast<double>(output.byte_size)));
  if (output.on_device()) return item;
  napi_value buffer = nullptr;
  void* data = nullptr;
  if (napi_create_arraybuffer(env, output.byte_size, &data, &buffer) != napi_ok) {
    return Unavailable("no memory for the ", output.byte_size, " bytes of output '", output.name,
                       "'");
  }
  if (output.byte_size > 0) memcpy(data, output.base, output.byte_size);
  napi_set_element(env, item, 4, buffer);
  return item;
}

// For an output on a device its memory is last, as AddDeviceMemory tells it.
Result<napi_value> NewOutputs(napi_env env, Bridge& bridge,
                              TRITONSERVER_InferenceResponse* response) {
  uint32_t count = 0;
  TRIDENT_RETURN_IF_ERROR(TakeError(TRITONSERVER_InferenceResponseOutputCount(response, &count)));
  std::vector<ResponseOutput> outputs(count);
  napi_value list = NewArray(env, count);
  for (uint32_t i = 0; i < count; ++i) {
    TRIDENT_RETURN_IF_ERROR(ReadResponseOutput(response, i, &outputs[i]));
    TRIDENT_ASSIGN_OR_RETURN(napi_value item, NewOutput(env, outputs[i]));
    napi_set_element(env, list, i, item);
  }
  // Now that nothing fails any more, after which nobody would know the numbers.
  for (uint32_t i = 0; i < count; ++i) {
    if (!outputs[i].on_device()) continue;
    napi_set_element(env, Element(env, list, i), 4,
                     bridge.AddDeviceMemory(*static_cast<CudaMemory*>(outputs[i].owner)));
  }
  return list;
}

// takeResponse(slot): the next response, [outputs, parameters] or, of one that is an error,
// [code, message]; null when there is none now
napi_value TakeResponse(napi_env env, napi_callback_info info) {
  const JsCall call(env, info);
  const RequestSlot* slot = call.bridge().slot_table.Find(call.Int32(0));
  if (slot == nullptr || slot->stream == nullptr) return call.Throw(NoSuchSlot());
  const ResponsePtr response = slot->stream->Take();
  napi_value result = nullptr;
  if (response == nullptr) {
    napi_get_null(env, &result);
    return result;
  }
  const Status status = TakeError(TRITONSERVER_InferenceResponseError(response.get()));
  result = NewArray(env, 2);
  if (!status.ok()) {
    napi_set_element(env, result, 0, FromInt32(env, static_cast<int32_t>(status.code())));
    napi_set_element(env, result, 1, FromString(env, status.message()));
    return result;
  }
  const Result<napi_value> outputs = NewOutputs(env, call.bridge(), response.get());
  if (!outputs.ok()) return call.Throw(outputs.status());
  napi_set_element(env, result, 0, outputs.value());
  napi_set_element(env, result, 1, ToJs(env, ReadParameters(response.get())));
  return result;
}

}  // namespace

const std::vector<Method>& StreamMethods() {
  static const auto* methods = new std::vector<Method>{
      {"openStream", OpenStream}, {"closeStream", CloseStream}, {"takeResponse", TakeResponse}};
  return *methods;
}

}  // namespace trident
