#include "backends/common/version.h"
#include "backends/onnxruntime/instance.h"

using trident::backend::Guard;
using trident::backend::Status;
using trident::ort::Instance;
using trident::ort::Model;
using trident::ort::Runtime;

// Models of Triton's "onnxruntime" backend: <version>/model.onnx, or a directory model.onnx with
// that file and those it refers to. Backend settings: `library` (see Runtime::Load) and
// `default-max-batch-size`; model parameters: see ReadSessionOptions. A model is code: load only
// trusted ones. ONNX Runtime itself refuses malformed files, external data outside of the model's
// directory and memory addresses in a model file.

extern "C" {

TRITONSERVER_Error* TRITONBACKEND_Initialize(TRITONBACKEND_Backend* handle) {
  return Guard([handle]() -> Status {
    BACKEND_RETURN_IF_ERROR(trident::backend::CheckApiVersion("onnxruntime"));
    std::unique_ptr<Runtime> runtime;
    BACKEND_RETURN_IF_ERROR(Runtime::Load(handle, &runtime));
    BACKEND_RETURN_IF_ERROR(TRITONBACKEND_BackendSetState(handle, runtime.get()));
    runtime.release();
    return Status();
  });
}

TRITONSERVER_Error* TRITONBACKEND_Finalize(TRITONBACKEND_Backend* handle) {
  return Guard([handle]() -> Status {
    void* state = nullptr;
    BACKEND_RETURN_IF_ERROR(TRITONBACKEND_BackendState(handle, &state));
    delete static_cast<Runtime*>(state);
    return Status();
  });
}

TRITONSERVER_Error* TRITONBACKEND_GetBackendAttribute(TRITONBACKEND_Backend*,
                                                      TRITONBACKEND_BackendAttribute* attributes) {
  return Guard([attributes]() -> Status {
    BACKEND_RETURN_IF_ERROR(TRITONBACKEND_BackendAttributeAddPreferredInstanceGroup(
        attributes, TRITONSERVER_INSTANCEGROUPKIND_CPU, 0, nullptr, 0));
    return TRITONBACKEND_BackendAttributeSetParallelModelInstanceLoading(attributes, true);
  });
}

TRITONSERVER_Error* TRITONBACKEND_ModelInitialize(TRITONBACKEND_Model* handle) {
  return Guard([handle]() -> Status {
    TRITONBACKEND_Backend* backend = nullptr;
    void* runtime = nullptr;
    BACKEND_RETURN_IF_ERROR(TRITONBACKEND_ModelBackend(handle, &backend));
    BACKEND_RETURN_IF_ERROR(TRITONBACKEND_BackendState(backend, &runtime));
    std::unique_ptr<Model> model;
    BACKEND_RETURN_IF_ERROR(Model::Create(*static_cast<const Runtime*>(runtime), handle, &model));
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
    TRITONBACKEND_Model* model = nullptr;
    void* state = nullptr;
    BACKEND_RETURN_IF_ERROR(TRITONBACKEND_ModelInstanceModel(handle, &model));
    BACKEND_RETURN_IF_ERROR(TRITONBACKEND_ModelState(model, &state));
    std::unique_ptr<Instance> instance;
    BACKEND_RETURN_IF_ERROR(Instance::Create(static_cast<Model*>(state), handle, &instance));
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
