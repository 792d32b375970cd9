#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <thread>
#include <variant>
#include <vector>

#include "base/mutex.h"
#include "base/status.h"
#include "node/function_home.h"

namespace trident {

struct RequestSlot;
struct TraceTree;

// A text and whoever keeps it: it may be long, and is not copied on its way.
struct TaskAnswer {
  std::shared_ptr<const void> owner;
  std::string_view text = "";
};

// What a management call came to, and what the JS thread has to do about it.
struct TaskResult {
  int32_t task = 0;
  Status status;
  std::function<void(Status*)> finish;  // may change what the facade is told
  TaskAnswer answer;                    // of a question that was answered
};

struct LogLine {
  int32_t server = 0;
  int level = 0;
  int line = 0;
  uint64_t timestamp_us = 0;
  std::string file;
  std::string message;
};

// A model's version has come or gone, or failed to.
struct ModelEvent {
  int32_t server = 0;
  std::string model;
  int64_t version = 0;
  int state = 0;
  std::string reason;
  uint32_t completed = 0;
  uint32_t total = 0;
};

// A device of this process has been lost.
struct DeviceEvent {
  int32_t server = 0;
  int32_t device = 0;
  std::string reason;
};

struct FinishedTraces {
  int32_t server = 0;
  int32_t destination = 0;  // as in TraceRule
  std::shared_ptr<TraceTree> tree;
};

// What a server has to tell that nobody waits for.
using ServerEvent = std::variant<ModelEvent, DeviceEvent, FinishedTraces>;

// Carries finished work from any thread to the JS thread: producers append, the JS thread swaps the
// whole list out and works through it. Only the first item after a swap wakes the JS thread, so
// that a batch of completions costs one wake. Thread-safe, except what is marked otherwise.
class CompletionQueue {
 public:
  using WakeFn = void (*)(void* context);

  // On the JS thread. `wake` is called without the queue's lock held, from any thread.
  CompletionQueue(WakeFn wake, void* context) : wake_(wake), wake_context_(context) {}

  // A request has its final response and is back from the core. Wakes whoever waits for this very
  // slot, else queues it.
  void Push(RequestSlot* slot);
  void Push(TaskResult result);
  void Push(LogLine line);
  void Push(ServerEvent event);
  void Push(FunctionEvent event);
  void Push(std::shared_ptr<FunctionExecution> execution);
  // The stream of slot number `slot`, found empty before, has a response; always before its end.
  void PushReady(int32_t slot);

  // JS thread only. Moves everything that arrived to where the Next functions find it; true when
  // there is anything.
  bool Swap();
  // JS thread only. Null or false when nothing is left of the last swap.
  RequestSlot* NextSlot();
  bool NextTask(TaskResult* result);
  bool NextLog(LogLine* line);
  bool NextReady(int32_t* slot);
  bool NextEvent(ServerEvent* event);
  bool NextFunctionEvent(FunctionEvent* event);
  // JS thread only. The last swap has left something for NextTask.
  bool has_task() const { return !taken_tasks_.empty(); }

  // JS thread only. Executions need no swap: they may be looked for at any time. Null: none waits.
  std::shared_ptr<FunctionExecution> NextExecution();

  // JS thread only; may be nested. Until the outermost end, what this thread itself pushes wakes
  // nobody, since it is about to look.
  void BeginCollecting() { ++collecting_; }
  // True when something is left, of which nobody has been told, at the outermost end.
  bool EndCollecting();
  bool collecting() const { return collecting_ > 0; }
  // JS thread only. Moves up to `limit` slots that have ended to `slots`, without a swap.
  void TakeEnded(std::vector<RequestSlot*>* slots, size_t limit);

  // JS thread only. Says of an armed slot that its end is to be waited for, not queued.
  void Await(RequestSlot* slot);
  // Waits for a slot given to Await, or until `deadline_ns` (kNever: no limit), or until an
  // execution waits for this thread.
  enum class Waited { kEnded, kTimedOut, kExecution };
  Waited Wait(RequestSlot* slot, uint64_t deadline_ns);
  bool HasEnded(const RequestSlot* slot);
  // A slot given to Await that has not ended is queued when it does.
  void Leave(RequestSlot* slot);
  // Ends the wait for slots given to Await: leaves those in `slots` that have ended already; the
  // others are queued when they end.
  void TakeOver(std::vector<RequestSlot*>* slots);

  // For the end of the environment: waits until a slot or a task does.
  void WaitForAny();

 private:
  template <typename T>
  void Append(T& list, typename T::value_type item) EXCLUDES(mutex_);
  // Whether the JS thread has to be told of what has just been pushed.
  bool NeedsWake() REQUIRES(mutex_);

  const WakeFn wake_;
  void* const wake_context_;
  const std::thread::id js_thread_ = std::this_thread::get_id();
  int collecting_ = 0;  // JS thread only

  Mutex mutex_;
  CondVar arrived_;
  bool someone_waits_ GUARDED_BY(mutex_) = false;
  bool woken_ GUARDED_BY(mutex_) = false;
  std::vector<RequestSlot*> slots_ GUARDED_BY(mutex_);
  std::vector<TaskResult> tasks_ GUARDED_BY(mutex_);
  std::vector<LogLine> logs_ GUARDED_BY(mutex_);
  std::vector<int32_t> ready_ GUARDED_BY(mutex_);
  std::vector<ServerEvent> events_ GUARDED_BY(mutex_);
  std::vector<FunctionEvent> function_events_ GUARDED_BY(mutex_);
  std::deque<std::shared_ptr<FunctionExecution>> executions_ GUARDED_BY(mutex_);

  // The JS thread's side of the swap.
  template <typename T>
  struct Taken {
    std::vector<T> items;
    size_t next = 0;
    bool empty() const { return next == items.size(); }
    void TakeFrom(std::vector<T>& list);
  };
  Taken<RequestSlot*> taken_slots_;
  Taken<TaskResult> taken_tasks_;
  Taken<LogLine> taken_logs_;
  Taken<int32_t> taken_ready_;
  Taken<ServerEvent> taken_events_;
  Taken<FunctionEvent> taken_function_events_;
};

}  // namespace trident
