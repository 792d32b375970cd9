// The way of requests into the core, and what ends before the call returns.

#include <algorithm>
#include <utility>

#include "base/clock.h"
#include "node/bridge.h"
#include "node/function_registry.h"
#include "node/napi_util.h"
#include "node/overdue_watch.h"
#include "node/triton_util.h"

namespace trident {
namespace {

// How long `slot` may run on this thread. A stream's backend waits for its consumer, which is this
// thread.
uint64_t InlineBudgetOf(const RequestSlot& slot) {
  return slot.stream == nullptr ? slot.plan->server->inline_budget_ns : 0;
}

}  // namespace

void Bridge::Complete(RequestSlot* slot) {
  slot->in_flight = false;
  slot->keepers.clear();
  --in_flight_;
  completions_[2 * completion_count_] = slot->id;
  completions_[2 * completion_count_ + 1] = static_cast<int32_t>(slot->outcome);
  ++completion_count_;
}

void Bridge::TakeEnded() {
  std::vector<RequestSlot*> ended;
  queue_.TakeEnded(&ended, list_capacity_ - completion_count_);
  for (RequestSlot* slot : ended) Complete(slot);
}

// Has a request traced that was armed, if it is one of those to be.
void Bridge::Trace(RequestSlot* slot) {
  ServerHandle& server = *slot->plan->server;
  slot->trace = server.tracing->Sample(slot->plan->model);
  if (slot->trace == nullptr) return;
  (void)TakeError(TRITONSERVER_TridentInferenceRequestSetTrace(slot->request, slot->trace));
  uint64_t id = 0;
  (void)TakeError(TRITONSERVER_InferenceTraceId(slot->trace, &id));
  napi_value arguments[] = {FromInt32(env_, slot->id), FromNumber(env_, static_cast<double>(id))};
  Call(on_traced_, 2, arguments);
  server.UpdateTracing();
  if (server.tracing != nullptr) return;
  napi_value id_of_server = FromInt32(env_, server.id);
  Call(on_tracing_over_, 1, &id_of_server);
}

// JavaScript runs in the middle, and may submit more: what has ended is listed afterwards.
uint32_t Bridge::Submit(uint32_t count, bool may_inline) {
  const Collecting collecting(this);
  std::vector<RequestSlot*> ended;
  count = std::min(count, list_capacity_);
  for (uint32_t i = 0; i < count; ++i) {
    RequestSlot* slot = slot_table.Find(submissions_[i]);
    if (slot == nullptr || slot->in_flight) continue;
    Status status = slot->Arm();
    ++in_flight_;
    slot->in_flight = true;
    if (!status.ok()) {
      slot->Refuse(std::move(status));
      ended.push_back(slot);
      continue;
    }
    if (slot->plan->server->tracing != nullptr && slot->child_trace == nullptr) Trace(slot);
    // One batch at most runs here, the last: the others are on their way by then.
    if (!group_.empty() && slot->plan->server != group_.front()->plan->server) {
      SubmitGroup(/*may_inline=*/false, &ended);
    }
    group_.push_back(slot);
  }
  if (!group_.empty()) SubmitGroup(may_inline, &ended);
  std::vector<RequestSlot*> awaited;
  awaited.swap(group_);
  const bool ran = may_inline && functions.Run(kMaxRunsPerTurn) > 0;
  if (!awaited.empty()) queue_.TakeOver(&awaited);
  completion_count_ = 0;
  for (RequestSlot* slot : ended) Complete(slot);
  for (RequestSlot* slot : awaited) Complete(slot);
  if (ran) TakeEnded();
  return completion_count_;
}

// Submits `group_`, whose requests are for one server, and leaves in it those of them that may have
// run on this thread: they are awaited. An accepted slot belongs to the core: only those refused,
// and those that have run on this thread, may be touched. A stream among them keeps the others from
// this thread, too: they share one call and its budget.
void Bridge::SubmitGroup(bool may_inline, std::vector<RequestSlot*>* ended) {
  const ServerHandle& server = *group_.front()->plan->server;
  uint64_t budget_ns = may_inline ? UINT64_MAX : 0;
  group_requests_.clear();
  for (RequestSlot* slot : group_) {
    budget_ns = std::min(budget_ns, InlineBudgetOf(*slot));
    group_requests_.push_back(slot->request);
  }
  if (budget_ns > 0) {
    for (RequestSlot* slot : group_) queue_.Await(slot);
  }
  group_errors_.assign(group_.size(), nullptr);
  const SharedServer::Use use = server.Use();
  if (use.get() != nullptr) {
    TRITONSERVER_TridentServerInferAsyncMany(use.get(), group_requests_.data(),
                                             static_cast<uint32_t>(group_.size()), budget_ns,
                                             group_errors_.data());
  }
  size_t accepted = 0;
  for (size_t i = 0; i < group_.size(); ++i) {
    if (use.get() != nullptr && group_errors_[i] == nullptr) {
      group_[accepted++] = group_[i];
    } else {
      group_[i]->Refuse(use.get() != nullptr ? TakeError(group_errors_[i]) : ServerIsClosed());
      ended->push_back(group_[i]);
    }
  }
  group_.resize(budget_ns > 0 ? accepted : 0);
}

void Bridge::BeginCall(RequestSlot* slot, int64_t caller) {
  FunctionRegistry& registry = FunctionRegistry::Get();
  slot->SetCall(registry.NextCall());
  const RequestPlan& plan = *slot->plan;
  registry.BeginCall(
      {slot->call, plan.server->server.load(), plan.model, plan.version, plan.needs, caller});
}

int32_t Bridge::InferSync(RequestSlot* slot, double timeout_ms) {
  const Collecting collecting(this);
  const FunctionHome::StandStill standing_still(functions.home.get());
  const auto failed = [slot](Status status) {
    slot->in_flight = false;
    slot->keepers.clear();
    slot->Refuse(std::move(status));
    return static_cast<int32_t>(slot->outcome);
  };
  if (Status status = slot->Arm(); !status.ok()) return failed(std::move(status));
  if (slot->plan->server->tracing != nullptr && slot->child_trace == nullptr) Trace(slot);
  queue_.Await(slot);
  const uint64_t deadline_ns =
      timeout_ms > 0 ? NowNs() + static_cast<uint64_t>(timeout_ms * 1e6) : kNever;
  // What executes here can't be interrupted: with a timeout only what is known to be short does.
  const uint64_t budget_ns = timeout_ms > 0 ? InlineBudgetOf(*slot) : UINT64_MAX;
  const bool watched = functions.in_use();
  if (watched && slot->call == 0) BeginCall(slot, /*caller=*/0);
  const uint64_t call = slot->call;
  {
    const SharedServer::Use use = slot->plan->server->Use();
    if (use.get() == nullptr) return failed(ServerIsClosed());
    bool ran_inline = false;
    TRITONSERVER_Error* error =
        TRITONSERVER_TridentServerInferInline(use.get(), slot->request, budget_ns, &ran_inline);
    if (error != nullptr) return failed(TakeError(error));
  }
  if (watched) FunctionRegistry::Get().BlockThread(functions.home.get(), call);
  Status stuck;
  const Waited waited = WaitFor(slot, watched ? call : 0, deadline_ns, &stuck);
  if (watched) FunctionRegistry::Get().UnblockThread(functions.home.get());
  if (waited != Waited::kEnded) {
    ++in_flight_;
    queue_.Leave(slot);
    (void)TakeError(TRITONSERVER_InferenceRequestCancel(slot->request));
    return waited == Waited::kTimedOut ? kTimedOut : kLost;
  }
  slot->in_flight = false;
  slot->keepers.clear();
  if (!stuck.ok() && slot->outcome == SlotOutcome::kFailed) slot->error = std::move(stuck);
  return static_cast<int32_t>(slot->outcome);
}

// What an instance without a thread holds waits for the event loop, which would start another.
void Bridge::RefuseHeld() {
  for (const auto& instance : FunctionRegistry::Get().All()) {
    if (instance->server().home == functions.home) instance->RefuseHeld();
  }
}

// Meanwhile runs the functions that wait for this thread. Where the request could only be answered
// by one that needs the event loop, it is cancelled, and why is in `stuck`. `call` 0: no functions
// are concerned.
Bridge::Waited Bridge::WaitFor(RequestSlot* slot, uint64_t call, uint64_t deadline_ns,
                               Status* stuck) {
  OverdueWatch watch(*functions.home);
  if (call != 0 && !queue_.HasEnded(slot)) RefuseHeld();
  while (true) {
    uint64_t until_ns = deadline_ns;
    if (call != 0 && !queue_.HasEnded(slot)) {
      until_ns = std::min(until_ns, watch.Look());
      if (FunctionRegistry::Get().WaitsForAnyOf(watch.lost(), call)) return Waited::kLost;
      if (stuck->ok()) *stuck = EndIfStuck(slot, call);
    }
    switch (queue_.Wait(slot, until_ns)) {
      case CompletionQueue::Waited::kEnded:
        return Waited::kEnded;
      case CompletionQueue::Waited::kTimedOut:
        if (until_ns == deadline_ns) return Waited::kTimedOut;
        break;
      case CompletionQueue::Waited::kExecution:
        functions.Run(1);
    }
  }
}

Status Bridge::EndIfStuck(RequestSlot* slot, uint64_t call) {
  FunctionRegistry& registry = FunctionRegistry::Get();
  const std::vector<std::string> cycle = registry.FindCycle(call);
  if (cycle.empty()) return Status::Ok();
  Status stuck =
      Unsupported("inferSync of model '", slot->plan->model,
                  "' would wait for itself: a function on this thread can't go on before "
                  "it returns (",
                  PathOf(cycle), "); use infer");
  (void)TakeError(TRITONSERVER_InferenceRequestCancel(slot->request));
  for (const auto& execution : registry.ExecutionsOf(call)) execution->RespondErrorTo(call, stuck);
  return stuck;
}

}  // namespace trident
