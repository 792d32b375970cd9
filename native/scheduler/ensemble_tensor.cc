#include "scheduler/ensemble_tensor.h"

#include <algorithm>
#include <cstring>
#include <new>

#include "scheduler/sequence_controls.h"

namespace trident {
namespace {

// What vector instructions and most devices like best.
constexpr std::align_val_t kAlignment{64};

}  // namespace

Result<std::shared_ptr<TensorMemory>> TensorMemory::Allocate(uint64_t byte_size) {
  OutputBuffer buffer;
  buffer.attributes.byte_size = byte_size;
  if (byte_size <= PTRDIFF_MAX) {
    buffer.data = operator new(std::max<uint64_t>(byte_size, 1), kAlignment, std::nothrow);
  }
  if (buffer.data == nullptr) return Unavailable("no memory for a tensor of ", byte_size, " bytes");
  return std::make_shared<TensorMemory>(nullptr, buffer);
}

TensorMemory::~TensorMemory() {
  if (sink_ == nullptr) {
    operator delete(buffer_.data, kAlignment);
  } else if (!taken_over_) {
    sink_->Free(buffer_);
  }
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

Status CopyBytes(const EnsembleTensor& tensor, void* to) {
  if (tensor.input == nullptr) {
    if (tensor.byte_size > 0) memcpy(to, tensor.memory->buffer().data, tensor.byte_size);
    return Status::Ok();
  }
  auto* out = static_cast<char*>(to);
  for (const ConstBuffer& buffer : tensor.input->buffers()) {
    if (buffer.attributes.memory_type == MemoryType::kGpu) {
      return Unsupported(
          "input '", tensor.input->name(),
          "' is an output of the ensemble, too, and can't be copied from GPU memory");
    }
    memcpy(out, buffer.data, buffer.attributes.byte_size);
    out += buffer.attributes.byte_size;
  }
  return Status::Ok();
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
