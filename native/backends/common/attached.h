#pragma once

#include <cstdint>
#include <memory>

#include "backends/common/status.h"
#include "triton/core/tritonbackend.h"

namespace trident::backend {

// The plug-in's own object behind a backend, a model or an instance: attached when that is
// initialised, used by its entry points, deleted when it is finalised.

inline TRITONSERVER_Error* SetState(TRITONBACKEND_Backend* handle, void* state) {
  return TRITONBACKEND_BackendSetState(handle, state);
}
inline TRITONSERVER_Error* GetState(TRITONBACKEND_Backend* handle, void** state) {
  return TRITONBACKEND_BackendState(handle, state);
}
inline TRITONSERVER_Error* SetState(TRITONBACKEND_Model* handle, void* state) {
  return TRITONBACKEND_ModelSetState(handle, state);
}
inline TRITONSERVER_Error* SetState(TRITONBACKEND_ModelInstance* handle, void* state) {
  return TRITONBACKEND_ModelInstanceSetState(handle, state);
}
inline TRITONSERVER_Error* GetState(TRITONBACKEND_Model* handle, void** state) {
  return TRITONBACKEND_ModelState(handle, state);
}
inline TRITONSERVER_Error* GetState(TRITONBACKEND_ModelInstance* handle, void** state) {
  return TRITONBACKEND_ModelInstanceState(handle, state);
}

template <typename Handle, typename Object>
Status Attach(Handle* handle, std::unique_ptr<Object> object) {
  BACKEND_RETURN_IF_ERROR(SetState(handle, object.get()));
  object.release();
  return Status();
}

template <typename Object, typename Handle>
Status Attached(Handle* handle, Object** object) {
  void* state = nullptr;
  BACKEND_RETURN_IF_ERROR(GetState(handle, &state));
  *object = static_cast<Object*>(state);
  return Status();
}

// TRITONBACKEND_Finalize, TRITONBACKEND_ModelFinalize and TRITONBACKEND_ModelInstanceFinalize,
// whole.
template <typename Object, typename Handle>
TRITONSERVER_Error* DeleteAttached(Handle* handle) noexcept {
  return Guard([handle]() -> Status {
    Object* object = nullptr;
    BACKEND_RETURN_IF_ERROR(Attached(handle, &object));
    delete object;
    return Status();
  });
}

// TRITONBACKEND_ModelInstanceExecute, whole: a failure of Instance::Execute gives all requests
// back.
template <typename Instance>
TRITONSERVER_Error* ExecuteAttached(TRITONBACKEND_ModelInstance* handle,
                                    TRITONBACKEND_Request** requests, uint32_t count) noexcept {
  return Guard([=]() -> Status {
    Instance* instance = nullptr;
    BACKEND_RETURN_IF_ERROR(Attached(handle, &instance));
    return instance->Execute(requests, count);
  });
}

}  // namespace trident::backend
