#include "isolation/backoff.h"

#include <gtest/gtest.h>

namespace trident::isolation {
namespace {

constexpr uint64_t kMs = 1'000'000;

TEST(BackoffTest, FirstAtOnceThenDoublingUpToTheLimit) {
  Backoff backoff;
  uint64_t now = 5'000 * kMs;
  for (const uint64_t delay_ms : {0, 100, 200, 400, 800, 1'600, 3'200, 6'400, 12'800, 25'600}) {
    EXPECT_EQ(backoff.Ended(now), now + delay_ms * kMs);
    now += delay_ms * kMs + 7;
  }
  EXPECT_EQ(backoff.Ended(now), now + 30'000 * kMs);
  EXPECT_EQ(backoff.Ended(now), now + 30'000 * kMs);
}

TEST(BackoffTest, AnExecutionThatSucceedsResetsIt) {
  Backoff backoff;
  for (int i = 0; i < 4; ++i) (void)backoff.Ended(0);
  backoff.Succeeded();
  EXPECT_EQ(backoff.Ended(3), 3u);
  EXPECT_EQ(backoff.Ended(3), 3 + 100 * kMs);
}

}  // namespace
}  // namespace trident::isolation
