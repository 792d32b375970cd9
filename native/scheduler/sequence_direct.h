#pragma once

#include "scheduler/sequence_scheduler.h"

namespace trident {

// Every running sequence keeps its place in the batch: slot n is row n. Slots that have nothing to
// run, or nothing that fits the others, below the highest one in use are filled with null requests.
// An instance has one batch at a time, until all of it is released. Thread-safe.
class DirectSequenceScheduler final : public SequenceScheduler {
 public:
  DirectSequenceScheduler(const SchedulerContext& context, SequencePolicy policy)
      : SequenceScheduler(context, std::move(policy)) {}
  ~DirectSequenceScheduler() override { ForgetAlarm(); }

 private:
  Due Look(size_t instance) override;
  Waker* Pop(size_t instance, Batch* batch) override;

  size_t oldest_slot_ GUARDED_BY(mutex_) = 0;  // what the last Look found due
};

}  // namespace trident
