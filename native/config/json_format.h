#pragma once

#include <string>
#include <string_view>

#include "base/status.h"
#include "config/model_config.h"

namespace trident {

// Triton's JSON form: config.pbtxt's field names in declaration order, scalar fields always
// printed, unset messages left out, enums by name, 64-bit integers as numbers, map keys as strings.
std::string ModelConfigToJson(const ModelConfig& config);

// Reads what ModelConfigToJson writes, and what people write by hand: names also in lowerCamelCase,
// enums in any case or by number, integers also as strings, null for "not set". Unknown and
// repeated names are refused. A mistake is INVALID_ARG "Invalid config override: <path>: ...";
// syntax errors name line and column. Time and memory are linear in the text, whatever its nesting.
Result<ModelConfig> ParseModelConfigJson(std::string_view json);

}  // namespace trident
