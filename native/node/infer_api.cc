// Requests, as the facade sees them: slots are made once, bound, submitted and read.

#include <algorithm>
#include <cstring>
#include <utility>

#include "node/bridge.h"
#include "node/napi_util.h"
#include "node/triton_util.h"

namespace trident {
namespace {

// The slot numbered by argument 0, if the facade may touch it now.
RequestSlot* IdleSlot(const JsCall& call) {
  RequestSlot* slot = call.bridge().slot_table.Find(call.Int32(0));
  return slot != nullptr && !slot->in_flight ? slot : nullptr;
}

bool FitsSlab(const RequestPlan& plan, uint64_t slab_bytes) {
  const auto fits = [slab_bytes](int64_t offset, uint64_t byte_size) {
    if (offset == kNotInSlab) return true;
    return offset >= 0 && static_cast<uint64_t>(offset) <= slab_bytes &&
           byte_size <= slab_bytes - static_cast<uint64_t>(offset);
  };
  for (const PlanInput& input : plan.inputs) {
    if (!fits(input.slab_offset, input.byte_size)) return false;
  }
  for (const PlanOutput& output : plan.outputs) {
    if (!fits(output.slab_offset, output.byte_size)) return false;
  }
  return true;
}

// createSlot(plan, slab): number. `slab` is a Uint8Array that the facade keeps, and that no user
// ever sees, so that nothing can detach it.
napi_value CreateSlot(napi_env env, napi_callback_info info) {
  const JsCall call(env, info);
  Bridge& bridge = call.bridge();
  RequestPlan* plan = bridge.plan_table.Find(call.Int32(0));
  const ByteSpan slab = TypedArrayBytes(env, call.value(1));
  if (plan == nullptr || !slab.valid || !FitsSlab(*plan, slab.byte_size)) {
    return call.Throw(NoSuch("plan with a slab of this size"));
  }
  auto slot = std::make_unique<RequestSlot>(plan, &bridge.queue(), &bridge.blocks);
  const Status status = slot->Create(bridge.allocator, slab.data);
  if (!status.ok()) return call.Throw(status);
  ++plan->slot_count;
  ++plan->server->slot_count;
  RequestSlot* created = slot.get();
  created->id = bridge.slot_table.Add(std::move(slot));
  return FromInt32(env, created->id);
}

// alignment(array): bytes to skip to the next address that a cache line starts at
napi_value Alignment(napi_env env, napi_callback_info info) {
  static constexpr uintptr_t kAlignment = 64;
  const JsCall call(env, info);
  const auto address = reinterpret_cast<uintptr_t>(TypedArrayBytes(env, call.value(0)).data);
  return FromInt32(env, static_cast<int32_t>((kAlignment - address % kAlignment) % kAlignment));
}

// destroySlot(slot)
napi_value DestroySlot(napi_env env, napi_callback_info info) {
  const JsCall call(env, info);
  const RequestSlot* slot = IdleSlot(call);
  if (slot == nullptr) return call.Throw(NoSuch("idle slot"));
  --slot->plan->slot_count;
  --slot->plan->server->slot_count;
  call.bridge().slot_table.Remove(slot->id);
  return nullptr;
}

// bindArray(slot, isOutput, index, array): `array` stays attached and referenced until unbound
napi_value BindArray(napi_env env, napi_callback_info info) {
  const JsCall call(env, info);
  RequestSlot* slot = IdleSlot(call);
  if (slot == nullptr) return call.Throw(NoSuch("idle slot"));
  const ByteSpan bytes = TypedArrayBytes(env, call.value(3));
  if (!bytes.valid) return call.Throw(InvalidArg("the bytes of a tensor are not a typed array"));
  const size_t index = call.Size(2);
  if (index >= (call.Bool(1) ? slot->outputs : slot->inputs).size()) {
    return call.Throw(NoSuch("such tensor"));
  }
  if (auto keeper = call.bridge().functions.views().KeeperOf(bytes.data)) {
    slot->keepers.push_back(std::move(keeper));
  }
  return call.ThrowIfError(call.Bool(1) ? slot->BindOutput(index, bytes.data, bytes.byte_size)
                                        : slot->BindInput(index, bytes.data, bytes.byte_size));
}

Status BindSharedArray(RequestSlot* slot, bool is_output, size_t index, const NamedMemory& memory,
                       uint64_t offset, uint64_t byte_size) {
  if (offset > memory.byte_size || byte_size > memory.byte_size - offset) {
    return InvalidArg("offset ", offset, " and ", byte_size, " bytes reach beyond the ",
                      memory.byte_size, " bytes of the SharedArrayBuffer");
  }
  return is_output ? slot->BindOutput(index, memory.base + offset, byte_size)
                   : slot->BindInput(index, memory.base + offset, byte_size);
}

// bindMemory(slot, isOutput, index, memory, offset, byteSize): `memory` is the number of a region,
// of memory of a device or of a SharedArrayBuffer, or the name of a region registered with the
// server
napi_value BindMemory(napi_env env, napi_callback_info info) {
  const JsCall call(env, info);
  RequestSlot* slot = IdleSlot(call);
  if (slot == nullptr) return call.Throw(NoSuch("idle slot"));
  const bool is_output = call.Bool(1);
  const size_t index = call.Size(2);
  if (index >= (is_output ? slot->outputs : slot->inputs).size()) {
    return call.Throw(NoSuch("such tensor"));
  }
  RegionPart part;
  part.offset = call.Size(4);
  part.byte_size = call.Size(5);
  part.access = is_output ? RegionAccess::kWrite : RegionAccess::kRead;
  if (TypeOf(env, call.value(3)) == napi_string) {
    part.name = call.String(3);
  } else {
    const NamedMemory* memory = call.bridge().memory_table.Find(call.Int32(3));
    if (memory == nullptr) return call.Throw(NoSuch("memory"));
    if (memory->region == nullptr && !memory->device_memory) {
      return call.ThrowIfError(
          BindSharedArray(slot, is_output, index, *memory, part.offset, part.byte_size));
    }
    part.region = memory->region;
    part.device_memory = memory->device_memory;
  }
  return call.ThrowIfError(is_output ? slot->BindOutputPart(index, std::move(part))
                                     : slot->BindInputPart(index, std::move(part)));
}

// resizeInput(slot, index, byteSize): within the slab
napi_value ResizeInput(napi_env env, napi_callback_info info) {
  const JsCall call(env, info);
  RequestSlot* slot = IdleSlot(call);
  const size_t index = call.Size(1);
  if (slot == nullptr || index >= slot->inputs.size() ||
      slot->plan->inputs[index].slab_offset == kNotInSlab ||
      call.Size(2) > slot->plan->inputs[index].byte_size) {
    return call.Throw(NoSuch("slot with an input of this size"));
  }
  return call.ThrowIfError(slot->ResizeInput(index, call.Size(2)));
}

// unbind(slot)
napi_value Unbind(napi_env env, napi_callback_info info) {
  const JsCall call(env, info);
  RequestSlot* slot = IdleSlot(call);
  if (slot == nullptr) return call.Throw(NoSuch("idle slot"));
  slot->Unbind();
  return nullptr;
}

// setTimeout(slot, microseconds): 0 is none
napi_value SetTimeout(napi_env env, napi_callback_info info) {
  const JsCall call(env, info);
  RequestSlot* slot = IdleSlot(call);
  if (slot == nullptr) return call.Throw(NoSuch("idle slot"));
  return call.ThrowIfError(
      TakeError(TRITONSERVER_InferenceRequestSetTimeoutMicroseconds(slot->request, call.Size(1))));
}

// setDeadline(slot, microseconds): 0 is none
napi_value SetDeadline(napi_env env, napi_callback_info info) {
  const JsCall call(env, info);
  RequestSlot* slot = IdleSlot(call);
  if (slot == nullptr) return call.Throw(NoSuch("idle slot"));
  return call.ThrowIfError(TakeError(
      TRITONSERVER_TridentInferenceRequestSetDeadlineMicroseconds(slot->request, call.Size(1))));
}

Status SetParameter(napi_env env, TRITONSERVER_InferenceRequest* request, const std::string& name,
                    napi_value value) {
  const char* key = name.c_str();
  switch (TypeOf(env, value)) {
    case napi_string:
      return TakeError(TRITONSERVER_InferenceRequestSetStringParameter(
          request, key, ToString(env, value).c_str()));
    case napi_boolean:
      return TakeError(
          TRITONSERVER_InferenceRequestSetBoolParameter(request, key, ToBool(env, value)));
    case napi_bigint:
      return TakeError(
          TRITONSERVER_InferenceRequestSetIntParameter(request, key, ToInt64(env, value)));
    default: {
      const double number = ToNumber(env, value);
      const auto integer = static_cast<int64_t>(ToInt64(env, value));
      return TakeError(static_cast<double>(integer) == number
                           ? TRITONSERVER_InferenceRequestSetIntParameter(request, key, integer)
                           : TRITONSERVER_InferenceRequestSetDoubleParameter(request, key, number));
    }
  }
}

Status SetOption(napi_env env, TRITONSERVER_InferenceRequest* request, const std::string& kind,
                 napi_value item) {
  napi_value value = Element(env, item, 1);
  if (kind == "id") {
    return TakeError(TRITONSERVER_InferenceRequestSetId(request, ToString(env, value).c_str()));
  }
  if (kind == "priority") {
    return TakeError(TRITONSERVER_InferenceRequestSetPriorityUInt64(
        request, static_cast<uint64_t>(ToInt64(env, value))));
  }
  if (kind == "flags") {
    return TakeError(
        TRITONSERVER_InferenceRequestSetFlags(request, static_cast<uint32_t>(ToInt32(env, value))));
  }
  if (kind == "correlation") {
    if (TypeOf(env, value) == napi_string) {
      return TakeError(TRITONSERVER_InferenceRequestSetCorrelationIdString(
          request, ToString(env, value).c_str()));
    }
    return TakeError(TRITONSERVER_InferenceRequestSetCorrelationId(
        request, static_cast<uint64_t>(ToInt64(env, value))));
  }
  if (kind == "parameter") {
    return SetParameter(env, request, ToString(env, value), Element(env, item, 2));
  }
  return Internal("unknown request option '", kind, "'");
}

// setOptions(slot, [[kind, ...values], ...]): for good, as the C API can't take a parameter back
napi_value SetOptions(napi_env env, napi_callback_info info) {
  const JsCall call(env, info);
  RequestSlot* slot = IdleSlot(call);
  if (slot == nullptr) return call.Throw(NoSuch("idle slot"));
  for (size_t i = 0; i < ArrayLength(env, call.value(1)); ++i) {
    napi_value item = Element(env, call.value(1), i);
    const Status status = SetOption(env, slot->request, ToString(env, Element(env, item, 0)), item);
    if (!status.ok()) return call.Throw(status);
  }
  return nullptr;
}

// submit(count, mayInline): how many of the listed slots have ended already
napi_value Submit(napi_env env, napi_callback_info info) {
  const JsCall call(env, info);
  const int32_t count = call.Int32(0);
  const bool may_inline = call.Bool(1);
  return FromInt32(env, static_cast<int32_t>(call.bridge().Submit(
                            static_cast<uint32_t>(std::max(count, 0)), may_inline)));
}

// inferSync(slot, timeoutMs): the outcome; a timeout of 0 is none
napi_value InferSync(napi_env env, napi_callback_info info) {
  const JsCall call(env, info);
  RequestSlot* slot = IdleSlot(call);
  if (slot == nullptr) return call.Throw(NoSuch("idle slot"));
  return FromInt32(env, call.bridge().InferSync(slot, call.Number(1)));
}

// tellMore(): calls back with what there was no time for
napi_value TellMore(napi_env env, napi_callback_info info) {
  JsCall(env, info).bridge().TellMore();
  return nullptr;
}

// cancel(slot)
napi_value Cancel(napi_env env, napi_callback_info info) {
  const JsCall call(env, info);
  const RequestSlot* slot = call.bridge().slot_table.Find(call.Int32(0));
  if (slot == nullptr || !slot->in_flight) return nullptr;
  // Fails only when the request has ended meanwhile; its completion is on the way.
  (void)TakeError(TRITONSERVER_InferenceRequestCancel(slot->request));
  return nullptr;
}

// takeError(slot): [code, message] of a failed slot
napi_value TakeSlotError(napi_env env, napi_callback_info info) {
  const JsCall call(env, info);
  RequestSlot* slot = IdleSlot(call);
  if (slot == nullptr) return call.Throw(NoSuch("idle slot"));
  const Status status = std::exchange(slot->error, Status::Ok());
  napi_value result = nullptr;
  napi_create_array_with_length(env, 2, &result);
  napi_set_element(env, result, 0, FromInt32(env, static_cast<int32_t>(status.code())));
  napi_set_element(env, result, 1, FromString(env, status.message()));
  return result;
}

// The bytes of an output that is not where JS can see it, in a buffer of their own.
napi_value CopyOutput(napi_env env, const OutputResult& result) {
  napi_value buffer = nullptr;
  void* data = nullptr;
  if (napi_create_arraybuffer(env, result.byte_size, &data, &buffer) != napi_ok) return nullptr;
  if (result.byte_size > 0) memcpy(data, result.base, result.byte_size);
  return buffer;
}

// readOutputs(slot): for each output null, or [datatype, shape, byteSize, buffer]; no buffer when
// the bytes are in the slab or in the memory given for them. Instead of a buffer, what was left on
// a device has memory, as AddDeviceMemory tells it. Last, if the response has parameters, these.
napi_value ReadOutputs(napi_env env, napi_callback_info info) {
  const JsCall call(env, info);
  RequestSlot* slot = IdleSlot(call);
  if (slot == nullptr) return call.Throw(NoSuch("idle slot"));
  napi_value list = nullptr;
  napi_create_array_with_length(env, slot->results.size(), &list);
  for (size_t i = 0; i < slot->results.size(); ++i) {
    const OutputResult& result = slot->results[i];
    napi_value item = nullptr;
    if (result.present) {
      const auto& shape = result.shape ? result.shape : slot->plan->outputs[i].shape;
      napi_create_array_with_length(env, 4, &item);
      napi_set_element(env, item, 0, FromInt32(env, result.datatype));
      napi_set_element(env, item, 1, FromShape(env, *shape));
      napi_set_element(env, item, 2, FromNumber(env, static_cast<double>(result.byte_size)));
      if (!result.device_memory &&
          (result.byte_size == 0 || result.base != slot->outputs[i].base)) {
        napi_value buffer = CopyOutput(env, result);
        if (buffer == nullptr) {
          return call.Throw(Unavailable("no memory for the ", result.byte_size,
                                        " bytes of output '", slot->plan->outputs[i].name, "'"));
        }
        napi_set_element(env, item, 3, buffer);
      }
    } else {
      napi_get_null(env, &item);
    }
    napi_set_element(env, list, static_cast<uint32_t>(i), item);
  }
  // Now that nothing fails any more, after which nobody would know the numbers.
  for (size_t i = 0; i < slot->results.size(); ++i) {
    CudaMemory memory = std::exchange(slot->results[i].device_memory, {});
    if (!memory) continue;
    napi_set_element(env, Element(env, list, i), 3,
                     call.bridge().AddDeviceMemory(std::move(memory)));
  }
  if (!slot->parameters.empty()) {
    napi_set_element(env, list, static_cast<uint32_t>(slot->results.size()),
                     ToJs(env, slot->parameters));
  }
  return list;
}

}  // namespace

const std::vector<Method>& InferMethods() {
  static const auto* methods = new std::vector<Method>{
      {"createSlot", CreateSlot}, {"alignment", Alignment},     {"destroySlot", DestroySlot},
      {"bindArray", BindArray},   {"bindMemory", BindMemory},   {"resizeInput", ResizeInput},
      {"unbind", Unbind},         {"setTimeout", SetTimeout},   {"setDeadline", SetDeadline},
      {"setOptions", SetOptions}, {"submit", Submit},           {"inferSync", InferSync},
      {"cancel", Cancel},         {"takeError", TakeSlotError}, {"readOutputs", ReadOutputs},
      {"tellMore", TellMore},
  };
  return *methods;
}

}  // namespace trident
