// Trident's own additions, declared in trident/extension.h.

#include "base/scratch.h"
#include "capi/handles.h"
#include "capi/request_access.h"
#include "config/json_format.h"
#include "config/text_format.h"
#include "cuda/health.h"
#include "model/model.h"
#include "model/plugin_file.h"
#include "server/server.h"
#include "trident/extension.h"

using namespace trident;  // NOLINT: C functions live outside every namespace

namespace {

constexpr char kMany[] = "TRITONSERVER_TridentServerInferAsyncMany";

Status InferMany(Server* server, TRITONSERVER_InferenceRequest** requests, uint32_t count,
                 uint64_t budget_ns, TRITONSERVER_Error** errors) {
  if (server == nullptr) return InvalidArg(kMany, ": argument 'server' is null");
  Scratch<InferenceRequest*> given(count);
  for (uint32_t i = 0; i < count; ++i) {
    if (requests[i] == nullptr) return InvalidArg(kMany, ": request ", i, " is null");
    given[i] = Core(requests[i]);
  }
  Scratch<Status> outcomes(count);
  server->InferAsyncMany(*given, budget_ns, *outcomes);
  for (uint32_t i = 0; i < count; ++i) errors[i] = ToError(std::move(outcomes[i]));
  return Status::Ok();
}

Status AddBackend(const TRITONSERVER_TridentBackend& backend, ServerOptions* options) {
  if (backend.name == nullptr || backend.model_instance_execute == nullptr) {
    return InvalidArg("a backend needs 'name' and 'model_instance_execute'");
  }
  TRIDENT_RETURN_IF_ERROR(CheckPlainName("backend", backend.name));
  const ProvidedBackend provided = {
      {backend.initialize, backend.finalize, backend.get_backend_attribute,
       backend.model_initialize, backend.model_finalize, backend.model_instance_initialize,
       backend.model_instance_finalize, backend.model_instance_ready,
       backend.model_instance_execute},
      backend.never_blocks,
      backend.state};
  if (options->backends.emplace(backend.name, provided).second) return Status::Ok();
  return AlreadyExists("these options have a backend '", backend.name, "' already");
}

}  // namespace

