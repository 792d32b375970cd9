#include "scheduler/deadline_policy.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <random>

namespace trident {
namespace {

constexpr uint64_t kMs = 1'000'000;

uint64_t DurationOf(uint64_t items) { return 2 * kMs + items * kMs / 10; }

DurationTable Measured(uint64_t most) {
  DurationTable table;
  for (uint64_t items = 1; items <= most; ++items) table.Record(items, DurationOf(items));
  return table;
}

BatchPolicy Dynamic(uint32_t most) {
  BatchPolicy policy;
  policy.dynamic = true;
  policy.max_batch_size = most;
  return policy;
}

// What any queue of one level looks like at `now_ns`, its first requests in view.
struct RandomQueue {
  RandomQueue(std::mt19937_64& random, uint32_t most, uint64_t now_ns) {
    const uint64_t given_ns = (1 + random() % 20) * kMs;
    uint64_t items = 0;
    for (uint64_t left = random() % 60; left > 0; --left) {
      const auto size = static_cast<uint32_t>(random() % 4 == 0 ? 1 + random() % most : 1);
      queued_items += size;
      if (!sizes.empty() && items > most) continue;
      items += size;
      sizes.push_back(size);
      if (deadlines.empty() || items <= most) {
        const uint64_t start_ns = now_ns - random() % given_ns;
        const uint64_t due_ns = random() % 8 == 0 ? kNever : start_ns + given_ns;
        deadlines.push_back({start_ns, due_ns, 0});
      }
    }
  }
  TimedRequests Pending() const {
    return {.requests = {sizes, false, 1}, .deadlines = deadlines, .queued_items = queued_items};
  }
  std::vector<uint32_t> sizes;
  std::vector<RequestDeadline> deadlines;
  uint64_t queued_items = 0;
};

TEST(DeadlinePolicy, WhoRunsIsInTimeAndWhoIsRefusedWouldNotBe) {
  const uint64_t seed = std::random_device()();
  SCOPED_TRACE(seed);
  std::mt19937_64 random(seed);
  const DurationTable durations = Measured(32);
  const BatchPolicy policy = Dynamic(32);
  const uint64_t now_ns = 100 * kMs;
  for (int round = 0; round < 20000; ++round) {
    const RandomQueue queue(random, 32, now_ns);
    const TimedDecision timed = DecideInTime(queue.Pending(), policy, durations, now_ns);
    for (const Refusal& refusal : timed.refused) {
      ASSERT_EQ(refusal.expected_ns, DurationOf(refusal.items));
      ASSERT_LT(queue.deadlines.at(refusal.index).due_ns, now_ns + refusal.expected_ns);
    }
    if (!timed.refused.empty()) continue;
    ASSERT_EQ(timed.decision.take > 0, !queue.sizes.empty()) << "somebody runs";
    uint64_t items = 0;
    for (size_t i = 0; i < timed.decision.take; ++i) items += queue.sizes[i];
    ASSERT_LE(items, 32u);
    for (size_t i = 0; i < timed.decision.take; ++i) {
      ASSERT_GE(queue.deadlines.at(i).due_ns, now_ns + DurationOf(items));
    }
  }
}

TEST(DeadlinePolicy, WithoutDeadlinesItIsTheRuleOfDynamicBatching) {
  const uint64_t seed = std::random_device()();
  SCOPED_TRACE(seed);
  std::mt19937_64 random(seed);
  const DurationTable durations = Measured(32);
  for (int round = 0; round < 2000; ++round) {
    BatchPolicy policy = Dynamic(32);
    policy.max_queue_delay_ns = random() % 2 * 5 * kMs;
    const uint64_t now_ns = 1 + random() % (10 * kMs);
    RandomQueue queue(random, 32, 100 * kMs);
    for (RequestDeadline& request : queue.deadlines) request.due_ns = kNever;
    const TimedDecision timed = DecideInTime(queue.Pending(), policy, durations, now_ns);
    const Decision plain = Decide(queue.Pending().requests, policy, now_ns);
    ASSERT_TRUE(timed.refused.empty());
    ASSERT_EQ(timed.decision.take, plain.take);
    ASSERT_EQ(timed.decision.look_again_ns, plain.look_again_ns);
    ASSERT_EQ(timed.decision.look_again_at_items, plain.look_again_at_items);
  }
}

// A model that gains nothing by batching should never refuse one to make a batch of others.
TEST(DeadlinePolicy, WhereBatchesGainNothingNobodyIsRefusedForThem) {
  DurationTable durations;
  for (uint64_t items = 1; items <= 8; ++items) durations.Record(items, items * kMs);
  std::vector<RequestDeadline> deadlines(8, {0, 20 * kMs, 0});
  deadlines[0].due_ns = kMs;
  const std::vector<uint32_t> sizes(9, 1);
  const TimedDecision timed =
      DecideInTime({.requests = {sizes, false, 0}, .deadlines = deadlines, .queued_items = 40},
                   Dynamic(8), durations, 0);
  EXPECT_TRUE(timed.refused.empty());
  EXPECT_EQ(timed.decision.take, 1u);
}

Wait WaitOf(uint64_t items, uint64_t gap_ns) {
  const std::vector<uint32_t> sizes(items, 1);
  return WaitThatPays({.requests = {sizes, false, 10 * kMs},
                       .deadlines = {},
                       .gap_ns = gap_ns,
                       .last_arrival_ns = 12 * kMs},
                      items, Dynamic(32), Measured(32));
}

TEST(DeadlinePolicy, AFreeInstanceWaitsWhereThatPays) {
  // One item pending: gap + 0.1 ms of waiting against 2.1 ms - gap for the next.
  EXPECT_EQ(WaitOf(1, kMs * 99 / 100).until_ns, 12 * kMs + 3 * kMs * 99 / 100);
  EXPECT_EQ(WaitOf(1, kMs).until_ns, kNoWait);
  // With more pending the arrivals must be denser.
  EXPECT_NE(WaitOf(10, kMs * 18 / 100).until_ns, kNoWait);
  EXPECT_EQ(WaitOf(10, kMs * 19 / 100).until_ns, kNoWait);
  EXPECT_EQ(WaitOf(32, 1).until_ns, kNoWait) << "a full batch";
  EXPECT_EQ(WaitOf(1, kNever).until_ns, kNoWait) << "nothing is known of arrivals";
  EXPECT_EQ(WaitOf(1, kMs / 2).until_items, 3u) << "1.6 ms saved, 0.6 ms for each that waits";
}

TEST(ArrivalGap, FollowsBurstsAndSurvivesPauses) {
  ArrivalGap gap;
  EXPECT_EQ(gap.gap_ns(), kNever);
  uint64_t now_ns = kMs;
  for (int i = 0; i < 100; ++i) gap.Note(now_ns += 100'000, 1);
  EXPECT_NEAR(static_cast<double>(gap.gap_ns()), 100'000, 100);
  gap.Note(now_ns += 10'000 * kMs, 1);
  EXPECT_LT(gap.gap_ns(), 200'000u) << "one pause is not a slow load";
  for (int i = 0; i < 50; ++i) gap.Note(now_ns += 20 * kMs, 1);
  EXPECT_GT(gap.gap_ns(), 15 * kMs) << "many are";
  for (int i = 0; i < 100; ++i) {
    for (int k = 0; k < 4; ++k) gap.Note(now_ns, 2);
    now_ns += 80'000;
  }
  EXPECT_NEAR(static_cast<double>(gap.gap_ns()), 10'000, 1'000) << "eight items came together";
}

}  // namespace
}  // namespace trident
