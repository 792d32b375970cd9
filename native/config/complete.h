#pragma once

#include <string>
#include <vector>

#include "base/status.h"
#include "config/model_config.h"

namespace trident {

// Fills what a partial or missing config.pbtxt leaves out, from the model's name, its files and its
// backend. Order of use: CompleteBackend on the configuration as read (an empty one when the file
// is missing), Normalize, Validate; then, with the backend loaded, MergeAutoCompleted if it set
// one, ValidateTensors, NormalizeInstanceGroups and ValidateInstanceGroups.

// The backend that `version_files` (names in the first version directory) call for, else the part
// of the model's name after its first dot; "" when neither tells.
std::string InferBackend(const std::string& model_name,
                         const std::vector<std::string>& version_files);

// Sets name, and from whichever are given the missing of backend, platform and
// default_model_filename. INVALID_ARG when nothing tells the backend.
Status CompleteBackend(const std::string& model_name, const std::vector<std::string>& version_files,
                       ModelConfig* config);

// Takes over what a backend may decide: max_batch_size, inputs, outputs, the scheduler if `base`
// has none, and decoupled; then normalises. INTERNAL, `base` untouched, when `from_backend` asks
// for another scheduler than `base`.
Status MergeAutoCompleted(ModelConfig* base, const ModelConfig& from_backend);

}  // namespace trident
