#include "model/supported.h"

namespace trident {
namespace {

constexpr char kTensorRt[] = "only TensorRT uses it, on GPU instances, and there are none";

Status Refuse(const ModelConfig& config, const std::string& field, const char* why) {
  return Unsupported("model '", config.name, "' sets ", field,
                     ", which this version of Trident does not support: ", why);
}

Status CheckTensors(const ModelConfig& config) {
  for (const ModelInput& input : config.input) {
    const std::string field = "input '" + input.name + "' ";
    if (input.is_shape_tensor) return Refuse(config, field + "is_shape_tensor", kTensorRt);
    if (input.is_non_linear_format_io)
      return Refuse(config, field + "is_non_linear_format_io", kTensorRt);
  }
  for (const ModelOutput& output : config.output) {
    const std::string field = "output '" + output.name + "' ";
    if (output.is_shape_tensor) return Refuse(config, field + "is_shape_tensor", kTensorRt);
    if (output.is_non_linear_format_io)
      return Refuse(config, field + "is_non_linear_format_io", kTensorRt);
  }
  return Status::Ok();
}

}  // namespace

Status CheckSupported(const ModelConfig& config) {
  TRIDENT_RETURN_IF_ERROR(CheckTensors(config));
  for (size_t i = 0; i < config.instance_group.size(); ++i) {
    const InstanceGroup& group = config.instance_group[i];
    if (group.kind != InstanceGroupKind::kGpu) continue;
    // Normalisation, which names groups, may be still to come.
    const std::string name =
        group.name.empty() ? config.name + "_" + std::to_string(i) : group.name;
    return Refuse(config, "instance_group '" + name + "' kind KIND_GPU",
                  "it runs models on CPUs only");
  }
  return Status::Ok();
}

}  // namespace trident
