#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "scheduler/batch_policy.h"
#include "scheduler/duration_table.h"

namespace trident {

// When the answer to a waiting request is due, and who counts before it.
struct RequestDeadline {
  uint64_t start_ns = 0;
  uint64_t due_ns = kNever;
  uint64_t level = 0;  // of priority; in order of service these rise
};

// The head of a queue whose requests have deadlines.
struct TimedRequests {
  PendingRequests requests;
  std::span<const RequestDeadline> deadlines;  // of those that fit together
  uint64_t queued_items = 0;                   // all that wait, also behind them
  uint64_t gap_ns = kNever;                    // expected until one more item arrives
  uint64_t last_arrival_ns = 0;
  uint64_t refused_in_a_row = 0;  // since the last batch
};

// A request that can't make its deadline, and why.
struct Refusal {
  size_t index = 0;          // among `deadlines`
  uint64_t items = 0;        // of the batch it would have run in,
  uint64_t expected_ns = 0;  // which takes so long
};

struct TimedDecision {
  Decision decision;
  // If anybody: they are refused at once, and the rule asked again about the others.
  std::vector<Refusal> refused;
};

// The batching rule where requests have deadlines, whole: no lock, clock or thread. T(n) is the
// measured duration of n items; while nothing has been measured nobody waits for others, who could
// make them late.
//
// All that wait and fit together go in one batch if it ends before the first of their deadlines. If
// not, somebody has to give way:
// - Who could not even make it alone is refused.
// - A smaller batch goes when it is as efficient (items per time) as the largest, or when those
//   it leaves behind can still make it afterwards; so nobody is refused under a light load.
// - Otherwise the tightest are refused until a batch of the efficient size ends in time. To serve
//   them too would need small batches, whose poor rate would make all who follow late. Requests of
//   a lower priority are never a reason to refuse.
// The efficient size has about the best rate of all that end within half of what requests are
// given: one that comes when a batch has just begun waits for that one and runs in the next.
// An estimate that lets nobody run could never be corrected, so after some refusals in a row one
// request runs all the same.
TimedDecision DecideInTime(const TimedRequests& pending, const BatchPolicy& policy,
                           const DurationTable& durations, uint64_t now_ns);

struct Wait {
  uint64_t until_ns = kNoWait;
  uint64_t until_items = 0;  // or until so many are pending
};

// How long a free instance should wait for one more item, with `items` pending. Going now, the
// items end T(n) from now, and the next one after that batch. Waiting costs each of the n the gap
// and what the larger batch takes longer, n (gap + growth), and saves the next one the rest of the
// batch it would have missed, T(n) - gap. Arrivals come in bursts: when several gaps have passed
// without one, the burst is over. Bounded by max(max_queue_delay, T(max)).
Wait WaitThatPays(const TimedRequests& pending, uint64_t items, const BatchPolicy& policy,
                  const DurationTable& durations);

// The gap between items that arrive, learnt: a moving average in which a pause counts a few gaps at
// most, so that a burst begins with what was learnt in the last one. Externally synchronised.
class ArrivalGap {
 public:
  void Note(uint64_t now_ns, uint64_t items);
  uint64_t gap_ns() const { return gap_ns_; }    // kNever: not known
  uint64_t last_ns() const { return last_ns_; }  // of the last arrival

 private:
  uint64_t gap_ns_ = kNever;
  uint64_t last_ns_ = 0;
  uint64_t last_items_ = 0;  // that came then
};

}  // namespace trident
