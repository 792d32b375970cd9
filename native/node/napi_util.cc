#include "node/napi_util.h"

#include "node/bridge.h"

namespace trident {

JsCall::JsCall(napi_env env, napi_callback_info info) : env_(env) {
  size_t count = kMaxArguments;
  void* data = nullptr;
  napi_get_cb_info(env, info, &count, values_, nullptr, &data);
  bridge_ = static_cast<Bridge*>(data);
}

int32_t JsCall::Int32(size_t i) const { return ToInt32(env_, values_[i]); }
int64_t JsCall::Int64(size_t i) const { return ToInt64(env_, values_[i]); }
double JsCall::Number(size_t i) const { return ToNumber(env_, values_[i]); }
bool JsCall::Bool(size_t i) const { return ToBool(env_, values_[i]); }
std::string JsCall::String(size_t i) const { return ToString(env_, values_[i]); }

uint64_t JsCall::Size(size_t i) const {
  const int64_t value = Int64(i);
  return value < 0 ? 0 : static_cast<uint64_t>(value);
}

napi_value JsCall::Throw(const Status& status) const {
  napi_throw(env_, bridge_->NewError(status));
  return nullptr;
}

Status NoSuch(const char* what) {
  return Internal("the addon was given the number of no ", what, " it has");
}

int32_t ToInt32(napi_env env, napi_value value) {
  int32_t result = 0;
  napi_get_value_int32(env, value, &result);
  return result;
}

int64_t ToInt64(napi_env env, napi_value value) {
  int64_t result = 0;
  if (napi_get_value_int64(env, value, &result) == napi_ok) return result;
  bool lossless = false;
  napi_get_value_bigint_int64(env, value, &result, &lossless);
  return result;
}

double ToNumber(napi_env env, napi_value value) {
  double result = 0;
  napi_get_value_double(env, value, &result);
  return result;
}

bool ToBool(napi_env env, napi_value value) {
  bool result = false;
  napi_get_value_bool(env, value, &result);
  return result;
}

std::string ToString(napi_env env, napi_value value) {
  size_t length = 0;
  if (napi_get_value_string_utf8(env, value, nullptr, 0, &length) != napi_ok) return "";
  std::string result(length, '\0');
  napi_get_value_string_utf8(env, value, result.data(), length + 1, &length);
  return result;
}

napi_valuetype TypeOf(napi_env env, napi_value value) {
  napi_valuetype type = napi_undefined;
  if (value != nullptr) napi_typeof(env, value, &type);
  return type;
}

size_t ArrayLength(napi_env env, napi_value array) {
  uint32_t length = 0;
  napi_get_array_length(env, array, &length);
  return length;
}

napi_value Element(napi_env env, napi_value array, size_t index) {
  napi_value element = nullptr;
  napi_get_element(env, array, static_cast<uint32_t>(index), &element);
  return element;
}

std::vector<int64_t> ToShape(napi_env env, napi_value array) {
  std::vector<int64_t> shape(ArrayLength(env, array));
  for (size_t i = 0; i < shape.size(); ++i) shape[i] = ToInt64(env, Element(env, array, i));
  return shape;
}

napi_ref MemberReference(napi_env env, napi_value object, const char* name) {
  napi_value value = nullptr;
  napi_ref reference = nullptr;
  napi_get_named_property(env, object, name, &value);
  napi_create_reference(env, value, 1, &reference);
  return reference;
}

napi_value FromInt32(napi_env env, int32_t value) {
  napi_value result = nullptr;
  napi_create_int32(env, value, &result);
  return result;
}

napi_value FromNumber(napi_env env, double value) {
  napi_value result = nullptr;
  napi_create_double(env, value, &result);
  return result;
}

napi_value FromBool(napi_env env, bool value) {
  napi_value result = nullptr;
  napi_get_boolean(env, value, &result);
  return result;
}

napi_value FromString(napi_env env, std::string_view value) {
  napi_value result = nullptr;
  napi_create_string_utf8(env, value.data(), value.size(), &result);
  return result;
}

napi_value FromList(napi_env env, const std::vector<napi_value>& items) {
  napi_value result = nullptr;
  napi_create_array_with_length(env, items.size(), &result);
  for (size_t i = 0; i < items.size(); ++i) {
    napi_set_element(env, result, static_cast<uint32_t>(i), items[i]);
  }
  return result;
}

napi_value FromShape(napi_env env, const std::vector<int64_t>& shape) {
  napi_value result = nullptr;
  napi_create_array_with_length(env, shape.size(), &result);
  for (size_t i = 0; i < shape.size(); ++i) {
    napi_set_element(env, result, static_cast<uint32_t>(i),
                     FromNumber(env, static_cast<double>(shape[i])));
  }
  return result;
}

ByteSpan TypedArrayBytes(napi_env env, napi_value value) {
  napi_typedarray_type type = napi_uint8_array;
  size_t length = 0;
  void* data = nullptr;
  // The ArrayBuffer handle is not asked for: that is what fails on a SharedArrayBuffer.
  if (napi_get_typedarray_info(env, value, &type, &length, &data, nullptr, nullptr) != napi_ok) {
    return {};
  }
  static constexpr size_t kElementBytes[] = {1, 1, 1, 2, 2, 4, 4, 4, 8, 8, 8};
  const auto index = static_cast<size_t>(type);
  if (index >= sizeof(kElementBytes) / sizeof(kElementBytes[0])) return {};
  return {static_cast<uint8_t*>(data), length * kElementBytes[index], true};
}

ByteSpan BufferBytes(napi_env env, napi_value value) {
  void* data = nullptr;
  size_t byte_size = 0;
  if (napi_get_arraybuffer_info(env, value, &data, &byte_size) != napi_ok) {
    return TypedArrayBytes(env, value);
  }
  return {static_cast<uint8_t*>(data), byte_size, true};
}

}  // namespace trident
