#include "node/response_parameters.h"

#include <optional>
#include <utility>

#include "node/napi_util.h"
#include "node/triton_util.h"

namespace trident {
namespace {

using Value = decltype(ResponseParameter::value);

std::optional<Value> ReadValue(TRITONSERVER_ParameterType type, const void* value) {
  switch (type) {
    case TRITONSERVER_PARAMETER_STRING:
      return Value(std::string(static_cast<const char*>(value)));
    case TRITONSERVER_PARAMETER_INT:
      return Value(*static_cast<const int64_t*>(value));
    case TRITONSERVER_PARAMETER_BOOL:
      return Value(*static_cast<const bool*>(value));
    case TRITONSERVER_PARAMETER_DOUBLE:
      return Value(*static_cast<const double*>(value));
    default:
      return std::nullopt;
  }
}

// A number where it says exactly as much.
napi_value FromInt64(napi_env env, int64_t value) {
  static constexpr int64_t kMaxSafe = (int64_t{1} << 53) - 1;
  napi_value number = nullptr;
  if (value >= -kMaxSafe && value <= kMaxSafe) {
    napi_create_int64(env, value, &number);
  } else {
    napi_create_bigint_int64(env, value, &number);
  }
  return number;
}

struct ToValue {
  napi_env env;
  napi_value operator()(const std::string& text) const { return FromString(env, text); }
  napi_value operator()(int64_t number) const { return FromInt64(env, number); }
  napi_value operator()(bool flag) const { return FromBool(env, flag); }
  napi_value operator()(double number) const { return FromNumber(env, number); }
};

}  // namespace

std::vector<ResponseParameter> ReadParameters(TRITONSERVER_InferenceResponse* response) {
  std::vector<ResponseParameter> parameters;
  uint32_t count = 0;
  (void)TakeError(TRITONSERVER_InferenceResponseParameterCount(response, &count));
  for (uint32_t i = 0; i < count; ++i) {
    const char* name = nullptr;
    TRITONSERVER_ParameterType type = TRITONSERVER_PARAMETER_INT;
    const void* value = nullptr;
    const bool found =
        TakeError(TRITONSERVER_InferenceResponseParameter(response, i, &name, &type, &value)).ok();
    std::optional<Value> read = found ? ReadValue(type, value) : std::nullopt;
    if (read) parameters.push_back({name, std::move(*read)});
  }
  return parameters;
}

napi_value ToJs(napi_env env, const std::vector<ResponseParameter>& parameters) {
  napi_value list = nullptr;
  napi_create_array_with_length(env, 2 * parameters.size(), &list);
  for (size_t i = 0; i < parameters.size(); ++i) {
    const auto at = static_cast<uint32_t>(2 * i);
    napi_set_element(env, list, at, FromString(env, parameters[i].name));
    napi_set_element(env, list, at + 1, std::visit(ToValue{env}, parameters[i].value));
  }
  return list;
}

}  // namespace trident
