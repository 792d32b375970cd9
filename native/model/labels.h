#pragma once

#include <string>

#include "config/model_config.h"
#include "inference/signature.h"

namespace trident {

// Gives the outputs of `signature` the labels of their classes: the lines of the file that the
// configuration names. UNSUPPORTED, as Triton says, for a file outside of `directory`.
Status ReadLabels(const ModelConfig& config, const std::string& directory,
                  ModelSignature* signature);

}  // namespace trident
