#pragma once

#include <span>
#include <vector>

#include "scheduler/deadline_policy.h"
#include "scheduler/priority_queue.h"

namespace trident {

// What a queue whose requests have deadlines remembers for the rule that goes by them.
// Externally synchronised by its scheduler.
class DeadlineBatching {
 public:
  void Arrived(const InferenceRequest& request) {
    gap_.Note(request.start_ns(), request.batch_size());
  }

  // About the requests at the head of `queue` that could run together.
  TimedDecision Decide(std::span<InferenceRequest* const> head, const PendingRequests& pending,
                       const PriorityQueue& queue, const BatchPolicy& policy,
                       const DurationTable& durations, uint64_t now_ns);

 private:
  ArrivalGap gap_;
  std::vector<RequestDeadline> head_;
  uint64_t refused_in_a_row_ = 0;
};

// Why a request is refused that would be late with the next batch, and one that still waited when
// its answer was due.
Status CanNotMakeIt(const InferenceRequest& request, const Refusal& refusal, uint64_t now_ns);
Status DeadlinePassed(const InferenceRequest& request, uint64_t now_ns);

}  // namespace trident
