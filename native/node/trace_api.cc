// Which requests are traced, as the facade sees it.

#include <algorithm>

#include "node/bridge.h"
#include "node/napi_util.h"
#include "node/server_handle.h"

namespace trident {
namespace {

// setTraceRule(server, model, level, rate, count, destination): model '' is all without a rule of
// their own
napi_value SetTraceRule(napi_env env, napi_callback_info info) {
  const JsCall call(env, info);
  ServerHandle* handle = call.bridge().server_table.Find(call.Int32(0));
  if (handle == nullptr) return call.Throw(Unavailable("the server is closed"));
  TraceRule rule;
  rule.level = static_cast<uint32_t>(call.Size(2));
  rule.rate = static_cast<uint32_t>(std::max<uint64_t>(1, call.Size(3)));
  rule.count = call.Int64(4);
  rule.destination = call.Int32(5);
  handle->SetTraceRule(call.String(1), rule);
  return nullptr;
}

// removeTraceRule(server, model)
napi_value RemoveTraceRule(napi_env env, napi_callback_info info) {
  const JsCall call(env, info);
  ServerHandle* handle = call.bridge().server_table.Find(call.Int32(0));
  if (handle == nullptr) return call.Throw(Unavailable("the server is closed"));
  handle->RemoveTraceRule(call.String(1));
  return nullptr;
}

// tracesLeft(server, model): how many more the rule allows; -1 is no limit
napi_value TracesLeft(napi_env env, napi_callback_info info) {
  const JsCall call(env, info);
  const ServerHandle* handle = call.bridge().server_table.Find(call.Int32(0));
  const bool traced = handle != nullptr && handle->tracer != nullptr;
  const int64_t left = traced ? handle->tracer->CountLeft(call.String(1)) : -1;
  return FromNumber(env, static_cast<double>(left));
}

// tracesDropped(server): number
napi_value TracesDropped(napi_env env, napi_callback_info info) {
  const JsCall call(env, info);
  const ServerHandle* handle = call.bridge().server_table.Find(call.Int32(0));
  const bool traced = handle != nullptr && handle->tracer != nullptr;
  return FromNumber(env, traced ? static_cast<double>(handle->tracer->dropped()) : 0);
}

}  // namespace

void ServerHandle::SetTraceRule(const std::string& model, const TraceRule& rule) {
  if (tracer == nullptr) tracer = std::make_unique<Tracer>(queue, id);
  tracer->SetRule(model, rule);
  UpdateTracing();
}

void ServerHandle::RemoveTraceRule(const std::string& model) {
  if (tracer == nullptr) return;
  tracer->RemoveRule(model);
  UpdateTracing();
}

void ServerHandle::UpdateTracing() { tracing = tracer->on() ? tracer.get() : nullptr; }

const std::vector<Method>& TraceMethods() {
  static const auto* methods = new std::vector<Method>{{"setTraceRule", SetTraceRule},
                                                       {"removeTraceRule", RemoveTraceRule},
                                                       {"tracesLeft", TracesLeft},
                                                       {"tracesDropped", TracesDropped}};
  return *methods;
}

}  // namespace trident
