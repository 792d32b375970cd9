#include <algorithm>

#include "backends/onnxruntime/model.h"

namespace trident::ort {
namespace {

using backend::ModelConfig;
using backend::ShapeText;
using backend::TensorConfig;

std::string Names(const std::vector<TensorInfo>& infos) {
  std::string names;
  for (const TensorInfo& info : infos) names += (names.empty() ? "'" : ", '") + info.name + "'";
  return names;
}

// A variable dimension of the file takes any of the configuration's; a fixed one only itself.
bool DimsAgree(const std::vector<int64_t>& file, const TensorConfig& config, bool batched) {
  const size_t skipped = batched ? 1 : 0;
  if (file.size() != config.dims.size() + skipped) return false;
  if (batched && file[0] != -1) return false;
  return std::equal(config.dims.begin(), config.dims.end(), file.begin() + skipped,
                    [](int64_t wanted, int64_t has) { return has == -1 || has == wanted; });
}

std::string Title(const ModelConfig& config, const char* kind, const TensorConfig& tensor) {
  return backend::StrCat("model '", config.name, "': ", kind, " '", tensor.name);
}

// Whether the file has the tensor, with this datatype.
Status CheckType(const ModelConfig& config, const char* kind, const TensorConfig& tensor,
                 const TensorInfo* info, const std::vector<TensorInfo>& infos) {
  const std::string title = Title(config, kind, tensor);
  if (info == nullptr) {
    return backend::InvalidArg(title, "' is not in the model file, which has ", Names(infos));
  }
  if (info->datatype == TRITONSERVER_TYPE_INVALID) {
    return backend::Unsupported(title, "' has ONNX type ", info->type_text,
                                ", for which there is no Triton datatype");
  }
  if (info->datatype != tensor.datatype) {
    return backend::InvalidArg(title, "': expected ", backend::ConfigNameOf(info->datatype),
                               " as in the model file, found ",
                               backend::ConfigNameOf(tensor.datatype), " in the configuration");
  }
  return Status();
}

Status CheckTensor(const ModelConfig& config, const char* kind, const TensorConfig& tensor,
                   const TensorInfo* info, const std::vector<TensorInfo>& infos) {
  BACKEND_RETURN_IF_ERROR(CheckType(config, kind, tensor, info, infos));
  if (info->has_shape && !DimsAgree(info->dims, tensor, config.batched())) {
    return backend::InvalidArg(
        Title(config, kind, tensor), "': expected dims that fit ", ShapeText(info->dims),
        " of the model file, found ", ShapeText(tensor.dims),
        config.batched() ? " after a batch dimension, which must be variable" : "",
        " in the configuration");
  }
  return Status();
}

Status CheckInput(const Session& session, const ModelConfig& config, const TensorConfig& input) {
  const std::string title = backend::StrCat("model '", config.name, "': input '", input.name, "'");
  const TensorInfo* info = FindTensor(session.inputs(), input.name);
  if (input.optional) {
    // As in Triton: only where a default in the model file can take its place, and only alone.
    if (info != nullptr) {
      return backend::InvalidArg(title, " is optional, but the model file has no default for it");
    }
    if (config.batched() || input.ragged) {
      return backend::InvalidArg(title, " is optional, which is not supported ",
                                 config.batched() ? "with batching (max_batch_size > 0)"
                                                  : "together with allow_ragged_batch");
    }
  }
  if (info == nullptr) info = FindTensor(session.overridable(), input.name);
  if (!input.ragged) return CheckTensor(config, "input", input, info, session.inputs());
  if (info != nullptr && info->has_shape && (info->dims.size() != 1 || info->dims[0] != -1)) {
    return backend::InvalidArg(title, " allows ragged batches: expected shape [-1] in the model ",
                               "file, found ", ShapeText(info->dims));
  }
  return CheckType(config, "input", input, info, session.inputs());
}

Status CheckOutput(const Session& session, const ModelConfig& config, const TensorConfig& output) {
  const TensorInfo* info = FindTensor(session.outputs(), output.name);
  // What is scattered to the requests has any shape in the model file.
  const bool scattered = config.FindBatchOutput(output.name) != nullptr;
  const auto check = scattered ? CheckType : CheckTensor;
  BACKEND_RETURN_IF_ERROR(check(config, "output", output, info, session.outputs()));
  if (!scattered) return Status();
  const std::string title = Title(config, "batch output", output);
  if (output.datatype == TRITONSERVER_TYPE_BYTES) {
    return backend::Unsupported(title, "' has TYPE_STRING, which can't be scattered");
  }
  if (config.FindStateOutput(output.name) != nullptr) {
    return backend::InvalidArg(title, "' is a state as well, which has a batch dimension");
  }
  return Status();
}

Status CheckControls(const Session& session, const ModelConfig& config) {
  for (const backend::SequenceControl& control : config.sequence.controls) {
    const TensorConfig tensor{.name = control.name, .datatype = control.datatype, .dims = {1}};
    BACKEND_RETURN_IF_ERROR(CheckTensor(config, "sequence control", tensor,
                                        FindTensor(session.inputs(), control.name),
                                        session.inputs()));
  }
  return Status();
}

Status CheckStates(const Session& session, const ModelConfig& config) {
  for (const backend::SequenceState& state : config.sequence.states) {
    TensorConfig tensor{.name = state.input, .datatype = state.datatype, .dims = state.dims};
    BACKEND_RETURN_IF_ERROR(CheckTensor(config, "state input", tensor,
                                        FindTensor(session.inputs(), tensor.name),
                                        session.inputs()));
    tensor.name = state.output;
    BACKEND_RETURN_IF_ERROR(CheckTensor(config, "state output", tensor,
                                        FindTensor(session.outputs(), tensor.name),
                                        session.outputs()));
  }
  return Status();
}

Status CheckBatchInputs(const Session& session, const ModelConfig& config) {
  for (const backend::BatchInput& input : config.batch_inputs) {
    for (const std::string& target : input.targets) {
      const TensorConfig tensor{.name = target, .datatype = input.datatype};
      const TensorInfo* info = FindTensor(session.inputs(), target);
      BACKEND_RETURN_IF_ERROR(CheckType(config, "batch input", tensor, info, session.inputs()));
      if (info->has_shape && info->dims.size() != input.rank()) {
        return backend::InvalidArg(
            "model '", config.name, "': batch input '", target, "': expected ", input.rank(),
            " dimensions in the model file, found shape ", ShapeText(info->dims));
      }
    }
  }
  return Status();
}

}  // namespace

Status CheckConfig(const Session& session, const ModelConfig& config) {
  for (const TensorConfig& input : config.inputs) {
    BACKEND_RETURN_IF_ERROR(CheckInput(session, config, input));
  }
  for (const TensorConfig& output : config.outputs) {
    BACKEND_RETURN_IF_ERROR(CheckOutput(session, config, output));
  }
  BACKEND_RETURN_IF_ERROR(CheckControls(session, config));
  BACKEND_RETURN_IF_ERROR(CheckStates(session, config));
  BACKEND_RETURN_IF_ERROR(CheckBatchInputs(session, config));
  for (const TensorInfo& info : session.inputs()) {
    const bool listed = std::any_of(config.inputs.begin(), config.inputs.end(),
                                    [&](const auto& input) { return input.name == info.name; });
    if (!listed && !config.IsSupplied(info.name)) {
      return backend::InvalidArg("model '", config.name, "': the model file needs input '",
                                 info.name, "', which the configuration does not have");
    }
  }
  return Status();
}

}  // namespace trident::ort
