#pragma once

#include <cstdint>
#include <vector>

#include "config/model_config.h"

namespace trident {

// Writes the defaults that do not depend on the backend into `config`: version policy latest/1,
// preferred batch size {max_batch_size}, sequence idle time one second, pinned memory on.
// Idempotent.
void Normalize(ModelConfig* config);

// Whether NormalizeInstanceGroups gives `config` other groups where there are GPUs than where there
// are none, or it has groups for GPUs.
bool MayUseGpus(const std::vector<InstanceGroup>& preferred, const ModelConfig& config);

// Resolves instance groups: an implicit group when none is given, names, KIND_AUTO, counts, GPUs
// and host policies. `preferred` are the groups of the backend's attributes, best first;
// `usable_gpus` the device ids that instances may use, none when there is no CUDA device. Leaves
// ensembles alone. Idempotent.
void NormalizeInstanceGroups(const std::vector<InstanceGroup>& preferred,
                             const std::vector<int32_t>& usable_gpus, ModelConfig* config);

}  // namespace trident
