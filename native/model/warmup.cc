#include "model/warmup.h"

#include <algorithm>
#include <random>

#include "base/checked.h"
#include "model/model_file.h"
#include "scheduler/sequence_policy.h"

namespace trident {
namespace {

// Beyond what any tensor of one item needs; a slip in dims must not take the machine's memory.
constexpr uint64_t kMaxInputBytes = uint64_t{16} << 30;

const ModelInput* FindInput(const ModelConfig& config, const std::string& name) {
  for (const ModelInput& input : config.input) {
    if (input.name == name) return &input;
  }
  return nullptr;
}

// The shape of a request for one item. Samples of a reshaped input may be written in either form.
Shape RequestShape(const ModelConfig& config, const ModelInput& input, const Shape& dims) {
  Shape shape = dims;
  const bool client_form = ShapeMatches(dims.data(), dims.size(), input.dims);
  if (!client_form && input.reshape &&
      ShapeMatches(dims.data(), dims.size(), input.reshape->shape)) {
    shape = Reshape(dims, 0, input.reshape->shape, input.dims);
  }
  if (config.max_batch_size > 0) shape.insert(shape.begin(), 1);
  return shape;
}

// Strings of no characters are all zeros, too.
std::shared_ptr<const std::string> Zeros(uint64_t byte_size) {
  return std::make_shared<const std::string>(byte_size, '\0');
}

std::shared_ptr<const std::string> Random(DataType datatype, uint64_t byte_size) {
  if (datatype == DataType::kBytes) return Zeros(byte_size);
  std::string bytes(byte_size, '\0');
  std::minstd_rand generator;  // the same data on every load
  for (char& byte : bytes) {
    byte = static_cast<char>(generator() >> 8);
    if (datatype == DataType::kBool) byte &= 1;
  }
  return std::make_shared<const std::string>(std::move(bytes));
}

}  // namespace

Result<Warmup> Warmup::Read(const ModelConfig& config, const std::string& model_directory) {
  Warmup out;
  for (const ModelWarmup& warmup : config.model_warmup) {
    if (warmup.batch_size == 0) continue;  // Triton's way to switch a sample off
    auto sample = ReadSample(config, warmup, model_directory);
    if (!sample.ok()) {
      return sample.status().WithPrefix(
          StrCat("model '", config.name, "': warmup sample '", warmup.name, "': "));
    }
    out.samples_.push_back(std::move(sample).value());
  }
  if (out.samples_.empty() || !config.sequence_batching) return out;
  TRIDENT_ASSIGN_OR_RETURN(SequencePolicy policy, MakeSequencePolicy(config, model_directory));
  out.states_ = std::move(policy.states);
  return out;
}

Result<Warmup::Sample> Warmup::ReadSample(const ModelConfig& config, const ModelWarmup& warmup,
                                          const std::string& model_directory) {
  const auto most = static_cast<uint32_t>(std::max(1, config.max_batch_size));
  if (warmup.batch_size > most) {
    return InvalidArg("batch_size is ", warmup.batch_size, "; the model takes at most ", most);
  }
  Sample sample{warmup.name, warmup.batch_size, std::max(1u, warmup.count), {}};
  for (const auto& [name, input] : warmup.inputs) {
    TRIDENT_ASSIGN_OR_RETURN(Input read, ReadInput(config, name, input, model_directory));
    sample.inputs.push_back(std::move(read));
  }
  return sample;
}

Result<DirectExecution::Input> Warmup::ReadInput(const ModelConfig& config, const std::string& name,
                                                 const WarmupInput& warmup,
                                                 const std::string& model_directory) {
  const bool negative = std::any_of(warmup.dims.begin(), warmup.dims.end(),
                                    [](const int64_t dim) { return dim < 0; });
  if (negative) {
    return InvalidArg(
        "warmup setting expects all variable-size dimensions are specified for input '", name, "'");
  }
  if (warmup.data_type == DataType::kInvalid) {
    return InvalidArg("input '", name, "' must have a data_type");
  }
  const ModelInput* of_model = FindInput(config, name);
  Input input{name, warmup.data_type, warmup.dims, of_model != nullptr, nullptr};
  if (of_model != nullptr) input.shape = RequestShape(config, *of_model, warmup.dims);
  const bool strings = warmup.data_type == DataType::kBytes;
  TRIDENT_ASSIGN_OR_RETURN(const uint64_t elements,
                           ElementCount(warmup.dims.data(), warmup.dims.size()));
  uint64_t byte_size = 0;
  if (!CheckedMultiply(elements, strings ? sizeof(uint32_t) : DataTypeByteSize(warmup.data_type),
                       &byte_size)) {
    return InvalidArg("the byte size of input '", name, "' overflows 64 bits");
  }
  if (byte_size > kMaxInputBytes) {
    return InvalidArg("input '", name, "' has ", byte_size, " bytes; at most ", kMaxInputBytes,
                      " are allowed");
  }
  if (warmup.zero_data) {
    input.bytes = Zeros(byte_size);
  } else if (warmup.random_data) {
    input.bytes = Random(warmup.data_type, byte_size);
  } else if (warmup.input_data_file) {
    TRIDENT_ASSIGN_OR_RETURN(const std::string path,
                             PathInside(model_directory + "/warmup", *warmup.input_data_file));
    TRIDENT_ASSIGN_OR_RETURN(std::string bytes, ReadWholeFile(path, kMaxInputBytes));
    if (!strings && bytes.size() < byte_size) {
      return InvalidArg("warmup setting expects ", byte_size, " bytes, but the data provided from ",
                        *warmup.input_data_file, " only has ", bytes.size(), " bytes");
    }
    if (!strings) bytes.resize(byte_size);
    input.bytes = std::make_shared<const std::string>(std::move(bytes));
  } else {
    return InvalidArg("warmup setting expects input '", name, "' to have input_data_type set");
  }
  return input;
}

Status Warmup::RunOnce(const std::shared_ptr<InferenceTarget>& model, ModelInstance* instance,
                       const Sample& sample) const {
  DirectExecution execution(model, states_);
  for (uint32_t i = 0; i < sample.batch_size; ++i) {
    TRIDENT_ASSIGN_OR_RETURN(InferenceRequest* const request, execution.Add(sample.inputs));
    TRIDENT_RETURN_IF_ERROR(request->PrepareAlone());
  }
  return execution.Run(instance);
}

Status Warmup::Run(const std::shared_ptr<InferenceTarget>& model, ModelInstance* instance) const {
  for (const Sample& sample : samples_) {
    for (uint32_t turn = 0; turn < sample.count; ++turn) {
      const Status status = RunOnce(model, instance, sample);
      if (!status.ok()) {
        return status.WithPrefix(StrCat("failed to run warmup sample '", sample.name, "': "));
      }
    }
  }
  return Status::Ok();
}

}  // namespace trident
