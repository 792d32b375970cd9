#include "node/function_backend.h"

#include <cstdio>
#include <memory>
#include <string>
#include <string_view>

#include "node/function_instance.h"
#include "node/function_registry.h"
#include "node/triton_util.h"

namespace trident {
namespace {

// What the C ABI keeps for us as a pointer.
using ModelState = std::shared_ptr<FunctionModel>;
using InstanceState = std::shared_ptr<FunctionInstance>;

TRITONSERVER_Error* ToError(const Status& status) {
  if (status.ok()) return nullptr;
  return TRITONSERVER_ErrorNew(static_cast<TRITONSERVER_Error_Code>(status.code()),
                               status.message().c_str());
}

std::string Quoted(std::string_view text) {
  std::string quoted = "\"";
  for (const char c : text) {
    if (c == '"' || c == '\\') quoted += '\\';
    if (static_cast<unsigned char>(c) >= 0x20) {
      quoted += c;
    } else {
      char escape[8];
      snprintf(escape, sizeof escape, "\\u%04x", c);
      quoted += escape;
    }
  }
  return quoted + '"';
}

Result<std::shared_ptr<FunctionServer>> ServerOf(TRITONBACKEND_Model* handle) {
  TRITONBACKEND_Backend* backend = nullptr;
  void* state = nullptr;
  TRITONSERVER_Server* server = nullptr;
  TRIDENT_RETURN_IF_ERROR(TakeError(TRITONBACKEND_ModelBackend(handle, &backend)));
  TRIDENT_RETURN_IF_ERROR(TakeError(TRITONBACKEND_BackendState(backend, &state)));
  TRIDENT_RETURN_IF_ERROR(TakeError(TRITONBACKEND_ModelServer(handle, &server)));
  auto functions = static_cast<FunctionServer*>(state)->shared_from_this();
  functions->server = server;
  return functions;
}

Result<ModelState> Describe(TRITONBACKEND_Model* handle) {
  auto model = std::make_shared<FunctionModel>();
  const char* name = nullptr;
  TRITONBACKEND_ArtifactType artifact_type;
  const char* directory = nullptr;
  TRITONSERVER_Message* config = nullptr;
  TRIDENT_RETURN_IF_ERROR(TakeError(TRITONBACKEND_ModelName(handle, &name)));
  TRIDENT_RETURN_IF_ERROR(TakeError(TRITONBACKEND_ModelVersion(handle, &model->version)));
  TRIDENT_RETURN_IF_ERROR(
      TakeError(TRITONBACKEND_ModelRepository(handle, &artifact_type, &directory)));
  TRIDENT_RETURN_IF_ERROR(TakeError(TRITONBACKEND_ModelConfig(handle, 1, &config)));
  model->name = name;
  model->description =
      StrCat("\"model\":", Quoted(name), ",\"version\":", model->version,
             ",\"directory\":", Quoted(directory), ",\"config\":", TakeJson(config));
  return model;
}

Result<std::string> Describe(const FunctionModel& model, TRITONBACKEND_ModelInstance* handle) {
  const char* name = nullptr;
  TRITONSERVER_InstanceGroupKind kind;
  TRIDENT_RETURN_IF_ERROR(TakeError(TRITONBACKEND_ModelInstanceName(handle, &name)));
  TRIDENT_RETURN_IF_ERROR(TakeError(TRITONBACKEND_ModelInstanceKind(handle, &kind)));
  if (kind == TRITONSERVER_INSTANCEGROUPKIND_GPU) {
    return InvalidArg("model '", model.name,
                      "': functions run on processors: its instances can't be KIND_GPU, use "
                      "KIND_CPU");
  }
  return StrCat("{\"instanceName\":", Quoted(name), ",", model.description, "}");
}

TRITONSERVER_Error* ModelInitialize(TRITONBACKEND_Model* handle) {
  Result<ModelState> model = Describe(handle);
  if (!model.ok()) return ToError(model.status());
  return TRITONBACKEND_ModelSetState(handle, new ModelState(std::move(model).value()));
}

TRITONSERVER_Error* ModelFinalize(TRITONBACKEND_Model* handle) {
  void* state = nullptr;
  TRITONSERVER_Error* const error = TRITONBACKEND_ModelState(handle, &state);
  delete static_cast<ModelState*>(state);
  return error;
}

Status Initialize(TRITONBACKEND_ModelInstance* handle) {
  TRITONBACKEND_Model* model_handle = nullptr;
  void* state = nullptr;
  TRIDENT_RETURN_IF_ERROR(TakeError(TRITONBACKEND_ModelInstanceModel(handle, &model_handle)));
  TRIDENT_RETURN_IF_ERROR(TakeError(TRITONBACKEND_ModelState(model_handle, &state)));
  const ModelState& model = *static_cast<ModelState*>(state);
  TRIDENT_ASSIGN_OR_RETURN(std::string description, Describe(*model, handle));
  TRIDENT_ASSIGN_OR_RETURN(auto server, ServerOf(model_handle));
  auto instance = std::make_shared<FunctionInstance>(model, std::move(server), handle);
  FunctionRegistry::Get().Add(instance);
  Status started = instance->Start(std::move(description));
  if (started.ok()) {
    auto* kept = new InstanceState(instance);
    started = TakeError(TRITONBACKEND_ModelInstanceSetState(handle, kept));
    if (started.ok()) return started;
    delete kept;
  }
  instance->Finalize();
  return started;
}

TRITONSERVER_Error* InstanceInitialize(TRITONBACKEND_ModelInstance* handle) {
  return ToError(Initialize(handle));
}

InstanceState* StateOf(TRITONBACKEND_ModelInstance* handle) {
  void* state = nullptr;
  (void)TakeError(TRITONBACKEND_ModelInstanceState(handle, &state));
  return static_cast<InstanceState*>(state);
}

TRITONSERVER_Error* InstanceFinalize(TRITONBACKEND_ModelInstance* handle) {
  const std::unique_ptr<InstanceState> state(StateOf(handle));
  if (state != nullptr) (*state)->Finalize();
  return nullptr;
}

TRITONSERVER_Error* InstanceExecute(TRITONBACKEND_ModelInstance* handle,
                                    TRITONBACKEND_Request** requests, uint32_t count) {
  return ToError((*StateOf(handle))->Execute(requests, count));
}

}  // namespace

TRITONSERVER_TridentBackend FunctionBackend(FunctionServer* server) {
  TRITONSERVER_TridentBackend backend = {};
  backend.name = "javascript";
  backend.model_initialize = ModelInitialize;
  backend.model_finalize = ModelFinalize;
  backend.model_instance_initialize = InstanceInitialize;
  backend.model_instance_finalize = InstanceFinalize;
  backend.model_instance_execute = InstanceExecute;
  backend.never_blocks = true;
  backend.state = server;
  return backend;
}

}  // namespace trident
