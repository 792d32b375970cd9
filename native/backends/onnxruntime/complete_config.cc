#include <algorithm>

#include "backends/onnxruntime/model.h"

namespace trident::ort {
namespace {

using backend::Json;
using backend::ModelConfig;

bool FirstDimIsVariable(const std::vector<TensorInfo>& infos) {
  return std::all_of(infos.begin(), infos.end(), [](const TensorInfo& info) {
    return info.has_shape && !info.dims.empty() && info.dims[0] == -1;
  });
}

// Dims written with the model's own rank, as for a model without batching, leave no batch
// dimension.
bool LeavesBatchDimension(const Json& config, const char* key,
                          const std::vector<TensorInfo>& infos) {
  for (const Json& tensor : config.FindItems(key)) {
    const TensorInfo* info = FindTensor(infos, tensor.FindString("name"));
    const std::vector<Json>& dims = tensor.FindItems("dims");
    if (info != nullptr && !dims.empty() && dims.size() >= info->dims.size()) return false;
  }
  return true;
}

Status CompleteTensor(const ModelConfig& config, const char* kind, const TensorInfo& info,
                      bool batched, Json* tensor) {
  if (info.datatype == TRITONSERVER_TYPE_INVALID) {
    return backend::Unsupported("model '", config.name, "': ", kind, " '", info.name,
                                "' has ONNX type ", info.type_text,
                                ", for which there is no Triton datatype");
  }
  if (backend::DatatypeOfConfig(tensor->FindString("data_type")) == TRITONSERVER_TYPE_INVALID) {
    tensor->Set("data_type", Json::String(backend::ConfigNameOf(info.datatype)));
  }
  if (!tensor->FindItems("dims").empty()) return Status();
  if (!info.has_shape) {
    return backend::InvalidArg("model '", config.name, "': ", kind, " '", info.name,
                               "' has no shape in the model file; set its 'dims'");
  }
  Json dims = Json::Array();
  for (size_t i = batched ? 1 : 0; i < info.dims.size(); ++i) {
    dims.Append(Json::Number(info.dims[i]));
  }
  if (dims.items().empty()) {  // Triton has no scalars: one element, reshaped
    dims.Append(Json::Number(1));
    Json reshape = Json::Object();
    reshape.Set("shape", Json::Array());
    tensor->Set("reshape", std::move(reshape));
  }
  tensor->Set("dims", std::move(dims));
  return Status();
}

Status CompleteTensors(const char* key, const std::vector<TensorInfo>& infos, bool batched,
                       ModelConfig* config) {
  if (config->json.FindItems(key).empty()) {
    Json tensors = Json::Array();
    for (const TensorInfo& info : infos) {
      // Of these clients see nothing.
      if (config->IsSupplied(info.name) || config->FindStateOutput(info.name) != nullptr) continue;
      Json tensor = Json::Object();
      tensor.Set("name", Json::String(info.name));
      tensors.Append(std::move(tensor));
    }
    config->json.Set(key, std::move(tensors));
  }
  for (Json& tensor : config->json.Find(key)->items()) {
    const TensorInfo* info = FindTensor(infos, tensor.FindString("name"));
    if (info == nullptr) continue;  // CheckConfig tells
    BACKEND_RETURN_IF_ERROR(CompleteTensor(*config, key, *info, batched, &tensor));
  }
  return Status();
}

void EnableBatching(int max_batch_size, ModelConfig* config) {
  Json& json = config->json;
  if (config->max_batch_size == 0) {
    config->max_batch_size = max_batch_size;
    json.Set("max_batch_size", Json::Number(max_batch_size));
  }
  const bool scheduled = json.Find("dynamic_batching") != nullptr ||
                         json.Find("sequence_batching") != nullptr ||
                         json.Find("ensemble_scheduling") != nullptr;
  if (config->max_batch_size > 1 && !scheduled) json.Set("dynamic_batching", Json::Object());
}

bool IsComplete(const Json& config, const char* key) {
  const std::vector<Json>& tensors = config.FindItems(key);
  return !tensors.empty() && std::all_of(tensors.begin(), tensors.end(), [](const Json& tensor) {
    return !tensor.FindItems("dims").empty() &&
           backend::DatatypeOfConfig(tensor.FindString("data_type")) != TRITONSERVER_TYPE_INVALID;
  });
}

}  // namespace

Status CompleteConfig(const Session& session, int default_max_batch_size, ModelConfig* config,
                      bool* changed) {
  Json& json = config->json;
  *changed = false;
  // A configuration that names all tensors is taken as it stands, batch size included.
  if (IsComplete(json, "input") && IsComplete(json, "output")) return Status();
  *changed = true;
  const bool has_batch_dimension =
      FirstDimIsVariable(session.inputs()) && FirstDimIsVariable(session.outputs());
  if (!has_batch_dimension && config->batched()) {
    return backend::InvalidArg("model '", config->name, "': 'max_batch_size' is ",
                               config->max_batch_size, ", but the model file has tensors without ",
                               "a variable first dimension; expected 0");
  }
  if (has_batch_dimension && LeavesBatchDimension(json, "input", session.inputs()) &&
      LeavesBatchDimension(json, "output", session.outputs())) {
    EnableBatching(default_max_batch_size, config);
  }
  BACKEND_RETURN_IF_ERROR(CompleteTensors("input", session.inputs(), config->batched(), config));
  return CompleteTensors("output", session.outputs(), config->batched(), config);
}

}  // namespace trident::ort
