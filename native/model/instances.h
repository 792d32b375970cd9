#pragma once

#include <vector>

#include "model/model.h"

namespace trident {

// The instances a resolved configuration asks for, in order of creation: names as Triton gives them
// (group name, underscore, number), one per count, or per count and GPU.
std::vector<ModelInstance::Description> DescribeInstances(const ModelConfig& config,
                                                          const HostPolicies& host_policies);

// {"<policy>": {"<setting>": "<value>"}}.
std::string HostPolicyJson(const std::string& name, const HostPolicies& host_policies);

}  // namespace trident
