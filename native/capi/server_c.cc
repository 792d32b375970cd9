// TRITONSERVER_Server.

#include "capi/config_version.h"
#include "capi/handles.h"
#include "capi/request_access.h"
#include "server/server.h"

using namespace trident;  // NOLINT: C functions live outside every namespace

namespace {

// Copies an array of parameters; `what` and `counted` name it and its count in errors.
Result<std::vector<Parameter>> ReadParameters(const char* what, const char* counted,
                                              const TRITONSERVER_Parameter** parameters,
                                              uint64_t count) {
  if (parameters == nullptr && count > 0) {
    return InvalidArg(what, " are not provided while ", counted, " is non-zero");
  }
  std::vector<Parameter> copies;
  for (uint64_t i = 0; i < count; ++i) {
    if (parameters[i] == nullptr) return InvalidArg("number ", i, " of the ", what, " is null");
    copies.push_back(*Core(parameters[i]));
  }
  return copies;
}

Status ToMessage(Result<std::string> text, TRITONSERVER_Message** message) {
  if (!text.ok()) return text.status();
  *message = HandleOf<TRITONSERVER_Message>(new std::string(std::move(text).value()));
  return Status::Ok();
}

}  // namespace

extern "C" {

// Life --------------------------------------------------------------------------------------------

TRITONSERVER_Error* TRITONSERVER_ServerNew(TRITONSERVER_Server** server,
                                           TRITONSERVER_ServerOptions* options) {
  TRIDENT_REQUIRE(server, options);
  return Guard([&] {
    TRIDENT_ASSIGN_OR_RETURN(std::unique_ptr<Server> created, Server::Create(*Core(options)));
    *server = HandleOf<TRITONSERVER_Server>(created.release());
    return Status::Ok();
  });
}

// A server that does not stop in time stays, so that the call can be made again.
TRITONSERVER_Error* TRITONSERVER_ServerDelete(TRITONSERVER_Server* server) {
  if (server == nullptr) return nullptr;
  return Guard([&] {
    TRIDENT_RETURN_IF_ERROR(Core(server)->Stop());
    delete Core(server);
    return Status::Ok();
  });
}

TRITONSERVER_Error* TRITONSERVER_ServerStop(TRITONSERVER_Server* server) {
  TRIDENT_REQUIRE(server);
  return Guard([&] { return Core(server)->Stop(); });
}

TRITONSERVER_Error* TRITONSERVER_ServerSetExitTimeout(TRITONSERVER_Server* server,
                                                      unsigned int timeout) {
  TRIDENT_REQUIRE(server);
  Core(server)->SetExitTimeoutMs(uint64_t{timeout} * 1000);
  return nullptr;
}

TRITONSERVER_Error* TRITONSERVER_ServerIsLive(TRITONSERVER_Server* server, bool* live) {
  TRIDENT_REQUIRE(server, live);
  return Guard([&] { return Core(server)->IsLive(live); });
}

TRITONSERVER_Error* TRITONSERVER_ServerIsReady(TRITONSERVER_Server* server, bool* ready) {
  TRIDENT_REQUIRE(server, ready);
  return Guard([&] { return Core(server)->IsReady(ready); });
}

TRITONSERVER_Error* TRITONSERVER_ServerMetadata(TRITONSERVER_Server* server,
                                                TRITONSERVER_Message** server_metadata) {
  TRIDENT_REQUIRE(server, server_metadata);
  return Guard([&] { return ToMessage(Core(server)->Metadata(), server_metadata); });
}

// Repository --------------------------------------------------------------------------------------

TRITONSERVER_Error* TRITONSERVER_ServerRegisterModelRepository(
    TRITONSERVER_Server* server, const char* repository_path,
    const TRITONSERVER_Parameter** name_mapping, uint32_t mapping_count) {
  TRIDENT_REQUIRE(server, repository_path);
  return Guard([&] {
    TRIDENT_ASSIGN_OR_RETURN(
        const std::vector<Parameter> parameters,
        ReadParameters("model mappings", "mapping count", name_mapping, mapping_count));
    std::map<std::string, std::string> mapping;
    for (const Parameter& parameter : parameters) {
      if (parameter.type != ParameterType::kString) {
        return InvalidArg("Mapped model name must be a string, found another type for ",
                          parameter.name, ": ", ParameterTypeName(parameter.type));
      }
      mapping[parameter.name] = parameter.string_value;
    }
    return Core(server)->RegisterRepository(repository_path, mapping);
  });
}

TRITONSERVER_Error* TRITONSERVER_ServerUnregisterModelRepository(TRITONSERVER_Server* server,
                                                                 const char* repository_path) {
  TRIDENT_REQUIRE(server, repository_path);
  return Guard([&] { return Core(server)->UnregisterRepository(repository_path); });
}

TRITONSERVER_Error* TRITONSERVER_ServerPollModelRepository(TRITONSERVER_Server* server) {
  TRIDENT_REQUIRE(server);
  return Guard([&] { return Core(server)->PollRepository(); });
}

TRITONSERVER_Error* TRITONSERVER_ServerModelIndex(TRITONSERVER_Server* server, uint32_t flags,
                                                  TRITONSERVER_Message** model_index) {
  TRIDENT_REQUIRE(server, model_index);
  const bool ready_only = (flags & TRITONSERVER_INDEX_FLAG_READY) != 0;
  return Guard([&] { return ToMessage(Core(server)->ModelIndex(ready_only), model_index); });
}

TRITONSERVER_Error* TRITONSERVER_ServerLoadModel(TRITONSERVER_Server* server,
                                                 const char* model_name) {
  TRIDENT_REQUIRE(server, model_name);
  return TRITONSERVER_ServerLoadModelWithParameters(server, model_name, nullptr, 0);
}

TRITONSERVER_Error* TRITONSERVER_ServerLoadModelWithParameters(
    TRITONSERVER_Server* server, const char* model_name, const TRITONSERVER_Parameter** parameters,
    uint64_t parameter_count) {
  TRIDENT_REQUIRE(server, model_name);
  return Guard([&] {
    TRIDENT_ASSIGN_OR_RETURN(
        const std::vector<Parameter> copies,
        ReadParameters("load parameters", "parameter count", parameters, parameter_count));
    return Core(server)->LoadModel(model_name, copies);
  });
}

TRITONSERVER_Error* TRITONSERVER_ServerUnloadModel(TRITONSERVER_Server* server,
                                                   const char* model_name) {
  TRIDENT_REQUIRE(server, model_name);
  return Guard([&] { return Core(server)->UnloadModel(model_name, /*dependents=*/false); });
}

TRITONSERVER_Error* TRITONSERVER_ServerUnloadModelAndDependents(TRITONSERVER_Server* server,
                                                                const char* model_name) {
  TRIDENT_REQUIRE(server, model_name);
  return Guard([&] { return Core(server)->UnloadModel(model_name, /*dependents=*/true); });
}

// Models ------------------------------------------------------------------------------------------

TRITONSERVER_Error* TRITONSERVER_ServerModelIsReady(TRITONSERVER_Server* server,
                                                    const char* model_name, int64_t model_version,
                                                    bool* ready) {
  TRIDENT_REQUIRE(server, model_name, ready);
  return Guard([&] { return Core(server)->ModelIsReady(model_name, model_version, ready); });
}

TRITONSERVER_Error* TRITONSERVER_ServerModelBatchProperties(TRITONSERVER_Server* server,
                                                            const char* model_name,
                                                            int64_t model_version, uint32_t* flags,
                                                            void** voidp) {
  TRIDENT_REQUIRE(server, model_name, flags);
  return Guard([&] {
    if (voidp != nullptr) *voidp = nullptr;
    TRIDENT_ASSIGN_OR_RETURN(const std::shared_ptr<Model> model,
                             Core(server)->ModelFor(model_name, model_version));
    *flags =
        model->signature().batching() ? TRITONSERVER_BATCH_FIRST_DIM : TRITONSERVER_BATCH_UNKNOWN;
    return Status::Ok();
  });
}

TRITONSERVER_Error* TRITONSERVER_ServerModelTransactionProperties(TRITONSERVER_Server* server,
                                                                  const char* model_name,
                                                                  int64_t model_version,
                                                                  uint32_t* txn_flags,
                                                                  void** voidp) {
  TRIDENT_REQUIRE(server, model_name, txn_flags);
  return Guard([&] {
    if (voidp != nullptr) *voidp = nullptr;
    TRIDENT_ASSIGN_OR_RETURN(const std::shared_ptr<Model> model,
                             Core(server)->ModelFor(model_name, model_version));
    *txn_flags =
        model->signature().decoupled ? TRITONSERVER_TXN_DECOUPLED : TRITONSERVER_TXN_ONE_TO_ONE;
    return Status::Ok();
  });
}

TRITONSERVER_Error* TRITONSERVER_ServerModelMetadata(TRITONSERVER_Server* server,
                                                     const char* model_name, int64_t model_version,
                                                     TRITONSERVER_Message** model_metadata) {
  TRIDENT_REQUIRE(server, model_name, model_metadata);
  return Guard([&] {
    return ToMessage(Core(server)->ModelMetadata(model_name, model_version), model_metadata);
  });
}

TRITONSERVER_Error* TRITONSERVER_ServerModelStatistics(TRITONSERVER_Server* server,
                                                       const char* model_name,
                                                       int64_t model_version,
                                                       TRITONSERVER_Message** model_stats) {
  TRIDENT_REQUIRE(server, model_name, model_stats);
  return Guard([&] {
    return ToMessage(Core(server)->ModelStatistics(model_name, model_version), model_stats);
  });
}

TRITONSERVER_Error* TRITONSERVER_ServerModelConfig(TRITONSERVER_Server* server,
                                                   const char* model_name, int64_t model_version,
                                                   uint32_t config_version,
                                                   TRITONSERVER_Message** model_config) {
  TRIDENT_REQUIRE(server, model_name, model_config);
  return Guard([&] {
    TRIDENT_RETURN_IF_ERROR(CheckConfigVersion(config_version));
    return ToMessage(Core(server)->ModelConfigText(model_name, model_version), model_config);
  });
}

// Inference ---------------------------------------------------------------------------------------

TRITONSERVER_Error* TRITONSERVER_ServerInferAsync(TRITONSERVER_Server* server,
                                                  TRITONSERVER_InferenceRequest* inference_request,
                                                  TRITONSERVER_InferenceTrace* trace) {
  const TraceHold hold(Core(trace));  // which gives it back when nothing else has come to hold it
  TRIDENT_REQUIRE(server, inference_request);
  InferenceRequest* const request = Core(inference_request);
  // One in flight is refused, and keeps the trace it has.
  const bool traced = AwaitRelease(*request) && trace != nullptr;
  if (traced) request->set_trace(Core(trace));
  TRITONSERVER_Error* const error = Guard([&] { return Core(server)->InferAsync(request); });
  if (traced && error != nullptr) request->EndTrace();
  return error;
}

}  // extern "C"
