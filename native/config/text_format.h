#pragma once

#include <string>
#include <string_view>

#include "base/status.h"
#include "config/model_config.h"

namespace trident {

// Reads config.pbtxt: protobuf's text format, in full, for the fields of ModelConfig. `file_name`
// only labels errors. A mistake is INVALID_ARG "file:line:column: ..." at the first offending
// character, columns counted in characters from 1; a misspelled name is answered with the nearest
// valid one. Time and memory are linear in the text.
Result<ModelConfig> ParseModelConfigText(std::string_view text, const std::string& file_name);

}  // namespace trident
