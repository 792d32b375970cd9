#include "scheduler/pull_scheduler.h"

#include <algorithm>

namespace trident {

bool PullScheduler::WaitUntilDue(size_t instance) {
  for (;;) {
    Due due;
    if (!instances_[instance].busy) {
      due = Look(instance);
      if (due.now) return true;
      if ((stopped_ || removed(instance)) && Empty(instance)) {
        InstanceLeft(instance);
        return false;
      }
    }
    Sleep(instance, due.look_again_ns);
  }
}

void PullScheduler::Sleep(size_t instance, uint64_t until_ns) {
  Instance& self = instances_[instance];
  self.sleeping = true;
  sleepers_.push_back(instance);
  if (until_ns == kNever) {
    self.wake.Wait(mutex_);
  } else {
    clock_.WaitUntil(self.wake, mutex_, until_ns);
  }
  if (self.sleeping) {  // woken by time or by nothing
    self.sleeping = false;
    std::erase(sleepers_, instance);
  }
}

CondVar* PullScheduler::Sleeper(size_t instance) {
  Instance& one = instances_[instance];
  if (!one.sleeping) return nullptr;
  one.sleeping = false;
  std::erase(sleepers_, instance);
  return &one.wake;
}

CondVar* PullScheduler::AnySleeper() {
  // Not one whose instance a caller has claimed.
  const auto free = std::find_if(sleepers_.rbegin(), sleepers_.rend(), [&](size_t instance) {
    return !instances_[instance].busy && !removed(instance);
  });
  return free == sleepers_.rend() ? nullptr : Sleeper(*free);
}

CondVar* PullScheduler::PopFor(size_t instance, Batch* batch) {
  CondVar* wake = Pop(instance, batch);
  Instance& self = instances_[instance];
  self.busy = true;
  self.items = 0;
  for (const RequestPtr& request : *batch) self.items += request->batch_size();
  self.taken_ns = clock_.Now();
  return wake;
}

bool PullScheduler::Take(size_t instance, Batch* batch) {
  CondVar* wake = nullptr;
  {
    MutexLock lock(mutex_);
    if (!WaitUntilDue(instance)) return false;
    wake = PopFor(instance, batch);
  }
  if (wake != nullptr) wake->NotifyOne();
  return true;
}

bool PullScheduler::Await(size_t instance) {
  MutexLock lock(mutex_);
  return WaitUntilDue(instance);
}

bool PullScheduler::TryTake(size_t instance, Batch* batch, uint64_t* look_again_ns) {
  CondVar* wake = nullptr;
  *look_again_ns = kNever;
  {
    MutexLock lock(mutex_);
    if (instances_[instance].busy) return false;
    const Due due = Look(instance);
    *look_again_ns = due.look_again_ns;
    if (!due.now) return false;
    wake = PopFor(instance, batch);
  }
  if (wake != nullptr) wake->NotifyOne();
  return true;
}

bool PullScheduler::IsDue(size_t instance) {
  MutexLock lock(mutex_);
  return !instances_[instance].busy && Look(instance).now;
}

bool PullScheduler::TakeInline(std::span<InferenceRequest* const> requests, uint64_t budget_ns,
                               size_t* instance) {
  const uint64_t now_ns = clock_.Now();
  uint64_t items = 0;
  for (const InferenceRequest* request : requests) items += request->batch_size();
  MutexLock lock(mutex_);
  if (stopped_ || !MayRunInline(requests)) return false;
  if (budget_ns != kNever && !durations_.KnownWithin(items, budget_ns)) return false;
  const auto free = std::find_if(instances_.begin(), instances_.end(),
                                 [](const Instance& i) { return !i.busy && !i.removed; });
  if (free == instances_.end()) return false;
  free->busy = true;
  free->inline_run = true;
  free->items = items;
  free->taken_ns = now_ns;
  *instance = static_cast<size_t>(free - instances_.begin());
  return true;
}

void PullScheduler::Finished(size_t instance) {
  const uint64_t now_ns = clock_.Now();
  CondVar* wake = nullptr;
  {
    MutexLock lock(mutex_);
    Instance& self = instances_[instance];
    durations_.Record(self.items, now_ns - self.taken_ns);
    self.busy = false;
    // The thread of an instance that a caller had claimed may have missed a call.
    if (std::exchange(self.inline_run, false) && (stopped_ || self.removed || !Empty(instance))) {
      wake = Sleeper(instance);
    }
  }
  if (wake != nullptr) wake->NotifyOne();
}

size_t PullScheduler::AddInstance() {
  MutexLock lock(mutex_);
  instances_.emplace_back();
  InstanceAdded(instances_.size() - 1);
  return instances_.size() - 1;
}

void PullScheduler::RemoveInstance(size_t instance) {
  CondVar* own = nullptr;
  CondVar* other = nullptr;
  {
    MutexLock lock(mutex_);
    instances_[instance].removed = true;
    InstanceRemoved(instance);
    own = Sleeper(instance);
    // The one removed may have been woken for work that somebody else must do now.
    other = AnySleeper();
  }
  if (own != nullptr) own->NotifyOne();
  if (other != nullptr) other->NotifyOne();
}

void PullScheduler::Stop() {
  MutexLock lock(mutex_);
  stopped_ = true;
  for (Instance& instance : instances_) {
    instance.sleeping = false;
    instance.wake.NotifyOne();
  }
  sleepers_.clear();
}

}  // namespace trident
