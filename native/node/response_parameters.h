#pragma once

#include <node_api.h>

#include <cstdint>
#include <string>
#include <variant>
#include <vector>

#include "triton/core/tritonserver.h"

namespace trident {

// What a backend said about a response beside its outputs.
struct ResponseParameter {
  std::string name;
  std::variant<std::string, int64_t, bool, double> value;
};

// Any thread. Those whose type no response can have are left out.
std::vector<ResponseParameter> ReadParameters(TRITONSERVER_InferenceResponse* response);

// JS thread only. [name, value, name, value, ...]
napi_value ToJs(napi_env env, const std::vector<ResponseParameter>& parameters);

}  // namespace trident
