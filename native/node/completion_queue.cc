#include "node/completion_queue.h"

#include <algorithm>
#include <utility>

#include "node/request_slot.h"

namespace trident {

bool CompletionQueue::NeedsWake() {
  const bool it_looks = std::this_thread::get_id() == js_thread_ && collecting_ > 0;
  return !it_looks && !std::exchange(woken_, true);
}

template <typename T>
void CompletionQueue::Append(T& list, typename T::value_type item) {
  bool wake = false;
  {
    MutexLock lock(mutex_);
    list.push_back(std::move(item));
    wake = NeedsWake();
    if (someone_waits_) arrived_.NotifyAll();
  }
  if (wake) wake_(wake_context_);
}

void CompletionQueue::Push(RequestSlot* slot) {
  bool wake = false;
  {
    MutexLock lock(mutex_);
    slot->ended = true;
    if (!slot->awaited) {
      slots_.push_back(slot);
      wake = NeedsWake();
    }
    if (someone_waits_) arrived_.NotifyAll();
  }
  if (wake) wake_(wake_context_);
}

void CompletionQueue::Push(TaskResult result) { Append(tasks_, std::move(result)); }
void CompletionQueue::Push(LogLine line) { Append(logs_, std::move(line)); }
void CompletionQueue::Push(ServerEvent event) { Append(events_, std::move(event)); }
void CompletionQueue::Push(FunctionEvent event) { Append(function_events_, std::move(event)); }
void CompletionQueue::Push(std::shared_ptr<FunctionExecution> execution) {
  Append(executions_, std::move(execution));
}
void CompletionQueue::PushReady(int32_t slot) { Append(ready_, slot); }

template <typename T>
void CompletionQueue::Taken<T>::TakeFrom(std::vector<T>& list) {
  if (!empty()) {  // the turn's cap was reached: keep the order
    items.erase(items.begin(), items.begin() + static_cast<ptrdiff_t>(next));
    for (T& item : list) items.push_back(std::move(item));
    list.clear();
  } else {
    items.clear();
    items.swap(list);
  }
  next = 0;
}

bool CompletionQueue::Swap() {
  MutexLock lock(mutex_);
  woken_ = false;
  taken_slots_.TakeFrom(slots_);
  taken_tasks_.TakeFrom(tasks_);
  taken_logs_.TakeFrom(logs_);
  taken_ready_.TakeFrom(ready_);
  taken_events_.TakeFrom(events_);
  taken_function_events_.TakeFrom(function_events_);
  return !taken_slots_.empty() || !taken_tasks_.empty() || !taken_logs_.empty() ||
         !taken_ready_.empty() || !taken_events_.empty() || !taken_function_events_.empty();
}

RequestSlot* CompletionQueue::NextSlot() {
  return taken_slots_.empty() ? nullptr : taken_slots_.items[taken_slots_.next++];
}

bool CompletionQueue::NextTask(TaskResult* result) {
  if (taken_tasks_.empty()) return false;
  *result = std::move(taken_tasks_.items[taken_tasks_.next++]);
  return true;
}

bool CompletionQueue::NextLog(LogLine* line) {
  if (taken_logs_.empty()) return false;
  *line = std::move(taken_logs_.items[taken_logs_.next++]);
  return true;
}

bool CompletionQueue::NextReady(int32_t* slot) {
  if (taken_ready_.empty()) return false;
  *slot = taken_ready_.items[taken_ready_.next++];
  return true;
}

bool CompletionQueue::NextEvent(ServerEvent* event) {
  if (taken_events_.empty()) return false;
  *event = std::move(taken_events_.items[taken_events_.next++]);
  return true;
}

bool CompletionQueue::NextFunctionEvent(FunctionEvent* event) {
  if (taken_function_events_.empty()) return false;
  *event = std::move(taken_function_events_.items[taken_function_events_.next++]);
  return true;
}

std::shared_ptr<FunctionExecution> CompletionQueue::NextExecution() {
  MutexLock lock(mutex_);
  if (executions_.empty()) return nullptr;
  std::shared_ptr<FunctionExecution> execution = std::move(executions_.front());
  executions_.pop_front();
  return execution;
}

bool CompletionQueue::EndCollecting() {
  if (--collecting_ > 0) return false;
  MutexLock lock(mutex_);
  const bool left = !slots_.empty() || !tasks_.empty() || !logs_.empty() || !ready_.empty() ||
                    !events_.empty() || !function_events_.empty() || !executions_.empty();
  return left && !std::exchange(woken_, true);
}

void CompletionQueue::TakeEnded(std::vector<RequestSlot*>* slots, size_t limit) {
  MutexLock lock(mutex_);
  const auto count = static_cast<ptrdiff_t>(std::min(limit, slots_.size()));
  slots->insert(slots->end(), slots_.begin(), slots_.begin() + count);
  slots_.erase(slots_.begin(), slots_.begin() + count);
}

void CompletionQueue::Await(RequestSlot* slot) {
  slot->awaited = true;  // not submitted yet: nobody else looks at it
}

CompletionQueue::Waited CompletionQueue::Wait(RequestSlot* slot, uint64_t deadline_ns) {
  MutexLock lock(mutex_);
  someone_waits_ = true;
  Waited waited = Waited::kEnded;
  while (!slot->ended) {
    if (!executions_.empty()) {
      waited = Waited::kExecution;
      break;
    }
    if (!arrived_.WaitUntil(mutex_, deadline_ns)) {
      waited = slot->ended ? Waited::kEnded : Waited::kTimedOut;
      break;
    }
  }
  someone_waits_ = false;
  return waited;
}

bool CompletionQueue::HasEnded(const RequestSlot* slot) {
  MutexLock lock(mutex_);
  return slot->ended;
}

void CompletionQueue::Leave(RequestSlot* slot) {
  MutexLock lock(mutex_);
  slot->awaited = false;
  if (slot->ended) slots_.push_back(slot);
}

void CompletionQueue::TakeOver(std::vector<RequestSlot*>* slots) {
  MutexLock lock(mutex_);
  std::erase_if(*slots, [](RequestSlot* slot) {
    slot->awaited = false;
    return !slot->ended;
  });
}

void CompletionQueue::WaitForAny() {
  MutexLock lock(mutex_);
  someone_waits_ = true;
  while (slots_.empty() && tasks_.empty()) arrived_.Wait(mutex_);
  someone_waits_ = false;
}

}  // namespace trident
