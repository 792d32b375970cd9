// Functions as models, as the facade sees them: instances and executions are numbers of the
// process.

#include <utility>

#include "node/bridge.h"
#include "node/function_registry.h"
#include "node/napi_util.h"
#include "node/triton_util.h"

namespace trident {
namespace {

constexpr uint64_t kNsPerUs = 1'000;

std::shared_ptr<FunctionInstance> InstanceOf(const JsCall& call) {
  return FunctionRegistry::Get().Find(call.Int32(0));
}

std::shared_ptr<FunctionExecution> ExecutionOf(const JsCall& call, size_t index = 0) {
  return FunctionRegistry::Get().FindExecution(call.Int64(index));
}

uint32_t RequestOf(const JsCall& call, size_t index = 1) {
  return static_cast<uint32_t>(call.Size(index));
}

Status ErrorOf(const JsCall& call, size_t code) {
  return Status(static_cast<StatusCode>(call.Int32(code)), call.String(code + 1));
}

std::vector<std::string> Strings(napi_env env, napi_value list) {
  std::vector<std::string> strings;
  for (size_t i = 0; i < ArrayLength(env, list); ++i) {
    strings.push_back(ToString(env, Element(env, list, i)));
  }
  return strings;
}

// Instances ---------------------------------------------------------------------------------------

// setInstance(instance, maxBatchSize, executionTimeoutUs, states)
napi_value SetInstance(napi_env env, napi_callback_info info) {
  const JsCall call(env, info);
  if (const auto instance = InstanceOf(call)) {
    call.bridge().functions.set_in_use();
    instance->Set({call.Int64(1), call.Size(2) * kNsPerUs, Strings(env, call.value(3))});
  }
  return nullptr;
}

// instanceReady(instance)
napi_value InstanceReady(napi_env env, napi_callback_info info) {
  const JsCall call(env, info);
  if (const auto instance = InstanceOf(call)) {
    call.bridge().functions.set_in_use();
    instance->Ready(call.bridge().functions.home);
  }
  return nullptr;
}

// instanceFailed(instance, code, message)
napi_value InstanceFailed(napi_env env, napi_callback_info info) {
  const JsCall call(env, info);
  if (const auto instance = InstanceOf(call)) instance->Fail(ErrorOf(call, 1));
  return nullptr;
}

// instanceFinalized(instance)
napi_value InstanceFinalized(napi_env env, napi_callback_info info) {
  const JsCall call(env, info);
  if (const auto instance = InstanceOf(call)) instance->Finalized();
  return nullptr;
}

// takeSuccess(instance): an execution of it has succeeded since this was last asked
napi_value TakeSuccess(napi_env env, napi_callback_info info) {
  const JsCall call(env, info);
  const auto instance = InstanceOf(call);
  return FromBool(env, instance != nullptr && instance->TakeSuccess());
}

// endInstances(reason)
napi_value EndInstances(napi_env env, napi_callback_info info) {
  const JsCall call(env, info);
  const Bridge::Settling settling(&call.bridge());
  call.bridge().functions.Leave(call.String(0));
  return nullptr;
}

// Executions --------------------------------------------------------------------------------------

napi_value Correlation(napi_env env, TRITONBACKEND_Request* request) {
  uint64_t number = 0;
  if (TakeError(TRITONBACKEND_RequestCorrelationId(request, &number)).ok()) {
    napi_value correlation = nullptr;
    napi_create_bigint_uint64(env, number, &correlation);
    return correlation;
  }
  const char* text = "";
  (void)TakeError(TRITONBACKEND_RequestCorrelationIdString(request, &text));
  return FromString(env, text);
}

napi_value RequestedOutputs(napi_env env, TRITONBACKEND_Request* request) {
  uint32_t count = 0;
  (void)TakeError(TRITONBACKEND_RequestOutputCount(request, &count));
  std::vector<napi_value> names;
  for (uint32_t i = 0; i < count; ++i) {
    const char* name = "";
    (void)TakeError(TRITONBACKEND_RequestOutputName(request, i, &name));
    names.push_back(FromString(env, name));
  }
  return FromList(env, names);
}

napi_value ParameterValue(napi_env env, TRITONSERVER_ParameterType type, const void* value) {
  switch (type) {
    case TRITONSERVER_PARAMETER_INT: {
      napi_value number = nullptr;
      napi_create_bigint_int64(env, *static_cast<const int64_t*>(value), &number);
      return number;
    }
    case TRITONSERVER_PARAMETER_BOOL:
      return FromBool(env, *static_cast<const bool*>(value));
    case TRITONSERVER_PARAMETER_DOUBLE:
      return FromNumber(env, *static_cast<const double*>(value));
    default:
      return FromString(env, static_cast<const char*>(value));
  }
}

napi_value Parameters(napi_env env, TRITONBACKEND_Request* request) {
  uint32_t count = 0;
  (void)TakeError(TRITONBACKEND_RequestParameterCount(request, &count));
  std::vector<napi_value> parameters;
  for (uint32_t i = 0; i < count; ++i) {
    const char* key = nullptr;
    TRITONSERVER_ParameterType type;
    const void* value = nullptr;
    if (!TakeError(TRITONBACKEND_RequestParameter(request, i, &key, &type, &value)).ok()) continue;
    parameters.push_back(FromString(env, key));
    parameters.push_back(ParameterValue(env, type, value));
  }
  return FromList(env, parameters);
}

napi_value Info(napi_env env, TRITONBACKEND_Request* request) {
  const char* id = "";
  uint32_t flags = 0;
  uint64_t timeout_us = 0;
  bool cancelled = false;
  (void)TakeError(TRITONBACKEND_RequestId(request, &id));
  (void)TakeError(TRITONBACKEND_RequestFlags(request, &flags));
  (void)TakeError(TRITONBACKEND_InferenceRequestTimeoutMicroseconds(request, &timeout_us));
  (void)TakeError(TRITONBACKEND_RequestIsCancelled(request, &cancelled));
  return FromList(env,
                  {FromString(env, id), Correlation(env, request), FromNumber(env, flags),
                   FromNumber(env, static_cast<double>(timeout_us)), RequestedOutputs(env, request),
                   Parameters(env, request), FromBool(env, cancelled)});
}

// requestInfo(execution, request): [id, correlation, flags, timeoutUs, outputs, parameters,
// cancelled]; null when it has ended
napi_value RequestInfo(napi_env env, napi_callback_info info) {
  const JsCall call(env, info);
  napi_value told = nullptr;
  napi_get_null(env, &told);
  if (const auto execution = ExecutionOf(call)) {
    execution->Visit(RequestOf(call),
                     [&](TRITONBACKEND_Request* request) { told = Info(env, request); });
  }
  return told;
}

// respond(execution, request, outputs, final): milliseconds to wait for room, or 0; -1: has ended
napi_value Respond(napi_env env, napi_callback_info info) {
  const JsCall call(env, info);
  const Bridge::Settling settling(&call.bridge());
  double wait_ms = FunctionExecution::kHasEnded;
  if (const auto execution = ExecutionOf(call)) {
    wait_ms = execution->Respond(RequestOf(call), call.value(2), call.Bool(3));
  }
  return FromNumber(env, wait_ms);
}

// endRequest(execution, request)
napi_value EndRequest(napi_env env, napi_callback_info info) {
  const JsCall call(env, info);
  const Bridge::Settling settling(&call.bridge());
  if (const auto execution = ExecutionOf(call)) execution->EndRequest(RequestOf(call));
  return nullptr;
}

// respondError(execution, request, code, message)
napi_value RespondError(napi_env env, napi_callback_info info) {
  const JsCall call(env, info);
  const Bridge::Settling settling(&call.bridge());
  if (const auto execution = ExecutionOf(call)) {
    execution->RespondError(RequestOf(call), ErrorOf(call, 2));
  }
  return nullptr;
}

// finishExecution(execution, results)
napi_value FinishExecution(napi_env env, napi_callback_info info) {
  const JsCall call(env, info);
  const Bridge::Settling settling(&call.bridge());
  if (const auto execution = ExecutionOf(call)) execution->Finish(call.value(1));
  return nullptr;
}

// endExecution(execution)
napi_value EndExecution(napi_env env, napi_callback_info info) {
  const JsCall call(env, info);
  const Bridge::Settling settling(&call.bridge());
  if (const auto execution = ExecutionOf(call)) execution->End();
  return nullptr;
}

// abandonExecution(execution, code, message)
napi_value AbandonExecution(napi_env env, napi_callback_info info) {
  const JsCall call(env, info);
  const Bridge::Settling settling(&call.bridge());
  if (const auto execution = ExecutionOf(call)) execution->Abandon(ErrorOf(call, 1));
  return nullptr;
}

// overdue(server): [instance, execution] of each
napi_value Overdue(napi_env env, napi_callback_info info) {
  const JsCall call(env, info);
  const ServerHandle* handle = call.bridge().server_table.Find(call.Int32(0));
  if (handle == nullptr) return call.Throw(ServerIsClosed());
  const uint64_t now_ns = NowNs();
  std::vector<napi_value> overdue;
  for (const auto& execution : FunctionRegistry::Get().Executions()) {
    const FunctionInstance& instance = execution->instance();
    if (&instance.server() != handle->functions.get() || execution->DueNs() > now_ns) continue;
    overdue.push_back(FromList(env, {FromInt32(env, instance.number()),
                                     FromNumber(env, static_cast<double>(execution->number()))}));
  }
  return FromList(env, overdue);
}

// Calls of other models ---------------------------------------------------------------------------

// attachServer(instance): the number of its server in this environment
napi_value AttachServer(napi_env env, napi_callback_info info) {
  const JsCall call(env, info);
  Bridge& bridge = call.bridge();
  const auto instance = InstanceOf(call);
  if (instance == nullptr) return call.Throw(ServerIsClosed());
  const auto& functions = instance->shared_server();
  if (functions->home == bridge.functions.home) return FromInt32(env, functions->id);
  auto handle = std::make_unique<ServerHandle>(&bridge.queue(), AllowedKeys());
  handle->functions = functions;
  handle->attached = true;
  handle->server = functions->server.load();
  handle->inline_budget_ns = functions->inline_budget_ns;
  ServerHandle* const attached = handle.get();
  attached->id = bridge.server_table.Add(std::move(handle));
  if (attached->Use().get() != nullptr) return FromInt32(env, attached->id);
  bridge.server_table.Remove(attached->id);
  return call.Throw(ServerIsClosed());
}

// Has the slot's next run traced beneath the request it is on behalf of, if that is traced.
void TraceBeneath(RequestSlot* slot, const FunctionExecution& caller, uint32_t request) {
  TRITONSERVER_InferenceTrace* child = nullptr;
  caller.Visit(request, [&child](TRITONBACKEND_Request* handle) {
    TRITONSERVER_InferenceTrace* trace = nullptr;
    (void)TakeError(TRITONBACKEND_RequestTrace(handle, &trace));
    if (trace == nullptr) return;
    (void)TakeError(TRITONSERVER_InferenceTraceSpawnChildTrace(trace, &child));
  });
  slot->SetChildTrace(child);
}

// setParent(slot, execution, request)
napi_value SetParent(napi_env env, napi_callback_info info) {
  const JsCall call(env, info);
  RequestSlot* slot = call.bridge().slot_table.Find(call.Int32(0));
  if (slot == nullptr || slot->in_flight) return call.Throw(NoSuch("idle slot"));
  const auto caller = ExecutionOf(call, 1);
  slot->EndCall();
  slot->SetChildTrace(nullptr);
  if (caller == nullptr) return nullptr;
  Bridge::BeginCall(slot, caller->number());
  const std::vector<std::string> cycle = FunctionRegistry::Get().FindCycle(slot->call);
  if (!cycle.empty()) {
    slot->EndCall();
    return call.Throw(
        Unavailable("model '", cycle.front(), "' would wait for itself: ", PathOf(cycle)));
  }
  TraceBeneath(slot, *caller, RequestOf(call, 2));
  return nullptr;
}

// isView(array): it lies in memory that an execution under way has lent to its function
napi_value IsView(napi_env env, napi_callback_info info) {
  const JsCall call(env, info);
  const ByteSpan bytes = TypedArrayBytes(env, call.value(0));
  return FromBool(env,
                  bytes.valid && call.bridge().functions.views().KeeperOf(bytes.data) != nullptr);
}

// setPlanNeeds(plan, models)
napi_value SetPlanNeeds(napi_env env, napi_callback_info info) {
  const JsCall call(env, info);
  RequestPlan* plan = call.bridge().plan_table.Find(call.Int32(0));
  if (plan == nullptr) return call.Throw(NoSuch("plan"));
  plan->needs = Strings(env, call.value(1));
  return nullptr;
}

}  // namespace

const std::vector<Method>& FunctionMethods() {
  static const auto* methods = new std::vector<Method>{
      {"setInstance", SetInstance},
      {"instanceReady", InstanceReady},
      {"instanceFailed", InstanceFailed},
      {"instanceFinalized", InstanceFinalized},
      {"takeSuccess", TakeSuccess},
      {"endInstances", EndInstances},
      {"requestInfo", RequestInfo},
      {"respond", Respond},
      {"endRequest", EndRequest},
      {"respondError", RespondError},
      {"finishExecution", FinishExecution},
      {"endExecution", EndExecution},
      {"abandonExecution", AbandonExecution},
      {"overdue", Overdue},
      {"attachServer", AttachServer},
      {"setParent", SetParent},
      {"isView", IsView},
      {"setPlanNeeds", SetPlanNeeds},
  };
  return *methods;
}

}  // namespace trident
