#pragma once

#include "base/status.h"
#include "config/model_config.h"

namespace trident {

// The parts of Validate. Messages name the field but not the model: Validate puts it before them.
Status ValidateDynamicBatching(const ModelDynamicBatching& batching, int32_t max_batch_size);
Status ValidateSequenceBatching(const ModelConfig& config);  // with sequence_batching
Status ValidateEnsemble(const ModelConfig& config);          // with ensemble_scheduling

// A list of preferred batch sizes, called `field` in messages.
Status ValidatePreferredSizes(const char* field, const std::vector<int32_t>& sizes,
                              int32_t max_batch_size);

}  // namespace trident
