#include <algorithm>

#include "backends/identity/identity.h"

namespace trident::identity {
namespace {

// "7" of "INPUT7" for the prefix "INPUT"; empty when the name is of another form.
std::string_view IndexAfter(std::string_view prefix, std::string_view name) {
  if (name.substr(0, prefix.size()) != prefix) return {};
  name.remove_prefix(prefix.size());
  const bool digits =
      std::all_of(name.begin(), name.end(), [](char c) { return c >= '0' && c <= '9'; });
  return digits ? name : std::string_view();
}

}  // namespace

Status Model::Create(TRITONBACKEND_Model* handle, std::unique_ptr<Model>* model) {
  auto created = std::make_unique<Model>();
  BACKEND_RETURN_IF_ERROR(backend::ReadModelConfig(handle, &created->config_));
  const backend::ModelConfig& config = created->config_;
  if (const std::string* delay = config.Parameter("execute_delay_ms")) {
    BACKEND_RETURN_IF_ERROR(backend::ParseIntParameter(config, "execute_delay_ms", *delay, 0,
                                                       kMaxDelayMs, &created->execute_delay_ms_));
  }
  if (const std::string* fail = config.Parameter("fail")) {
    if (*fail == "model_initialize") {
      return backend::Internal("model '", config.name, "': parameter 'fail' is 'model_initialize'");
    }
    if (*fail != "instance_initialize" && *fail != "execute") {
      return backend::InvalidArg("model '", config.name, "': parameter 'fail' must be ",
                                 "'model_initialize', 'instance_initialize' or 'execute', found '",
                                 *fail, "'");
    }
    created->fail_ = *fail;
  }
  BACKEND_RETURN_IF_ERROR(created->PairTensors());
  *model = std::move(created);
  return Status();
}

Status Model::PairTensors() {
  const auto& inputs = config_.inputs;
  if (inputs.empty()) return backend::InvalidArg("model '", config_.name, "' has no inputs");
  for (size_t i = 0; i < config_.outputs.size(); ++i) {
    const backend::TensorConfig& output = config_.outputs[i];
    const std::string_view index = IndexAfter("OUTPUT", output.name);
    auto input = inputs.end();
    if (!index.empty()) {
      input = std::find_if(inputs.begin(), inputs.end(), [index](const auto& candidate) {
        return IndexAfter("INPUT", candidate.name) == index;
      });
    }
    if (input == inputs.end() && i < inputs.size()) input = inputs.begin() + i;
    if (input == inputs.end()) {
      return backend::InvalidArg("model '", config_.name, "': output '", output.name,
                                 "' has no input to copy: expected an input INPUT<k> for OUTPUT<k>",
                                 " or one at the same place, found ", inputs.size(), " inputs");
    }
    if (input->datatype != output.datatype) {
      return backend::InvalidArg("model '", config_.name, "': output '", output.name,
                                 "' copies input '", input->name, "': expected ",
                                 backend::ConfigNameOf(input->datatype), ", found ",
                                 backend::ConfigNameOf(output.datatype));
    }
    if (input->dims != output.dims) {
      return backend::InvalidArg("model '", config_.name, "': output '", output.name,
                                 "' copies input '", input->name, "': expected dims ",
                                 backend::ShapeText(input->dims), ", found ",
                                 backend::ShapeText(output.dims));
    }
    copies_.push_back({input->name, output.name});
  }
  return Status();
}

const Model::Copy* Model::FindCopy(const char* output) const {
  const auto found = std::find_if(copies_.begin(), copies_.end(),
                                  [output](const Copy& copy) { return copy.output == output; });
  return found == copies_.end() ? nullptr : &*found;
}

}  // namespace trident::identity
