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

std::string DefaultPolicy(InstanceGroupKind kind) {
  return kind == InstanceGroupKind::kModel ? "model" : "cpu";
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
  for (const InstanceGroup& group : config.instance_group) {
    for (int32_t i = 0; i < group.count; ++i) {
      ModelInstance::Description description;
      description.name = group.name + "_" + std::to_string(i);
      description.kind = AbiKind(group.kind);
      description.passive = group.passive;
      description.host_policy =
          group.host_policy.empty() ? DefaultPolicy(group.kind) : group.host_policy;
      description.host_policy_json = HostPolicyJson(description.host_policy, host_policies);
      const auto settings = host_policies.find(description.host_policy);
      if (settings != host_policies.end()) description.host_settings = settings->second;
      if (config.optimization) {
        description.nice_step = NiceStepOf(config.optimization->priority);
      }
      description.rate_limiter = group.rate_limiter;
      description.profiles = group.profile;
      description.secondary_devices = group.secondary_devices;
      out.push_back(std::move(description));
    }
  }
  return out;
}

}  // namespace trident
