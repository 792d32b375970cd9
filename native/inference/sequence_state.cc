#include "inference/sequence_state.h"

#include <algorithm>
#include <cstring>
#include <new>

#include "inference/copy_buffer.h"

namespace trident {
namespace {

bool IsWhere(const BufferAttributes& wished, const BufferAttributes& there) {
  const bool on_device = there.memory_type == MemoryType::kGpu;
  if (wished.memory_type != MemoryType::kGpu) return !on_device;
  return on_device && there.memory_type_id == wished.memory_type_id;
}

}  // namespace

StateTensor::StateTensor(const StateSpec& spec) : spec_(spec), same_buffer_(spec.same_buffer) {
  current_.datatype = spec.datatype;
  current_.shape = spec.shape;
  const uint64_t byte_size = spec.initial->size();
  current_.attributes.byte_size = byte_size;
  if (!same_buffer_) {
    current_.memory = {spec.initial, const_cast<char*>(spec.initial->data())};
    current_.constant = true;
    return;
  }
  if (spec.growable) {
    auto reserved = GrowableMemory::Reserve(std::max(kGrowableStateCapacity, byte_size));
    if (reserved.ok()) {
      growable_ = std::move(reserved).value();
      current_.memory = {growable_, growable_->data()};
    }
  }
  if (current_.memory == nullptr) {
    Result<OwnedBuffer> buffer = AllocateBuffer(byte_size);
    if (!buffer.ok()) throw std::bad_alloc();
    current_.memory = std::move(buffer->memory);
  }
  memcpy(current_.memory.get(), spec.initial->data(), byte_size);
}

StateTensor::StateTensor(const StateTensor& real, std::shared_ptr<const void> zeros)
    : spec_(real.spec_), same_buffer_(false) {
  current_.datatype = real.current_.datatype;
  current_.shape = real.current_.shape;
  current_.attributes.byte_size = real.zero_bytes();
  current_.memory = std::const_pointer_cast<void>(std::move(zeros));
  current_.constant = true;
}

uint64_t StateTensor::zero_bytes() const {
  if (current_.datatype != DataType::kBytes) return current_.attributes.byte_size;
  const auto elements = ElementCount(current_.shape.data(), current_.shape.size());
  return elements.ok() ? *elements * sizeof(uint32_t) : 0;  // as many empty strings
}

std::shared_ptr<InputTensor> StateTensor::CurrentInput() {
  if (current_.tensor == nullptr) {
    current_.tensor =
        std::make_shared<InputTensor>(spec_.input_name, current_.datatype, current_.shape);
    current_.tensor->Own(current_.memory, {current_.memory.get(), current_.attributes});
  }
  return current_.tensor;
}

Status StateTensor::Describe(DataType datatype, Shape shape) {
  if (shape.size() > kMaxRank) {
    return InvalidArg("state '", spec_.output_name, "' has rank ", shape.size(), "; at most ",
                      kMaxRank, " is allowed");
  }
  TRIDENT_RETURN_IF_ERROR(ElementCount(shape.data(), shape.size()).status());
  if (datatype != next_.datatype || shape != next_.shape) next_.tensor = nullptr;
  next_.datatype = datatype;
  next_.shape = std::move(shape);
  buffered_ = false;
  return Status::Ok();
}

Result<uint64_t> StateTensor::DescribedBytes() const {
  return TensorByteSize(next_.datatype, next_.shape.data(), next_.shape.size());
}

Status StateTensor::Reallocate(uint64_t byte_size, const BufferAttributes& wished) {
  TRIDENT_ASSIGN_OR_RETURN(OwnedBuffer buffer, AllocateBuffer(byte_size, wished, pools_));
  if (spec_.growable && same_buffer_) {
    TRIDENT_RETURN_IF_ERROR(CopyBuffer(buffer.memory.get(), buffer.attributes,
                                       current_.memory.get(), current_.attributes,
                                       std::min(byte_size, current_.attributes.byte_size)));
  }
  next_.memory = std::move(buffer.memory);
  next_.attributes = buffer.attributes;
  next_.tensor = nullptr;
  return Status::Ok();
}

Status StateTensor::Buffer(uint64_t byte_size, void** data, BufferAttributes* attributes) {
  if (next_.datatype != DataType::kBytes) {
    TRIDENT_ASSIGN_OR_RETURN(const uint64_t expected, DescribedBytes());
    if (byte_size != expected) {
      return InvalidArg("state '", spec_.output_name, "' with datatype ",
                        DataTypeName(next_.datatype), " and shape ", ShapeToString(next_.shape),
                        " has ", expected, " bytes; the backend asked for ", byte_size);
    }
  }
  // Asked once more the backend may be writing already, wherever that is.
  const bool again =
      buffered_ && next_.attributes.byte_size == byte_size && IsWhere(*attributes, wished_);
  wished_ = *attributes;
  if (again) {
    // Nothing changes.
  } else if (same_buffer_) {
    if (growable_ != nullptr && byte_size > growable_->capacity()) {
      return Unavailable("state '", spec_.output_name, "' can't grow to ", byte_size,
                         " bytes; its growable memory has ", growable_->capacity());
    }
    if (growable_ != nullptr || byte_size == current_.attributes.byte_size) {
      next_.memory = current_.memory;
      next_.attributes = current_.attributes;
      next_.attributes.byte_size = byte_size;
      next_.tensor = nullptr;
    } else {
      TRIDENT_RETURN_IF_ERROR(Reallocate(byte_size, *attributes));
    }
  } else if (next_.memory == nullptr || next_.attributes.byte_size != byte_size ||
             !IsWhere(*attributes, next_.attributes)) {
    TRIDENT_RETURN_IF_ERROR(Reallocate(byte_size, *attributes));
  }
  buffered_ = true;
  *data = next_.memory.get();
  *attributes = next_.attributes;
  return Status::Ok();
}

Result<BufferAttributes*> StateTensor::attributes() {
  if (!buffered_) return InvalidArg("state '", spec_.output_name, "' has no buffer yet");
  return &next_.attributes;
}

Status StateTensor::Update() {
  if (!buffered_) return InvalidArg("state '", spec_.output_name, "' has no buffer to update from");
  buffered_ = false;
  updated_ = true;
  std::swap(current_, next_);
  // What other sequences share is not for writing.
  if (next_.constant || same_buffer_) next_ = {};
  return Status::Ok();
}

Status StateTensor::ResumeFrom(InputTensor* input) {
  if (!same_buffer_) return Status::Ok();
  const uint64_t byte_size = input->byte_size();
  if (growable_ == nullptr) {
    TRIDENT_ASSIGN_OR_RETURN(OwnedBuffer buffer, AllocateBuffer(byte_size));
    current_.memory = std::move(buffer.memory);
  } else if (byte_size > growable_->capacity()) {
    return Unavailable("state '", spec_.output_name, "' has ", byte_size,
                       " bytes; its growable memory has ", growable_->capacity());
  }
  current_.attributes.byte_size = byte_size;
  current_.datatype = input->datatype();
  current_.shape = input->shape();
  TRIDENT_RETURN_IF_ERROR(CopyBlocks(input->buffers(), current_.memory.get(), current_.attributes));
  input->Own(current_.memory, {current_.memory.get(), current_.attributes});
  return Status::Ok();
}

Result<std::shared_ptr<SequenceStates>> SequenceStates::Resume(
    std::shared_ptr<const StateSpecs> specs, const InferenceRequest& request) {
  const std::shared_ptr<SequenceStates> states = Begin(std::move(specs));
  for (const auto& state : states->states_) {
    for (const auto& input : request.inputs()) {
      if (input->name() != state->spec().input_name) continue;
      TRIDENT_RETURN_IF_ERROR(state->ResumeFrom(input.get()));
    }
  }
  return states;
}

std::shared_ptr<SequenceStates> SequenceStates::Begin(std::shared_ptr<const StateSpecs> specs) {
  std::shared_ptr<SequenceStates> states(new SequenceStates(std::move(specs)));
  states->states_.reserve(states->specs_->size());
  for (const StateSpec& spec : *states->specs_) {
    states->states_.push_back(std::make_unique<StateTensor>(spec));
  }
  return states;
}

std::shared_ptr<SequenceStates> SequenceStates::MakeNull(std::shared_ptr<const void> zeros) const {
  std::shared_ptr<SequenceStates> dummies(new SequenceStates(specs_));
  dummies->states_.reserve(states_.size());
  for (const auto& state : states_) {
    dummies->states_.push_back(std::make_unique<StateTensor>(*state, zeros));
  }
  return dummies;
}

uint64_t SequenceStates::largest_state() const {
  uint64_t largest = 0;
  for (const auto& state : states_) largest = std::max(largest, state->zero_bytes());
  return largest;
}

void SequenceStates::Attach(const std::shared_ptr<SequenceStates>& states,
                            InferenceRequest* request) {
  const std::shared_ptr<MemoryPools> pools = request->target()->memory_pools();
  for (const auto& state : states->states_) {
    state->set_pools(pools);
    request->AddOverrideInput(state->CurrentInput());
  }
  request->states = states;
}

Result<StateTensor*> SequenceStates::Find(const std::string& output_name) {
  for (const auto& state : states_) {
    if (state->spec().output_name == output_name) return state.get();
  }
  return InvalidArg("state '", output_name, "' is not a valid state name");
}

bool SequenceStates::SameForm(const SequenceStates& other) const {
  for (size_t i = 0; i < states_.size(); ++i) {
    if (!(*specs_)[i].variable) continue;
    if (states_[i]->current_shape() != other.states_[i]->current_shape()) return false;
  }
  return true;
}

}  // namespace trident
