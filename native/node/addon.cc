// The module's entry. Everything hangs off createBridge, per environment and per facade: the
// addon itself has no state.

#include <node_api.h>

#include "node/bridge.h"

NAPI_MODULE_INIT() {
  napi_value create = nullptr;
  napi_create_function(env, "createBridge", NAPI_AUTO_LENGTH, trident::Bridge::Create, nullptr,
                       &create);
  napi_set_named_property(env, exports, "createBridge", create);
  return exports;
}
