#include "node/trace_records.h"

#include <cstring>

#include "node/napi_util.h"

namespace trident {
namespace {

napi_value NewArray(napi_env env, size_t length) {
  napi_value array = nullptr;
  napi_create_array_with_length(env, length, &array);
  return array;
}

napi_value FromId(napi_env env, uint64_t id) { return FromNumber(env, static_cast<double>(id)); }

napi_value ToJs(napi_env env, const std::vector<TraceMoment>& moments) {
  napi_value list = NewArray(env, 3 * moments.size());
  uint32_t at = 0;
  for (const TraceMoment& moment : moments) {
    napi_value ns = nullptr;
    napi_create_bigint_uint64(env, moment.ns, &ns);
    napi_set_element(env, list, at++, FromInt32(env, moment.activity));
    napi_set_element(env, list, at++, ns);
    napi_set_element(env, list, at++, FromString(env, moment.context));
  }
  return list;
}

napi_value ToJs(napi_env env, const TraceTensor& tensor) {
  napi_value buffer = nullptr;
  void* data = nullptr;
  // Without memory for it JS finds none.
  if (napi_create_arraybuffer(env, tensor.bytes.size(), &data, &buffer) == napi_ok &&
      !tensor.bytes.empty()) {
    memcpy(data, tensor.bytes.data(), tensor.bytes.size());
  }
  napi_value item = NewArray(env, 5);
  napi_set_element(env, item, 0, FromInt32(env, tensor.activity));
  napi_set_element(env, item, 1, FromString(env, tensor.name));
  napi_set_element(env, item, 2, FromInt32(env, tensor.datatype));
  napi_set_element(env, item, 3, FromShape(env, tensor.shape));
  if (buffer != nullptr) napi_set_element(env, item, 4, buffer);
  return item;
}

napi_value ToJs(napi_env env, const TraceRecord& record) {
  napi_value tensors = NewArray(env, record.tensors.size());
  for (size_t i = 0; i < record.tensors.size(); ++i) {
    napi_set_element(env, tensors, static_cast<uint32_t>(i), ToJs(env, record.tensors[i]));
  }
  napi_value item = NewArray(env, 7);
  napi_set_element(env, item, 0, FromId(env, record.id));
  napi_set_element(env, item, 1, FromId(env, record.parent_id));
  napi_set_element(env, item, 2, FromString(env, record.model));
  napi_set_element(env, item, 3, FromNumber(env, static_cast<double>(record.version)));
  napi_set_element(env, item, 4, FromString(env, record.request_id));
  napi_set_element(env, item, 5, ToJs(env, record.moments));
  napi_set_element(env, item, 6, tensors);
  return item;
}

}  // namespace

napi_value ToJs(napi_env env, const TraceTree& tree) {
  napi_value list = NewArray(env, tree.records.size());
  for (size_t i = 0; i < tree.records.size(); ++i) {
    napi_set_element(env, list, static_cast<uint32_t>(i), ToJs(env, *tree.records[i]));
  }
  return list;
}

}  // namespace trident
