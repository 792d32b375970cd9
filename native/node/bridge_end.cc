// The end of an environment: nothing of it may be used by a thread of the core afterwards.

#include <filesystem>

#include "memory/cuda_ledger.h"
#include "node/bridge.h"
#include "node/triton_util.h"

namespace trident {

// A request that executes can't be stopped, only waited for: its buffers belong to this
// environment and are about to go.
void Bridge::End() {
  functions.End();
  for (const auto& slot : slot_table.all()) {
    if (slot != nullptr && slot->in_flight) {
      (void)TakeError(TRITONSERVER_InferenceRequestCancel(slot->request));
      if (slot->stream != nullptr) slot->stream->Abandon();
    }
  }
  while (in_flight_ > 0) {
    if (!queue_.Swap()) {
      queue_.WaitForAny();
      continue;
    }
    while (queue_.NextSlot() != nullptr) --in_flight_;
    TaskResult result;
    while (queue_.NextTask(&result)) {
      --in_flight_;
      if (result.finish) result.finish(&result.status);
    }
    LogLine line;
    while (queue_.NextLog(&line)) {
    }
    ServerEvent event;
    while (queue_.NextEvent(&event)) {
    }
    FunctionEvent function_event;
    while (queue_.NextFunctionEvent(&function_event)) {
    }
    int32_t ready = 0;
    while (queue_.NextReady(&ready)) {
    }
  }
  slot_table.Clear();
  plan_table.Clear();
  for (const auto& server : server_table.all()) {
    if (server == nullptr || server->attached) continue;
    if (!server->private_repository.empty()) {
      std::error_code ignored;
      std::filesystem::remove_all(server->private_repository, ignored);
    }
    TRITONSERVER_Server* core = server->server.load();
    if (core == nullptr) core = server->undeleted;
    if (core == nullptr || TakeError(TRITONSERVER_ServerDelete(core)).ok()) continue;
    // It calls back into what goes now, so it has to go first, however long that takes.
    (void)TakeError(TRITONSERVER_TridentServerSetExitTimeoutMs(core, UINT64_MAX));
    (void)TakeError(TRITONSERVER_ServerDelete(core));
  }
  server_table.Clear();
  memory_table.Clear();
  blocks.Clear();
  CudaLedger::Get().AwaitDisposal();
  metric_table.Clear();
  metric_family_table.Clear();
  (void)TakeError(TRITONSERVER_ResponseAllocatorDelete(allocator));
  napi_release_threadsafe_function(wake_, napi_tsfn_abort);
  for (napi_ref reference : {on_completions_, on_ready_, on_task_, on_log_, on_model_event_,
                             on_device_event_, on_traces_, on_traced_, on_tracing_over_, on_more_,
                             new_error_, shared_arrays_[0], shared_arrays_[1]}) {
    napi_delete_reference(env_, reference);
  }
}

}  // namespace trident
