#include "backends/common/attached.h"
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

// A GPU has to be asked for: KIND_AUTO costs no context on a device for copies that any instance
// can make.
TRITONSERVER_Error* TRITONBACKEND_GetBackendAttribute(TRITONBACKEND_Backend*,
                                                      TRITONBACKEND_BackendAttribute* attributes) {
  return TRITONBACKEND_BackendAttributeAddPreferredInstanceGroup(
      attributes, TRITONSERVER_INSTANCEGROUPKIND_CPU, 0, nullptr, 0);
}

TRITONSERVER_Error* TRITONBACKEND_ModelInitialize(TRITONBACKEND_Model* handle) {
  return Guard([handle]() -> Status {
    std::unique_ptr<Model> model;
    BACKEND_RETURN_IF_ERROR(Model::Create(handle, &model));
    return trident::backend::Attach(handle, std::move(model));
  });
}

TRITONSERVER_Error* TRITONBACKEND_ModelFinalize(TRITONBACKEND_Model* handle) {
  return trident::backend::DeleteAttached<Model>(handle);
}

TRITONSERVER_Error* TRITONBACKEND_ModelInstanceInitialize(TRITONBACKEND_ModelInstance* handle) {
  return Guard([handle]() -> Status {
    TRITONBACKEND_Model* model_handle = nullptr;
    Model* attached = nullptr;
    BACKEND_RETURN_IF_ERROR(TRITONBACKEND_ModelInstanceModel(handle, &model_handle));
    BACKEND_RETURN_IF_ERROR(trident::backend::Attached(model_handle, &attached));
    const Model& model = *attached;
    if (model.fail() == "instance_initialize") {
      return trident::backend::Internal("model '", model.name(),
                                        "': parameter 'fail' is 'instance_initialize'");
    }
    std::unique_ptr<Instance> instance;
    BACKEND_RETURN_IF_ERROR(Instance::Create(model, handle, &instance));
    return trident::backend::Attach(handle, std::move(instance));
  });
}

TRITONSERVER_Error* TRITONBACKEND_ModelInstanceFinalize(TRITONBACKEND_ModelInstance* handle) {
  return trident::backend::DeleteAttached<Instance>(handle);
}

TRITONSERVER_Error* TRITONBACKEND_ModelInstanceExecute(TRITONBACKEND_ModelInstance* handle,
                                                       TRITONBACKEND_Request** requests,
                                                       uint32_t count) {
  return trident::backend::ExecuteAttached<Instance>(handle, requests, count);
}

}  // extern "C"
