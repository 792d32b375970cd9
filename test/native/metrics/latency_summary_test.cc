#include "metrics/latency_summary.h"

#include <gtest/gtest.h>

#include <cmath>

namespace trident {
namespace {

constexpr uint64_t kMinute = uint64_t{60} * 1000 * 1000 * 1000;

double Quantile(LatencySummary* summary, double quantile, uint64_t now_ns = 0) {
  return summary->Read({quantile}, now_ns).values_us[0];
}

TEST(LatencySummary, KnowsNothingAtFirst) {
  LatencySummary summary;
  const auto reading = summary.Read({0.5}, 0);
  EXPECT_EQ(reading.count, 0u);
  EXPECT_EQ(reading.sum_us, 0u);
  EXPECT_TRUE(std::isnan(reading.values_us[0]));
}

TEST(LatencySummary, IsExactWhereDurationsAreShort) {
  LatencySummary summary;
  for (uint64_t us = 1; us <= 50; ++us) summary.Observe(us);
  EXPECT_EQ(Quantile(&summary, 0), 1);
  EXPECT_EQ(Quantile(&summary, 0.5), 25);
  EXPECT_EQ(Quantile(&summary, 0.9), 45);
  EXPECT_EQ(Quantile(&summary, 1), 50);
  EXPECT_EQ(summary.Read({}, 0).sum_us, 50u * 51 / 2);
}

TEST(LatencySummary, IsCloseToAnyDuration) {
  for (uint64_t us = 1; us < uint64_t{1} << 35; us = us * 5 / 4 + 1) {
    LatencySummary summary;
    summary.Observe(us);
    const double expected = static_cast<double>(us);
    EXPECT_NEAR(Quantile(&summary, 0.5), expected, 0.016 * expected);
  }
  LatencySummary summary;
  summary.Observe(UINT64_MAX);  // longer than any bucket
  EXPECT_GT(Quantile(&summary, 0.5), 6e10);
}

TEST(LatencySummary, ForgetsWhatIsOldAndKeepsItsSum) {
  LatencySummary summary;
  summary.Observe(10);
  EXPECT_EQ(Quantile(&summary, 1, 10 * kMinute), 10);
  EXPECT_EQ(Quantile(&summary, 1, 11 * kMinute - 1), 10);
  EXPECT_EQ(Quantile(&summary, 1, 11 * kMinute), 10);
  summary.Observe(3);
  EXPECT_EQ(Quantile(&summary, 1, 12 * kMinute), 3);
  EXPECT_EQ(Quantile(&summary, 1, 13 * kMinute), 3);
  const auto reading = summary.Read({1}, 14 * kMinute);
  EXPECT_TRUE(std::isnan(reading.values_us[0]));
  EXPECT_EQ(reading.count, 2u);
  EXPECT_EQ(reading.sum_us, 13u);
}

TEST(LatencySummary, AReadingThatBeganEarlierMayComeLater) {
  LatencySummary summary;
  summary.Observe(10);
  EXPECT_EQ(Quantile(&summary, 1, 10 * kMinute), 10);
  EXPECT_EQ(Quantile(&summary, 1, 10 * kMinute - 1), 10);
  summary.Observe(3);
  EXPECT_EQ(Quantile(&summary, 1, 10 * kMinute + 1), 10);
}

}  // namespace
}  // namespace trident
