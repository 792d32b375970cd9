#pragma once

#include <node_api.h>

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "memory/cuda_blocks.h"
#include "memory/cuda_memory.h"
#include "memory/shared_memory.h"
#include "node/completion_queue.h"
#include "node/cuda_copier.h"
#include "node/function_runner.h"
#include "node/metric_handles.h"
#include "node/request_slot.h"
#include "node/server_handle.h"
#include "node/staging.h"
#include "node/table.h"
#include "node/task_pool.h"
#include "triton/core/tritonserver.h"

namespace trident {

// Memory that JS names by number: a shared-memory region, memory of a device, or else the bytes of
// a SharedArrayBuffer, which JS keeps alive for as long as it uses the number.
struct NamedMemory {
  std::shared_ptr<SharedMemoryRegion> region;
  CudaMemory device_memory;
  uint8_t* base = nullptr;
  uint64_t byte_size = 0;
};

/* The native half of one facade in one Node environment: the servers it started, its requests and
 * the way back to the JS thread. Knows nothing of other environments. Lives until the cleanup hook
 * of its environment, which ends every request and server and joins every thread; on the main
 * thread's process.exit() it is not run, and everything is left as it is.
 *
 * JS keeps the event loop alive only while something is in flight. JS thread only. */
class Bridge {
  // This thread looks at what it pushes to the queue, by the end of the scope or in the next turn.
  class Collecting {
   public:
    explicit Collecting(Bridge* bridge)
        : bridge_(bridge), is_outermost_(!bridge->queue_.collecting()) {
      bridge->queue_.BeginCollecting();
    }
    ~Collecting();
    Collecting(const Collecting&) = delete;
    Collecting& operator=(const Collecting&) = delete;

    bool is_outermost() const { return is_outermost_; }

   private:
    Bridge* const bridge_;
    const bool is_outermost_;
  };

 public:
  // createBridge(callbacks, submissions, completions): the object whose methods are the addon.
  static napi_value Create(napi_env env, napi_callback_info info);

  // An Error made by the facade, so that it is of the type users know.
  napi_value NewError(const Status& status) const;

  // Runs `work` on a pool thread, then `finish`, if any, on the JS thread, then tells the facade
  // what `work` returned, or `finish` made of it, about its task number `task`.
  Status RunTask(int32_t task, std::function<Status()> work,
                 std::function<void(Status*)> finish = nullptr);
  // The same for `work` that has an answer.
  Status AskTask(int32_t task, std::function<Result<TaskAnswer>()> work);

  // Starts a copy, whose end is told as that of a task.
  Status StartCopy(CudaCopy copy);
  // [number, byteSize, pointer, deviceId]
  napi_value AddDeviceMemory(CudaMemory memory);
  // Has the core look at the devices where `status` may come of one that is lost.
  void CheckDevicesAfter(const Status& status);

  CompletionQueue& queue() { return queue_; }

  // Submits the first `count` slots that the facade listed. Returns how many of them have ended
  // already; these are listed as completions. `may_inline`: short ones may run on this thread.
  uint32_t Submit(uint32_t count, bool may_inline);
  // Runs one request to its end on this thread, or waits for the thread that does. Returns its
  // outcome, or one of these: then the request is cancelled and comes back as a completion.
  static constexpr int32_t kTimedOut = 3;
  static constexpr int32_t kLost = 4;  // it waits for a thread that only the event loop can end
  int32_t InferSync(RequestSlot* slot, double timeout_ms);

  // `slot` is a call of the execution `caller`, or of nobody's (0), until it has ended.
  static void BeginCall(RequestSlot* slot, int64_t caller);

  // For the facade, in the turn of the event loop after it was told that there is more.
  void TellMore();

  // The scope of a call from JS in which requests end or executions arrive: the outermost of those
  // that are nested settles and begins them at its end, without a turn of the event loop.
  class Settling {
   public:
    explicit Settling(Bridge* bridge) : bridge_(bridge), collecting_(bridge) {}
    ~Settling() {
      if (collecting_.is_outermost()) bridge_->Settle();
    }
    Settling(const Settling&) = delete;
    Settling& operator=(const Settling&) = delete;

