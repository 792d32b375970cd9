#include "node/request_slot.h"

#include <cstdlib>
#include <utility>

#include "base/checked.h"
#include "node/function_registry.h"
#include "node/triton_util.h"

namespace trident {
namespace {

constexpr size_t kAlignment = 64;

bool Overlap(const Binding& a, const Binding& b) {
  const auto a_begin = reinterpret_cast<uintptr_t>(a.base);
  const auto b_begin = reinterpret_cast<uintptr_t>(b.base);
  return a.byte_size > 0 && b.byte_size > 0 && a_begin < b_begin + b.byte_size &&
         b_begin < a_begin + a.byte_size;
}

}  // namespace

GrowingBuffer::~GrowingBuffer() { free(data_); }

GrowingBuffer::GrowingBuffer(GrowingBuffer&& other) noexcept
    : data_(std::exchange(other.data_, nullptr)), capacity_(std::exchange(other.capacity_, 0)) {}

void* GrowingBuffer::Reserve(size_t byte_size) {
  if (byte_size <= capacity_ && data_ != nullptr) return data_;
  uint64_t rounded = 0;
  if (!CheckedAdd(byte_size, kAlignment, &rounded)) return nullptr;
  rounded -= rounded % kAlignment;
  void* data = aligned_alloc(kAlignment, rounded);
  if (data == nullptr) return nullptr;
  free(data_);
  data_ = data;
  capacity_ = rounded;
  return data_;
}

RequestSlot::~RequestSlot() {
  EndCall();
  SetChildTrace(nullptr);
  if (request != nullptr) (void)TakeError(TRITONSERVER_InferenceRequestDelete(request));
}

Status RequestSlot::Create(TRITONSERVER_ResponseAllocator* allocator, uint8_t* slab) {
  const SharedServer::Use use = plan->server->Use();
  if (use.get() == nullptr) return ServerIsClosed();
  TRIDENT_RETURN_IF_ERROR(TakeError(
      TRITONSERVER_InferenceRequestNew(&request, use.get(), plan->model.c_str(), plan->version)));
  TRIDENT_RETURN_IF_ERROR(
      TakeError(TRITONSERVER_InferenceRequestSetReleaseCallback(request, OnRelease, this)));
  TRIDENT_RETURN_IF_ERROR(TakeError(TRITONSERVER_InferenceRequestSetResponseCallback(
      request, allocator, this, OnResponse, this)));

  inputs.resize(plan->inputs.size());
  for (size_t i = 0; i < inputs.size(); ++i) {
    const PlanInput& input = plan->inputs[i];
    TRIDENT_RETURN_IF_ERROR(TakeError(TRITONSERVER_InferenceRequestAddInput(
        request, input.name.c_str(), input.datatype, input.shape.data(), input.shape.size())));
    if (input.slab_offset == kNotInSlab) continue;
    inputs[i].base = slab + input.slab_offset;
    inputs[i].byte_size = input.byte_size;
    TRIDENT_RETURN_IF_ERROR(Append(i));
  }

  outputs.resize(plan->outputs.size());
  buffers.resize(outputs.size());
  results.resize(outputs.size());
  for (size_t i = 0; i < outputs.size(); ++i) {
    const PlanOutput& output = plan->outputs[i];
    if (plan->names_outputs) {
      TRIDENT_RETURN_IF_ERROR(
          TakeError(TRITONSERVER_InferenceRequestAddRequestedOutput(request, output.name.c_str())));
    }
    if (output.slab_offset == kNotInSlab) continue;
    outputs[i].base = slab + output.slab_offset;
    outputs[i].byte_size = output.byte_size;
  }
  return Status::Ok();
}

Status RequestSlot::Append(size_t index) {
  const Binding& input = inputs[index];
  const MemoryOf memory(input.place);
  return TakeError(TRITONSERVER_InferenceRequestAppendInputData(
      request, plan->inputs[index].name.c_str(), input.base, input.byte_size, memory.type,
      memory.id));
}

Status RequestSlot::BindInput(size_t index, void* base, uint64_t byte_size, cuda::Place place) {
  Binding& input = inputs[index];
  const bool same =
      input.base == base && input.byte_size == byte_size && input.place == place && base != nullptr;
  input.base = base;
  input.place = place;
  input.byte_size = byte_size;
  input.foreign = true;
  if (same) return Status::Ok();
  TRIDENT_RETURN_IF_ERROR(TakeError(
      TRITONSERVER_InferenceRequestRemoveAllInputData(request, plan->inputs[index].name.c_str())));
  return Append(index);
}

Status RequestSlot::BindOutput(size_t index, void* base, uint64_t byte_size, cuda::Place place) {
  Binding& output = outputs[index];
  output.base = base;
  output.place = place;
  output.byte_size = byte_size;
  output.foreign = true;
  if (!OverlapsOthers(output)) return Status::Ok();
  return InvalidArg("output '", plan->outputs[index].name, "' of model '", plan->model, "': its ",
                    byte_size, " bytes overlap those of another tensor of the request");
}

Result<RegionLease> RequestSlot::Acquire(const RegionPart& part) const {
  if (part.device_memory) {
    return RegionLease::Direct(part.device_memory, part.offset, part.byte_size);
  }
  if (part.region != nullptr) {
    return RegionLease::Direct(part.region, part.offset, part.byte_size, part.access);
  }
  return plan->server->regions.Acquire(part.name, part.offset, part.byte_size);
}

Status RequestSlot::BindInputPart(size_t index, RegionPart part) {
  Binding& input = inputs[index];
  TRIDENT_ASSIGN_OR_RETURN(input.lease, Acquire(part));
  input.part = std::make_unique<RegionPart>(std::move(part));
  return BindInput(index, input.lease.data(), input.part->byte_size, input.lease.place());
}

Status RequestSlot::BindOutputPart(size_t index, RegionPart part) {
  Binding& output = outputs[index];
  TRIDENT_ASSIGN_OR_RETURN(output.lease, Acquire(part));
  output.part = std::make_unique<RegionPart>(std::move(part));
  return BindOutput(index, output.lease.data(), output.part->byte_size, output.lease.place());
}

Status RequestSlot::RenewLeases() {
  for (auto* bindings : {&inputs, &outputs}) {
    for (size_t i = 0; i < bindings->size(); ++i) {
      Binding& binding = (*bindings)[i];
      if (binding.part == nullptr || binding.lease.active()) continue;
      TRIDENT_ASSIGN_OR_RETURN(binding.lease, Acquire(*binding.part));
      // Another region may be registered under the name by now.
      const auto bind = bindings == &inputs ? &RequestSlot::BindInput : &RequestSlot::BindOutput;
      TRIDENT_RETURN_IF_ERROR(
          (this->*bind)(i, binding.lease.data(), binding.byte_size, binding.lease.place()));
    }
  }
  return Status::Ok();
}

Status RequestSlot::ResizeInput(size_t index, uint64_t byte_size) {
  Binding& input = inputs[index];
  if (input.byte_size == byte_size) return Status::Ok();
  input.byte_size = byte_size;
  TRIDENT_RETURN_IF_ERROR(TakeError(
      TRITONSERVER_InferenceRequestRemoveAllInputData(request, plan->inputs[index].name.c_str())));
  return Append(index);
}

bool RequestSlot::OverlapsOthers(const Binding& output) const {
  for (const Binding& input : inputs) {
    if (input.foreign && Overlap(input, output)) return true;
  }
  for (const Binding& other : outputs) {
    if (&other != &output && other.foreign && Overlap(other, output)) return true;
  }
  return false;
}

void RequestSlot::Unbind() {
  for (auto* bindings : {&inputs, &outputs}) {
    for (Binding& binding : *bindings) {
      if (!binding.foreign) continue;
      binding.lease = RegionLease();
      binding.part.reset();
      binding.foreign = false;
      // An input keeps its address so that the next request from the same place binds for free;
      // nothing reads it before then. An output must not point at what may be gone.
      if (bindings == &outputs) {
        binding.base = nullptr;
        binding.byte_size = 0;
        binding.place = {};
      }
    }
  }
  for (OutputResult& result : results) result.device_memory = {};
  keepers.clear();
}

Status RequestSlot::Arm() {
  trace = nullptr;
  TRIDENT_RETURN_IF_ERROR(RenewLeases());
  for (OutputResult& result : results) {
    result.present = false;
    result.device_memory = {};
  }
  parameters.clear();
  outcome = SlotOutcome::kAsPlanned;
  responses = 0;
  awaited = false;
  ended = false;
  in_flight = true;
  steps_left.store(2, std::memory_order_relaxed);
  return Status::Ok();
}

void RequestSlot::Refuse(Status status) {
  for (auto* bindings : {&inputs, &outputs}) {
    for (Binding& binding : *bindings) binding.lease = RegionLease();
  }
  if (trace != nullptr) {
    plan->server->tracer->TakeBack(request, std::exchange(trace, nullptr), plan->model);
  }
  SetChildTrace(nullptr);
  EndCall();
  outcome = SlotOutcome::kFailed;
  error = std::move(status);
}

void RequestSlot::SetChildTrace(TRITONSERVER_InferenceTrace* trace) {
  if (trace == child_trace) return;
  (void)TakeError(TRITONSERVER_TridentInferenceRequestSetTrace(request, trace));
  if (child_trace != nullptr) (void)TakeError(TRITONSERVER_InferenceTraceDelete(child_trace));
  child_trace = trace;
}

void RequestSlot::SetCall(uint64_t number) {
  call = number;
  (void)TakeError(TRITONSERVER_TridentInferenceRequestSetContext(request, number));
}

void RequestSlot::EndCall() {
  if (call == 0) return;
  FunctionRegistry::Get().EndCall(call);
  SetCall(0);
}

}  // namespace trident
