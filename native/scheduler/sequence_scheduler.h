#pragma once

#include <deque>
#include <memory>
#include <vector>

#include "base/shared_count.h"
#include "scheduler/pull_scheduler.h"
#include "scheduler/sequence_policy.h"
#include "scheduler/sequence_table.h"

namespace trident {

// What both sequence strategies share: admission by correlation id, START and END; slots and the
// backlog; idleness and timeouts; the controls and states of a request that goes out, and what
// happens when it comes back.
//
// Promises: a sequence has at most one request handed out and not yet released; requests of one
// correlation id never overtake each other. A sequence that can't go on (one of its requests was
// cancelled, its time in the backlog is over) loses what waits from there on; what was handed out
// ends as it will. A sequence is idle while nothing of it waits and nothing is handed out.
// After Stop running sequences may go on, until their instance has left; what Model has closed gets
// no more requests, though, so in service that is for what was under way. Thread-safe.
class SequenceScheduler : public PullScheduler, private Alarm {
 public:
  ~SequenceScheduler() override;

  void Enqueue(std::span<RequestPtr> requests, std::span<Status> outcomes) final;
  void Cancel(InferenceRequest* request) final;
  uint64_t waiting() const final { return waiting_; }
  void LoseInstance(size_t instance, const Status& why) final;

 protected:
  SequenceScheduler(const SchedulerContext& context, SequencePolicy policy);
  // First thing in the destructor of a strategy: from then on no alarm comes.
  void ForgetAlarm() { timer_->Forget(this); }

  // The strategy's part, called with the mutex held. The slot has a head now; none any more.
  virtual void SlotReady(SequenceSlot&) REQUIRES(mutex_) {}
  virtual void SlotUnready(SequenceSlot&) REQUIRES(mutex_) {}

  // The request whose turn it is in this slot, or null.
  static const InferenceRequest* Head(const SequenceSlot& slot);
  // Whether the heads of two slots may be in one batch.
  bool CanShare(SequenceSlot& a, SequenceSlot& b) REQUIRES(mutex_);
  // Moves the head into `batch`, with its controls and states.
  void HandOut(SequenceSlot& slot, Batch* batch) REQUIRES(mutex_);
  // The states that the head will see; null when the model has none.
  const std::shared_ptr<SequenceStates>& HeadStates(SequenceSlot& slot) REQUIRES(mutex_);
  // Adds a request that nobody waits for, of the form of `like` with its `states`.
  void HandOutNull(size_t instance, const InferenceRequest& like, const SequenceStates* states,
                   Batch* batch) REQUIRES(mutex_);
  // Requests of the instance that were handed out and not released, null ones among them.
  size_t handed_out(size_t instance) const REQUIRES(mutex_) { return handed_out_[instance]; }

  const ModelSignature& signature_;
  const SequencePolicy policy_;
  SequenceTable table_ GUARDED_BY(mutex_);

 private:
  // Hears of the requests that an instance gives back.
  struct Watcher : ReleaseWatcher {
    Watcher(SequenceScheduler* scheduler, size_t instance)
        : scheduler(scheduler), instance(instance) {}
    bool OnRelease(InferenceRequest* request, uint32_t flags) override {
      return scheduler->Released(instance, request, flags);
    }
    SequenceScheduler* const scheduler;
    const size_t instance;
  };
  // What is left to do once the mutex has been let go.
  struct Aftermath {
    Waker* wake = nullptr;
    uint64_t ring_by_ns = kNever;
    std::vector<RequestPtr> cancelled;
    std::vector<RequestPtr> expired;
    std::vector<CorrelationId> restarted;
  };

  bool Empty(size_t instance) const final;
  // A request needs its sequence's slot.
  bool MayRunInline(std::span<InferenceRequest* const>, bool) final { return false; }
  void InstanceAdded(size_t instance) final;
  void InstanceRemoved(size_t instance) final { table_.RemoveInstance(instance); }
  void InstanceLeft(size_t instance) final { left_[instance] = true; }
  void Ring() override;

  Status CheckRequest(const InferenceRequest& request) const REQUIRES(mutex_);
  Status Admit(RequestPtr* request, uint64_t now_ns, Aftermath* after) REQUIRES(mutex_);
  void Drop(Sequence* sequence, size_t from, std::vector<RequestPtr>* dropped) REQUIRES(mutex_);
  void CancelWaiting(InferenceRequest* request, Aftermath* after) REQUIRES(mutex_);
  bool Released(size_t instance, InferenceRequest* request, uint32_t flags);
  bool TakeBack(InferenceRequest* request, uint32_t flags, Aftermath* after) REQUIRES(mutex_);
  void Settle(Sequence* sequence, Aftermath* after) REQUIRES(mutex_);
  void Wake(size_t instance, Aftermath* after) REQUIRES(mutex_);
  void Advance(uint64_t now_ns, Aftermath* after) REQUIRES(mutex_);
  void Finish(Aftermath* after);

  const std::shared_ptr<Timer> timer_;
  const std::shared_ptr<Logger> logger_;
  const bool compare_states_;  // some have variable dims

  // By instance.
  std::deque<Watcher> watchers_ GUARDED_BY(mutex_);
  std::vector<size_t> handed_out_ GUARDED_BY(mutex_);
  std::vector<bool> left_ GUARDED_BY(mutex_);
  std::vector<Status> lost_ GUARDED_BY(mutex_);  // OK, or why the instance can't work any more

  SharedCount waiting_;  // requests in all sequences; changed with the mutex held
  uint64_t alarm_ns_ GUARDED_BY(mutex_) = kNever;                // what the timer is set for
  uint64_t last_id_ GUARDED_BY(mutex_) = 0;                      // of iterative sequences
  std::shared_ptr<std::vector<char>> zeros_ GUARDED_BY(mutex_);  // for null requests
};

}  // namespace trident
