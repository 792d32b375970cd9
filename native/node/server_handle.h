#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <string>

#include "base/status.h"
#include "memory/region_registry.h"
#include "node/function_instance.h"
#include "node/tracer.h"
#include "trident/extension.h"

namespace trident {

class CompletionQueue;

// A server of this environment, from ServerNew to ServerDelete, with its registered regions; or one
// of another that functions here belong to, which is not ours to stop. Thread-safe once started.
struct ServerHandle {
  ServerHandle(CompletionQueue* queue, AllowedKeys allowed)
      : queue(queue), regions(std::move(allowed)) {}

  CompletionQueue* const queue;
  RegionRegistry regions;
  int32_t id = -1;
  std::atomic<TRITONSERVER_Server*> server{
      nullptr};                              // null before ServerNew and after ServerDelete
  TRITONSERVER_Server* undeleted = nullptr;  // ServerDelete has failed
  std::string private_repository;            // to remove at the environment's end
  uint64_t inline_budget_ns = 0;             // 0: no inline lane
  int slot_count = 0;                        // JS thread only
  std::shared_ptr<FunctionServer> functions;
  bool attached = false;           // it is another environment's
  Tracer* tracing = nullptr;       // JS thread only; null while no request is traced
  std::unique_ptr<Tracer> tracer;  // from the first rule on

  // The server for one call of the C API; null where there is none any more.
  SharedServer::Use Use() const { return {attached ? &functions->shared : nullptr, server.load()}; }

  // As those of Tracer. JS thread only.
  void SetTraceRule(const std::string& model, const TraceRule& rule);
  void RemoveTraceRule(const std::string& model);
  // After a rule, or what is left of its count, has changed.
  void UpdateTracing();

  // What TRITONSERVER_ServerOptionsSetLogCallback calls; `userp` is the ServerHandle.
  static void OnLog(TRITONSERVER_LogLevel level, const char* file, int line, uint64_t timestamp_us,
                    const char* message, void* userp);
  // What TRITONSERVER_TridentServerOptionsSetModelEventFn and ...SetDeviceEventFn call, as well.
  static void OnModelEvent(const TRITONSERVER_TridentModelEvent* event, void* userp);
  static void OnDeviceEvent(const TRITONSERVER_TridentDeviceEvent* event, void* userp);
};

inline Status ServerIsClosed() { return Unavailable("the server is closed"); }

}  // namespace trident
