// The way back: where a backend puts the outputs of a request, and what is kept of its response
// until the JS thread reads it. Runs on whichever thread the core calls from.

#include <algorithm>
#include <cstdlib>

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

TRITONSERVER_Error* NewError(const Status& status) {
  return NewError(static_cast<TRITONSERVER_Error_Code>(status.code()), status.message());
}

void Fail(RequestSlot* slot, Status status) {
  if (slot->outcome == SlotOutcome::kFailed) return;  // the first error is the cause
  slot->outcome = SlotOutcome::kFailed;
  slot->error = std::move(status);
}

Status ReadOutput(RequestSlot* slot, TRITONSERVER_InferenceResponse* response, uint32_t index) {
  ResponseOutput output;
  TRIDENT_RETURN_IF_ERROR(ReadResponseOutput(response, index, &output));
  const int found = FindOutput(*slot->plan, output.name);
  if (found < 0) return Status::Ok();  // not asked for
  const PlanOutput& planned = slot->plan->outputs[found];
  OutputResult& result = slot->results[found];
  result.present = true;
  result.datatype = output.datatype;
  result.base = output.base;
  result.byte_size = output.byte_size;
  const bool as_planned =
      planned.shape && !planned.on_device && output.datatype == planned.datatype &&
      output.rank == planned.shape->size() &&
      std::equal(output.shape, output.shape + output.rank, planned.shape->begin()) &&
      output.byte_size == planned.byte_size && output.base == slot->outputs[found].base;
  if (as_planned) {
    result.shape.reset();
    return Status::Ok();
  }
  result.shape.emplace(output.shape, output.shape + output.rank);
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
  slot->parameters = ReadParameters(response);
  if (!slot->parameters.empty()) slot->outcome = SlotOutcome::kReadOutputs;
  return Status::Ok();
}

// Ends nothing and is nothing to read: it only carries the final flag.
bool IsEmptyFinal(TRITONSERVER_InferenceResponse* response) {
  uint32_t count = 0;
  return TakeError(TRITONSERVER_InferenceResponseError(response)).ok() &&
         TakeError(TRITONSERVER_InferenceResponseOutputCount(response, &count)).ok() && count == 0;
}

void Stream(RequestSlot* slot, ResponsePtr response, bool final) {
  if (final && IsEmptyFinal(response.get())) return;
  // Kept here: should a backend send after the final response, the slot may be gone meanwhile.
  const std::shared_ptr<ResponseStream> stream = slot->stream;
  if (stream->Put(std::move(response), !final) == ResponseStream::Outcome::kDone) return;
  Fail(slot, Unavailable("the stream of model '", slot->plan->model,
                         "' was cancelled: nobody took ", "one of its ", stream->limit(),
                         " waiting responses for ", stream->stall_ns() / 1'000'000, " ms"));
  (void)TakeError(TRITONSERVER_InferenceRequestCancel(slot->request));
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
  if (slot->outcome == SlotOutcome::kFailed) {
    for (OutputResult& result : slot->results) result.device_memory = {};
  }
  slot->child_trace = nullptr;
  slot->EndCall();
  slot->queue->Push(slot);
}

// For an output that is to be left on its device, which is the one that its model would like.
Result<CudaMemory> TakeBlock(const RequestSlot& slot, const char* tensor_name, size_t byte_size,
                             TRITONSERVER_MemoryType memory_type, int64_t device_id) {
  if (memory_type == TRITONSERVER_MEMORY_GPU) return slot.blocks->Take(device_id, byte_size);
  return InvalidArg("output '", tensor_name, "' of model '", slot.plan->model,
                    "' can't be left on a device: the model gives it in host memory, so ask for it "
                    "without 'device'");
}

// Memory of the response's own, since it outlives the call and another may follow.
TRITONSERVER_Error* AllocateForStream(const RequestSlot& slot, const char* tensor_name,
                                      size_t byte_size, void** buffer, void** owned) {
  *buffer = *owned = malloc(byte_size);
  if (*buffer != nullptr) return nullptr;
  return NewError(TRITONSERVER_ERROR_UNAVAILABLE,
                  StrCat("no memory for the ", byte_size, " bytes of output '", tensor_name,
                         "' of model '", slot.plan->model, "'"));
}

}  // namespace

TRITONSERVER_Error* AllocateOutput(TRITONSERVER_ResponseAllocator*, const char* tensor_name,
                                   size_t byte_size, TRITONSERVER_MemoryType memory_type,
                                   int64_t memory_type_id, void* userp, void** buffer,
                                   void** buffer_userp, TRITONSERVER_MemoryType* actual_memory_type,
                                   int64_t* actual_memory_type_id) {
  auto* slot = static_cast<RequestSlot*>(userp);
  *buffer = nullptr;
  *buffer_userp = nullptr;
  const auto answer_place = [=](cuda::Place place) {
    const MemoryOf memory(place);
    *actual_memory_type = memory.type;
    *actual_memory_type_id = memory.id;
  };
  answer_place({});
  const int index = FindOutput(*slot->plan, tensor_name);
  if (index < 0 && slot->stream == nullptr) {
    return NewError(TRITONSERVER_ERROR_INTERNAL,
                    StrCat("model '", slot->plan->model, "' gave output '", tensor_name,
                           "', which was not asked for"));
  }
  const bool on_device = index >= 0 && slot->plan->outputs[index].on_device;
  if (on_device) {
    const size_t at_least = std::max<size_t>(byte_size, 1);  // no elements: a tensor all the same
    auto block = TakeBlock(*slot, tensor_name, at_least, memory_type, memory_type_id);
    if (!block.ok()) return NewError(block.status());
    *buffer = block->data();
    answer_place(block->place());
    if (slot->stream == nullptr) {
      slot->results[index].device_memory = std::move(block).value();
    } else {
      *buffer_userp = new CudaMemory(std::move(block).value());
    }
    return nullptr;
  }
  if (slot->stream != nullptr) {
    if (byte_size == 0) return nullptr;
    return AllocateForStream(*slot, tensor_name, byte_size, buffer, buffer_userp);
  }
  const Binding& output = slot->outputs[index];
  if (output.base != nullptr && byte_size <= output.byte_size) {
    *buffer = output.base;
    answer_place(output.place);
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

// What nobody owns here belongs to the slot or to the user.
TRITONSERVER_Error* FreeOutput(TRITONSERVER_ResponseAllocator*, void*, void* owned, size_t,
                               TRITONSERVER_MemoryType memory_type, int64_t) {
  if (memory_type == TRITONSERVER_MEMORY_GPU) {
    delete static_cast<CudaMemory*>(owned);
  } else {
    free(owned);
  }
  return nullptr;
}

void OnResponse(TRITONSERVER_InferenceResponse* response, uint32_t flags, void* userp) {
  auto* slot = static_cast<RequestSlot*>(userp);
  const bool final = (flags & TRITONSERVER_RESPONSE_COMPLETE_FINAL) != 0;
  if (slot->stream != nullptr) {
    if (response != nullptr) Stream(slot, ResponsePtr(response), final);
    if (final) Step(slot);
    return;
  }
  if (response != nullptr) {
    Status status = ReadResponse(slot, response);
    if (!status.ok()) Fail(slot, std::move(status));
    (void)TakeError(TRITONSERVER_InferenceResponseDelete(response));
  }
  if (final) {
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
