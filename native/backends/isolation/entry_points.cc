#include "backends/common/attached.h"
#include "backends/common/version.h"
#include "backends/isolation/instance.h"
#include "backends/isolation/model.h"

using trident::backend::Guard;
using trident::backend::Status;
using trident::isolated::Instance;
using trident::isolated::Model;

// Stands in place of the backend of models with `isolation: "process"`, under that one's name: each
// instance is a process of its own, which loads the model with the real backend. Backend setting:
// `isolation-host`, a JSON array with the program, and its arguments, that is to be such a process;
// it calls RunIsolatedInstance. The default is trident-instance beside this library.

extern "C" {

TRITONSERVER_Error* TRITONBACKEND_Initialize(TRITONBACKEND_Backend*) {
  return Guard([] { return trident::backend::CheckApiVersion("isolation"); });
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
    bool passive = false;
    BACKEND_RETURN_IF_ERROR(TRITONBACKEND_ModelInstanceIsPassive(handle, &passive));
    if (passive) return Status();  // nothing would ever reach its process
    TRITONBACKEND_Model* model_handle = nullptr;
    Model* model = nullptr;
    BACKEND_RETURN_IF_ERROR(TRITONBACKEND_ModelInstanceModel(handle, &model_handle));
    BACKEND_RETURN_IF_ERROR(trident::backend::Attached(model_handle, &model));
    std::unique_ptr<Instance> instance;
    BACKEND_RETURN_IF_ERROR(Instance::Create(model, handle, &instance));
    return trident::backend::Attach(handle, std::move(instance));
  });
}

TRITONSERVER_Error* TRITONBACKEND_ModelInstanceFinalize(TRITONBACKEND_ModelInstance* handle) {
  return trident::backend::DeleteAttached<Instance>(handle);
}

TRITONSERVER_Error* TRITONBACKEND_ModelInstanceReady(TRITONBACKEND_ModelInstance* handle) {
  return Guard([handle]() -> Status {
    Instance* instance = nullptr;
    BACKEND_RETURN_IF_ERROR(trident::backend::Attached(handle, &instance));
    return instance == nullptr ? Status() : instance->Ready();
  });
}

TRITONSERVER_Error* TRITONBACKEND_ModelInstanceExecute(TRITONBACKEND_ModelInstance* handle,
                                                       TRITONBACKEND_Request** requests,
                                                       uint32_t count) {
  return trident::backend::ExecuteAttached<Instance>(handle, requests, count);
}

}  // extern "C"
