#include "scheduler/deadline_policy.h"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "base/checked.h"

namespace trident {
namespace {

constexpr uint64_t kRefusalsBeforeATry = 16;
constexpr uint64_t kGapsOfAPause = 3;
constexpr double kAboutAsEfficient = 0.95;

uint64_t Plus(uint64_t a, uint64_t b) {
  uint64_t sum = 0;
  return CheckedAdd(a, b, &sum) ? sum : kNever;
}

// The first `count` of the pending requests.
struct Prefix {
  size_t count = 0;
  uint64_t items = 0;
  uint64_t tightest_ns = kNever;
};

class Rule {
 public:
  Rule(const TimedRequests& pending, const BatchPolicy& policy, const DurationTable& durations,
       uint64_t now_ns)
      : pending_(pending), policy_(policy), durations_(durations), now_ns_(now_ns) {}

  TimedDecision Decide() const;

 private:
  uint64_t EndOf(uint64_t items) const { return Plus(now_ns_, *durations_.Estimate(items)); }
  double RateOf(uint64_t items) const {
    const uint64_t duration_ns = std::max<uint64_t>(1, *durations_.Estimate(items));
    return static_cast<double>(items) / static_cast<double>(duration_ns);
  }
  bool InTime(const Prefix& batch) const { return batch.tightest_ns >= EndOf(batch.items); }
  void Add(Prefix* batch) const;
  Prefix First(size_t count) const;
  Prefix LargestInTime(size_t count) const;
  size_t WithoutLowerLevels(size_t count) const;
  uint64_t EfficientSize(const Prefix& batch) const;
  bool RestCanWait(const Prefix& batch, size_t count) const;
  std::vector<Refusal> Hopeless() const;
  std::vector<Refusal> Tightest(const Prefix& batch, uint64_t aim) const;
  TimedDecision TakeOrWait(const Prefix& all) const;
  static TimedDecision Take(size_t count) { return {.decision = {.take = count}, .refused = {}}; }

