#include "model/instances.h"

#include <nlohmann/json.hpp>

namespace trident {
namespace {

TRITONSERVER_InstanceGroupKind AbiKind(InstanceGroupKind kind) {
  switch (kind) {
    case InstanceGroupKind::kAuto:
      return TRITONSERVER_INSTANCEGROUPKIND_AUTO;
    case InstanceGroupKind::kGpu:
      return TRITONSERVER_INSTANCEGROUPKIND_GPU;
    case InstanceGroupKind::kCpu:
      return TRITONSERVER_INSTANCEGROUPKIND_CPU;
    case InstanceGroupKind::kModel:
      return TRITONSERVER_INSTANCEGROUPKIND_MODEL;
  }
  return TRITONSERVER_INSTANCEGROUPKIND_AUTO;
}

std::string DefaultPolicy(InstanceGroupKind kind, int32_t device_id) {
  if (kind == InstanceGroupKind::kGpu) return "gpu_" + std::to_string(device_id);
  return kind == InstanceGroupKind::kModel ? "model" : "cpu";
}

ModelInstance::Description Describe(const ModelConfig& config, const InstanceGroup& group,
                                    const std::string& name, int32_t device_id,
                                    const HostPolicies& host_policies) {
  ModelInstance::Description description;
  description.name = name;
  description.kind = AbiKind(group.kind);
  description.device_id = device_id;
  description.passive = group.passive;
  description.host_policy =
      group.host_policy.empty() ? DefaultPolicy(group.kind, device_id) : group.host_policy;
  description.host_policy_json = HostPolicyJson(description.host_policy, host_policies);
  const auto settings = host_policies.find(description.host_policy);
  if (settings != host_policies.end()) description.host_settings = settings->second;
  if (config.optimization) description.nice_step = NiceStepOf(config.optimization->priority);
  description.rate_limiter = group.rate_limiter;
  description.profiles = group.profile;
  description.secondary_devices = group.secondary_devices;
  return description;
}

}  // namespace

std::string HostPolicyJson(const std::string& name, const HostPolicies& host_policies) {
  nlohmann::json settings = nlohmann::json::object();
  const auto found = host_policies.find(name);
  if (found != host_policies.end()) {
    for (const auto& [key, value] : found->second) settings[key] = value;
  }
  return nlohmann::json{{name, settings}}.dump(-1, ' ', false,
                                               nlohmann::json::error_handler_t::replace);
}

std::vector<ModelInstance::Description> DescribeInstances(const ModelConfig& config,
                                                          const HostPolicies& host_policies) {
  std::vector<ModelInstance::Description> out;
  const std::vector<int32_t> host = {0};  // what its instances are told
  for (const InstanceGroup& group : config.instance_group) {
    const auto& devices = group.kind == InstanceGroupKind::kGpu ? group.gpus : host;
    for (int32_t i = 0; i < group.count; ++i) {
      const std::string name = group.name + "_" + std::to_string(i);
      for (const int32_t device_id : devices) {
        out.push_back(Describe(config, group, name, device_id, host_policies));
      }
    }
  }
  return out;
}

}  // namespace trident
