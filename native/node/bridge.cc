#include "node/bridge.h"

#include <algorithm>
#include <filesystem>
#include <utility>

#include "base/clock.h"
#include "node/napi_util.h"
#include "node/triton_util.h"

namespace trident {
namespace {

napi_ref Reference(napi_env env, napi_value value) {
  napi_ref reference = nullptr;
  napi_create_reference(env, value, 1, &reference);
  return reference;
}

}  // namespace

Bridge::Bridge() : functions(&queue_), queue_(Wake, this), copier_(&queue_, &pool_, &staging) {}
Bridge::~Bridge() = default;

napi_value Bridge::Create(napi_env env, napi_callback_info info) {
  size_t count = 3;
  napi_value arguments[3] = {};
  napi_get_cb_info(env, info, &count, arguments, nullptr, nullptr);
  auto* bridge = new Bridge();
  if (!bridge->Start(env, arguments[0], arguments[1], arguments[2])) {
    delete bridge;
    bool pending = false;
    napi_is_exception_pending(env, &pending);
    if (!pending) napi_throw_error(env, nullptr, "trident: the addon could not be started");
    return nullptr;
  }
  napi_value object = nullptr;
  napi_create_object(env, &object);
  for (const auto* methods : {&PlanMethods(), &InferMethods(), &StreamMethods(), &ServerMethods(),
                              &RegionMethods(), &CudaMethods(), &MetricsMethods(), &TraceMethods(),
                              &FunctionMethods(), &IsolatedMethods()}) {
    for (const Method& method : *methods) {
      napi_value function = nullptr;
      napi_create_function(env, method.name, NAPI_AUTO_LENGTH, method.call, bridge, &function);
      napi_set_named_property(env, object, method.name, function);
    }
  }
  return object;
}

bool Bridge::Start(napi_env env, napi_value callbacks, napi_value submissions,
                   napi_value completions) {
  env_ = env;
  const ByteSpan in = TypedArrayBytes(env, submissions);
  const ByteSpan out = TypedArrayBytes(env, completions);
  if (!in.valid || !out.valid || out.byte_size < 2 * in.byte_size) return false;
  list_capacity_ = static_cast<uint32_t>(in.byte_size / sizeof(int32_t));
  submissions_ = reinterpret_cast<int32_t*>(in.data);
  completions_ = reinterpret_cast<int32_t*>(out.data);

  napi_value name = FromString(env, "trident");
  if (napi_create_threadsafe_function(env, nullptr, nullptr, name, 0, 1, nullptr, nullptr, this,
                                      OnWake, &wake_) != napi_ok) {
    return false;
  }
  napi_unref_threadsafe_function(env, wake_);
  if (!TakeError(TRITONSERVER_ResponseAllocatorNew(&allocator, AllocateOutput, FreeOutput, nullptr))
           .ok()) {
    napi_release_threadsafe_function(wake_, napi_tsfn_abort);
    return false;
  }
  shared_arrays_[0] = Reference(env, submissions);
  shared_arrays_[1] = Reference(env, completions);
  on_completions_ = MemberReference(env, callbacks, "completions");
  on_ready_ = MemberReference(env, callbacks, "ready");
  on_task_ = MemberReference(env, callbacks, "task");
  on_log_ = MemberReference(env, callbacks, "log");
  on_model_event_ = MemberReference(env, callbacks, "modelEvent");
  on_device_event_ = MemberReference(env, callbacks, "deviceEvent");
  on_traces_ = MemberReference(env, callbacks, "traces");
  on_traced_ = MemberReference(env, callbacks, "traced");
  on_more_ = MemberReference(env, callbacks, "more");
  on_tracing_over_ = MemberReference(env, callbacks, "tracingOver");
  functions.Start(env, callbacks);
  new_error_ = MemberReference(env, callbacks, "error");
  // After the thread-safe function, whose own hook must run after ours: hooks run last to first.
  napi_add_env_cleanup_hook(env, OnEnvironmentEnd, this);
  return true;
}

napi_value Bridge::NewError(const Status& status) const {
  napi_value function = nullptr;
  napi_value undefined = nullptr;
  napi_value error = nullptr;
  napi_get_reference_value(env_, new_error_, &function);
  napi_get_undefined(env_, &undefined);
  napi_value arguments[] = {FromInt32(env_, static_cast<int32_t>(status.code())),
                            FromString(env_, status.message())};
  napi_call_function(env_, undefined, function, 2, arguments, &error);
  return error;
}

Status Bridge::RunTask(int32_t task, std::function<Status()> work,
                       std::function<void(Status*)> finish) {
  TRIDENT_RETURN_IF_ERROR(pool_.Run([this, task, work = std::move(work), finish] {
    queue_.Push(TaskResult{task, work(), finish});
  }));
  ++in_flight_;
  UpdateKeepAlive();
  return Status::Ok();
}

Status Bridge::AskTask(int32_t task, std::function<Result<TaskAnswer>()> work) {
  TRIDENT_RETURN_IF_ERROR(pool_.Run([this, task, work = std::move(work)] {
    Result<TaskAnswer> answer = work();
    TaskResult result{task, answer.status()};
    if (answer.ok()) result.answer = std::move(answer).value();
    queue_.Push(std::move(result));
  }));
  ++in_flight_;
  UpdateKeepAlive();
  return Status::Ok();
}

// The way back ------------------------------------------------------------------------------------

void Bridge::Wake(void* bridge) {
  napi_call_threadsafe_function(static_cast<Bridge*>(bridge)->wake_, nullptr,
                                napi_tsfn_nonblocking);
}

void Bridge::OnWake(napi_env env, napi_value, void* bridge, void*) {
  if (env != nullptr) static_cast<Bridge*>(bridge)->Drain();
}

void Bridge::TellMore() {
  more_to_tell_ = false;
  Drain();
}

Bridge::Collecting::~Collecting() {
  if (bridge_->queue_.EndCollecting()) bridge_->AskForAnotherTurn();
  if (!bridge_->queue_.collecting()) bridge_->UpdateKeepAlive();
}

void Bridge::Settle() {
  functions.Run(kMaxRunsPerTurn);
  completion_count_ = 0;
  TakeEnded();
  if (completion_count_ == 0) return;
  napi_value count = FromInt32(env_, static_cast<int32_t>(completion_count_));
  Call(on_completions_, 1, &count);
}

// Another wake would come within this turn of the event loop.
void Bridge::AskForAnotherTurn() {
  if (more_to_tell_) return;
  more_to_tell_ = Call(on_more_, 0, nullptr);
  if (!more_to_tell_) Wake(this);
}

void Bridge::Drain() {
  const Collecting collecting(this);
  functions.Run(kMaxRunsPerTurn);
  queue_.Swap();
  DrainReady();
  DrainSlots();
  DrainEvents();  // before the end of the task they come from
  functions.Tell();
  DrainTasks();
  DrainLogs();
}

void Bridge::DrainReady() {
  int32_t slot = 0;
  while (queue_.NextReady(&slot)) {
    napi_value number = FromInt32(env_, slot);
    Call(on_ready_, 1, &number);
  }
}

// At most so many per turn, so that timers and I/O get theirs.
void Bridge::DrainSlots() {
  const uint32_t cap = std::min(kMaxPerTurn, list_capacity_);
  completion_count_ = 0;
  while (completion_count_ < cap) {
    RequestSlot* slot = queue_.NextSlot();
    if (slot == nullptr) break;
    Complete(slot);
  }
  if (completion_count_ == cap) AskForAnotherTurn();
  if (completion_count_ == 0) return;
  napi_value count = FromInt32(env_, static_cast<int32_t>(completion_count_));
  Call(on_completions_, 1, &count);
}

// As many, too, unless a task has ended: what came of it is told before.
void Bridge::DrainEvents() {
  const uint32_t cap = queue_.has_task() ? UINT32_MAX : kMaxPerTurn;
  ServerEvent event;
  uint32_t count = 0;
  while (count < cap && queue_.NextEvent(&event)) {
    ++count;
    napi_handle_scope scope = nullptr;
    napi_open_handle_scope(env_, &scope);
    std::visit([this](const auto& told) { Tell(told); }, event);
    napi_close_handle_scope(env_, scope);
  }
  if (count == cap) AskForAnotherTurn();
}

void Bridge::Tell(const ModelEvent& event) {
  napi_value arguments[] = {FromInt32(env_, event.server),
                            FromString(env_, event.model),
                            FromNumber(env_, static_cast<double>(event.version)),
                            FromInt32(env_, event.state),
                            FromString(env_, event.reason),
                            FromNumber(env_, event.completed),
                            FromNumber(env_, event.total)};
  Call(on_model_event_, 7, arguments);
}

void Bridge::Tell(const DeviceEvent& event) {
  napi_value arguments[] = {FromInt32(env_, event.server), FromInt32(env_, event.device),
                            FromString(env_, event.reason)};
  Call(on_device_event_, 3, arguments);
}

void Bridge::Tell(const FinishedTraces& traces) {
  napi_value arguments[] = {FromInt32(env_, traces.server), FromInt32(env_, traces.destination),
                            ToJs(env_, *traces.tree)};
  Call(on_traces_, 3, arguments);
}

void Bridge::DrainTasks() {
  TaskResult result;
  while (queue_.NextTask(&result)) {
    --in_flight_;
    if (result.finish) result.finish(&result.status);
    napi_value arguments[] = {
        FromInt32(env_, result.task), FromInt32(env_, static_cast<int32_t>(result.status.code())),
        FromString(env_, result.status.ok() ? result.answer.text : result.status.message())};
    Call(on_task_, 3, arguments);
  }
}

void Bridge::DrainLogs() {
  LogLine line;
  while (queue_.NextLog(&line)) {
    napi_value arguments[] = {
        FromInt32(env_, line.server),   FromInt32(env_, line.level),
        FromString(env_, line.message), FromString(env_, line.file),
        FromInt32(env_, line.line),     FromNumber(env_, static_cast<double>(line.timestamp_us))};
    Call(on_log_, 6, arguments);
  }
}

bool Bridge::Call(napi_ref callback, size_t count, const napi_value* arguments) {
  napi_value function = nullptr;
  napi_value undefined = nullptr;
  napi_get_reference_value(env_, callback, &function);
  napi_get_undefined(env_, &undefined);
  // An exception, or a terminating worker, ends the turn: every later call fails by itself.
  return napi_call_function(env_, undefined, function, count, arguments, nullptr) == napi_ok;
}

void Bridge::UpdateKeepAlive() {
  const bool wanted = in_flight_ > 0 || functions.under_way() > 0;
  if (wanted == keeps_alive_) return;
  keeps_alive_ = wanted;
  if (wanted) {
    napi_ref_threadsafe_function(env_, wake_);
  } else {
    napi_unref_threadsafe_function(env_, wake_);
  }
}

// The end -----------------------------------------------------------------------------------------

void Bridge::OnEnvironmentEnd(void* data) {
  auto* bridge = static_cast<Bridge*>(data);
  bridge->End();
  delete bridge;
}

}  // namespace trident
