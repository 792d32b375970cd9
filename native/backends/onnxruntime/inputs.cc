#include "backends/onnxruntime/inputs.h"

#include <algorithm>

#include "backends/onnxruntime/strings.h"

namespace trident::ort {

using backend::RequestBatch;
using backend::ShapeText;

Inputs::Slot::Slot(const Model& model, const Session& session, TensorInfo tensor,
                   TRITONBACKEND_MemoryManager* manager)
    : info(std::move(tensor)),
      title(backend::StrCat(model.title(), ": input '", info.name, "'")),
      element_bytes(TRITONSERVER_DataTypeByteSize(info.datatype)),
      bound(model.runtime(), session.memory(info.place), info.type),
      scratch(info.place, manager) {
  for (const backend::TensorConfig& config : model.config().inputs) {
    if (config.name != info.name) continue;
    optional = config.optional;
    ragged = config.ragged;
  }
}

Inputs::Made::Made(const Session& session, const Runtime& runtime,
                   const backend::BatchInput& config, TRITONBACKEND_MemoryManager* manager)
    : config(config) {
  for (const std::string& name : config.targets) {
    const TensorInfo& info = *FindTensor(session.inputs(), name);
    targets.emplace_back(new Target{info,
                                    BoundTensor(runtime, session.memory(info.place), info.type),
                                    Scratch(info.place, manager)});
  }
  contents.reserve(64);  // an empty tensor needs an address, too
}

Inputs::Inputs(const Model& model, const Session& session, backend::BatchCopies* copies)
    : model_(model),
      copies_(*copies),
      batched_(model.config().batched()),
      fixed_addresses_(session.has_graphs()) {
  TRITONBACKEND_MemoryManager* const manager = copies->memory_manager();
  const auto add = [&](const TensorInfo& info) {
    slots_.push_back(std::make_unique<Slot>(model, session, info, manager));
  };
  for (const backend::BatchInput& config : model.config().batch_inputs) {
    made_.emplace_back(session, model.runtime(), config, manager);
  }
  for (const TensorInfo& info : session.inputs()) {
    const bool made = std::any_of(made_.begin(), made_.end(), [&](const Made& made) {
      const std::vector<std::string>& targets = made.config.targets;
      return std::find(targets.begin(), targets.end(), info.name) != targets.end();
    });
    if (!made) add(info);
  }
  for (const backend::TensorConfig& config : model.config().inputs) {
    const TensorInfo* info = FindTensor(session.overridable(), config.name);
    if (info != nullptr) add(*info);
  }
}

backend::SourceShape Inputs::ShapeOf(std::string_view input, size_t r) const {
  for (size_t s = 0; s < slots_.size(); ++s) {
    if (slots_[s]->info.name != input) continue;
    const Part& found = part(r, s);
    if (found.input != nullptr) return {found.shape, found.dims_count};
  }
  return {};
}

Status Inputs::Bind(RequestBatch* batch) {
  names_.clear();
  values_.clear();
  gathers_to_host_ = false;
  for (size_t s = 0; s < slots_.size(); ++s) {
    const Slot& slot = *slots_[s];
    if (part(order_.front(), s).input == nullptr) continue;
    BACKEND_RETURN_IF_ERROR(SetShape(s));
    const bool strings = slot.element_bytes == 0;
    BACKEND_RETURN_IF_ERROR(strings ? BindStrings(batch, s) : BindBlock(batch, s));
    names_.push_back(slot.info.name.c_str());
    values_.push_back(strings ? slot.strings : slot.bound.value());
  }
  for (Made& made : made_) BACKEND_RETURN_IF_ERROR(BindMade(&made));
  return gathers_to_host_ ? copies_.Synchronize() : copies_.Submit();
}

Status Inputs::SetShape(size_t s) {
  const Part& first = part(order_.front(), s);
  if (!slots_[s]->ragged) {
    shape_.assign(first.shape, first.shape + first.dims_count);
    if (batched_) shape_[0] = total_items_;
    return Status();
  }
  shape_.assign(1, 0);
  for (const size_t r : order_) {
    if (__builtin_add_overflow(shape_[0], part(r, s).elements, &shape_[0])) {
      return backend::InvalidArg(slots_[s]->title, ": the batch has more elements than can be ",
                                 "counted");
    }
  }
  return Status();
}

Status Inputs::BindMade(Made* made) {
  sources_.clear();
  for (const size_t r : order_) sources_.push_back(ShapeOf(made->config.source, r));
  BACKEND_RETURN_IF_ERROR(
      MakeBatchInput(made->config, batched_, sources_, &shape_, &made->contents));
  for (const auto& target : made->targets) {
    char* data = made->contents.data();
    const size_t bytes = made->contents.size();
    const backend::MemoryPlace place = target->info.place;
    if (place.on_device()) {
      BACKEND_RETURN_IF_ERROR(target->scratch.Ensure(bytes, &data));
      BACKEND_RETURN_IF_ERROR(copies_.Copy(data, place, made->contents.data(), {}, bytes));
    }
    BACKEND_RETURN_IF_ERROR(target->bound.Bind(data, bytes, shape_.data(), shape_.size()));
    names_.push_back(target->info.name.c_str());
    values_.push_back(target->bound.value());
  }
  return Status();
}

Status Inputs::BindBlock(RequestBatch* batch, size_t s) {
  Slot& slot = *slots_[s];
  uint64_t bytes = 0;
  for (const size_t r : order_) {
    if (__builtin_add_overflow(bytes, part(r, s).bytes, &bytes)) {
      return backend::InvalidArg(slot.title, ": the batch has more bytes than can be counted");
    }
  }
  // ONNX Runtime does not write its inputs.
  char* data = fixed_addresses_ ? nullptr : const_cast<char*>(CommonBlock(s));
  if (data == nullptr) {
    BACKEND_RETURN_IF_ERROR(slot.scratch.Ensure(BytesToKeep(bytes), &data));
    gathers_to_host_ = gathers_to_host_ || !slot.info.place.on_device();
    char* to = data;
    for (const size_t r : order_) {
      batch->Fail(r, CopyPart(slot, part(r, s), to));
      to += part(r, s).bytes;
    }
  }
  return slot.bound.Bind(data, bytes, shape_.data(), shape_.size());
}

uint64_t Inputs::BytesToKeep(uint64_t bytes) const {
  if (!fixed_addresses_ || !batched_) return bytes;
  return bytes / total_items_ * model_.config().max_batch_size;
}

const char* Inputs::CommonBlock(size_t s) const {
  const char* const begin = part(order_.front(), s).data;
  const char* end = begin;
  for (const size_t r : order_) {
    const Part& next = part(r, s);
    if (next.data == nullptr || next.data != end) return nullptr;
    end += next.bytes;
  }
  const Slot& slot = *slots_[s];
  if (!IsAligned(begin, slot.info.place, slot.element_bytes)) return nullptr;
  const bool joined = order_.size() > 1;
  return !joined || IsOneBlock(slot.info.place, begin, end - begin) ? begin : nullptr;
}

Status Inputs::BindStrings(RequestBatch* batch, size_t s) {
  Slot& slot = *slots_[s];
  const Runtime& runtime = model_.runtime();
  BACKEND_RETURN_IF_ERROR(CreateStrings(runtime, slot.title, shape_, &slot.strings));
  size_t element = 0;
  for (const size_t r : order_) {
    const Part& current = part(r, s);
    const char* data = current.data;
    if (data == nullptr) {
      char* gathered = nullptr;
      BACKEND_RETURN_IF_ERROR(slot.scratch.Ensure(current.bytes, &gathered));
      batch->Fail(r, CopyPart(slot, current, gathered));
      BACKEND_RETURN_IF_ERROR(copies_.Synchronize());  // it is read here, and the next one's place
      data = gathered;
    }
    if (!batch->failed(r)) {
      batch->Fail(r, FillStrings(runtime, slot.title, data, current.bytes, element,
                                 current.elements, slot.strings));
      copies_.Count(current.bytes);
    }
    element += current.elements;
  }
  return Status();
}

Status Inputs::CopyPart(const Slot& slot, const Part& part, char* to) {
  uint64_t left = part.bytes;
  for (uint32_t i = 0; i < part.buffer_count; ++i) {
    const void* from = nullptr;
    uint64_t bytes = 0;
    backend::MemoryPlace place;
    BACKEND_RETURN_IF_ERROR(
        TRITONBACKEND_InputBuffer(part.input, i, &from, &bytes, &place.type, &place.type_id));
    if (bytes > left) break;
    BACKEND_RETURN_IF_ERROR(copies_.Copy(to, slot.info.place, from, place, bytes));
    to += bytes;
    left -= bytes;
  }
  if (left == 0) return Status();
  return backend::Internal(slot.title, ": its ", part.buffer_count, " buffers do not hold its ",
                           part.bytes, " bytes");
}

void Inputs::Reset() {
  for (const auto& slot : slots_) {
    if (slot->strings == nullptr) continue;
    model_.runtime().api().ReleaseValue(slot->strings);
    slot->strings = nullptr;
  }
}

}  // namespace trident::ort
