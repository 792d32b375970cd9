// The one place that makes an ArrayBuffer over memory of ours. The rest of the addon is compiled
// without that call, because runtimes that cage their heap (Electron) refuse it.
#undef NODE_API_NO_EXTERNAL_BUFFERS_ALLOWED

#include <node_api.h>

#include "node/function_views.h"
#include "node/napi_util.h"

namespace trident {

Result<napi_value> NewExternalBuffer(napi_env env, void* data, size_t byte_size,
                                     std::shared_ptr<void> keeper) {
  auto* holder = new std::shared_ptr<void>(std::move(keeper));
  napi_value buffer = nullptr;
  const napi_status status = napi_create_external_arraybuffer(
      env, data, byte_size,
      [](napi_env, void*, void* hint) { delete static_cast<std::shared_ptr<void>*>(hint); }, holder,
      &buffer);
  if (status == napi_ok) return buffer;
  delete holder;
  if (status == napi_no_external_buffers_allowed) {
    return Unsupported("this runtime does not allow views of native memory");
  }
  return Internal("a view of ", byte_size, " bytes could not be made");
}

Result<napi_value> ViewOfRegion(napi_env env, std::shared_ptr<SharedMemoryRegion> region) {
  TRIDENT_RETURN_IF_ERROR(region->CheckUsable());
  if (region->read_only()) {
    return Unsupported("a view of region '", region->key(),
                       "' would be writable, and it was opened read-only: use read()");
  }
  uint8_t* const data = region->data();
  const size_t byte_size = region->byte_size();
  auto view = NewExternalBuffer(env, data, byte_size, std::move(region));
  if (view.ok() || view.status().code() != StatusCode::kUnsupported) return view;
  return Unsupported("this runtime does not allow views of shared memory: use read() and write()");
}

}  // namespace trident
