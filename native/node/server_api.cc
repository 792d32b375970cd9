// Servers and models, as the facade sees them. Whatever can block is a task on the bridge's pool.

#include <utility>

#include "node/bridge.h"
#include "node/function_backend.h"
#include "node/napi_util.h"
#include "node/server_settings.h"
#include "node/triton_util.h"

namespace trident {
namespace {

using OptionsPtr =
    std::unique_ptr<TRITONSERVER_ServerOptions, void (*)(TRITONSERVER_ServerOptions*)>;

OptionsPtr NewOptions() {
  TRITONSERVER_ServerOptions* options = nullptr;
  (void)TakeError(TRITONSERVER_ServerOptionsNew(&options));
  return OptionsPtr(options, [](TRITONSERVER_ServerOptions* made) {
    (void)TakeError(TRITONSERVER_ServerOptionsDelete(made));
  });
}

// serverNew(task, settings, allowedKeys): the server's number, before it has started
napi_value ServerNew(napi_env env, napi_callback_info info) {
  const JsCall call(env, info);
  Bridge& bridge = call.bridge();
  std::vector<std::string> patterns;
  for (size_t i = 0; i < ArrayLength(env, call.value(2)); ++i) {
    patterns.push_back(ToString(env, Element(env, call.value(2), i)));
  }
  Result<AllowedKeys> allowed = AllowedKeys::Parse(patterns);
  if (!allowed.ok()) return call.Throw(allowed.status());
  auto owned = std::make_unique<ServerHandle>(&bridge.queue(), std::move(allowed).value());
  ServerHandle* handle = owned.get();

  std::shared_ptr<TRITONSERVER_ServerOptions> options = NewOptions();
  handle->functions = std::make_shared<FunctionServer>();
  handle->functions->home = bridge.functions.home;
  const TRITONSERVER_TridentBackend functions = FunctionBackend(handle->functions.get());
  Status applied =
      TakeError(TRITONSERVER_TridentServerOptionsAddBackend(options.get(), &functions));
  if (applied.ok()) {
    applied = TakeError(TRITONSERVER_TridentServerOptionsSetModelEventFn(
        options.get(), ServerHandle::OnModelEvent, handle));
  }
  if (applied.ok()) {
    applied = TakeError(TRITONSERVER_TridentServerOptionsSetDeviceEventFn(
        options.get(), ServerHandle::OnDeviceEvent, handle));
  }
  if (applied.ok()) applied = ApplySettings(env, call.value(1), handle, options.get());
  if (!applied.ok()) return call.Throw(applied);
  handle->id = bridge.server_table.Add(std::move(owned));
  handle->functions->id = handle->id;
  handle->functions->inline_budget_ns = handle->inline_budget_ns;
  const Status started = bridge.RunTask(
      call.Int32(0),
      [handle, options] {
        TRITONSERVER_Server* server = nullptr;
        TRIDENT_RETURN_IF_ERROR(TakeError(TRITONSERVER_ServerNew(&server, options.get())));
        handle->server = server;
        return Status::Ok();
      },
      [&bridge, handle](const Status* status) {
        if (!status->ok()) bridge.server_table.Remove(handle->id);
      });
  if (started.ok()) return FromInt32(env, handle->id);
  bridge.server_table.Remove(handle->id);
  return call.Throw(started);
}

// The server numbered by argument `index`, if it runs and is this environment's.
ServerHandle* Running(const JsCall& call, size_t index) {
  ServerHandle* handle = call.bridge().server_table.Find(call.Int32(index));
  const bool runs = handle != nullptr && handle->server.load() != nullptr && !handle->attached;
  return runs ? handle : nullptr;
}

// serverDelete(task, server): when none of its slots is left
napi_value ServerDelete(napi_env env, napi_callback_info info) {
  const JsCall call(env, info);
  Bridge& bridge = call.bridge();
  ServerHandle* handle = Running(call, 1);
  if (handle == nullptr) return call.Throw(ServerIsClosed());
  if (handle->slot_count > 0) return call.Throw(Internal("the server still has request slots"));
  TRITONSERVER_Server* server = handle->server.exchange(nullptr);
  auto deleted = std::make_shared<bool>(true);
  return call.ThrowIfError(bridge.RunTask(
      call.Int32(0),
      [handle, server, deleted] {
        handle->functions->shared.Close();
        handle->regions.UnregisterAll(RegionKind::kSystem);
        handle->regions.UnregisterAll(RegionKind::kCuda);
        // A first call that fails has stopped the server; the second one deletes it.
        Status status = TakeError(TRITONSERVER_ServerDelete(server));
        if (status.ok()) return status;
        const Status second = TakeError(TRITONSERVER_ServerDelete(server));
        *deleted = second.ok();
        if (*deleted) return status;
        return Status(status.code(),
                      StrCat(status.message(), "; the server stays in memory: ", second.message()));
      },
      [&bridge, handle, server, deleted](const Status*) {
        if (*deleted) {
          bridge.server_table.Remove(handle->id);
        } else {
          handle->undeleted = server;  // it still logs through the handle
        }
      }));
}

// What a load overrides: the configuration and the model's files, as private copies, since JS may
// change its arrays while the load runs.
struct LoadOverrides {
  bool has_config = false;
  std::string config;
  std::vector<std::pair<std::string, std::string>> files;  // "file:<path>" and contents

