#include "scheduler/deadline_batching.h"

namespace trident {
namespace {

uint64_t Us(uint64_t ns) { return ns / 1000; }

}  // namespace

TimedDecision DeadlineBatching::Decide(std::span<InferenceRequest* const> head,
                                       const PendingRequests& pending, const PriorityQueue& queue,
                                       const BatchPolicy& policy, const DurationTable& durations,
                                       uint64_t now_ns) {
  head_.clear();
  for (const InferenceRequest* request : head) {
    head_.push_back({.start_ns = request->start_ns(),
                     .due_ns = request->deadline_ns(),
                     .level = queue.policies().LevelOf(request->priority)});
  }
  TimedDecision timed = DecideInTime({.requests = pending,
                                      .deadlines = head_,
                                      .queued_items = queue.items(),
                                      .gap_ns = gap_.gap_ns(),
                                      .last_arrival_ns = gap_.last_ns(),
                                      .refused_in_a_row = refused_in_a_row_},
                                     policy, durations, now_ns);
  if (timed.decision.take > 0) refused_in_a_row_ = 0;
  refused_in_a_row_ += timed.refused.size();
  return timed;
}

Status CanNotMakeIt(const InferenceRequest& request, const Refusal& refusal, uint64_t now_ns) {
  return Unavailable("deadline: ", Us(request.deadline_ns() - now_ns), " of ",
                     Us(request.deadline_ns() - request.start_ns()), " us are left, and model '",
                     request.target()->signature().name, "' is expected to take ",
                     Us(refusal.expected_ns), " us for a batch of ", refusal.items);
}

Status DeadlinePassed(const InferenceRequest& request, uint64_t now_ns) {
  return Unavailable("deadline: ", Us(request.deadline_ns() - request.start_ns()),
                     " us were given, and after ", Us(now_ns - request.start_ns()),
                     " us the request still waited for an instance of model '",
                     request.target()->signature().name, "'");
}

}  // namespace trident