extern "C" {

void TRITONSERVER_TridentServerInferAsyncMany(TRITONSERVER_Server* server,
                                              TRITONSERVER_InferenceRequest** requests,
                                              uint32_t count, uint64_t budget_ns,
                                              TRITONSERVER_Error** errors) {
  if (requests == nullptr || errors == nullptr) return;  // nothing to submit, or nowhere to say so
  // What fails as a whole has submitted nothing, and every request hears why.
  TRITONSERVER_Error* const failed =
      Guard([&] { return InferMany(Core(server), requests, count, budget_ns, errors); });
  if (failed == nullptr) return;
  for (uint32_t i = 0; i < count; ++i) errors[i] = ToError(ReadError(failed));
  TRITONSERVER_ErrorDelete(failed);
}

TRITONSERVER_Error* TRITONSERVER_TridentServerInferInline(TRITONSERVER_Server* server,
                                                          TRITONSERVER_InferenceRequest* request,
                                                          uint64_t budget_ns, bool* ran_inline) {
  TRIDENT_REQUIRE(server, request, ran_inline);
  *ran_inline = false;
  return Guard([&] { return Core(server)->InferInline(Core(request), budget_ns, ran_inline); });
}

TRITONSERVER_Error* TRITONSERVER_TridentServerLoadProvidedModel(TRITONSERVER_Server* server,
                                                                const char* model_name,
                                                                const char* config_json) {
  TRIDENT_REQUIRE(server, model_name, config_json);
  return Guard([&] { return Core(server)->LoadProvidedModel(model_name, config_json); });
}

TRITONSERVER_Error* TRITONSERVER_TridentServerOptionsSetInlineBudgetNs(
    TRITONSERVER_ServerOptions* options, uint64_t budget_ns) {
  TRIDENT_REQUIRE(options);
  Core(options)->inline_budget_ns = budget_ns;
  return nullptr;
}

TRITONSERVER_Error* TRITONSERVER_TridentServerOptionsAddBackend(
    TRITONSERVER_ServerOptions* options, const TRITONSERVER_TridentBackend* backend) {
  TRIDENT_REQUIRE(options, backend);
  return Guard([&] { return AddBackend(*backend, Core(options)); });
}

TRITONSERVER_Error* TRITONSERVER_TridentServerOptionsSetSpinMicroseconds(
    TRITONSERVER_ServerOptions* options, uint64_t spin_us) {
  TRIDENT_REQUIRE(options);
  Core(options)->spin_us = spin_us;
  return nullptr;
}

TRITONSERVER_Error* TRITONSERVER_TridentInferenceRequestSetDeadlineMicroseconds(
    TRITONSERVER_InferenceRequest* request, uint64_t deadline_us) {
  TRIDENT_REQUIRE(request);
  return ChangeRequest(__func__, request, [&](InferenceRequest* idle) {
    idle->deadline_us = deadline_us;
    return Status::Ok();
  });
}

TRITONSERVER_Error* TRITONSERVER_TridentInferenceRequestSetTrace(
    TRITONSERVER_InferenceRequest* request, TRITONSERVER_InferenceTrace* trace) {
  TRIDENT_REQUIRE(request);
  return ChangeRequest(__func__, request, [&](InferenceRequest* idle) {
    idle->set_trace(Core(trace));
    return Status::Ok();
  });
}

TRITONSERVER_Error* TRITONSERVER_TridentInferenceRequestSetContext(
    TRITONSERVER_InferenceRequest* request, uint64_t context) {
  TRIDENT_REQUIRE(request);
  return ChangeRequest(__func__, request, [&](InferenceRequest* idle) {
    idle->context = context;
    return Status::Ok();
  });
}

TRITONSERVER_Error* TRITONSERVER_TridentServerUnloadModelAndWait(TRITONSERVER_Server* server,
                                                                 const char* model_name,
                                                                 bool unload_dependents,
                                                                 uint64_t timeout_ms) {
  TRIDENT_REQUIRE(server, model_name);
  return Guard(
      [&] { return Core(server)->UnloadModelAndWait(model_name, unload_dependents, timeout_ms); });
}

TRITONSERVER_Error* TRITONSERVER_TridentServerOptionsSetExitTimeoutMs(
    TRITONSERVER_ServerOptions* options, uint64_t timeout_ms) {
  TRIDENT_REQUIRE(options);
  Core(options)->exit_timeout_ms = timeout_ms;
  return nullptr;
}

TRITONSERVER_Error* TRITONSERVER_TridentServerSetExitTimeoutMs(TRITONSERVER_Server* server,
                                                               uint64_t timeout_ms) {
  TRIDENT_REQUIRE(server);
  Core(server)->SetExitTimeoutMs(timeout_ms);
  return nullptr;
}

TRITONSERVER_Error* TRITONSERVER_TridentServerEndLoads(TRITONSERVER_Server* server) {
  TRIDENT_REQUIRE(server);
  return Guard([&] {
    Core(server)->EndLoads();
    return Status::Ok();
  });
}

TRITONSERVER_Error* TRITONSERVER_TridentServerOptionsSetPollSettleTimeMs(
    TRITONSERVER_ServerOptions* options, uint64_t settle_ms) {
  TRIDENT_REQUIRE(options);
  Core(options)->poll_settle_ms = settle_ms;
  return nullptr;
}

TRITONSERVER_Error* TRITONSERVER_TridentServerOptionsSetModelEventFn(
    TRITONSERVER_ServerOptions* options, TRITONSERVER_TridentModelEventFn_t event_fn, void* userp) {
  TRIDENT_REQUIRE(options);
  return Guard([&] {
    Core(options)->model_event_listener = nullptr;
    if (event_fn == nullptr) return Status::Ok();
    Core(options)->model_event_listener = [event_fn, userp](const ModelEvent& event) {
      const std::string model = event.model.Text();
      const TRITONSERVER_TridentModelEvent plain = {
          model.c_str(),
          event.version,
          static_cast<TRITONSERVER_TridentModelState>(event.kind),
          event.reason.c_str(),
          event.completed,
          event.total};
      event_fn(&plain, userp);
    };
    return Status::Ok();
  });
}

TRITONSERVER_Error* TRITONSERVER_TridentServerOptionsSetDeviceEventFn(
    TRITONSERVER_ServerOptions* options, TRITONSERVER_TridentDeviceEventFn_t event_fn,
    void* userp) {
  TRIDENT_REQUIRE(options);
  return Guard([&] {
    Core(options)->device_event_listener = nullptr;
    if (event_fn == nullptr) return Status::Ok();
    Core(options)->device_event_listener = [event_fn, userp](const DeviceEvent& event) {
      const TRITONSERVER_TridentDeviceEvent plain = {event.device_id, event.reason.c_str()};
      event_fn(&plain, userp);
    };
    return Status::Ok();
  });
}

TRITONSERVER_Error* TRITONSERVER_TridentServerCheckDevices(TRITONSERVER_Server* server) {
  TRIDENT_REQUIRE(server);
  return Guard([] {
    cuda::CheckDevices();
    return Status::Ok();
  });
}

TRITONSERVER_Error* TRITONSERVER_TridentReadModelConfig(const char* text, size_t byte_size,
                                                        const char* file_name,
                                                        TRITONSERVER_Message** model_config) {
  TRIDENT_REQUIRE(text, file_name, model_config);
  return Guard([&] {
    const Result<ModelConfig> config = ParseModelConfigText({text, byte_size}, file_name);
    if (!config.ok()) return config.status();
    *model_config =
        HandleOf<TRITONSERVER_Message>(new std::string(ModelConfigToJson(config.value())));
    return Status::Ok();
  });
}

TRITONSERVER_Error* TRITONBACKEND_TridentModelInstanceReportCopies(
    TRITONBACKEND_ModelInstance* instance, uint64_t count, uint64_t byte_size) {
  TRIDENT_REQUIRE(instance);
  return Guard([&] {
    Model& model = Core(instance)->model();
    if (const BatchHost* const host = model.batch_host()) {
      (*host)({.kind = BackendReport::Kind::kCopies, .count = count, .byte_size = byte_size});
    }
    model.statistics().RecordCopies(count, byte_size);
    return Status::Ok();
  });
}

}  // extern "C"
