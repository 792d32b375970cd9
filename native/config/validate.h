#pragma once

#include <cstdint>
#include <vector>

#include "base/status.h"
#include "config/model_config.h"

namespace trident {

// Each check returns the first broken rule as INVALID_ARG naming model and field; all expect a
// normalised configuration. They are apart because they can be answered at different times:
// everything but tensors and instances once the configuration is read, tensors once the backend had
// its chance to complete them, instance groups once they are resolved against the backend.
Status Validate(const ModelConfig& config);
Status ValidateTensors(const ModelConfig& config);  // input, output, batch_input, batch_output

// The GPUs that instances may be on.
struct UsableGpus {
  std::vector<int32_t> ids;
  Status why_none = InvalidArg("there are none");  // what is missing where there are no ids
};
// With that reason's code where a group wants a GPU and there is none.
Status ValidateInstanceGroups(const ModelConfig& config, const UsableGpus& usable_gpus);

}  // namespace trident
