#pragma once

#include <deque>
#include <vector>

#include "base/mutex.h"
#include "scheduler/duration_table.h"
#include "scheduler/scheduler.h"

namespace trident {

// What all strategies with instances share: which instances are free, and the sleep of those who
// have nothing to do: threads that wait in Take or Await, and instances that were left. It also
// times the executions. A strategy says what is due for an instance and wakes whom its news
// concerns.
// Thread-safe.
class PullScheduler : public Scheduler {
 public:
  bool Take(size_t instance, Batch* batch) final;
  bool Await(size_t instance) final;
  bool TryTake(size_t instance, Batch* batch, uint64_t* look_again_ns) final;
  bool TakeOrLeave(size_t instance, Batch* batch, uint64_t* look_again_ns) final;
  bool IsDue(size_t instance) final;
  bool TakeInline(std::span<InferenceRequest* const> requests, uint64_t budget_ns,
                  InlineClaim* claim) final;
  void Finished(size_t instance) final;
  using Scheduler::AddInstance;
  size_t AddInstance(std::shared_ptr<Waker> waker) final;
  void RemoveInstance(size_t instance) final;
  void Stop() final;

 protected:
  struct Due {
    bool now = false;
    uint64_t look_again_ns = kNever;  // if not now: ask again at this time at the latest
  };

  explicit PullScheduler(const SchedulerContext& context)
      : clock_(context.clock), never_blocks_(context.never_blocks) {}

  // The strategy's part, called with the mutex held -------------------------------------------
  // Whether a batch is due for `instance`, which is free.
  virtual Due Look(size_t instance) REQUIRES(mutex_) = 0;
  // Moves the batch that Look has just found due into `batch`. Returns who should wake for what is
  // left, or null.
  virtual Waker* Pop(size_t instance, Batch* batch) REQUIRES(mutex_) = 0;
  // Nothing waits that `instance` would have to do.
  virtual bool Empty(size_t instance) const REQUIRES(mutex_) = 0;
  // `requests`, which are not queued, may run at once, as one batch, on any free instance.
  // `caller_waits`: the calling thread wants the answer before it goes on.
  virtual bool MayRunInline(std::span<InferenceRequest* const> requests, bool caller_waits)
      REQUIRES(mutex_) = 0;
  virtual void InstanceAdded(size_t) REQUIRES(mutex_) {}
  virtual void InstanceRemoved(size_t) REQUIRES(mutex_) {}
  // The thread of `instance` has been told that no work will come for it any more.
  virtual void InstanceLeft(size_t) REQUIRES(mutex_) {}

  // Whom to wake for `instance` or, without one, for any free instance: its thread that sleeps, or
  // the waker of one that was left; it counts as awake from now on. Null when there is none. Wake
  // it after the lock has been let go.
  Waker* Sleeper(size_t instance) REQUIRES(mutex_);
  Waker* AnySleeper() REQUIRES(mutex_);
  // For code that can't wait for that: whoever lets go of the lock wakes it. Called from Look and
  // the like, or under a WakingLock.
  void WakeLater(Waker* sleeper) REQUIRES(mutex_) { wake_later_.push_back(sleeper); }

  // Holds the mutex; then wakes `wake`, unless null, and those of WakeLater.
  class TRIDENT_THREAD_ATTRIBUTE(scoped_lockable) WakingLock {
   public:
    explicit WakingLock(PullScheduler* scheduler)
        TRIDENT_THREAD_ATTRIBUTE(acquire_capability(scheduler->mutex_));
    ~WakingLock() TRIDENT_THREAD_ATTRIBUTE(release_capability());
    WakingLock(const WakingLock&) = delete;
    WakingLock& operator=(const WakingLock&) = delete;

    Waker* wake = nullptr;

   private:
    PullScheduler* const scheduler_;
  };

  bool removed(size_t instance) const REQUIRES(mutex_) { return instances_[instance].removed; }
  bool busy(size_t instance) const REQUIRES(mutex_) { return instances_[instance].busy; }
  size_t instance_count() const REQUIRES(mutex_) { return instances_.size(); }
  bool stopped() const REQUIRES(mutex_) { return stopped_; }
  // Of executions from Take to Finished.
  const DurationTable& durations() const REQUIRES(mutex_) { return durations_; }

  Clock& clock_;
  Mutex mutex_;

 private:
  struct Bed final : Waker {
    void Wake() override { condition.NotifyOne(); }
    CondVar condition;
  };
  struct Instance {
    std::shared_ptr<Waker> waker;  // null: threads of its own sleep in `bed`
    Bed bed;
    bool sleeping = false;  // in `sleepers_`: its thread sleeps, or it was
    bool left = false;      // left
    bool busy = false;
    bool removed = false;
    uint64_t items = 0;  // of the batch it is busy with
    uint64_t taken_ns = 0;
  };
  bool WaitUntilDue(size_t instance) REQUIRES(mutex_);
  void Sleep(size_t instance, uint64_t until_ns) REQUIRES(mutex_);
  void Leave(size_t instance) REQUIRES(mutex_);
  void TakeUp(size_t instance) REQUIRES(mutex_);
  bool HasNews(size_t instance) const REQUIRES(mutex_);
  bool TakeIfDue(size_t instance, Batch* batch, uint64_t* look_again_ns, Waker** wake)
      REQUIRES(mutex_);
  Waker* PopFor(size_t instance, Batch* batch) REQUIRES(mutex_);

  const bool never_blocks_;
  // A deque: references to what is in it stay good when it grows.
  std::deque<Instance> instances_ GUARDED_BY(mutex_);
  std::vector<size_t> sleepers_ GUARDED_BY(mutex_);  // the last to fall asleep is the warmest
  std::vector<Waker*> wake_later_ GUARDED_BY(mutex_);
  DurationTable durations_ GUARDED_BY(mutex_);
  bool stopped_ GUARDED_BY(mutex_) = false;
};

}  // namespace trident
