// The first half of Inputs: what the requests of a batch bring, and in which order they run.

#include <algorithm>
#include <functional>

#include "backends/onnxruntime/inputs.h"

namespace trident::ort {

using backend::RequestBatch;
using backend::ShapeText;

void Inputs::Collect(RequestBatch* batch) {
  parts_.resize(batch->size() * slots_.size());
  items_.assign(batch->size(), 0);
  total_items_ = 0;
  order_.clear();
  for (size_t r = 0; r < batch->size(); ++r) {
    if (batch->failed(r)) continue;
    int64_t items = 1;
    // The first one is what the others must agree with.
    batch->Fail(r, CollectRequest(*batch, r, order_.empty() ? r : order_.front(), &items));
    if (batch->failed(r)) continue;
    order_.push_back(r);
    items_[r] = items;
    total_items_ += items;
  }
  OrderByAddress();
}

void Inputs::OrderByAddress() {
  if (order_.size() < 2) return;
  size_t shuffled = slots_.size();
  for (size_t s = 0; s < slots_.size(); ++s) {
    if (slots_[s]->element_bytes == 0) continue;  // strings are copied in any order
    if (CommonBlock(s) != nullptr) return;
    if (shuffled == slots_.size() && FillsOneBlock(s)) shuffled = s;
  }
  if (shuffled == slots_.size()) return;
  std::sort(order_.begin(), order_.end(), [&](size_t a, size_t b) {
    return std::less<const char*>()(part(a, shuffled).data, part(b, shuffled).data);
  });
}

// In one pass, so that a batch whose memory is all over the place is not sorted in vain. Parts that
// overlap may deceive it: then the sort was in vain, as CommonBlock looks at each of them.
bool Inputs::FillsOneBlock(size_t s) const {
  uintptr_t begin = UINTPTR_MAX;
  uintptr_t end = 0;
  uint64_t bytes = 0;
  for (const size_t r : order_) {
    const Part& next = part(r, s);
    if (next.data == nullptr) return false;
    const auto address = reinterpret_cast<uintptr_t>(next.data);
    begin = std::min(begin, address);
    end = std::max(end, address + next.bytes);
    bytes += next.bytes;
  }
  return end - begin == bytes;
}

Status Inputs::CollectRequest(const RequestBatch& batch, size_t r, size_t first, int64_t* items) {
  bool has_items = false;
  for (size_t s = 0; s < slots_.size(); ++s) {
    const Slot& slot = *slots_[s];
    Part& current = part(r, s);
    BACKEND_RETURN_IF_ERROR(CollectPart(batch.request(r), slot, &current));
    if (first != r) BACKEND_RETURN_IF_ERROR(CheckAgainstFirst(slot, current, part(first, s)));
    if (!batched_ || current.input == nullptr) continue;
    const int64_t found = current.dims_count > 0 ? current.shape[0] : 0;
    if (found < 1 || (has_items && found != *items)) {
      return backend::InvalidArg(slot.title, ": expected a batch dimension of ", *items,
                                 has_items ? "" : " or more", ", found shape ",
                                 ShapeText(current.shape, current.dims_count));
    }
    *items = found;
    has_items = true;
  }
  return Status();
}

Status Inputs::CollectPart(TRITONBACKEND_Request* request, const Slot& slot, Part* part) const {
  *part = Part();
  const Status found(TRITONBACKEND_RequestInput(request, slot.info.name.c_str(), &part->input));
  if (!found.ok()) {
    part->input = nullptr;
    return slot.optional ? Status() : backend::InvalidArg(slot.title, " is missing");
  }
  TRITONSERVER_DataType datatype;
  BACKEND_RETURN_IF_ERROR(TRITONBACKEND_InputProperties(part->input, nullptr, &datatype,
                                                        &part->shape, &part->dims_count,
                                                        &part->bytes, &part->buffer_count));
  if (datatype != slot.info.datatype) {
    return backend::InvalidArg(slot.title, ": expected ",
                               TRITONSERVER_DataTypeString(slot.info.datatype), ", found ",
                               TRITONSERVER_DataTypeString(datatype));
  }
  BACKEND_RETURN_IF_ERROR(CheckByteSize(slot, part));
  if (part->buffer_count != 1) return Status();
  const void* data = nullptr;
  uint64_t bytes = 0;
  backend::MemoryPlace place;
  BACKEND_RETURN_IF_ERROR(
      TRITONBACKEND_InputBuffer(part->input, 0, &data, &bytes, &place.type, &place.type_id));
  if (SameMemory(place, slot.info.place) && bytes == part->bytes) {
    part->data = static_cast<const char*>(data);
  }
  return Status();
}

// Also counts the elements. Every BYTES element takes at least its length's bytes, so that the
// strings made of them are bounded by what the caller sent.
Status Inputs::CheckByteSize(const Slot& slot, Part* part) const {
  part->elements = ElementCount(part->shape, part->dims_count);
  const bool strings = slot.element_bytes == 0;
  const size_t element_bytes = strings ? sizeof(uint32_t) : slot.element_bytes;
  uint64_t expected = 0;
  if (part->elements < 0 ||
      __builtin_mul_overflow(static_cast<uint64_t>(part->elements), element_bytes, &expected)) {
    return backend::InvalidArg(slot.title, ": no tensor can have shape ",
                               ShapeText(part->shape, part->dims_count));
  }
  if (strings ? expected <= part->bytes : expected == part->bytes) return Status();
  return backend::InvalidArg(slot.title, ": expected ", expected, strings ? " or more" : "",
                             " bytes for shape ", ShapeText(part->shape, part->dims_count),
                             ", found ", part->bytes);
}

Status Inputs::CheckAgainstFirst(const Slot& slot, const Part& part, const Part& first) const {
  if ((part.input == nullptr) != (first.input == nullptr)) {
    return backend::InvalidArg(slot.title, " is given by some requests of a batch only");
  }
  if (slot.ragged) return Status();
  const size_t skipped = batched_ ? 1 : 0;
  if (part.dims_count == first.dims_count && part.dims_count >= skipped &&
      std::equal(part.shape + skipped, part.shape + part.dims_count, first.shape + skipped)) {
    return Status();
  }
  return backend::InvalidArg(
      slot.title, ": expected a shape like ", ShapeText(first.shape, first.dims_count),
      " of the batch's first request, found ", ShapeText(part.shape, part.dims_count));
}

}  // namespace trident::ort
