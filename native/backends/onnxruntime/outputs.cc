#include "backends/onnxruntime/outputs.h"

#include <algorithm>
#include <cstring>

#include "backends/onnxruntime/strings.h"

namespace trident::ort {

using backend::RequestBatch;
using backend::ShapeText;

Outputs::Slot::Slot(const Model& model, const TensorInfo& tensor)
    : info(tensor),
      title(backend::StrCat(model.title(), ": output '", info.name, "'")),
      element_bytes(TRITONSERVER_DataTypeByteSize(info.datatype)),
      dims(info.dims),
      bound(model.runtime(), info.type) {
  const size_t skipped = model.config().batched() ? 1 : 0;
  known_shape = info.has_shape && element_bytes > 0 && dims.size() >= skipped;
  if (!known_shape) return;
  const int64_t elements = ElementCount(dims.data() + skipped, dims.size() - skipped);
  known_shape = elements >= 0 && !__builtin_mul_overflow(static_cast<uint64_t>(elements),
                                                         element_bytes, &item_bytes);
}

Outputs::Outputs(const Model& model, const Session& session)
    : model_(model), batched_(model.config().batched()) {
  for (const backend::TensorConfig& config : model.config().outputs) {
    const TensorInfo* info = FindTensor(session.outputs(), config.name);
    slots_.push_back(std::make_unique<Slot>(model, *info));
  }
}

Status Outputs::Prepare(RequestBatch* batch, const Inputs& inputs) {
  parts_.assign(batch->size() * slots_.size(), Part());
  selected_.clear();
  names_.clear();
  values_.clear();
  for (const auto& slot : slots_) slot->wanted = false;
  for (size_t r = 0; r < batch->size(); ++r) {
    if (!batch->failed(r)) batch->Fail(r, ReadWanted(batch->request(r), r));
  }
  for (size_t s = 0; s < slots_.size(); ++s) {
    Slot& slot = *slots_[s];
    if (!slot.wanted) continue;
    if (slot.known_shape) BACKEND_RETURN_IF_ERROR(PrepareKnown(batch, inputs, s));
    selected_.push_back(s);
    names_.push_back(slot.info.name.c_str());
    values_.push_back(slot.known_shape ? slot.bound.value() : nullptr);
  }
  return Status();
}

Status Outputs::ReadWanted(TRITONBACKEND_Request* request, size_t r) {
  uint32_t count = 0;
  BACKEND_RETURN_IF_ERROR(TRITONBACKEND_RequestOutputCount(request, &count));
  for (uint32_t i = 0; i < count; ++i) {
    const char* name = nullptr;
    BACKEND_RETURN_IF_ERROR(TRITONBACKEND_RequestOutputName(request, i, &name));
    size_t s = 0;
    while (s < slots_.size() && slots_[s]->info.name != name) ++s;
    if (s == slots_.size()) {
      return backend::InvalidArg(model_.title(), " has no output '", name, "'");
    }
    slots_[s]->wanted = true;
    part(r, s).wanted = true;
  }
  return Status();
}

Status Outputs::AskDestination(const Slot& slot, TRITONBACKEND_Response* response, int64_t items,
                               uint64_t bytes, char** data) {
  if (batched_) shape_[0] = items;
  TRITONBACKEND_Output* output = nullptr;
  BACKEND_RETURN_IF_ERROR(TRITONBACKEND_ResponseOutput(
      response, &output, slot.info.name.c_str(), slot.info.datatype, shape_.data(), shape_.size()));
  void* buffer = nullptr;
  TRITONSERVER_MemoryType memory_type = TRITONSERVER_MEMORY_CPU;
  int64_t memory_type_id = 0;
  BACKEND_RETURN_IF_ERROR(
      TRITONBACKEND_OutputBuffer(output, &buffer, bytes, &memory_type, &memory_type_id));
  if (!OnHost(memory_type)) {
    return backend::Unsupported(slot.title, " is wanted in GPU memory; this ONNX Runtime backend ",
                                "writes host memory");
  }
  *data = static_cast<char*>(buffer);
  return Status();
}

Status Outputs::PrepareKnown(RequestBatch* batch, const Inputs& inputs, size_t s) {
  Slot& slot = *slots_[s];
  const uint64_t total_items = batched_ ? inputs.total_items() : 1;
  uint64_t total_bytes = 0;
  if (__builtin_mul_overflow(total_items, slot.item_bytes, &total_bytes)) {
    return backend::InvalidArg(slot.title, ": a batch of ", total_items,
                               " has more bytes than can be counted");
  }
  shape_.assign(slot.dims.begin(), slot.dims.end());
  char* begin = nullptr;
  char* end = nullptr;
  slot.direct = true;
  for (size_t r = 0; r < batch->size(); ++r) {
    if (inputs.items(r) == 0) continue;
    Part& current = part(r, s);
    const uint64_t bytes = inputs.items(r) * slot.item_bytes;
    if (current.wanted && !batch->failed(r)) {
      batch->Fail(r,
                  AskDestination(slot, batch->response(r), inputs.items(r), bytes, &current.data));
    }
    if (current.data == nullptr || batch->failed(r) || (end != nullptr && current.data != end)) {
      slot.direct = false;
      continue;
    }
    if (begin == nullptr) begin = current.data;
    end = current.data + bytes;
  }
  slot.direct = slot.direct && IsAligned(begin, slot.element_bytes);
  if (!slot.direct) begin = slot.scratch.Ensure(total_bytes);
  if (batched_) shape_[0] = inputs.total_items();
  return slot.bound.Bind(begin, total_bytes, shape_.data(), shape_.size());
}

void Outputs::Deliver(RequestBatch* batch, const Inputs& inputs, CopyCount* copies) {
  for (size_t i = 0; i < selected_.size(); ++i) {
    const size_t s = selected_[i];
    if (slots_[s]->known_shape) {
      if (!slots_[s]->direct) DeliverKnown(batch, inputs, s, copies);
      continue;
    }
    const Status delivered = DeliverComputed(batch, inputs, s, values_[i], copies);
    if (delivered.ok()) continue;
    for (size_t r = 0; r < batch->size(); ++r) {
      if (part(r, s).wanted) batch->Fail(r, delivered.Clone());
    }
  }
}

void Outputs::DeliverKnown(RequestBatch* batch, const Inputs& inputs, size_t s, CopyCount* copies) {
  Slot& slot = *slots_[s];
  const char* from = slot.scratch.data();
  for (size_t r = 0; r < batch->size(); ++r) {
    const uint64_t bytes = inputs.items(r) * slot.item_bytes;
    if (part(r, s).data != nullptr && bytes > 0 && !batch->failed(r)) {
      memcpy(part(r, s).data, from, bytes);
      copies->Add(bytes);
    }
    from += bytes;
  }
}

Status Outputs::DeliverComputed(RequestBatch* batch, const Inputs& inputs, size_t s,
                                OrtValue* value, CopyCount* copies) {
  const Slot& slot = *slots_[s];
  const Runtime& runtime = model_.runtime();
  const OrtApi& api = runtime.api();
  OrtElementType type = kOrtUndefined;
  const int64_t* shape = nullptr;
  size_t dims_count = 0;
  void* data = nullptr;
  ORT_RETURN_IF_ERROR(
      runtime, api.GetTensorElementTypeAndShapeDataReference(value, &type, &shape, &dims_count),
      slot.title);
  if (slot.element_bytes > 0) {
    ORT_RETURN_IF_ERROR(runtime, api.GetTensorMutableData(value, &data), slot.title);
  }
  if (batched_ && (dims_count == 0 || shape[0] != inputs.total_items())) {
    return backend::Internal(slot.title, ": expected a batch dimension of ", inputs.total_items(),
                             ", the run made shape ", ShapeText(shape, dims_count));
  }
  shape_.assign(shape, shape + dims_count);
  const size_t skipped = batched_ ? 1 : 0;
  const size_t item_elements = ElementCount(shape + skipped, dims_count - skipped);
  size_t first = 0;
  for (size_t r = 0; r < batch->size(); ++r) {
    const size_t elements = inputs.items(r) * item_elements;
    if (part(r, s).wanted && !batch->failed(r)) {
      batch->Fail(r, DeliverPart(slot, batch->response(r), value, static_cast<const char*>(data),
                                 inputs.items(r), first, elements, copies));
    }
    first += elements;
  }
  return Status();
}

Status Outputs::DeliverPart(const Slot& slot, TRITONBACKEND_Response* response,
                            const OrtValue* value, const char* data, int64_t items, size_t first,
                            size_t elements, CopyCount* copies) {
  const bool strings = slot.element_bytes == 0;
  uint64_t bytes = elements * slot.element_bytes;
  if (strings) {
    BACKEND_RETURN_IF_ERROR(
        StringsByteSize(model_.runtime(), slot.title, value, first, first + elements, &bytes));
  }
  char* to = nullptr;
  BACKEND_RETURN_IF_ERROR(AskDestination(slot, response, items, bytes, &to));
  if (bytes == 0) return Status();
  copies->Add(bytes);
  if (strings) {
    return WriteStrings(model_.runtime(), slot.title, value, first, first + elements, to);
  }
  memcpy(to, data + first * slot.element_bytes, bytes);
  return Status();
}

void Outputs::Reset() {
  for (size_t i = 0; i < selected_.size(); ++i) {
    if (!slots_[selected_[i]]->known_shape && values_[i] != nullptr) {
      model_.runtime().api().ReleaseValue(values_[i]);
    }
  }
  selected_.clear();
  names_.clear();
  values_.clear();
}

}  // namespace trident::ort
