#pragma once

#include "base/status.h"
#include "config/model_config.h"

namespace trident {

// UNSUPPORTED, naming the field, for a valid configuration that asks for what Trident can't do yet:
// refusing a model is better than serving it with other semantics than its author chose.
Status CheckSupported(const ModelConfig& config);

}  // namespace trident
