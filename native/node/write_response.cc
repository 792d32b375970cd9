// The way back: where a backend puts the outputs of a request, and what is kept of its response
// until the JS thread reads it. Runs on whichever thread the core calls from.

#include <algorithm>
#include <cstring>

#include "base/clock.h"
#include "node/request_slot.h"
#include "node/triton_util.h"

namespace trident {
namespace {

int FindOutput(const RequestPlan& plan, const char* name) {
  for (size_t i = 0; i < plan.outputs.size(); ++i) {
    if (plan.outputs[i].name == name) return static_cast<int>(i);
  }
  return -1;
}

TRITONSERVER_Error* NewError(TRITONSERVER_Error_Code code, const std::string& message) {
  return TRITONSERVER_ErrorNew(code, message.c_str());
}

void Fail(RequestSlot* slot, Status status) {
  if (slot->outcome == SlotOutcome::kFailed) return;  // the first error is the cause
  slot->outcome = SlotOutcome::kFailed;
  slot->error = std::move(status);
}

Status ReadOutput(RequestSlot* slot, TRITONSERVER_InferenceResponse* response, uint32_t index) {
  const char* name = nullptr;
  TRITONSERVER_DataType datatype = TRITONSERVER_TYPE_INVALID;
  const int64_t* shape = nullptr;
  uint64_t rank = 0;
  const void* base = nullptr;
  size_t byte_size = 0;
  TRITONSERVER_MemoryType memory_type = TRITONSERVER_MEMORY_CPU;
  int64_t memory_type_id = 0;
  void* buffer_userp = nullptr;
  TRIDENT_RETURN_IF_ERROR(TakeError(TRITONSERVER_InferenceResponseOutput(
      response, index, &name, &datatype, &shape, &rank, &base, &byte_size, &memory_type,
      &memory_type_id, &buffer_userp)));
  const int found = FindOutput(*slot->plan, name);
  if (found < 0) return Status::Ok();  // not asked for
  const PlanOutput& planned = slot->plan->outputs[found];
  OutputResult& result = slot->results[found];
  result.present = true;
  result.datatype = datatype;
  result.base = base;
  result.byte_size = byte_size;
  const bool as_planned = planned.shape && datatype == planned.datatype &&
                          rank == planned.shape->size() &&
                          std::equal(shape, shape + rank, planned.shape->begin()) &&
                          byte_size == planned.byte_size && base == slot->outputs[found].base;
  if (as_planned) {
    result.shape.reset();
    return Status::Ok();
  }
  result.shape.emplace(shape, shape + rank);
  slot->outcome = SlotOutcome::kReadOutputs;
  return Status::Ok();
}

Status ReadResponse(RequestSlot* slot, TRITONSERVER_InferenceResponse* response) {
  TRIDENT_RETURN_IF_ERROR(TakeError(TRITONSERVER_InferenceResponseError(response)));
  if (++slot->responses > 1) {
    return Unsupported("model '", slot->plan->model,
                       "' sent more than one response to a request that takes one");
  }
  uint32_t count = 0;
  TRIDENT_RETURN_IF_ERROR(TakeError(TRITONSERVER_InferenceResponseOutputCount(response, &count)));
  for (uint32_t i = 0; i < count; ++i) TRIDENT_RETURN_IF_ERROR(ReadOutput(slot, response, i));
  for (const OutputResult& result : slot->results) {
    if (!result.present) slot->outcome = SlotOutcome::kReadOutputs;
  }
  return Status::Ok();
}

Status FinishLeases(std::vector<Binding>& bindings) {
  Status first;
  for (Binding& binding : bindings) {
    if (!binding.lease.active()) continue;
    Status status = binding.lease.Finish();
    if (first.ok() && !status.ok()) first = std::move(status);
  }
  return first;
}

// One of the two ends of a submission; the second one completes the slot.
void Step(RequestSlot* slot) {
  if (slot->steps_left.fetch_sub(1, std::memory_order_acq_rel) != 1) return;
  for (auto* bindings : {&slot->inputs, &slot->outputs}) {
    Status status = FinishLeases(*bindings);
    if (!status.ok()) Fail(slot, std::move(status));
  }
  if (slot->submitted_ns != 0) slot->ended_ns = NowNs();
  slot->queue->Push(slot);
}

}  // namespace

TRITONSERVER_Error* AllocateOutput(TRITONSERVER_ResponseAllocator*, const char* tensor_name,
                                   size_t byte_size, TRITONSERVER_MemoryType, int64_t, void* userp,
                                   void** buffer, void** buffer_userp,
                                   TRITONSERVER_MemoryType* actual_memory_type,
                                   int64_t* actual_memory_type_id) {
  auto* slot = static_cast<RequestSlot*>(userp);
  *buffer = nullptr;
  *buffer_userp = nullptr;
  *actual_memory_type = TRITONSERVER_MEMORY_CPU;
  *actual_memory_type_id = 0;
  const int index = FindOutput(*slot->plan, tensor_name);
  if (index < 0) {
    return NewError(TRITONSERVER_ERROR_INTERNAL,
                    StrCat("model '", slot->plan->model, "' gave output '", tensor_name,
                           "', which was not asked for"));
  }
  const Binding& output = slot->outputs[index];
  if (output.base != nullptr && byte_size <= output.byte_size) {
    *buffer = output.base;
    return nullptr;
  }
  if (byte_size == 0) return nullptr;  // also where a foreign empty array has no address
  if (output.foreign) {
    return NewError(TRITONSERVER_ERROR_INVALID_ARG,
                    StrCat("output '", tensor_name, "' of model '", slot->plan->model, "' has ",
                           byte_size, " bytes; the memory given for it holds ", output.byte_size));
  }
  *buffer = slot->buffers[index].Reserve(byte_size);
  if (*buffer != nullptr) return nullptr;
  return NewError(TRITONSERVER_ERROR_UNAVAILABLE,
                  StrCat("no memory for the ", byte_size, " bytes of output '", tensor_name,
                         "' of model '", slot->plan->model, "'"));
}

TRITONSERVER_Error* FreeOutput(TRITONSERVER_ResponseAllocator*, void*, void*, size_t,
                               TRITONSERVER_MemoryType, int64_t) {
  return nullptr;  // all of it belongs to the slot or to the user
}

void OnResponse(TRITONSERVER_InferenceResponse* response, uint32_t flags, void* userp) {
  auto* slot = static_cast<RequestSlot*>(userp);
  if (response != nullptr) {
    Status status = ReadResponse(slot, response);
    if (!status.ok()) Fail(slot, std::move(status));
    (void)TakeError(TRITONSERVER_InferenceResponseDelete(response));
  }
  if ((flags & TRITONSERVER_RESPONSE_COMPLETE_FINAL) != 0) {
    if (slot->responses == 0 && slot->outcome != SlotOutcome::kFailed) {
      Fail(slot, Internal("model '", slot->plan->model, "' ended the request without a response"));
    }
    Step(slot);
  }
}

void OnRelease(TRITONSERVER_InferenceRequest*, uint32_t flags, void* userp) {
  if ((flags & TRITONSERVER_REQUEST_RELEASE_ALL) != 0) Step(static_cast<RequestSlot*>(userp));
}

}  // namespace trident
