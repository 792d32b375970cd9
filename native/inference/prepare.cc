// Is this request legal for its model? Each check names request, input, expected and found.

#include <algorithm>
#include <cstring>

#include "base/checked.h"
#include "inference/copy_buffer.h"
#include "inference/request.h"

namespace trident {
namespace {

// Reads across the buffers of an input as if they were one.
class BufferReader {
 public:
  explicit BufferReader(const std::vector<ConstBuffer>& buffers) : buffers_(buffers) {}

  uint64_t Remaining(uint64_t total) const { return total - consumed_; }

  void Read(void* to, uint64_t count) {
    auto* out = static_cast<char*>(to);
    while (count > 0) {
      const ConstBuffer& buffer = buffers_[index_];
      const uint64_t take = std::min(count, buffer.attributes.byte_size - offset_);
      if (out != nullptr) {
        memcpy(out, static_cast<const char*>(buffer.data) + offset_, take);
        out += take;
      }
      count -= take;
      consumed_ += take;
      offset_ += take;
      if (offset_ == buffer.attributes.byte_size) {
        ++index_;
        offset_ = 0;
      }
    }
  }

 private:
  const std::vector<ConstBuffer>& buffers_;
  size_t index_ = 0;
  uint64_t offset_ = 0;
  uint64_t consumed_ = 0;
};

// BYTES: every element is a little-endian uint32 length followed by that many bytes.
Status CheckBytesElements(const std::string& name, const std::vector<ConstBuffer>& buffers,
                          uint64_t byte_size, uint64_t expected) {
  // Backends trust the lengths that they read, wherever they read them.
  if (!OnHost(buffers)) {
    TRIDENT_ASSIGN_OR_RETURN(const OwnedBuffer copy, AllocateBuffer(byte_size));
    const Status copied = CopyBlocks(buffers, copy.memory.get(), copy.attributes);
    if (!copied.ok()) return copied.WithPrefix(StrCat("can't read input '", name, "': "));
    return CheckBytesElements(name, {{copy.memory.get(), copy.attributes}}, byte_size, expected);
  }
  BufferReader reader(buffers);
  uint64_t found = 0;
  while (reader.Remaining(byte_size) > 0) {
    uint32_t length = 0;
    if (reader.Remaining(byte_size) < sizeof(length)) {
      return InvalidArg("input '", name, "' has an incomplete length indicator for string ",
                        "element ", found);
    }
    reader.Read(&length, sizeof(length));
    if (reader.Remaining(byte_size) < length) {
      return InvalidArg("input '", name, "': string element ", found, " claims ", length,
                        " bytes; only ", reader.Remaining(byte_size), " are left");
    }
    reader.Read(nullptr, length);
    ++found;
    if (found > expected) break;
  }
  if (found != expected) {
    return InvalidArg("input '", name, "' expects ", expected, " string elements; found ",
                      found > expected ? "more" : std::to_string(found));
  }
  return Status::Ok();
}

std::string ExpectedShape(const ModelSignature& model, const TensorSpec& spec) {
  Shape shape = spec.dims;
  if (model.batching()) shape.insert(shape.begin(), -1);
  return ShapeToString(shape);
}

}  // namespace

Status InferenceRequest::CheckInputNames() const {
  const ModelSignature& model = target_->signature();
  for (const auto& input : inputs_) {
    if (!input->raw_ && !ModelSignature::Find(model.inputs, input->name())) {
      return InvalidArg("unexpected inference input '", input->name(), "' for model '", model.name,
                        "'");
    }
  }
  for (const std::string& output : requested_outputs_) {
    if (!ModelSignature::Find(model.outputs, output)) {
      return InvalidArg("unexpected inference output '", output, "' for model '", model.name, "'");
    }
  }
  std::string missing;
  for (const TensorSpec& spec : model.inputs) {
    bool given = spec.optional;
    for (const auto& input : inputs_) given = given || input->raw_ || input->name() == spec.name;
    if (!given) missing += (missing.empty() ? "'" : ", '") + spec.name + "'";
  }
  if (!missing.empty()) {
    return InvalidArg("model '", model.name, "' expects ", model.inputs.size(), " inputs but got ",
                      inputs_.size(), "; missing required input(s) ", missing);
  }
  return Status::Ok();
}

Status InferenceRequest::DeduceRawInput(InputTensor* input) const {
  const ModelSignature& model = target_->signature();
  if (model.inputs.size() != 1) {  // it had one when the request was made
    return InvalidArg("raw input '", input->name_, "' needs a model with one input; model '",
                      model.name, "' has ", model.inputs.size());
  }
  const TensorSpec& spec = model.inputs.front();
  Shape shape = spec.dims;
  if (model.batching()) shape.insert(shape.begin(), 1);
  int64_t* variable = nullptr;
  uint64_t known = 1;
  for (int64_t& dim : shape) {
    if (dim != -1) {
      known *= static_cast<uint64_t>(dim);
    } else if (variable != nullptr) {
      return InvalidArg("shape of raw input '", spec.name,
                        "' can not be deduced because it has more than one variable dimension");
    } else {
      variable = &dim;
    }
  }
  if (spec.datatype == DataType::kBytes) {
    if (variable != nullptr) *variable = 1;
    if (known != 1) {
      return InvalidArg("raw input '", spec.name, "' with datatype BYTES must have one element");
    }
  } else if (variable != nullptr) {
    const uint64_t unit = known * DataTypeByteSize(spec.datatype);
    if (unit == 0 || input->byte_size() % unit != 0) {
      return InvalidArg("byte size ", input->byte_size(), " of raw input '", spec.name,
                        "' is no multiple of ", unit);
    }
    *variable = static_cast<int64_t>(input->byte_size() / unit);
  }
  input->deduced_name_ = spec.name;
  input->datatype_ = spec.datatype;
  input->shape_ = std::move(shape);
  return Status::Ok();
}

// The data for everybody, unless there is only data for host policies, and that for each of them.
template <typename Check>
Status InferenceRequest::CheckAllBuffers(const InputTensor& input, const Check& check) {
  if (!input.buffers_.empty() || input.host_policy_buffers_.empty()) {
    TRIDENT_RETURN_IF_ERROR(check(input.buffers_, input.byte_size_));
  }
  for (const auto& [policy, buffers] : input.host_policy_buffers_) {
    uint64_t bytes = 0;  // AppendForHostPolicy has checked the sum
    for (const ConstBuffer& buffer : buffers) bytes += buffer.attributes.byte_size;
    TRIDENT_RETURN_IF_ERROR(check(buffers, bytes));
  }
  return Status::Ok();
}

Status InferenceRequest::CheckInput(InputTensor* input, const TensorSpec& spec) {
  const ModelSignature& model = target_->signature();
  if (input->datatype_ != spec.datatype) {
    return InvalidArg("inference input '", spec.name, "' data-type is '",
                      DataTypeName(input->datatype_), "', but model '", model.name, "' expects '",
                      DataTypeName(spec.datatype), "'");
  }
  const int64_t* dims = input->shape_.data();
  size_t rank = input->shape_.size();
  if (model.batching()) {
    if (rank == 0) {
      return InvalidArg("input '", spec.name, "' has no shape but model '", model.name,
                        "' requires a batch dimension");
    }
    ++dims;
    --rank;
  }
  for (const int64_t dim : input->shape_) {
    if (dim < 0) {
      return InvalidArg("all dimensions of input '", spec.name, "' for model '", model.name,
                        "' must be given and not negative; got ", ShapeToString(input->shape_));
    }
  }
  if (!ShapeMatches(dims, rank, spec.dims)) {
    return InvalidArg("unexpected shape for input '", spec.name, "' for model '", model.name,
                      "'. Expected ", ExpectedShape(model, spec), ", got ",
                      ShapeToString(input->shape_),
                      model.batching() ? " (the first dimension is the batch)" : "");
  }
  input->reshaped_.reset();
  if (spec.reshape) {
    input->reshaped_ = Reshape(input->shape_, model.batching() ? 1 : 0, spec.dims, *spec.reshape);
  }
  if (spec.datatype == DataType::kBytes) {
    TRIDENT_ASSIGN_OR_RETURN(const uint64_t elements,
                             ElementCount(input->shape_.data(), input->shape_.size()));
    return CheckAllBuffers(*input, [&](const std::vector<ConstBuffer>& buffers, uint64_t bytes) {
      return CheckBytesElements(input->name(), buffers, bytes, elements);
    });
  }
  if (input->host_policy_buffers_.empty() &&
      HasByteSize(spec.datatype, input->shape_.data(), input->shape_.size(), input->byte_size_)) {
    return Status::Ok();
  }
  const auto expected = TensorByteSize(spec.datatype, input->shape_.data(), input->shape_.size());
  if (!expected.ok()) return expected.status().WithPrefix(StrCat("input '", spec.name, "': "));
  return CheckAllBuffers(*input, [&](const std::vector<ConstBuffer>&, uint64_t bytes) {
    if (bytes == *expected) return Status::Ok();
    return InvalidArg("input byte size mismatch for input '", spec.name, "' for model '",
                      model.name, "'. Expected ", *expected, ", got ", bytes);
  });
}

Status InferenceRequest::PrepareAlone() {
  const ModelSignature& model = target_->signature();
  for (const auto& input : inputs_) {
    const auto index = ModelSignature::Find(model.inputs, input->name());
    if (!index) return InvalidArg("model '", model.name, "' has no input '", input->name(), "'");
    TRIDENT_RETURN_IF_ERROR(CheckInput(input.get(), model.inputs[*index]));
  }
  batch_size_ = 1;
  prepared_ = false;  // not all that Prepare checks
  return Status::Ok();
}

Status InferenceRequest::CheckScheduledInput(InputTensor* input) const {
  const ModelSignature& model = target_->signature();
  input->reshaped_.reset();
  const Shape& shape = input->shape_;
  if (const auto index = ModelSignature::Find(model.inputs, input->name_)) {
    const TensorSpec& spec = model.inputs[*index];
    const size_t leading = model.batching() ? 1 : 0;
    const bool fits = shape.size() >= leading &&
                      ShapeMatches(shape.data() + leading, shape.size() - leading, spec.dims);
    if (input->datatype_ != spec.datatype || !fits) {
      return InvalidArg("input '", input->name_, "' of a batch for model '", model.name, "' is ",
                        DataTypeName(input->datatype_), " ", ShapeToString(shape),
                        ", which its backend doesn't take");
    }
  }
  if (input->raw_ || input->varies_by_host_policy()) {
    return InvalidArg("input '", input->name_, "' of a batch must have its form and one value");
  }
  if (input->datatype_ == DataType::kBytes) {
    TRIDENT_ASSIGN_OR_RETURN(const uint64_t elements, ElementCount(shape.data(), shape.size()));
    return CheckBytesElements(input->name_, input->buffers_, input->byte_size_, elements);
  }
  const auto expected = TensorByteSize(input->datatype_, shape.data(), shape.size());
  if (!expected.ok()) {
    return expected.status().WithPrefix(StrCat("input '", input->name_, "': "));
  }
  if (input->byte_size_ == *expected) return Status::Ok();
  return InvalidArg("input '", input->name_, "' of a batch for model '", model.name, "' has ",
                    input->byte_size_, " bytes; expected ", *expected);
}

Status InferenceRequest::PrepareScheduled() {
  if (!on_release) return InvalidArg(LogPrefix(), "the request has no release callback");
  if (sink == nullptr) sink = NullRequestSink();
  is_null = sink == NullRequestSink();
  const ModelSignature& model = target_->signature();
  for (const std::string& output : requested_outputs_) {
    if (!ModelSignature::Find(model.outputs, output)) {
      return InvalidArg(LogPrefix(), "unexpected inference output '", output, "' for model '",
                        model.name, "'");
    }
  }
  std::optional<int64_t> items;
  for (const auto& input : inputs_) {
    const Status fit = CheckScheduledInput(input.get());
    if (!fit.ok()) return fit.WithPrefix(LogPrefix());
    if (!model.batching() || !ModelSignature::Find(model.inputs, input->name_)) continue;
    if (items.value_or(input->shape_[0]) != input->shape_[0]) {
      return InvalidArg(LogPrefix(), "input '", input->name_, "' of a batch for model '",
                        model.name, "' has batch size ", input->shape_[0],
                        "; other inputs of its request have ", *items);
    }
    items = input->shape_[0];
  }
  batch_size_ = static_cast<uint32_t>(items.value_or(1));
  prepared_ = false;  // not all that Prepare checks
  return Status::Ok();
}

bool InferenceRequest::IsPrepared() const {
  return prepared_ && std::none_of(inputs_.begin(), inputs_.end(),
                                   [](const auto& input) { return input->changed_; });
}

Status InferenceRequest::Prepare() {
  const ModelSignature& model = target_->signature();
  const auto fail = [&](const Status& status) { return status.WithPrefix(LogPrefix()); };

  if (sink == nullptr || !on_release) {
    return fail(
        InvalidArg("request for model '", model.name, "' has no response or no release callback"));
  }
  if (IsPrepared()) return Status::Ok();
  if (Status status = CheckInputNames(); !status.ok()) return fail(status);
  if (inputs_.size() == 1 && inputs_.front()->raw_) {
    if (Status status = DeduceRawInput(inputs_.front().get()); !status.ok()) return fail(status);
  }
  uint64_t batch_size = 0;
  for (const auto& input : inputs_) {
    const TensorSpec& spec = model.inputs[*ModelSignature::Find(model.inputs, input->name())];
    if (Status status = CheckInput(input.get(), spec); !status.ok()) return fail(status);
    if (!model.batching()) continue;
    const auto items = static_cast<uint64_t>(input->shape_[0]);
    if (input != inputs_.front() && items != batch_size) {
      return fail(InvalidArg("input '", spec.name, "' batch size ", items,
                             " does not match that of other inputs, ", batch_size, ", for model '",
                             model.name, "'"));
    }
    batch_size = items;
  }
  if (batch_size > model.max_batch_size) {
    return fail(InvalidArg("inference request batch-size must be <= ", model.max_batch_size,
                           " for model '", model.name, "'; got ", batch_size));
  }
  batch_size_ = batch_size > 0 ? static_cast<uint32_t>(batch_size) : 1;
  prepared_ = true;
  // The same memory may hold other strings next time.
  for (const auto& input : inputs_) input->changed_ = input->datatype_ == DataType::kBytes;
  return Status::Ok();
}

}  // namespace trident