  const TimedRequests& pending_;
  const BatchPolicy& policy_;
  const DurationTable& durations_;
  const uint64_t now_ns_;
};

void Rule::Add(Prefix* batch) const {
  batch->items += pending_.requests.batch_sizes[batch->count];
  batch->tightest_ns = std::min(batch->tightest_ns, pending_.deadlines[batch->count].due_ns);
  ++batch->count;
}

Prefix Rule::First(size_t count) const {
  Prefix batch;
  while (batch.count < count) Add(&batch);
  return batch;
}

Prefix Rule::LargestInTime(size_t count) const {
  Prefix largest, batch;
  while (batch.count < count) {
    Add(&batch);
    if (InTime(batch)) largest = batch;
  }
  return largest;
}

// Without requests of a lower level than the first that would be late with them.
size_t Rule::WithoutLowerLevels(size_t count) const {
  for (;;) {
    const uint64_t end_ns = EndOf(First(count).items);
    const auto requests = pending_.deadlines.first(count);
    const auto late = std::find_if(requests.begin(), requests.end(),
                                   [&](const auto& request) { return request.due_ns < end_ns; });
    if (late == requests.end()) return count;
    const auto lower = std::find_if(
        late, requests.end(), [&](const auto& request) { return request.level > late->level; });
    if (lower == requests.end()) return count;
    count = static_cast<size_t>(lower - requests.begin());
  }
}

uint64_t Rule::EfficientSize(const Prefix& batch) const {
  uint64_t given_ns = 0;
  for (const RequestDeadline& request : pending_.deadlines.first(batch.count)) {
    given_ns = std::max(given_ns, request.due_ns - request.start_ns);
  }
  uint64_t items = batch.items;
  while (items > 1 && *durations_.Estimate(items) > given_ns / 2) items -= (items + 7) / 8;
  // Few sizes are compared, far apart: near ones differ by chance more than by their rates.
  while (items > 1 && RateOf(items / 2) >= kAboutAsEfficient * RateOf(items)) items /= 2;
  return items;
}

// Whether those behind `batch`, up to `count`, make it in the batch after it. What is not in view
// may need that batch.
bool Rule::RestCanWait(const Prefix& batch, size_t count) const {
  const bool all_in_view = First(pending_.deadlines.size()).items == pending_.queued_items;
  if (!all_in_view && count == pending_.deadlines.size()) return false;
  Prefix rest;
  rest.count = batch.count;
  while (rest.count < count) Add(&rest);
  return rest.items == 0 ||
         rest.tightest_ns >= Plus(EndOf(batch.items), *durations_.Estimate(rest.items));
}

std::vector<Refusal> Rule::Hopeless() const {
  std::vector<Refusal> hopeless;
  for (size_t i = 0; i < pending_.deadlines.size(); ++i) {
    const uint64_t items = pending_.requests.batch_sizes[i];
    if (pending_.deadlines[i].due_ns >= EndOf(items)) continue;
    hopeless.push_back({i, items, *durations_.Estimate(items)});
  }
  return hopeless;
}

// Those who must go so that a batch of `aim` items ends in time; others move up into their places.
std::vector<Refusal> Rule::Tightest(const Prefix& batch, uint64_t aim) const {
  const bool refilled = batch.count == pending_.deadlines.size() && !pending_.requests.closed;
  uint64_t left = refilled ? std::max(batch.items, pending_.queued_items) : batch.items;
  Prefix window;
  while (window.count < batch.count && window.items < aim) Add(&window);
  std::vector<size_t> order(window.count);
  std::iota(order.begin(), order.end(), size_t{0});
  std::stable_sort(order.begin(), order.end(), [&](size_t a, size_t b) {
    return pending_.deadlines[a].due_ns < pending_.deadlines[b].due_ns;
  });
  std::vector<Refusal> refused;
  for (const size_t index : order) {
    const uint64_t items = std::min(aim, left);
    if (items == 0 || pending_.deadlines[index].due_ns >= EndOf(items)) break;
    refused.push_back({index, items, *durations_.Estimate(items)});
    left -= pending_.requests.batch_sizes[index];
  }
  return refused;
}

TimedDecision Rule::TakeOrWait(const Prefix& all) const {
  Wait wait;
  if (policy_.adaptive_delay) {
    wait = WaitThatPays(pending_, all.items, policy_, durations_);
  } else if (policy_.max_queue_delay_ns != 0) {
    wait = {Plus(pending_.requests.oldest_ns, policy_.max_queue_delay_ns), kNever};
  }
  TimedDecision timed;
  if (wait.until_ns == kNoWait) {
    timed.decision = DecideUntil(pending_.requests, policy_, kNoWait, now_ns_);
    return timed;
  }
  // One more item must not make the tightest late.
  uint64_t in_time = all.items + 1;
  if (all.tightest_ns != kNever) {
    const uint64_t duration_ns = *durations_.Estimate(in_time);
    wait.until_ns =
        std::min(wait.until_ns, all.tightest_ns - std::min(all.tightest_ns, duration_ns));
  }
  timed.decision = DecideUntil(pending_.requests, policy_, wait.until_ns, now_ns_);
  Decision& decision = timed.decision;
  if (decision.take > 0) return timed;
  // Until then so many more may come that it would be late with them.
  uint64_t too_many = std::min(decision.look_again_at_items, wait.until_items);
  const auto end_of = [&](uint64_t items) {
    return Plus(decision.look_again_ns, *durations_.Estimate(items));
  };
  while (in_time + 1 < too_many) {
    const uint64_t items = in_time + (too_many - in_time) / 2;
    (end_of(items) > all.tightest_ns ? too_many : in_time) = items;
  }
  decision.look_again_at_items = too_many;
  decision.look_again_if_due_before_ns = end_of(in_time);
  return timed;
}

TimedDecision Rule::Decide() const {
  const Prefix all = First(pending_.deadlines.size());
  if (InTime(all)) return TakeOrWait(all);

  TimedDecision hopeless{.decision = {}, .refused = Hopeless()};
  const bool everybody = hopeless.refused.size() == all.count;
  if (everybody && pending_.refused_in_a_row >= kRefusalsBeforeATry) return Take(1);
  if (!hopeless.refused.empty()) return hopeless;

  const Prefix batch = First(WithoutLowerLevels(all.count));
  const Prefix largest = LargestInTime(batch.count);
  const uint64_t aim = EfficientSize(batch);
  if (largest.items >= aim || RestCanWait(largest, batch.count)) return Take(largest.count);
  TimedDecision timed{.decision = {}, .refused = Tightest(batch, aim)};
  return timed.refused.empty() ? Take(largest.count) : timed;
}

}  // namespace

TimedDecision DecideInTime(const TimedRequests& pending, const BatchPolicy& policy,
                           const DurationTable& durations, uint64_t now_ns) {
  if (pending.deadlines.empty()) return {};
  if (!durations.Estimate(1)) {
    return {.decision = DecideUntil(pending.requests, policy, kNoWait, now_ns), .refused = {}};
  }
  return Rule(pending, policy, durations, now_ns).Decide();
}

Wait WaitThatPays(const TimedRequests& pending, uint64_t items, const BatchPolicy& policy,
                  const DurationTable& durations) {
  const uint64_t most = policy.max_batch_size;
  if (pending.gap_ns == kNever || items >= most) return {};
  const uint64_t duration_ns = *durations.Estimate(items);
  const uint64_t longest_ns = *durations.Estimate(most);
  // Over all sizes: from one size to the next the measurements differ by chance.
  const uint64_t growth_ns = (longest_ns - std::min(longest_ns, duration_ns)) / (most - items);
  const double cost_of_each = static_cast<double>(pending.gap_ns) + static_cast<double>(growth_ns);
  const double saving =
      static_cast<double>(duration_ns) - static_cast<double>(std::min(duration_ns, pending.gap_ns));
  if (static_cast<double>(items) * cost_of_each >= saving) return {};
  const double enough = std::min(saving / std::max(cost_of_each, 1.0), static_cast<double>(most));
  const uint64_t bound_ns =
      Plus(pending.requests.oldest_ns, std::max(policy.max_queue_delay_ns, longest_ns));
  return {.until_ns = std::min(bound_ns, pending.last_arrival_ns + kGapsOfAPause * pending.gap_ns),
          .until_items = std::max(items + 1, static_cast<uint64_t>(std::ceil(enough)))};
}

void ArrivalGap::Note(uint64_t now_ns, uint64_t items) {
  constexpr uint64_t kWeight = 8, kLongestPause = 8, kShortestPauseNs = 1000;
  if (last_items_ == 0 || now_ns > last_ns_) {
    if (last_items_ > 0) {
      const uint64_t gap_ns = (now_ns - last_ns_) / last_items_;
      const uint64_t longest_ns =
          gap_ns_ == kNever ? kNever : kLongestPause * gap_ns_ + kShortestPauseNs;
      gap_ns_ = gap_ns_ == kNever
                    ? gap_ns
                    : gap_ns_ - gap_ns_ / kWeight + std::min(gap_ns, longest_ns) / kWeight;
    }
    last_ns_ = now_ns;
    last_items_ = 0;
  }
  last_items_ += items;
}

}  // namespace trident
