// Plans, as the facade sees them: what requests with the same tensors have in common.

#include <utility>

#include "node/bridge.h"
#include "node/napi_util.h"

namespace trident {
namespace {

PlanInput ReadPlanInput(napi_env env, napi_value item) {
  PlanInput input;
  input.name = ToString(env, Element(env, item, 0));
  input.datatype = static_cast<TRITONSERVER_DataType>(ToInt32(env, Element(env, item, 1)));
  input.shape = ToShape(env, Element(env, item, 2));
  input.byte_size = static_cast<uint64_t>(ToInt64(env, Element(env, item, 3)));
  input.slab_offset = ToInt64(env, Element(env, item, 4));
  return input;
}

PlanOutput ReadPlanOutput(napi_env env, napi_value item) {
  PlanOutput output;
  output.name = ToString(env, Element(env, item, 0));
  output.datatype = static_cast<TRITONSERVER_DataType>(ToInt32(env, Element(env, item, 1)));
  napi_value shape = Element(env, item, 2);
  if (TypeOf(env, shape) == napi_object) output.shape = ToShape(env, shape);
  output.byte_size = static_cast<uint64_t>(ToInt64(env, Element(env, item, 3)));
  output.slab_offset = ToInt64(env, Element(env, item, 4));
  output.on_device = ToBool(env, Element(env, item, 5));
  return output;
}

// createPlan(server, model, version, inputs, outputs, namesOutputs): number
napi_value CreatePlan(napi_env env, napi_callback_info info) {
  const JsCall call(env, info);
  ServerHandle* server = call.bridge().server_table.Find(call.Int32(0));
  if (server == nullptr) return call.Throw(NoSuch("server"));
  auto plan = std::make_unique<RequestPlan>();
  plan->server = server;
  plan->model = call.String(1);
  plan->version = call.Int64(2);
  for (size_t i = 0; i < ArrayLength(env, call.value(3)); ++i) {
    plan->inputs.push_back(ReadPlanInput(env, Element(env, call.value(3), i)));
  }
  for (size_t i = 0; i < ArrayLength(env, call.value(4)); ++i) {
    plan->outputs.push_back(ReadPlanOutput(env, Element(env, call.value(4), i)));
  }
  plan->names_outputs = call.Bool(5);
  return FromInt32(env, call.bridge().plan_table.Add(std::move(plan)));
}

// destroyPlan(plan): when none of its slots is left
napi_value DestroyPlan(napi_env env, napi_callback_info info) {
  const JsCall call(env, info);
  const RequestPlan* plan = call.bridge().plan_table.Find(call.Int32(0));
  if (plan == nullptr || plan->slot_count > 0) return call.Throw(NoSuch("unused plan"));
  call.bridge().plan_table.Remove(call.Int32(0));
  return nullptr;
}

}  // namespace

const std::vector<Method>& PlanMethods() {
  static const auto* methods =
      new std::vector<Method>{{"createPlan", CreatePlan}, {"destroyPlan", DestroyPlan}};
  return *methods;
}

}  // namespace trident
