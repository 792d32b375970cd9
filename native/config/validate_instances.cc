#include <algorithm>
#include <string>

#include "config/known_backends.h"
#include "config/scalars.h"
#include "config/validate.h"

namespace trident {
namespace {

std::string Join(const std::vector<int32_t>& numbers) {
  std::string text;
  for (int32_t number : numbers) text += (text.empty() ? "" : ", ") + std::to_string(number);
  return text;
}

Status ValidateGpus(const InstanceGroup& group, const UsableGpus& usable) {
  if (usable.ids.empty()) {
    return usable.why_none.WithPrefix("has kind KIND_GPU but no GPUs are available: ");
  }
  if (group.gpus.empty()) return InvalidArg("has kind KIND_GPU but specifies no GPUs");
  for (int32_t gpu : group.gpus) {
    if (std::find(usable.ids.begin(), usable.ids.end(), gpu) == usable.ids.end()) {
      return InvalidArg("specifies invalid or unsupported GPU ", gpu,
                        "; usable GPUs are: ", Join(usable.ids));
    }
  }
  return Status::Ok();
}

Status ValidateKind(const InstanceGroup& group, const UsableGpus& usable_gpus) {
  switch (group.kind) {
    case InstanceGroupKind::kGpu:
      return ValidateGpus(group, usable_gpus);
    case InstanceGroupKind::kCpu:
      if (group.gpus.empty()) return Status::Ok();
      return InvalidArg("has kind KIND_CPU but specifies one or more GPUs");
    case InstanceGroupKind::kModel:
      if (group.gpus.empty()) return Status::Ok();
      return InvalidArg("has kind KIND_MODEL but specifies one or more GPUs");
    default:
      return Internal("has unresolved kind KIND_AUTO");
  }
}

Status ValidateProfiles(const InstanceGroup& group, const std::string& platform) {
  if (group.profile.empty()) return Status::Ok();
  if (platform != kTensorRtPlatform) {
    return InvalidArg("specifies 'profile', which is only supported for TensorRT models");
  }
  for (const std::string& profile : group.profile) {
    if (!ParseMagnitude(profile, 10)) {
      return InvalidArg("specifies 'profile' \"", profile,
                        "\", which must be a non-negative integer");
    }
  }
  return Status::Ok();
}

}  // namespace

Status ValidateInstanceGroups(const ModelConfig& config, const UsableGpus& usable_gpus) {
  if (config.ensemble_scheduling) return Status::Ok();
  const std::string model = "model '" + config.name + "': ";
  if (config.instance_group.empty()) {
    return InvalidArg(model, "must specify one or more 'instance_group'");
  }
  for (const InstanceGroup& group : config.instance_group) {
    const std::string prefix = model + "instance group '" + group.name + "' ";
    TRIDENT_RETURN_IF_ERROR(ValidateKind(group, usable_gpus).WithPrefix(prefix));
    TRIDENT_RETURN_IF_ERROR(ValidateProfiles(group, config.platform).WithPrefix(prefix));
  }
  return Status::Ok();
}

}  // namespace trident
