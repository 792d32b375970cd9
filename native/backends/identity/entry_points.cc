#include "backends/common/version.h"
#include "backends/identity/identity.h"

using trident::backend::Guard;
using trident::backend::Status;
using trident::identity::Instance;
using trident::identity::Model;

extern "C" {

TRITONSERVER_Error* TRITONBACKEND_Initialize(TRITONBACKEND_Backend*) {
  return Guard([] { return trident::backend::CheckApiVersion("identity"); });
}

TRITONSERVER_Error* TRITONBACKEND_GetBackendAttribute(TRITONBACKEND_Backend*,
                                                      TRITONBACKEND_BackendAttribute* attributes) {
  return TRITONBACKEND_BackendAttributeAddPreferredInstanceGroup(
      attributes, TRITONSERVER_INSTANCEGROUPKIND_CPU, 0, nullptr, 0);
}

TRITONSERVER_Error* TRITONBACKEND_ModelInitialize(TRITONBACKEND_Model* handle) {
  return Guard([handle]() -> Status {
    std::unique_ptr<Model> model;
    BACKEND_RETURN_IF_ERROR(Model::Create(handle, &model));
    BACKEND_RETURN_IF_ERROR(TRITONBACKEND_ModelSetState(handle, model.get()));
    model.release();
    return Status();
  });
}

TRITONSERVER_Error* TRITONBACKEND_ModelFinalize(TRITONBACKEND_Model* handle) {
  return Guard([handle]() -> Status {
    void* state = nullptr;
    BACKEND_RETURN_IF_ERROR(TRITONBACKEND_ModelState(handle, &state));
    delete static_cast<Model*>(state);
    return Status();
  });
}

TRITONSERVER_Error* TRITONBACKEND_ModelInstanceInitialize(TRITONBACKEND_ModelInstance* handle) {
  return Guard([handle]() -> Status {
    TRITONBACKEND_Model* model_handle = nullptr;
    void* state = nullptr;
    BACKEND_RETURN_IF_ERROR(TRITONBACKEND_ModelInstanceModel(handle, &model_handle));
    BACKEND_RETURN_IF_ERROR(TRITONBACKEND_ModelState(model_handle, &state));
    const Model& model = *static_cast<const Model*>(state);
    if (model.fail() == "instance_initialize") {
      return trident::backend::Internal("model '", model.name(),
                                        "': parameter 'fail' is 'instance_initialize'");
    }
    auto instance = std::make_unique<Instance>(model, handle);
    BACKEND_RETURN_IF_ERROR(TRITONBACKEND_ModelInstanceSetState(handle, instance.get()));
    instance.release();
    return Status();
  });
}

TRITONSERVER_Error* TRITONBACKEND_ModelInstanceFinalize(TRITONBACKEND_ModelInstance* handle) {
  return Guard([handle]() -> Status {
    void* state = nullptr;
    BACKEND_RETURN_IF_ERROR(TRITONBACKEND_ModelInstanceState(handle, &state));
    delete static_cast<Instance*>(state);
    return Status();
  });
}

TRITONSERVER_Error* TRITONBACKEND_ModelInstanceExecute(TRITONBACKEND_ModelInstance* handle,
                                                       TRITONBACKEND_Request** requests,
                                                       uint32_t count) {
  return Guard([=]() -> Status {
    void* state = nullptr;
    BACKEND_RETURN_IF_ERROR(TRITONBACKEND_ModelInstanceState(handle, &state));
    return static_cast<Instance*>(state)->Execute(requests, count);
  });
}

}  // extern "C"
