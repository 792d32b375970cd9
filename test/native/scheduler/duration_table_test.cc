#include "scheduler/duration_table.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <random>
#include <vector>

namespace trident {
namespace {

void Record(DurationTable* table, uint64_t items, uint64_t duration_ns, int times) {
  for (int i = 0; i < times; ++i) table->Record(items, duration_ns);
}

TEST(DurationTable, KnowsNothingAtFirst) {
  const DurationTable table;
  EXPECT_FALSE(table.KnownWithin(1, UINT64_MAX));
  EXPECT_FALSE(table.Estimate(1).has_value());
}

TEST(DurationTable, EightShortExecutionsEarnTheBudget) {
  DurationTable table;
  Record(&table, 4, 100, 7);
  EXPECT_FALSE(table.KnownWithin(4, 100));
  table.Record(4, 100);
  EXPECT_TRUE(table.KnownWithin(4, 100));
  EXPECT_FALSE(table.KnownWithin(4, 99));
  EXPECT_FALSE(table.KnownWithin(3, 1000)) << "another size";
}

TEST(DurationTable, ALongExecutionIsRememberedForAHundredOrMore) {
  DurationTable table;
  Record(&table, 1, 100, 1000);
  table.Record(1, 5000);
  int runs = 0;
  for (; !table.KnownWithin(1, 100); ++runs) table.Record(1, 100);
  EXPECT_GE(runs, 99);
  EXPECT_LE(runs, 200);
}

TEST(DurationTable, TheFirstExecutionsMayBeSlow) {
  DurationTable table;
  table.Record(1, 1'000'000);
  int runs = 0;
  for (; !table.KnownWithin(1, 100); ++runs) table.Record(1, 100);
  EXPECT_LE(runs, 32);
}

TEST(DurationTable, EstimatesWithoutASingleHiccup) {
  DurationTable table;
  Record(&table, 1, 100, 16);
  table.Record(1, 9000);
  EXPECT_EQ(table.Estimate(1), 100u);
  table.Record(1, 9000);
  EXPECT_EQ(table.Estimate(1), 9000u) << "twice in sixteen is a habit";
  Record(&table, 1, 200, 15);
  EXPECT_EQ(table.Estimate(1), 200u) << "what was is forgotten";
}

TEST(DurationTable, EstimatesTheSecondLongestOfTheLastSixteen) {
  const unsigned seed = std::random_device()();
  SCOPED_TRACE(testing::Message() << "seed " << seed);
  std::mt19937 random(seed);
  DurationTable table;
  std::vector<uint64_t> all;
  for (int i = 0; i < 2000; ++i) {
    all.push_back(random() % 20);
    table.Record(1, all.back());
    std::vector<uint64_t> recent(all.end() - std::min<ptrdiff_t>(16, std::ssize(all)), all.end());
    std::sort(recent.rbegin(), recent.rend());
    ASSERT_EQ(table.Estimate(1), recent[std::min<size_t>(1, recent.size() - 1)]) << "after " << i;
  }
}

TEST(DurationTable, EstimatesSizesFromTheirNeighbours) {
  DurationTable table;
  table.Record(8, 800);
  EXPECT_EQ(table.Estimate(2), 800u) << "no longer than a larger batch";
  EXPECT_EQ(table.Estimate(16), 1600u) << "in proportion";
  table.Record(4, 600);
  EXPECT_EQ(table.Estimate(6), 700u);
  EXPECT_EQ(table.Estimate(4), 600u);
  EXPECT_EQ(table.Estimate(1), 600u);
}

TEST(DurationTable, LargeSizesShareRowsWithTheirLike) {
  DurationTable table;
  table.Record(1000, 5000);
  EXPECT_EQ(table.Estimate(1020), 5000u);
  EXPECT_GT(*table.Estimate(1100), 5000u);
  table.Record(uint64_t{UINT32_MAX} * 4096, 77);
  EXPECT_EQ(table.Estimate(uint64_t{UINT32_MAX} * 4096), 77u);
}

// Whatever was measured, an estimate of a size that rises with its measurements rises too.
TEST(DurationTable, EstimatesOfARisingCostRise) {
  const unsigned seed = std::random_device()();
  SCOPED_TRACE(testing::Message() << "seed " << seed);
  std::mt19937 random(seed);
  for (int round = 0; round < 200; ++round) {
    DurationTable table;
    for (int i = 0; i < 5; ++i) {
      const uint64_t items = random() % 4000 + 1;
      table.Record(items, 1000 + 10 * items);
    }
    uint64_t last = 0;
    for (uint64_t items = 1; items < 4500; ++items) {
      const uint64_t estimate = *table.Estimate(items);
      // Rows of 1/16 hold several sizes, whichever was measured.
      ASSERT_GE(estimate + estimate / 16 + 16, last) << items;
      last = std::max(last, estimate);
    }
  }
}

// Once, a size whose only execution had been slow would never have been tried again.
TEST(DurationTable, ForgetsSizesThatHaveNotRunForLong) {
  DurationTable table;
  table.Record(8, 1000000);
  for (int i = 0; i < 2048; ++i) table.Record(4, 100);
  EXPECT_EQ(table.Estimate(8), 200u) << "in proportion to what is known";
  table.Record(8, 150);
  EXPECT_EQ(table.Estimate(8), 150u);
}

}  // namespace
}  // namespace trident
