#include <algorithm>

#include "backends/onnxruntime/model.h"
#include "backends/onnxruntime/tensor_memory.h"

namespace trident::ort {
namespace {

using backend::ModelConfig;

// Whether the largest batch of a tensor, of these dims without the batch dimension, has a size, and
// so has each smaller one.
bool HasOneSize(const ModelConfig& config, TRITONSERVER_DataType datatype, const int64_t* dims,
                size_t dims_count) {
  int64_t bytes = TRITONSERVER_DataTypeByteSize(datatype);  // 0 for BYTES
  const int64_t elements = ElementCount(dims, dims_count);
  return bytes > 0 && elements >= 0 && !__builtin_mul_overflow(bytes, elements, &bytes) &&
         !__builtin_mul_overflow(bytes, std::max<int64_t>(1, config.max_batch_size), &bytes);
}

// Whether the model file says how large the output is.
bool IsKnown(const Session& session, const ModelConfig& config, const std::string& name) {
  const TensorInfo& output = *FindTensor(session.outputs(), name);
  const size_t skipped = config.batched() ? 1 : 0;
  return config.FindBatchOutput(name) == nullptr && output.has_shape &&
         output.dims.size() >= skipped &&
         HasOneSize(config, output.datatype, output.dims.data() + skipped,
                    output.dims.size() - skipped);
}

Status Refuse(const ModelConfig& config, const std::string& tensor, const char* why) {
  return backend::InvalidArg("model '", config.name, "': CUDA graphs replay runs on tensors of ",
                             "one size for each batch size, on the GPU, but '", tensor, "' ", why);
}

// A recorded run is what the GPU did: what the host has read and written is not done again.
Status CheckPlaces(const Session& session, const ModelConfig& config) {
  for (const TensorInfo& input : session.inputs()) {
    if (!input.place.on_device()) return Refuse(config, input.name, "is read on the host");
  }
  for (const backend::TensorConfig& input : config.inputs) {
    if (FindTensor(session.inputs(), input.name) == nullptr) {
      return Refuse(config, input.name, "has a default in the model file");
    }
  }
  for (const TensorInfo& output : session.outputs()) {
    const bool used = config.FindStateOutput(output.name) != nullptr ||
                      std::any_of(config.outputs.begin(), config.outputs.end(),
                                  [&](const auto& listed) { return listed.name == output.name; });
    if (used && !output.place.on_device()) {
      return Refuse(config, output.name, "is written on the host");
    }
  }
  return Status();
}

}  // namespace

Status CheckGraphs(const Session& session, const ModelConfig& config) {
  constexpr const char* kVaries = "has none that is known before the run";
  for (const backend::TensorConfig& input : config.inputs) {
    if (input.optional) return Refuse(config, input.name, "is optional");
    if (input.ragged || !HasOneSize(config, input.datatype, input.dims.data(), input.dims.size())) {
      return Refuse(config, input.name, kVaries);
    }
  }
  for (const backend::SequenceState& state : config.sequence.states) {
    if (!HasOneSize(config, state.datatype, state.dims.data(), state.dims.size())) {
      return Refuse(config, state.input, kVaries);
    }
    if (!IsKnown(session, config, state.output)) return Refuse(config, state.output, kVaries);
  }
  if (!config.batch_inputs.empty()) {
    return Refuse(config, config.batch_inputs.front().targets.front(), "is made for each batch");
  }
  for (const backend::TensorConfig& output : config.outputs) {
    if (!IsKnown(session, config, output.name)) return Refuse(config, output.name, kVaries);
  }
  return CheckPlaces(session, config);
}

}  // namespace trident::ort
