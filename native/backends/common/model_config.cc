#include "backends/common/model_config.h"

#include <algorithm>
#include <charconv>
#include <memory>

namespace trident::backend {
namespace {

template <typename Item>
const Item* FindNamed(const std::vector<Item>& items, std::string Item::*name,
                      std::string_view wanted) {
  const auto found = std::find_if(items.begin(), items.end(),
                                  [&](const Item& item) { return item.*name == wanted; });
  return found == items.end() ? nullptr : &*found;
}

Status ReadTensors(const Json& config, const char* key, std::vector<TensorConfig>* tensors) {
  tensors->clear();
  for (const Json& item : config.FindItems(key)) {
    TensorConfig tensor;
    tensor.name = item.FindString("name");
    tensor.datatype = DatatypeOfConfig(item.FindString("data_type"));
    BACKEND_RETURN_IF_ERROR(ReadDims(item.FindItems("dims"), &tensor.dims));
    if (const Json* reshape = item.Find("reshape");
        reshape != nullptr && reshape->kind() == Json::Kind::kObject) {
      tensor.has_reshape = true;
      BACKEND_RETURN_IF_ERROR(ReadDims(reshape->FindItems("shape"), &tensor.dims));
    }
    if (const Json* optional = item.Find("optional")) optional->AsBool(&tensor.optional);
    if (const Json* ragged = item.Find("allow_ragged_batch")) ragged->AsBool(&tensor.ragged);
    tensors->push_back(std::move(tensor));
  }
  return Status();
}

}  // namespace

const std::string* ModelConfig::Parameter(std::string_view key) const {
  const auto found = parameters.find(key);
  return found == parameters.end() ? nullptr : &found->second;
}

bool ModelConfig::IsSupplied(std::string_view name) const {
  if (FindNamed(sequence.controls, &SequenceControl::name, name) != nullptr) return true;
  if (FindNamed(sequence.states, &SequenceState::input, name) != nullptr) return true;
  return std::any_of(batch_inputs.begin(), batch_inputs.end(), [&](const BatchInput& input) {
    return std::find(input.targets.begin(), input.targets.end(), name) != input.targets.end();
  });
}

const SequenceState* ModelConfig::FindStateOutput(std::string_view name) const {
  return FindNamed(sequence.states, &SequenceState::output, name);
}

const BatchOutput* ModelConfig::FindBatchOutput(std::string_view name) const {
  return FindNamed(batch_outputs, &BatchOutput::target, name);
}

Status ReadDims(const std::vector<Json>& items, std::vector<int64_t>* dims) {
  dims->clear();
  for (const Json& item : items) {
    int64_t dim = 0;
    if (!item.AsInt(&dim)) return InvalidArg("a dimension is no integer: ", item.Dump());
    dims->push_back(dim);
  }
  return Status();
}

Status ReadModelConfig(TRITONBACKEND_Model* model, ModelConfig* config) {
  const char* name = nullptr;
  const char* location = nullptr;
  TRITONBACKEND_ArtifactType artifact_type;
  BACKEND_RETURN_IF_ERROR(TRITONBACKEND_ModelName(model, &name));
  BACKEND_RETURN_IF_ERROR(TRITONBACKEND_ModelVersion(model, &config->version));
  BACKEND_RETURN_IF_ERROR(TRITONBACKEND_ModelRepository(model, &artifact_type, &location));
  if (artifact_type != TRITONBACKEND_ARTIFACT_FILESYSTEM) {
    return Unsupported("model '", name, "': its files are not in a file system");
  }
  config->name = name;
  config->directory = StrCat(location, "/", config->version);

  TRITONSERVER_Message* raw = nullptr;
  BACKEND_RETURN_IF_ERROR(TRITONBACKEND_ModelConfig(model, 1, &raw));
  const std::unique_ptr<TRITONSERVER_Message, TRITONSERVER_Error* (*)(TRITONSERVER_Message*)>
      message(raw, TRITONSERVER_MessageDelete);
  BACKEND_RETURN_IF_ERROR(Json::Parse(message.get(), &config->json));

  const Json& json = config->json;
  if (const Json* size = json.Find("max_batch_size")) size->AsInt(&config->max_batch_size);
  BACKEND_RETURN_IF_ERROR(ReadTensors(json, "input", &config->inputs));
  BACKEND_RETURN_IF_ERROR(ReadTensors(json, "output", &config->outputs));
  BACKEND_RETURN_IF_ERROR(ReadBatchInputs(json, &config->batch_inputs));
  BACKEND_RETURN_IF_ERROR(ReadBatchOutputs(json, &config->batch_outputs));
  BACKEND_RETURN_IF_ERROR(ReadSequenceConfig(json, &config->sequence));
  config->parameters.clear();
  if (const Json* parameters = json.Find("parameters")) {
    for (const auto& [key, value] : parameters->members()) {
      config->parameters.emplace(key, value.FindString("string_value"));
    }
  }
  return Status();
}

TRITONSERVER_DataType DatatypeOfConfig(std::string_view name) {
  constexpr std::string_view kPrefix = "TYPE_";
  if (name.substr(0, kPrefix.size()) != kPrefix) return TRITONSERVER_TYPE_INVALID;
  name.remove_prefix(kPrefix.size());
  if (name == "STRING") return TRITONSERVER_TYPE_BYTES;
  return TRITONSERVER_StringToDataType(std::string(name).c_str());
}

std::string ConfigNameOf(TRITONSERVER_DataType datatype) {
  if (datatype == TRITONSERVER_TYPE_BYTES) return "TYPE_STRING";
  return std::string("TYPE_") + TRITONSERVER_DataTypeString(datatype);
}

std::string ShapeText(const int64_t* dims, size_t count) {
  std::string text = "[";
  for (size_t i = 0; i < count; ++i) {
    if (i > 0) text += ',';
    text += std::to_string(dims[i]);
  }
  return text + "]";
}

Status ParseIntParameter(const ModelConfig& config, std::string_view key, const std::string& text,
                         int64_t min, int64_t max, int64_t* value) {
  const char* end = text.data() + text.size();
  const auto [stop, error] = std::from_chars(text.data(), end, *value);
  if (error != std::errc() || stop != end || *value < min || *value > max) {
    return InvalidArg("model '", config.name, "': parameter '", key, "' must be an integer from ",
                      min, " to ", max, ", found '", text, "'");
  }
  return Status();
}

}  // namespace trident::backend