  std::vector<std::unique_ptr<TRITONSERVER_Parameter, ParameterDeleter>> Parameters() const {
    std::vector<std::unique_ptr<TRITONSERVER_Parameter, ParameterDeleter>> parameters;
    if (has_config) {
      parameters.emplace_back(
          TRITONSERVER_ParameterNew("config", TRITONSERVER_PARAMETER_STRING, config.c_str()));
    }
    for (const auto& [name, bytes] : files) {
      parameters.emplace_back(
          TRITONSERVER_ParameterBytesNew(name.c_str(), bytes.data(), bytes.size()));
    }
    return parameters;
  }
};

Status Load(TRITONSERVER_Server* server, const std::string& name, const LoadOverrides& overrides) {
  const auto owned = overrides.Parameters();
  if (owned.empty()) return TakeError(TRITONSERVER_ServerLoadModel(server, name.c_str()));
  std::vector<const TRITONSERVER_Parameter*> parameters;
  for (const auto& parameter : owned) parameters.push_back(parameter.get());
  return TakeError(TRITONSERVER_ServerLoadModelWithParameters(
      server, name.c_str(), parameters.data(), parameters.size()));
}

// loadModel(task, server, name, config, files): config is JSON or null, files [[path, bytes], ...]
napi_value LoadModel(napi_env env, napi_callback_info info) {
  const JsCall call(env, info);
  ServerHandle* handle = Running(call, 1);
  if (handle == nullptr) return call.Throw(ServerIsClosed());
  auto overrides = std::make_shared<LoadOverrides>();
  overrides->has_config = TypeOf(env, call.value(3)) == napi_string;
  overrides->config = call.String(3);
  for (size_t i = 0; i < ArrayLength(env, call.value(4)); ++i) {
    napi_value item = Element(env, call.value(4), i);
    const ByteSpan bytes = TypedArrayBytes(env, Element(env, item, 1));
    overrides->files.emplace_back(
        "file:" + ToString(env, Element(env, item, 0)),
        bytes.data == nullptr
            ? std::string()
            : std::string(reinterpret_cast<const char*>(bytes.data), bytes.byte_size));
  }
  return call.ThrowIfError(
      call.bridge().RunTask(call.Int32(0), [server = handle->server.load(), name = call.String(2),
                                            overrides] { return Load(server, name, *overrides); }));
}

// loadProvidedModel(task, server, name, config)
napi_value LoadProvidedModel(napi_env env, napi_callback_info info) {
  const JsCall call(env, info);
  ServerHandle* handle = Running(call, 1);
  if (handle == nullptr) return call.Throw(ServerIsClosed());
  return call.ThrowIfError(call.bridge().RunTask(
      call.Int32(0),
      [server = handle->server.load(), name = call.String(2), config = call.String(3)] {
        return TakeError(
            TRITONSERVER_TridentServerLoadProvidedModel(server, name.c_str(), config.c_str()));
      }));
}

// unloadModel(task, server, name, dependents, timeoutMs)
napi_value UnloadModel(napi_env env, napi_callback_info info) {
  const JsCall call(env, info);
  ServerHandle* handle = Running(call, 1);
  if (handle == nullptr) return call.Throw(ServerIsClosed());
  return call.ThrowIfError(
      call.bridge().RunTask(call.Int32(0), [server = handle->server.load(), name = call.String(2),
                                            dependents = call.Bool(3), timeout_ms = call.Size(4)] {
        return TakeError(TRITONSERVER_TridentServerUnloadModelAndWait(server, name.c_str(),
                                                                      dependents, timeout_ms));
      }));
}

// endLoads(server)
napi_value EndLoads(napi_env env, napi_callback_info info) {
  const JsCall call(env, info);
  ServerHandle* handle = Running(call, 0);
  if (handle == nullptr) return call.Throw(ServerIsClosed());
  return call.ThrowIfError(TakeError(TRITONSERVER_TridentServerEndLoads(handle->server.load())));
}

// pollRepository(task, server)
napi_value PollRepository(napi_env env, napi_callback_info info) {
  const JsCall call(env, info);
  ServerHandle* handle = Running(call, 1);
  if (handle == nullptr) return call.Throw(ServerIsClosed());
  return call.ThrowIfError(call.bridge().RunTask(call.Int32(0), [server = handle->server.load()] {
    return TakeError(TRITONSERVER_ServerPollModelRepository(server));
  }));
}

Status AddRepository(TRITONSERVER_Server* server, const std::string& path,
                     const std::vector<std::pair<std::string, std::string>>& names) {
  std::vector<std::unique_ptr<TRITONSERVER_Parameter, ParameterDeleter>> owned;
  std::vector<const TRITONSERVER_Parameter*> mapping;
  for (const auto& [directory, model] : names) {
    owned.emplace_back(
        TRITONSERVER_ParameterNew(directory.c_str(), TRITONSERVER_PARAMETER_STRING, model.c_str()));
    mapping.push_back(owned.back().get());
  }
  return TakeError(TRITONSERVER_ServerRegisterModelRepository(
      server, path.c_str(), mapping.data(), static_cast<uint32_t>(mapping.size())));
}

// addRepository(task, server, path, [[directory, model], ...])
napi_value AddRepository(napi_env env, napi_callback_info info) {
  const JsCall call(env, info);
  ServerHandle* handle = Running(call, 1);
  if (handle == nullptr) return call.Throw(ServerIsClosed());
  std::vector<std::pair<std::string, std::string>> names;
  for (size_t i = 0; i < ArrayLength(env, call.value(3)); ++i) {
    napi_value item = Element(env, call.value(3), i);
    names.emplace_back(ToString(env, Element(env, item, 0)), ToString(env, Element(env, item, 1)));
  }
  return call.ThrowIfError(
      call.bridge().RunTask(call.Int32(0), [server = handle->server.load(), path = call.String(2),
                                            names] { return AddRepository(server, path, names); }));
}

// removeRepository(task, server, path)
napi_value RemoveRepository(napi_env env, napi_callback_info info) {
  const JsCall call(env, info);
  ServerHandle* handle = Running(call, 1);
  if (handle == nullptr) return call.Throw(ServerIsClosed());
  return call.ThrowIfError(
      call.bridge().RunTask(call.Int32(0), [server = handle->server.load(), path = call.String(2)] {
        return TakeError(TRITONSERVER_ServerUnregisterModelRepository(server, path.c_str()));
      }));
}

// setLogSettings(server, error, warn, info, verbose, iso8601)
napi_value SetLogSettings(napi_env env, napi_callback_info info) {
  const JsCall call(env, info);
  ServerHandle* handle = Running(call, 0);
  if (handle == nullptr) return call.Throw(ServerIsClosed());
  return call.ThrowIfError(TakeError(TRITONSERVER_TridentServerSetLogSettings(
      handle->server.load(), call.Bool(3), call.Bool(2), call.Bool(1), call.Int32(4),
      LogFormat(call.Bool(5)))));
}

// registerRepository(server, path): a private one, removed at the environment's end
napi_value RegisterRepository(napi_env env, napi_callback_info info) {
  const JsCall call(env, info);
  ServerHandle* handle = Running(call, 0);
  if (handle == nullptr) return call.Throw(ServerIsClosed());
  handle->private_repository = call.String(1);
  return call.ThrowIfError(TakeError(TRITONSERVER_ServerRegisterModelRepository(
      handle->server.load(), handle->private_repository.c_str(), nullptr, 0)));
}

// Questions, answered from memory ---------------------------------------------------------------

napi_value Json(const JsCall& call, TRITONSERVER_Error* error, TRITONSERVER_Message** message) {
  const Status status = TakeError(error);
  return status.ok() ? FromString(call.env(), TakeJson(*message)) : call.Throw(status);
}

// What may also be asked of another environment's server.
SharedServer::Use UseOf(const JsCall& call) {
  const ServerHandle* handle = call.bridge().server_table.Find(call.Int32(0));
  return handle != nullptr ? handle->Use() : SharedServer::Use(nullptr, nullptr);
}

// describe(server, what, model, version): JSON
napi_value Describe(napi_env env, napi_callback_info info) {
  const JsCall call(env, info);
  const SharedServer::Use use = UseOf(call);
  TRITONSERVER_Server* server = use.get();
  if (server == nullptr) return call.Throw(ServerIsClosed());
  const std::string what = call.String(1);
  const std::string model = call.String(2);
  const int64_t version = call.Int64(3);
  TRITONSERVER_Message* message = nullptr;
  if (what == "server") return Json(call, TRITONSERVER_ServerMetadata(server, &message), &message);
  if (what == "index" || what == "readyIndex") {
    const uint32_t flags = what == "index" ? 0 : TRITONSERVER_INDEX_FLAG_READY;
    return Json(call, TRITONSERVER_ServerModelIndex(server, flags, &message), &message);
  }
  if (what == "metadata") {
    return Json(call, TRITONSERVER_ServerModelMetadata(server, model.c_str(), version, &message),
                &message);
  }
  if (what == "config") {
    return Json(call, TRITONSERVER_ServerModelConfig(server, model.c_str(), version, 1, &message),
                &message);
  }
  if (what == "statistics") {
    return Json(call, TRITONSERVER_ServerModelStatistics(server, model.c_str(), version, &message),
                &message);
  }
  return call.Throw(Internal("unknown question '", what, "'"));
}

// readConfig(text, fileName): the JSON of a config.pbtxt
napi_value ReadConfig(napi_env env, napi_callback_info info) {
  const JsCall call(env, info);
  const std::string text = call.String(0);
  const std::string file_name = call.String(1);
  TRITONSERVER_Message* message = nullptr;
  return Json(
      call,
      TRITONSERVER_TridentReadModelConfig(text.data(), text.size(), file_name.c_str(), &message),
      &message);
}

// isTrue(server, what, model, version): boolean
napi_value IsTrue(napi_env env, napi_callback_info info) {
  const JsCall call(env, info);
  const SharedServer::Use use = UseOf(call);
  TRITONSERVER_Server* server = use.get();
  if (server == nullptr) return call.Throw(ServerIsClosed());
  const std::string what = call.String(1);
  bool answer = false;
  Status status;
  if (what == "live") {
    status = TakeError(TRITONSERVER_ServerIsLive(server, &answer));
  } else if (what == "ready") {
    status = TakeError(TRITONSERVER_ServerIsReady(server, &answer));
  } else {
    status = TakeError(
        TRITONSERVER_ServerModelIsReady(server, call.String(2).c_str(), call.Int64(3), &answer));
  }
  return status.ok() ? FromBool(env, answer) : call.Throw(status);
}

}  // namespace

void ServerHandle::OnLog(TRITONSERVER_LogLevel level, const char* file, int line,
                         uint64_t timestamp_us, const char* message, void* userp) {
  const auto* handle = static_cast<const ServerHandle*>(userp);
  handle->queue->Push(
      LogLine{handle->id, static_cast<int>(level), line, timestamp_us, file, message});
}

void ServerHandle::OnModelEvent(const TRITONSERVER_TridentModelEvent* event, void* userp) {
  const auto* handle = static_cast<const ServerHandle*>(userp);
  handle->queue->Push(ModelEvent{handle->id, event->model, event->version,
                                 static_cast<int>(event->state), event->reason, event->completed,
                                 event->total});
}

void ServerHandle::OnDeviceEvent(const TRITONSERVER_TridentDeviceEvent* event, void* userp) {
  const auto* handle = static_cast<const ServerHandle*>(userp);
  handle->queue->Push(DeviceEvent{handle->id, event->device_id, event->reason});
}

const std::vector<Method>& ServerMethods() {
  static const auto* methods = new std::vector<Method>{
      {"serverNew", ServerNew},
      {"serverDelete", ServerDelete},
      {"loadModel", LoadModel},
      {"loadProvidedModel", LoadProvidedModel},
      {"unloadModel", UnloadModel},
      {"registerRepository", RegisterRepository},
      {"addRepository", AddRepository},
      {"removeRepository", RemoveRepository},
      {"endLoads", EndLoads},
      {"pollRepository", PollRepository},
      {"setLogSettings", SetLogSettings},
      {"describe", Describe},
      {"readConfig", ReadConfig},
      {"isTrue", IsTrue},
  };
  return *methods;
}

}  // namespace trident
