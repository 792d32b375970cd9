#pragma once

#include <deque>
#include <vector>

#include "scheduler/ordering.h"
#include "scheduler/sequence_scheduler.h"

namespace trident {

// The sequences an instance holds are its candidates: the next requests of those with nothing
// handed out form batches by the rule of dynamic batching, in the order in which their turns came.
// Thread-safe.
class OldestSequenceScheduler final : public SequenceScheduler {
 public:
  OldestSequenceScheduler(const SchedulerContext& context, SequencePolicy policy)
      : SequenceScheduler(context, std::move(policy)) {}
  ~OldestSequenceScheduler() override { ForgetAlarm(); }

 private:
  struct Turn {
    SequenceSlot* slot;
    uint64_t since_ns;
  };
  struct Candidates {
    std::deque<Turn> turns;                // oldest first
    std::shared_ptr<ResponseOrder> order;  // with preserve_ordering, from the first batch on
  };

  Due Look(size_t instance) override;
  Waker* Pop(size_t instance, Batch* batch) override;
  void SlotReady(SequenceSlot& slot) override;
  void SlotUnready(SequenceSlot& slot) override;

  std::vector<Candidates> candidates_ GUARDED_BY(mutex_);  // by instance
  std::vector<uint32_t> sizes_ GUARDED_BY(mutex_);         // scratch of Look
  size_t due_count_ GUARDED_BY(mutex_) = 0;                // what the last Look found
};

}  // namespace trident
