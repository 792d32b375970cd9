#include "node/function_runner.h"

#include <variant>

#include "node/completion_queue.h"
#include "node/function_registry.h"
#include "node/napi_util.h"

namespace trident {

void FunctionRunner::Start(napi_env env, napi_value callbacks) {
  env_ = env;
  views_.emplace(env);
  on_initialize_ = MemberReference(env, callbacks, "initializeInstance");
  on_finalize_ = MemberReference(env, callbacks, "finalizeInstance");
  on_execute_ = MemberReference(env, callbacks, "execute");
  on_cancelled_ = MemberReference(env, callbacks, "cancelled");
  on_drained_ = MemberReference(env, callbacks, "drained");
  on_lost_ = MemberReference(env, callbacks, "instanceLost");
}

void FunctionRunner::Leave(const std::string& why) {
  home->Shut();
  for (const auto& instance : FunctionRegistry::Get().All()) instance->Leave(*home, why);
}

void FunctionRunner::End() {
  views_->SetUnreachable();
  Leave("it was terminated");
  while (queue_->NextExecution() != nullptr) {
  }
  for (napi_ref reference :
       {on_initialize_, on_finalize_, on_execute_, on_cancelled_, on_drained_, on_lost_}) {
    napi_delete_reference(env_, reference);
  }
}

int FunctionRunner::Run(int limit) {
  int count = 0;
  bool threw = false;
  while (count < limit && !threw) {
    const std::shared_ptr<FunctionExecution> execution = queue_->NextExecution();
    if (execution == nullptr) break;
    ++count;
    napi_handle_scope scope = nullptr;
    napi_open_handle_scope(env_, &scope);
    if (napi_value requests = execution->Begin(&*views_)) {
      threw = !Call(on_execute_,
                    {FromInt32(env_, execution->instance().number()),
                     FromNumber(env_, static_cast<double>(execution->number())), requests});
      if (threw) {
        execution->Abandon(Internal("model '", execution->instance().model().name,
                                    "': its function could not be called"));
      }
    }
    napi_close_handle_scope(env_, scope);
  }
  return count;
}

void FunctionRunner::Tell() {
  FunctionEvent event;
  while (queue_->NextFunctionEvent(&event)) {
    napi_handle_scope scope = nullptr;
    napi_open_handle_scope(env_, &scope);
    std::visit([this](const auto& told) { Tell(told); }, event);
    napi_close_handle_scope(env_, scope);
  }
}

void FunctionRunner::Tell(const InstanceWanted& event) {
  Call(on_initialize_, {FromInt32(env_, event.server), FromInt32(env_, event.instance),
                        FromString(env_, event.description)});
}

void FunctionRunner::Tell(const InstanceOver& event) {
  Call(on_finalize_, {FromInt32(env_, event.instance)});
}

void FunctionRunner::Tell(const InstanceLost& event) {
  Call(on_lost_, {FromInt32(env_, event.server), FromInt32(env_, event.instance),
                  FromString(env_, event.reason)});
}

void FunctionRunner::Tell(const RequestCancelled& event) {
  Call(on_cancelled_,
       {FromNumber(env_, static_cast<double>(event.execution)), FromNumber(env_, event.request)});
}

void FunctionRunner::Tell(const RequestDrained& event) {
  Call(on_drained_,
       {FromNumber(env_, static_cast<double>(event.execution)), FromNumber(env_, event.request)});
}

void FunctionRunner::Tell(const ExecutionAbandoned& event) { event.execution->LetGo(); }

bool FunctionRunner::Call(napi_ref callback, std::initializer_list<napi_value> arguments) {
  napi_value function = nullptr;
  napi_value undefined = nullptr;
  napi_get_reference_value(env_, callback, &function);
  napi_get_undefined(env_, &undefined);
  if (napi_call_function(env_, undefined, function, arguments.size(), arguments.begin(), nullptr) ==
      napi_ok) {
    return true;
  }
  // Left pending, it would have everything else of this turn fail.
  napi_value error = nullptr;
  const bool threw = napi_get_and_clear_last_exception(env_, &error) == napi_ok &&
                     napi_fatal_exception(env_, error) == napi_ok;
  return !threw;
}

}  // namespace trident
