#include "model/supported.h"

namespace trident {
namespace {

Status Refuse(const ModelConfig& config, const std::string& field) {
  return Unsupported("model '", config.name, "' sets ", field,
                     ", which this version of Trident does not support");
}

Status CheckTensors(const ModelConfig& config) {
  for (const ModelInput& input : config.input) {
    const std::string field = "input '" + input.name + "' ";
    if (input.allow_ragged_batch) return Refuse(config, field + "allow_ragged_batch");
    if (input.is_shape_tensor) return Refuse(config, field + "is_shape_tensor");
  }
  for (const ModelOutput& output : config.output) {
    const std::string field = "output '" + output.name + "' ";
    if (output.is_shape_tensor) return Refuse(config, field + "is_shape_tensor");
  }
  return Status::Ok();
}

Status CheckDynamicBatching(const ModelConfig& config) {
  if (!config.dynamic_batching) return Status::Ok();
  const ModelDynamicBatching& batching = *config.dynamic_batching;
  if (batching.preserve_ordering) return Refuse(config, "dynamic_batching.preserve_ordering");
  if (batching.priority_levels != 0) return Refuse(config, "dynamic_batching.priority_levels");
  if (const auto& policy = batching.default_queue_policy) {
    const std::string field = "dynamic_batching.default_queue_policy.";
    if (policy->default_timeout_microseconds != 0) {
      return Refuse(config, field + "default_timeout_microseconds");
    }
    if (policy->allow_timeout_override) return Refuse(config, field + "allow_timeout_override");
  }
  return Status::Ok();
}

}  // namespace

Status CheckSupported(const ModelConfig& config) {
  if (config.sequence_batching) return Refuse(config, "sequence_batching");
  if (config.ensemble_scheduling) return Refuse(config, "ensemble_scheduling");
  if (!config.batch_input.empty()) return Refuse(config, "batch_input");
  if (!config.batch_output.empty()) return Refuse(config, "batch_output");
  if (!config.model_warmup.empty()) return Refuse(config, "model_warmup");
  if (config.model_repository_agents) return Refuse(config, "model_repository_agents");
  if (config.IsDecoupled()) return Refuse(config, "model_transaction_policy.decoupled");
  TRIDENT_RETURN_IF_ERROR(CheckTensors(config));
  TRIDENT_RETURN_IF_ERROR(CheckDynamicBatching(config));
  for (const InstanceGroup& group : config.instance_group) {
    if (group.kind == InstanceGroupKind::kGpu) {
      return Refuse(config, "instance_group '" + group.name + "' kind KIND_GPU");
    }
  }
  const auto strategy = config.parameters.find("TRITON_BATCH_STRATEGY_PATH");
  if (strategy != config.parameters.end()) {
    return Refuse(config, "parameter TRITON_BATCH_STRATEGY_PATH");
  }
  return Status::Ok();
}

}  // namespace trident
