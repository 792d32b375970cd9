// The targets of batching by deadlines, with the production queue in virtual time.

#include <gtest/gtest.h>

#include "support/slo_world.h"

namespace trident {
namespace {

SloResult Play(double of_capacity, bool adaptive, double noise) {
  const SloLoad load = {
      .of_capacity = of_capacity, .noise = noise, .arrivals = 60'000, .seed = 20260101};
  return SloWorld(SloWorld::Deadline(adaptive), load).Run();
}

class DeadlineTargets : public ::testing::TestWithParam<bool> {};

TEST_P(DeadlineTargets, AlmostEverybodyIsInTimeUpToTheCapacity) {
  EXPECT_GE(Play(0.7, GetParam(), 0).attained, 0.9999);
  EXPECT_GE(Play(0.9, GetParam(), 0).attained, 0.999);
  EXPECT_GE(Play(1.0, GetParam(), 0).attained, 0.98);
}

TEST_P(DeadlineTargets, OverloadWastesNothing) {
  for (const double of_capacity : {1.2, 1.5}) {
    for (const double noise : {0.0, 0.1}) {
      const SloResult result = Play(of_capacity, GetParam(), noise);
      EXPECT_GE(result.goodput_of_capacity, 0.97) << of_capacity << ", noise " << noise;
      EXPECT_LE(result.late_of_accepted, 0.05) << of_capacity << ", noise " << noise;
    }
  }
}

// A delay that is longer than it may be ends in time for everybody who waits, from the first on.
TEST_P(DeadlineTargets, UnderALightLoadNobodyIsRefusedForADelay) {
  for (const double of_capacity : {0.02, 0.1, 0.2}) {
    for (const uint64_t delay_ns : {1'000'000, 5'000'000, 50'000'000}) {
      for (uint64_t seed = 1; seed <= 5; ++seed) {
        SloPolicies policies = SloWorld::Deadline(GetParam());
        policies.batching.max_queue_delay_ns = delay_ns;
        const SloLoad load = {.of_capacity = of_capacity, .arrivals = 5'000, .seed = seed};
        const SloResult result = SloWorld(policies, load).Run();
        EXPECT_EQ(result.refused, 0u) << of_capacity << ", delay " << delay_ns << ", seed " << seed;
        EXPECT_EQ(result.attained, 1) << of_capacity << ", delay " << delay_ns << ", seed " << seed;
      }
    }
  }
}

INSTANTIATE_TEST_SUITE_P(All, DeadlineTargets, ::testing::Bool());

TEST(SloPolicies, WithoutDeadlinesOverloadMakesEverybodyLate) {
  const SloLoad load = {.of_capacity = 1.2, .arrivals = 60'000, .seed = 20260101};
  EXPECT_LE(SloWorld(SloWorld::Eager(), load).Run().attained, 0.1);
  EXPECT_LE(SloWorld(SloWorld::Timeout(), load).Run().attained, 0.1);
}

}  // namespace
}  // namespace trident
