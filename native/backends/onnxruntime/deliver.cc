// The second half of Outputs: what a run has made goes to the requests.

#include <algorithm>

#include "backends/onnxruntime/outputs.h"
#include "backends/onnxruntime/strings.h"

namespace trident::ort {

using backend::RequestBatch;
using backend::ShapeText;

void Outputs::Deliver(RequestBatch* batch, const Inputs& inputs) {
  for (size_t i = 0; i < selected_.size(); ++i) {
    const size_t s = selected_[i];
    const Slot& slot = *slots_[s];
    if (slot.known_shape && slot.direct && !slot.is_state) continue;  // the run has delivered it
    const Status read = ReadResult(s, inputs, values_[i]);
    if (!read.ok()) {
      for (size_t r = 0; r < batch->size(); ++r) {
        if (part(r, s).wanted || slot.is_state) batch->Fail(r, read.Clone());
      }
    } else if (slot.scattered != nullptr) {
      DeliverScattered(batch, inputs, s);
    } else if (!slot.known_shape) {
      DeliverComputed(batch, inputs, s);
    } else if (!slot.direct) {
      DeliverKnown(batch, inputs, s);
    }
  }
  if (has_states_) DeliverStates(batch, inputs);
}

Status Outputs::ReadResult(size_t s, const Inputs& inputs, OrtValue* value) {
  Slot& slot = *slots_[s];
  const Runtime& runtime = model_.runtime();
  const OrtApi& api = runtime.api();
  Result& result = slot.result;
  result.value = value;
  if (slot.known_shape) {  // `data` is since Prepare
    result.item_elements = slot.item_bytes / slot.element_bytes;
    result.shape = slot.dims;
    return Status();
  }
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
  result.data = static_cast<const char*>(data);
  result.shape.assign(shape, shape + dims_count);
  const size_t skipped = batched_ && slot.scattered == nullptr ? 1 : 0;
  if (skipped > 0 && (dims_count == 0 || shape[0] != inputs.total_items())) {
    return backend::Internal(slot.title, ": expected a batch dimension of ", inputs.total_items(),
                             ", the run made shape ", ShapeText(shape, dims_count));
  }
  result.item_elements = ElementCount(shape + skipped, dims_count - skipped);
  return Status();
}

void Outputs::DeliverKnown(RequestBatch* batch, const Inputs& inputs, size_t s) {
  Slot& slot = *slots_[s];
  const char* from = slot.result.data;
  for (const size_t r : inputs.order()) {
    const uint64_t bytes = inputs.items(r) * slot.item_bytes;
    const Destination& to = part(r, s).to;
    if (to.data != nullptr && !batch->failed(r)) {
      batch->Fail(r, copies_.Copy(to.data, to.place, from, slot.info.place, bytes));
    }
    from += bytes;
  }
}

void Outputs::DeliverComputed(RequestBatch* batch, const Inputs& inputs, size_t s) {
  const Slot& slot = *slots_[s];
  shape_ = slot.result.shape;
  size_t first = 0;
  for (const size_t r : inputs.order()) {
    const size_t elements = inputs.items(r) * slot.result.item_elements;
    if (part(r, s).wanted && !batch->failed(r)) {
      batch->Fail(r, DeliverPart(slot, batch->response(r), inputs.items(r), first, elements));
    }
    first += elements;
  }
}

Status Outputs::ScatteredShapes(const RequestBatch& batch, const Inputs& inputs, size_t s) {
  const Slot& slot = *slots_[s];
  if (scattered_shapes_.size() < batch.size()) scattered_shapes_.resize(batch.size());
  size_t total = 0;
  for (const size_t r : inputs.order()) {
    std::vector<int64_t>& shape = scattered_shapes_[r];
    BACKEND_RETURN_IF_ERROR(ScatteredShape(*slot.scattered, slot.dims,
                                           inputs.ShapeOf(slot.scattered->source, r), &shape));
    const int64_t elements = ElementCount(shape.data(), shape.size());
    if (elements < 0 || __builtin_add_overflow(total, static_cast<size_t>(elements), &total)) {
      return backend::InvalidArg(slot.title, ": no tensor can have shape ", ShapeText(shape));
    }
  }
  if (total == slot.result.item_elements) return Status();
  return backend::Internal(slot.title, ": expected ", total, " elements by the shapes of input '",
                           slot.scattered->source, "', the run made shape ",
                           ShapeText(slot.result.shape));
}

void Outputs::DeliverScattered(RequestBatch* batch, const Inputs& inputs, size_t s) {
  const Slot& slot = *slots_[s];
  const Status fits = ScatteredShapes(*batch, inputs, s);
  size_t first = 0;
  for (const size_t r : inputs.order()) {
    if (!fits.ok()) {
      if (part(r, s).wanted) batch->Fail(r, fits.Clone());
      continue;
    }
    shape_ = scattered_shapes_[r];
    const size_t elements = ElementCount(shape_.data(), shape_.size());
    if (part(r, s).wanted && !batch->failed(r)) {
      batch->Fail(r, DeliverPart(slot, batch->response(r), inputs.items(r), first, elements));
    }
    first += elements;
  }
}

Status Outputs::DeliverPart(const Slot& slot, TRITONBACKEND_Response* response, int64_t items,
                            size_t first, size_t elements) {
  uint64_t bytes = 0;
  Destination to;
  BACKEND_RETURN_IF_ERROR(PartBytes(slot, first, elements, &bytes));
  BACKEND_RETURN_IF_ERROR(AskDestination(slot, response, items, bytes, &to));
  return CopyPart(slot, first, elements, bytes, to);
}

void Outputs::DeliverStates(RequestBatch* batch, const Inputs& inputs) {
  for (const size_t s : selected_) {
    const Slot& slot = *slots_[s];
    if (!slot.is_state) continue;
    size_t first = 0;
    for (const size_t r : inputs.order()) {
      const size_t elements = inputs.items(r) * slot.result.item_elements;
      if (!batch->failed(r)) {
        batch->Fail(r, WriteState(slot, batch->request(r), inputs.items(r), first, elements,
                                  &part(r, s).state));
      }
      first += elements;
    }
  }
}

void Outputs::UpdateStates(RequestBatch* batch) {
  if (!has_states_) return;
  for (const size_t s : selected_) {
    for (size_t r = 0; r < batch->size(); ++r) {
      if (part(r, s).state == nullptr || batch->failed(r)) continue;
      batch->Fail(r, TRITONBACKEND_StateUpdate(part(r, s).state));
    }
  }
}

Status Outputs::WriteState(const Slot& slot, TRITONBACKEND_Request* request, int64_t items,
                           size_t first, size_t elements, TRITONBACKEND_State** state) {
  uint64_t bytes = 0;
  BACKEND_RETURN_IF_ERROR(PartBytes(slot, first, elements, &bytes));
  shape_ = slot.result.shape;
  if (batched_) shape_[0] = items;
  TRITONBACKEND_State* created = nullptr;
  BACKEND_RETURN_IF_ERROR(TRITONBACKEND_StateNew(&created, request, slot.info.name.c_str(),
                                                 slot.info.datatype, shape_.data(),
                                                 static_cast<uint32_t>(shape_.size())));
  void* buffer = nullptr;
  Destination to{nullptr, PreferredPlace(slot)};
  BACKEND_RETURN_IF_ERROR(
      TRITONBACKEND_StateBuffer(created, &buffer, bytes, &to.place.type, &to.place.type_id));
  to.data = static_cast<char*>(buffer);
  BACKEND_RETURN_IF_ERROR(CopyPart(slot, first, elements, bytes, to));
  *state = created;
  return Status();
}

Status Outputs::PartBytes(const Slot& slot, size_t first, size_t elements, uint64_t* bytes) const {
  *bytes = elements * slot.element_bytes;
  if (slot.element_bytes > 0) return Status();
  return StringsByteSize(model_.runtime(), slot.title, slot.result.value, first, first + elements,
                         bytes);
}

Status Outputs::CopyPart(const Slot& slot, size_t first, size_t elements, uint64_t bytes,
                         const Destination& to) {
  if (bytes == 0) return Status();
  if (slot.element_bytes == 0) return CopyStrings(slot, first, elements, bytes, to);
  return copies_.Copy(to.data, to.place, slot.result.data + first * slot.element_bytes,
                      slot.info.place, bytes);
}

Status Outputs::CopyStrings(const Slot& slot, size_t first, size_t elements, uint64_t bytes,
                            const Destination& to) {
  const bool to_host = !to.place.on_device();
  char* const written = to_host ? to.data : uploads_.emplace_back(bytes).data();
  BACKEND_RETURN_IF_ERROR(WriteStrings(model_.runtime(), slot.title, slot.result.value, first,
                                       first + elements, written));
  copies_.Count(bytes);
  return to_host ? Status() : copies_.Copy(to.data, to.place, written, {}, bytes);
}

}  // namespace trident::ort
