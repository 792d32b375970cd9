// A process that an isolated instance of a function has for itself.

#include "isolation/host.h"
#include "node/bridge.h"
#include "node/function_backend.h"
#include "node/function_instance.h"
#include "node/napi_util.h"
#include "node/triton_util.h"

namespace trident {
namespace {

// runIsolated(task)
napi_value RunIsolated(napi_env env, napi_callback_info info) {
  const JsCall call(env, info);
  auto server = std::make_shared<FunctionServer>();
  server->home = call.bridge().functions.home;
  const Status started = call.bridge().RunTask(call.Int32(0), [server] {
    const TRITONSERVER_TridentBackend functions = FunctionBackend(server.get());
    const int code = isolation::RunIsolatedInstance([&functions](auto* options) {
      (void)TakeError(TRITONSERVER_TridentServerOptionsAddBackend(options, &functions));
    });
    return code == 0 ? Status::Ok() : Unavailable("the server's process has gone");
  });
  return started.ok() ? nullptr : call.Throw(started);
}

}  // namespace

const std::vector<Method>& IsolatedMethods() {
  static const auto* methods = new std::vector<Method>{{"runIsolated", RunIsolated}};
  return *methods;
}

}  // namespace trident
