#include <algorithm>
#include <set>

#include "backends/onnxruntime/model.h"

namespace trident::ort {
namespace {

using backend::Json;
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

Status CheckTensor(const ModelConfig& config, const char* kind, const TensorConfig& tensor,
                   const TensorInfo* info, const std::vector<TensorInfo>& infos) {
  const std::string title = backend::StrCat("model '", config.name, "': ", kind, " '", tensor.name);
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
  if (info->has_shape && !DimsAgree(info->dims, tensor, config.batched())) {
    return backend::InvalidArg(
        title, "': expected dims that fit ", ShapeText(info->dims), " of the model file, found ",
        ShapeText(tensor.dims),
        config.batched() ? " after a batch dimension, which must be variable" : "",
        " in the configuration");
  }
  return Status();
}

// Tensors that the server supplies itself: sequence controls and batch inputs.
std::set<std::string, std::less<>> SuppliedInputs(const Json& config) {
  std::set<std::string, std::less<>> names;
  if (const Json* sequence = config.Find("sequence_batching")) {
    for (const Json& control : sequence->FindItems("control_input")) {
      names.emplace(control.FindString("name"));
    }
  }
  for (const Json& batch_input : config.FindItems("batch_input")) {
    for (const Json& target : batch_input.FindItems("target_name")) {
      names.emplace(target.text());
    }
  }
  return names;
}

}  // namespace

Status CheckConfig(const Session& session, const ModelConfig& config) {
  for (const TensorConfig& input : config.inputs) {
    const TensorInfo* info = FindTensor(session.inputs(), input.name);
    if (info == nullptr) info = FindTensor(session.overridable(), input.name);
    BACKEND_RETURN_IF_ERROR(CheckTensor(config, "input", input, info, session.inputs()));
  }
  for (const TensorConfig& output : config.outputs) {
    const TensorInfo* info = FindTensor(session.outputs(), output.name);
    BACKEND_RETURN_IF_ERROR(CheckTensor(config, "output", output, info, session.outputs()));
  }
  const auto supplied = SuppliedInputs(config.json);
  for (const TensorInfo& info : session.inputs()) {
    const bool listed = std::any_of(config.inputs.begin(), config.inputs.end(),
                                    [&](const auto& input) { return input.name == info.name; });
    if (!listed && supplied.count(info.name) == 0) {
      return backend::InvalidArg("model '", config.name, "': the model file needs input '",
                                 info.name, "', which the configuration does not have");
    }
  }
  return Status();
}

}  // namespace trident::ort
