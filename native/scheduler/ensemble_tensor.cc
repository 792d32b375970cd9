#include "scheduler/ensemble_tensor.h"

#include <utility>

#include "scheduler/sequence_controls.h"

namespace trident {
TensorMemory::TensorMemory(OwnedBuffer own)
    : own_(std::move(own)), buffer_{own_.memory.get(), nullptr, own_.attributes} {}

TensorMemory::~TensorMemory() {
  if (sink_ != nullptr && !taken_over_) sink_->Free(buffer_);
}

Shape ShapeFor(const EnsembleTensor& tensor, const Shape& dims, bool batching) {
  const Shape& shape = tensor.shape;
  if (batching == (tensor.batch_size > 0)) return shape;
  const bool fits = ShapeMatches(shape.data(), shape.size(), dims);
  if (batching && fits) {
    Shape with_batch = {1};
    with_batch.insert(with_batch.end(), shape.begin(), shape.end());
    return with_batch;
  }
  if (!batching && !fits && tensor.batch_size == 1) return Shape(shape.begin() + 1, shape.end());
  // Otherwise the shape says the batch dimension openly, or the reader's checks refuse it.
  return shape;
}

Status AddAsInput(const std::shared_ptr<const EnsembleTensor>& tensor, const TensorSpec& spec,
                  bool batching, InferenceRequest* request) {
  TRIDENT_ASSIGN_OR_RETURN(
      InputTensor* const added,
      request->AddInput(spec.name, tensor->datatype, ShapeFor(*tensor, spec.dims, batching)));
  if (tensor->input != nullptr) {
    for (const ConstBuffer& buffer : tensor->input->buffers()) {
      TRIDENT_RETURN_IF_ERROR(added->Append(buffer));
    }
    for (const auto& [policy, buffers] : tensor->input->host_policy_buffers()) {
      for (const ConstBuffer& buffer : buffers) {
        TRIDENT_RETURN_IF_ERROR(added->AppendForHostPolicy(policy, buffer));
      }
    }
  } else if (tensor->byte_size > 0) {
    const OutputBuffer& buffer = tensor->memory->buffer();
    ConstBuffer bytes{buffer.data, buffer.attributes};
    bytes.attributes.byte_size = tensor->byte_size;
    added->Own(tensor->memory, bytes);
  }
  return Status::Ok();
}

BufferAttributes PlaceOf(const EnsembleTensor& tensor) {
  if (tensor.memory != nullptr) return tensor.memory->buffer().attributes;
  const bool none = tensor.input == nullptr || tensor.input->buffers().empty();
  return none ? BufferAttributes{} : tensor.input->buffers().front().attributes;
}

Status CopyBytes(const EnsembleTensor& tensor, const OutputBuffer& to) {
  if (tensor.input != nullptr) return CopyBlocks(tensor.input->buffers(), to.data, to.attributes);
  if (tensor.memory == nullptr) return Status::Ok();
  const OutputBuffer& from = tensor.memory->buffer();
  return CopyBuffer(to.data, to.attributes, from.data, from.attributes, tensor.byte_size);
}

Result<std::optional<SequencePlace>> ReadPlace(const std::vector<Parameter>& parameters,
                                               const SequencePlace& before) {
  std::optional<SequencePlace> place;
  const auto said = [&]() -> SequencePlace& {
    // A response that speaks of its place says all of the flags; the id may stay as it was.
    if (!place) place = SequencePlace{before.id, 0};
    return *place;
  };
  for (const Parameter& parameter : parameters) {
    const bool start = parameter.name == "sequence_start";
    if (parameter.name == "sequence_id") {
      if (parameter.type == ParameterType::kInt) {
        said().id = {false, static_cast<uint64_t>(parameter.int_value), ""};
      } else if (parameter.type == ParameterType::kString) {
        said().id = {true, 0, parameter.string_value};
      } else {
        return InvalidArg(
            "expected parameter 'sequence_id' to be TRITONSERVER_PARAMETER_INT or "
            "TRITONSERVER_PARAMETER_STRING");
      }
    } else if (start || parameter.name == "sequence_end") {
      if (parameter.type != ParameterType::kBool) {
        return InvalidArg("expect parameter '", parameter.name,
                          "' to be TRITONSERVER_PARAMETER_BOOL");
      }
      SequencePlace& spoken = said();
      if (parameter.bool_value) spoken.flags |= start ? kSequenceStart : kSequenceEnd;
    }
  }
  return place;
}

void WritePlace(const SequencePlace& place, std::vector<Parameter>* parameters) {
  parameters->push_back(place.id.is_string
                            ? Parameter::String("sequence_id", place.id.text)
                            : Parameter::Int("sequence_id", static_cast<int64_t>(place.id.number)));
  parameters->push_back(Parameter::Bool("sequence_start", (place.flags & kSequenceStart) != 0));
  parameters->push_back(Parameter::Bool("sequence_end", (place.flags & kSequenceEnd) != 0));
}

}  // namespace trident
