#include "scheduler/pull_scheduler.h"

#include <algorithm>
#include <new>

namespace trident {

PullScheduler::WakingLock::WakingLock(PullScheduler* scheduler) : scheduler_(scheduler) {
  scheduler_->mutex_.Lock();
}

PullScheduler::WakingLock::~WakingLock() {
  std::vector<Waker*> later;
  later.swap(scheduler_->wake_later_);
  scheduler_->mutex_.Unlock();
  if (wake != nullptr) wake->Wake();
  for (Waker* sleeper : later) sleeper->Wake();
}

// Sleep ------------------------------------------------------------------------------------------

bool PullScheduler::WaitUntilDue(size_t instance) {
  TakeUp(instance);
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
    if (wake_later_.empty()) {
      Sleep(instance, due.look_again_ns);
      continue;
    }
    std::vector<Waker*> later;
    later.swap(wake_later_);
    mutex_.Unlock();
    for (Waker* sleeper : later) sleeper->Wake();
    mutex_.Lock();
  }
}

void PullScheduler::Sleep(size_t instance, uint64_t until_ns) {
  Instance& self = instances_[instance];
  self.sleeping = true;
  sleepers_.push_back(instance);
  if (until_ns == kNever) {
    self.bed.condition.Wait(mutex_);
  } else {
    clock_.WaitUntil(self.bed.condition, mutex_, until_ns);
  }
  TakeUp(instance);  // it may have been woken by time or by nothing
}

void PullScheduler::Leave(size_t instance) {
  instances_[instance].sleeping = true;
  instances_[instance].left = true;
  sleepers_.push_back(instance);
}

void PullScheduler::TakeUp(size_t instance) {
  Instance& self = instances_[instance];
  self.left = false;
  if (std::exchange(self.sleeping, false)) std::erase(sleepers_, instance);
}

Waker* PullScheduler::Sleeper(size_t instance) {
  Instance& one = instances_[instance];
  if (!one.sleeping) return nullptr;
  Waker* const sleeper = one.left ? one.waker.get() : &one.bed;
  TakeUp(instance);
  return sleeper;
}

Waker* PullScheduler::AnySleeper() {
  // Not one whose instance is busy without it.
  const auto free = std::find_if(sleepers_.rbegin(), sleepers_.rend(), [&](size_t instance) {
    return !instances_[instance].busy && !removed(instance);
  });
  return free == sleepers_.rend() ? nullptr : Sleeper(*free);
}

// There is work for it, or its thread waits to hear that there will be none.
bool PullScheduler::HasNews(size_t instance) const {
  const bool over = stopped_ || removed(instance);
  return !Empty(instance) || (over && !instances_[instance].left);
}

// Batches ----------------------------------------------------------------------------------------

Waker* PullScheduler::PopFor(size_t instance, Batch* batch) {
  Waker* wake = Pop(instance, batch);
  Instance& self = instances_[instance];
  self.busy = true;
  self.items = 0;
  for (const RequestPtr& request : *batch) self.items += request->batch_size();
  self.taken_ns = clock_.Now();
  return wake;
}

bool PullScheduler::TakeIfDue(size_t instance, Batch* batch, uint64_t* look_again_ns,
                              Waker** wake) {
  *look_again_ns = kNever;
  if (instances_[instance].busy) return false;
  const Due due = Look(instance);
  *look_again_ns = due.look_again_ns;
  if (due.now) *wake = PopFor(instance, batch);
  return due.now;
}

bool PullScheduler::Take(size_t instance, Batch* batch) {
  WakingLock lock(this);
  if (!WaitUntilDue(instance)) return false;
  lock.wake = PopFor(instance, batch);
  return true;
}

bool PullScheduler::Await(size_t instance) {
  WakingLock lock(this);
  return WaitUntilDue(instance);
}

bool PullScheduler::TryTake(size_t instance, Batch* batch, uint64_t* look_again_ns) {
  WakingLock lock(this);
  return TakeIfDue(instance, batch, look_again_ns, &lock.wake);
}

bool PullScheduler::TakeOrLeave(size_t instance, Batch* batch, uint64_t* look_again_ns) {
  WakingLock lock(this);
  TakeUp(instance);
  const bool taken = TakeIfDue(instance, batch, look_again_ns, &lock.wake);
  if (!taken) Leave(instance);
  return taken;
}

bool PullScheduler::IsDue(size_t instance) {
  WakingLock lock(this);
  return !instances_[instance].busy && Look(instance).now;
}

bool PullScheduler::TakeInline(std::span<InferenceRequest* const> requests, uint64_t budget_ns,
                               InlineClaim* claim) {
  const uint64_t now_ns = clock_.Now();
  uint64_t items = 0;
  for (const InferenceRequest* request : requests) items += request->batch_size();
  MutexLock lock(mutex_);
  const bool caller_waits = budget_ns == kNever;
  const bool in_time = caller_waits || never_blocks_ || durations_.KnownWithin(items, budget_ns);
  if (stopped_ || !in_time) return false;
  const auto free = std::find_if(instances_.begin(), instances_.end(),
                                 [](const Instance& i) { return !i.busy && !i.removed; });
  if (free == instances_.end() || !MayRunInline(requests, caller_waits)) return false;
  free->busy = true;
  free->items = items;
  free->taken_ns = now_ns;
  *claim = {static_cast<size_t>(free - instances_.begin()), now_ns};
  return true;
}

void PullScheduler::Finished(size_t instance) {
  const uint64_t now_ns = clock_.Now();
  WakingLock lock(this);
  Instance& self = instances_[instance];
  self.busy = false;
  // Nobody was at it, as a caller had claimed it or its execution was deferred: calls for it may
  // have been missed.
  if (self.sleeping && HasNews(instance)) lock.wake = Sleeper(instance);
  try {
    durations_.Record(self.items, now_ns - self.taken_ns);
  } catch (const std::bad_alloc&) {  // then there is one measurement less
  }
}

// Instances --------------------------------------------------------------------------------------

size_t PullScheduler::AddInstance(std::shared_ptr<Waker> waker) {
  WakingLock lock(this);
  const size_t instance = instances_.size();
  instances_.emplace_back();
  instances_.back().waker = std::move(waker);
  if (instances_.back().waker != nullptr) Leave(instance);
  InstanceAdded(instance);
  if (HasNews(instance)) lock.wake = Sleeper(instance);
  return instance;
}

void PullScheduler::RemoveInstance(size_t instance) {
  WakingLock lock(this);
  instances_[instance].removed = true;
  InstanceRemoved(instance);
  if (HasNews(instance)) lock.wake = Sleeper(instance);
  // The one removed may have been woken for work that somebody else must do now.
  if (Waker* other = AnySleeper()) WakeLater(other);
}

void PullScheduler::Stop() {
  WakingLock lock(this);
  stopped_ = true;
  for (size_t i = 0; i < instances_.size(); ++i) {
    Waker* const sleeper = HasNews(i) ? Sleeper(i) : nullptr;
    if (sleeper != nullptr) WakeLater(sleeper);
  }
}

}  // namespace trident