   private:
    Bridge* const bridge_;
    const Collecting collecting_;
  };

  Table<RequestPlan> plan_table;
  Table<RequestSlot> slot_table;
  Table<ServerHandle> server_table;
  OnceTable<NamedMemory> memory_table;
  OnceTable<MetricFamilyHandle> metric_family_table;
  OnceTable<MetricHandle> metric_table;
  TRITONSERVER_ResponseAllocator* allocator = nullptr;
  Staging staging;
  CudaBlocks blocks;
  FunctionRunner functions;

 private:
  static constexpr uint32_t kMaxPerTurn = 256;
  static constexpr int kMaxRunsPerTurn = 16;  // of functions

  Bridge();
  ~Bridge();

  bool Start(napi_env env, napi_value callbacks, napi_value submissions, napi_value completions);
  static void Wake(void* bridge);
  static void OnWake(napi_env env, napi_value callback, void* bridge, void* data);
  static void OnEnvironmentEnd(void* bridge);

  void Drain();
  void AskForAnotherTurn();
  void DrainReady();
  void DrainSlots();
  void DrainEvents();
  void Tell(const ModelEvent& event);
  void Tell(const DeviceEvent& event);
  void Tell(const FinishedTraces& traces);
  void DrainTasks();
  void DrainLogs();
  // False when it can't be called, or throws.
  bool Call(napi_ref callback, size_t count, const napi_value* arguments);
  void UpdateKeepAlive();

  void Trace(RequestSlot* slot);
  void SubmitGroup(bool may_inline, std::vector<RequestSlot*>* ended);
  void RefuseHeld();
  enum class Waited { kEnded, kTimedOut, kLost };
  Waited WaitFor(RequestSlot* slot, uint64_t call, uint64_t deadline_ns, Status* stuck);
  Status EndIfStuck(RequestSlot* slot, uint64_t call);
  // Begins what waits, and settles what has ended.
  void Settle();
  // What has ended without a swap of the queue, as completions.
  void TakeEnded();
  void Complete(RequestSlot* slot);
  void End();

  napi_env env_ = nullptr;
  napi_threadsafe_function wake_ = nullptr;
  napi_ref on_completions_ = nullptr;
  napi_ref on_ready_ = nullptr;
  napi_ref on_task_ = nullptr;
  napi_ref on_log_ = nullptr;
  napi_ref on_model_event_ = nullptr;
  napi_ref on_device_event_ = nullptr;
  napi_ref on_traces_ = nullptr;
  napi_ref on_traced_ = nullptr;
  napi_ref on_tracing_over_ = nullptr;
  napi_ref on_more_ = nullptr;
  napi_ref new_error_ = nullptr;
  napi_ref shared_arrays_[2] = {};

  // Shared with the facade: what it submits, and pairs of slot number and outcome coming back.
  int32_t* submissions_ = nullptr;
  int32_t* completions_ = nullptr;
  uint32_t list_capacity_ = 0;
  uint32_t completion_count_ = 0;

  CompletionQueue queue_;
  int in_flight_ = 0;  // requests and tasks
  bool keeps_alive_ = false;
  bool more_to_tell_ = false;        // and the facade knows
  std::vector<RequestSlot*> group_;  // armed, to be submitted together; then what may run here
  std::vector<TRITONSERVER_InferenceRequest*> group_requests_;
  std::vector<TRITONSERVER_Error*> group_errors_;
  CudaCopier copier_;
  TaskPool pool_;
};

// The methods of the addon, one list per noun.
struct Method {
  const char* name;
  napi_callback call;
};
const std::vector<Method>& PlanMethods();
const std::vector<Method>& InferMethods();
const std::vector<Method>& StreamMethods();
const std::vector<Method>& ServerMethods();
const std::vector<Method>& RegionMethods();
const std::vector<Method>& CudaMethods();
const std::vector<Method>& MetricsMethods();
const std::vector<Method>& TraceMethods();
const std::vector<Method>& FunctionMethods();
const std::vector<Method>& IsolatedMethods();

}  // namespace trident
