#pragma once

#include <node_api.h>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/status.h"
#include "memory/shared_memory.h"

namespace trident {

class Bridge;

// One call from JS into the addon: its arguments, read as what the facade's own code is known to
// pass. A value of another type reads as zero, "" or null: the facade checks what users give, so
// here it only matters that nothing can go wrong in memory. JS thread only.
class JsCall {
 public:
  JsCall(napi_env env, napi_callback_info info);

  napi_env env() const { return env_; }
  Bridge& bridge() const { return *bridge_; }
  napi_value value(size_t i) const { return values_[i]; }

  int32_t Int32(size_t i) const;
  uint64_t Size(size_t i) const;  // a non-negative safe integer
  int64_t Int64(size_t i) const;
  double Number(size_t i) const;
  bool Bool(size_t i) const;
  std::string String(size_t i) const;

  // Leaves `status` as the pending exception and returns null, for `return call.Throw(...)`.
  napi_value Throw(const Status& status) const;
  napi_value ThrowIfError(const Status& status) const {
    return status.ok() ? nullptr : Throw(status);
  }

 private:
  static constexpr size_t kMaxArguments = 8;

  napi_env env_;
  Bridge* bridge_ = nullptr;
  napi_value values_[kMaxArguments] = {};
};

// The error for a number that names nothing: INTERNAL, as only the facade gives numbers.
Status NoSuch(const char* what);

// Values in and out; the same leniency.
int32_t ToInt32(napi_env env, napi_value value);
int64_t ToInt64(napi_env env, napi_value value);
double ToNumber(napi_env env, napi_value value);
bool ToBool(napi_env env, napi_value value);
std::string ToString(napi_env env, napi_value value);
napi_valuetype TypeOf(napi_env env, napi_value value);
size_t ArrayLength(napi_env env, napi_value array);
napi_value Element(napi_env env, napi_value array, size_t index);
std::vector<int64_t> ToShape(napi_env env, napi_value array);

napi_ref MemberReference(napi_env env, napi_value object, const char* name);

napi_value FromInt32(napi_env env, int32_t value);
napi_value FromNumber(napi_env env, double value);
napi_value FromBool(napi_env env, bool value);
napi_value FromString(napi_env env, std::string_view value);
napi_value FromList(napi_env env, const std::vector<napi_value>& items);
napi_value FromShape(napi_env env, const std::vector<int64_t>& shape);

// The bytes under a typed array. Null and 0 when `value` is none; for one of length 0 the pointer
// may be null as well. They stay where they are until JS detaches the array's buffer.
struct ByteSpan {
  uint8_t* data = nullptr;
  size_t byte_size = 0;
  bool valid = false;
};
ByteSpan TypedArrayBytes(napi_env env, napi_value value);
// The same, also of an ArrayBuffer.
ByteSpan BufferBytes(napi_env env, napi_value value);

// An ArrayBuffer whose bytes are those of `region`; it keeps the mapping. UNSUPPORTED where the
// runtime refuses such buffers, and for a read-only region. (external_buffer.cc)
Result<napi_value> ViewOfRegion(napi_env env, std::shared_ptr<SharedMemoryRegion> region);

}  // namespace trident
