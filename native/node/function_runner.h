#pragma once

#include <node_api.h>

#include <cstdint>
#include <initializer_list>
#include <memory>
#include <optional>
#include <string>

#include "node/function_execution.h"
#include "node/function_home.h"
#include "node/function_views.h"

namespace trident {

class CompletionQueue;
struct RequestSlot;

/* Functions in one environment: begins the executions that wait for its JS thread, and tells the
 * facade what happens to instances and requests. Outlives what it has begun. JS thread only. */
class FunctionRunner {
 public:
  explicit FunctionRunner(CompletionQueue* queue)
      : home(std::make_shared<FunctionHome>(queue)), queue_(queue) {}
  FunctionRunner(const FunctionRunner&) = delete;
  FunctionRunner& operator=(const FunctionRunner&) = delete;

  void Start(napi_env env, napi_value callbacks);
  // The environment is about to end: nothing runs in it any more.
  void Leave(const std::string& why);
  void End();

  // Begins at most `limit` of the executions that wait. How many there were.
  int Run(int limit);
  // Tells of what the last swap of the queue has left.
  void Tell();

  // Executions that JS is at.
  int under_way() const { return views_->under_way(); }
  FunctionViews& views() { return *views_; }
  // Some instance has run here, or is of a server here.
  bool in_use() const { return in_use_; }
  void set_in_use() { in_use_ = true; }

  const std::shared_ptr<FunctionHome> home;

 private:
  void Tell(const InstanceWanted& event);
  void Tell(const InstanceOver& event);
  void Tell(const InstanceLost& event);
  void Tell(const RequestCancelled& event);
  void Tell(const RequestDrained& event);
  void Tell(const ExecutionAbandoned& event);
  // False when it has thrown, which the process has been told: an uncaught exception.
  bool Call(napi_ref callback, std::initializer_list<napi_value> arguments);

  CompletionQueue* const queue_;
  napi_env env_ = nullptr;
  std::optional<FunctionViews> views_;
  bool in_use_ = false;
  napi_ref on_initialize_ = nullptr;
  napi_ref on_finalize_ = nullptr;
  napi_ref on_execute_ = nullptr;
  napi_ref on_cancelled_ = nullptr;
  napi_ref on_drained_ = nullptr;
  napi_ref on_lost_ = nullptr;
};

}  // namespace trident
