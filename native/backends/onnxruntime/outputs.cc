#include "backends/onnxruntime/outputs.h"

#include <algorithm>

namespace trident::ort {

using backend::RequestBatch;

Outputs::Slot::Slot(const Model& model, const Session& session, const TensorInfo& tensor,
                    TRITONBACKEND_MemoryManager* manager)
    : info(tensor),
      title(backend::StrCat(model.title(), ": output '", info.name, "'")),
      element_bytes(TRITONSERVER_DataTypeByteSize(info.datatype)),
      is_state(model.config().FindStateOutput(info.name) != nullptr),
      scattered(model.config().FindBatchOutput(info.name)),
      dims(info.dims),
      bound(model.runtime(), session.memory(info.place), info.type),
      scratch(info.place, manager) {
  const size_t skipped = model.config().batched() ? 1 : 0;
  known_shape =
      info.has_shape && element_bytes > 0 && dims.size() >= skipped && scattered == nullptr;
  if (!known_shape) return;
  const int64_t elements = ElementCount(dims.data() + skipped, dims.size() - skipped);
  known_shape = elements >= 0 && !__builtin_mul_overflow(static_cast<uint64_t>(elements),
                                                         element_bytes, &item_bytes);
}

Outputs::Outputs(const Model& model, const Session& session, backend::BatchCopies* copies)
    : model_(model),
      copies_(*copies),
      batched_(model.config().batched()),
      fixed_addresses_(session.has_graphs()) {
  TRITONBACKEND_MemoryManager* const manager = copies->memory_manager();
  for (const backend::TensorConfig& config : model.config().outputs) {
    const TensorInfo* info = FindTensor(session.outputs(), config.name);
    Slot& slot = *slots_.emplace_back(std::make_unique<Slot>(model, session, *info, manager));
    if (slot.scattered == nullptr) continue;
    slot.dims = config.dims;
    if (batched_) slot.dims.insert(slot.dims.begin(), -1);
  }
  for (const backend::SequenceState& state : model.config().sequence.states) {
    const bool listed = std::any_of(slots_.begin(), slots_.end(), [&](const auto& slot) {
      return slot->info.name == state.output;
    });
    if (listed) continue;
    const TensorInfo* info = FindTensor(session.outputs(), state.output);
    slots_.push_back(std::make_unique<Slot>(model, session, *info, manager));
  }
  for (const auto& slot : slots_) has_states_ = has_states_ || slot->is_state;
}

Status Outputs::Prepare(RequestBatch* batch, const Inputs& inputs) {
  parts_.assign(batch->size() * slots_.size(), Part());
  selected_.clear();
  names_.clear();
  values_.clear();
  // A recorded run writes what it wrote the first time, so that is all.
  for (const auto& slot : slots_) slot->wanted = slot->is_state || fixed_addresses_;
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
                               uint64_t bytes, Destination* to) {
  if (batched_) shape_[0] = items;
  TRITONBACKEND_Output* output = nullptr;
  BACKEND_RETURN_IF_ERROR(TRITONBACKEND_ResponseOutput(
      response, &output, slot.info.name.c_str(), slot.info.datatype, shape_.data(), shape_.size()));
  void* buffer = nullptr;
  to->place = PreferredPlace(slot);
  BACKEND_RETURN_IF_ERROR(
      TRITONBACKEND_OutputBuffer(output, &buffer, bytes, &to->place.type, &to->place.type_id));
  to->data = static_cast<char*>(buffer);
  return Status();
}

backend::MemoryPlace Outputs::PreferredPlace(const Slot& slot) const {
  return slot.element_bytes == 0 ? backend::MemoryPlace() : copies_.place();
}

Status Outputs::PrepareKnown(RequestBatch* batch, const Inputs& inputs, size_t s) {
  Slot& slot = *slots_[s];
  const uint64_t total_items = batched_ ? inputs.total_items() : 1;
  // All tensors of one address are as large as the largest.
  const uint64_t kept_items =
      fixed_addresses_ && batched_ ? model_.config().max_batch_size : total_items;
  uint64_t kept_bytes = 0;
  if (__builtin_mul_overflow(kept_items, slot.item_bytes, &kept_bytes)) {
    return backend::InvalidArg(slot.title, ": a batch of ", total_items,
                               " has more bytes than can be counted");
  }
  shape_.assign(slot.dims.begin(), slot.dims.end());
  char* begin = nullptr;
  char* end = nullptr;
  slot.direct = !fixed_addresses_;
  for (const size_t r : inputs.order()) {
    Part& current = part(r, s);
    const uint64_t bytes = inputs.items(r) * slot.item_bytes;
    if (current.wanted && !batch->failed(r)) {
      batch->Fail(r, AskDestination(slot, batch->response(r), inputs.items(r), bytes, &current.to));
    }
    char* const data = current.to.data;
    if (data == nullptr || batch->failed(r) || (end != nullptr && data != end) ||
        !SameMemory(current.to.place, slot.info.place)) {
      slot.direct = false;
      continue;
    }
    if (begin == nullptr) begin = data;
    end = data + bytes;
  }
  const bool joined = inputs.order().size() > 1;
  slot.direct = slot.direct && IsAligned(begin, slot.info.place, slot.element_bytes) &&
                (!joined || IsOneBlock(slot.info.place, begin, end - begin));
  if (!slot.direct) BACKEND_RETURN_IF_ERROR(slot.scratch.Ensure(kept_bytes, &begin));
  if (batched_) shape_[0] = inputs.total_items();
  slot.result.data = begin;
  return slot.bound.Bind(begin, total_items * slot.item_bytes, shape_.data(), shape_.size());
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
  uploads_.clear();
}

}  // namespace trident::ort
