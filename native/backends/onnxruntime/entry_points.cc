#include "backends/common/attached.h"
#include "backends/common/version.h"
#include "backends/onnxruntime/cuda_provider.h"
#include "backends/onnxruntime/instance.h"

using trident::backend::Guard;
using trident::backend::Status;
using trident::ort::Instance;
using trident::ort::Model;
using trident::ort::Runtime;

// Models of Triton's "onnxruntime" backend: <version>/model.onnx, or a directory model.onnx with
// that file and those it refers to. Backend settings: `library` (see Runtime::Load) and
// `default-max-batch-size`; model parameters: see ReadSessionOptions and ReadCudaOptions. A model
// is code: load only trusted ones. ONNX Runtime itself refuses malformed files, external data
// outside of the model's directory and memory addresses in a model file.

extern "C" {

TRITONSERVER_Error* TRITONBACKEND_Initialize(TRITONBACKEND_Backend* handle) {
  return Guard([handle]() -> Status {
    BACKEND_RETURN_IF_ERROR(trident::backend::CheckApiVersion("onnxruntime"));
    std::unique_ptr<Runtime> runtime;
    BACKEND_RETURN_IF_ERROR(Runtime::Load(handle, &runtime));
    return trident::backend::Attach(handle, std::move(runtime));
  });
}

TRITONSERVER_Error* TRITONBACKEND_Finalize(TRITONBACKEND_Backend* handle) {
  return trident::backend::DeleteAttached<Runtime>(handle);
}

// GPUs only where ONNX Runtime can use them, so that KIND_AUTO is the CPU elsewhere: its provider's
// files alone say little, as onnxruntime-node comes with them unless told not to.
TRITONSERVER_Error* TRITONBACKEND_GetBackendAttribute(TRITONBACKEND_Backend* handle,
                                                      TRITONBACKEND_BackendAttribute* attributes) {
  return Guard([=]() -> Status {
    Runtime* runtime = nullptr;
    BACKEND_RETURN_IF_ERROR(trident::backend::Attached(handle, &runtime));
    if (trident::ort::LoadCudaProvider(*runtime).ok()) {
      BACKEND_RETURN_IF_ERROR(TRITONBACKEND_BackendAttributeAddPreferredInstanceGroup(
          attributes, TRITONSERVER_INSTANCEGROUPKIND_GPU, 0, nullptr, 0));
    }
    BACKEND_RETURN_IF_ERROR(TRITONBACKEND_BackendAttributeAddPreferredInstanceGroup(
        attributes, TRITONSERVER_INSTANCEGROUPKIND_CPU, 0, nullptr, 0));
    return TRITONBACKEND_BackendAttributeSetParallelModelInstanceLoading(attributes, true);
  });
}

TRITONSERVER_Error* TRITONBACKEND_ModelInitialize(TRITONBACKEND_Model* handle) {
  return Guard([handle]() -> Status {
    TRITONBACKEND_Backend* backend = nullptr;
    Runtime* runtime = nullptr;
    BACKEND_RETURN_IF_ERROR(TRITONBACKEND_ModelBackend(handle, &backend));
    BACKEND_RETURN_IF_ERROR(trident::backend::Attached(backend, &runtime));
    std::unique_ptr<Model> model;
    BACKEND_RETURN_IF_ERROR(Model::Create(*runtime, handle, &model));
    return trident::backend::Attach(handle, std::move(model));
  });
}

TRITONSERVER_Error* TRITONBACKEND_ModelFinalize(TRITONBACKEND_Model* handle) {
  return trident::backend::DeleteAttached<Model>(handle);
}

TRITONSERVER_Error* TRITONBACKEND_ModelInstanceInitialize(TRITONBACKEND_ModelInstance* handle) {
  return Guard([handle]() -> Status {
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

TRITONSERVER_Error* TRITONBACKEND_ModelInstanceExecute(TRITONBACKEND_ModelInstance* handle,
                                                       TRITONBACKEND_Request** requests,
                                                       uint32_t count) {
  return trident::backend::ExecuteAttached<Instance>(handle, requests, count);
}

}  // extern "C"
