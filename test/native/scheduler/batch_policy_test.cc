#include "scheduler/batch_policy.h"

#include <gtest/gtest.h>

#include <numeric>
#include <random>

namespace trident {
namespace {

constexpr uint64_t kMs = 1000000;

BatchPolicy Dynamic(uint32_t max, std::vector<uint32_t> preferred = {}, uint64_t delay_ns = 0) {
  BatchPolicy policy;
  policy.dynamic = true;
  policy.max_batch_size = max;
  policy.preferred = std::move(preferred);
  policy.max_queue_delay_ns = delay_ns;
  return policy;
}

Decision At(uint64_t now, const std::vector<uint32_t>& sizes, const BatchPolicy& policy,
            bool closed = false, uint64_t oldest = 0) {
  return Decide({sizes, closed, oldest}, policy, now);
}

TEST(Decide, NothingPendingWaitsForSomething) {
  const Decision decision = At(5, {}, Dynamic(8));
  EXPECT_EQ(decision.take, 0u);
  EXPECT_EQ(decision.look_again_ns, kNever);
}

TEST(Decide, WithoutDynamicBatchingEveryRequestRunsAlone) {
  EXPECT_EQ(At(0, {1, 1, 1}, BatchPolicy{}).take, 1u);
}

TEST(Decide, WithoutDelayWhateverIsPendingGoes) {
  EXPECT_EQ(At(0, {1}, Dynamic(8)).take, 1u);
  EXPECT_EQ(At(0, {1, 1, 1}, Dynamic(8)).take, 3u);
}

TEST(Decide, NeverExceedsTheMaximum) {
  EXPECT_EQ(At(0, {3, 3, 3}, Dynamic(8)).take, 2u);
  EXPECT_EQ(At(0, {8, 1}, Dynamic(8)).take, 1u);
  EXPECT_EQ(At(0, {5, 5}, Dynamic(8, {}, kMs)).take, 1u) << "a batch that can't grow goes at once";
}

TEST(Decide, PrefersTheLargestPreferredSizeThatIsFilled) {
  EXPECT_EQ(At(0, {1, 1, 1}, Dynamic(8, {2, 4})).take, 2u);
  EXPECT_EQ(At(0, {1, 1, 1, 1, 1}, Dynamic(8, {2, 4})).take, 4u);
}

TEST(Decide, StopsBeforeTheLargestPreferredSizeIsExceeded) {
  EXPECT_EQ(At(0, {3, 3}, Dynamic(8, {4}, kMs)).take, 1u);
}

TEST(Decide, WaitsForTheDelayOfTheOldest) {
  const BatchPolicy policy = Dynamic(8, {4}, kMs);
  const Decision decision = At(100, {1, 1, 1}, policy, false, 50);
  EXPECT_EQ(decision.take, 0u);
  EXPECT_EQ(decision.look_again_ns, 50 + kMs);
  EXPECT_EQ(decision.look_again_at_items, 4u);
  EXPECT_EQ(At(50 + kMs - 1, {1, 1, 1}, policy, false, 50).take, 0u);
  EXPECT_EQ(At(50 + kMs, {1, 1, 1}, policy, false, 50).take, 3u);
}

TEST(Decide, ADelayBeyondTheEndOfTimeIsForEver) {
  const BatchPolicy policy = Dynamic(8, {4}, UINT64_MAX);
  const Decision decision = At(200, {1}, policy, false, 100);
  EXPECT_EQ(decision.take, 0u);
  EXPECT_EQ(decision.look_again_ns, kNever);
  EXPECT_EQ(decision.look_again_at_items, 4u);
}

TEST(Decide, AfterTheDelayEverythingGoesPreferredOrNot) {
  EXPECT_EQ(At(2 * kMs, {1, 1, 1, 1, 1}, Dynamic(8, {4}, kMs)).take, 5u);
}

TEST(Decide, AnUnlikeRequestBehindSendsWhatIsThere) {
  EXPECT_EQ(At(0, {1, 1}, Dynamic(8, {4}, kMs), true).take, 2u);
  EXPECT_EQ(At(0, {1, 1, 1}, Dynamic(8, {2}, kMs), true).take, 2u)
      << "a filled preferred size goes first";
}

TEST(Decide, NamesTheNextPreferredSizeToWakeAt) {
  EXPECT_EQ(At(0, {1, 1, 1}, Dynamic(16, {2, 8}, kMs)).take, 2u);
  EXPECT_EQ(At(0, {1}, Dynamic(16, {2, 8}, kMs)).look_again_at_items, 2u);
  EXPECT_EQ(At(0, {3}, Dynamic(16, {2, 8}, kMs)).look_again_at_items, 8u);
}

// What must hold for any queue: a decision takes a prefix within the bound, and if it takes nothing
// then it will within the delay.
TEST(Decide, HoldsItsPromisesForRandomQueues) {
  const unsigned seed = std::random_device{}();
  SCOPED_TRACE("seed " + std::to_string(seed));
  std::mt19937 random(seed);
  for (int round = 0; round < 20000; ++round) {
    const uint32_t max = 1 + random() % 32;
    std::vector<uint32_t> preferred;
    for (uint32_t size = 1; size <= max; ++size) {
      if (random() % 4 == 0) preferred.push_back(size);
    }
    const BatchPolicy policy = Dynamic(max, preferred, random() % 2 * kMs);
    std::vector<uint32_t> sizes(1 + random() % 40);
    for (uint32_t& size : sizes) size = 1 + random() % max;
    const bool closed = random() % 2 == 0;
    const uint64_t oldest = 1000 + random() % kMs;
    const uint64_t now = oldest + random() % (2 * kMs);

    const Decision decision = At(now, sizes, policy, closed, oldest);
    ASSERT_LE(decision.take, sizes.size());
    const uint64_t items =
        std::accumulate(sizes.begin(), sizes.begin() + decision.take, uint64_t{0});
    ASSERT_LE(items, max);
    if (decision.take > 0) continue;
    ASSERT_GT(decision.look_again_ns, now);
    ASSERT_LE(decision.look_again_ns, oldest + policy.max_queue_delay_ns);
    ASSERT_GT(At(decision.look_again_ns, sizes, policy, closed, oldest).take, 0u);
  }
}

}  // namespace
}  // namespace trident
