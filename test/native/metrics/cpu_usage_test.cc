#include "metrics/cpu_usage.h"

#include <gtest/gtest.h>

namespace trident {
namespace {

TEST(CpuUsage, ReadsTheTimesOfAllProcessors) {
  const auto times = ParseCpuTimes("cpu  1 2 4 100 200 8 16 32 0 0\ncpu0 9 9 9 9 9 9 9 9 0 0\n");
  ASSERT_TRUE(times.has_value());
  EXPECT_EQ(times->busy, 63u);
  EXPECT_EQ(times->idle, 300u);
  for (const char* wrong : {"", "cpu0 1 2 3 4 5 6 7 8", "cpu 1 2 3"}) {
    EXPECT_FALSE(ParseCpuTimes(wrong).has_value()) << wrong;
  }
}

TEST(CpuUsage, MemoryInUseIsWhatIsNotAvailable) {
  const auto memory =
      ParseMemoryUse("MemTotal:  1000 kB\nMemFree: 1 kB\nMemAvailable: 400 kB\nOdd\n");
  ASSERT_TRUE(memory.has_value());
  EXPECT_EQ(memory->total_bytes, 1000u * 1024);
  EXPECT_EQ(memory->used_bytes, 600u * 1024);
  for (const char* wrong : {"", "MemTotal: 1000 kB\n", "MemTotal: 1 kB\nMemAvailable: 2 kB\n"}) {
    EXPECT_FALSE(ParseMemoryUse(wrong).has_value()) << wrong;
  }
}

TEST(CpuUsage, AsksTheMachineOnceAnInterval) {
  CpuUsage usage(1000);
  const auto first = usage.Read(5000);
  ASSERT_TRUE(first.utilization.has_value() && first.memory.has_value());
  EXPECT_TRUE(*first.utilization >= 0 && *first.utilization <= 1);
  EXPECT_GT(first.memory->used_bytes, 0u);
  const auto second = usage.Read(5999);
  EXPECT_EQ(*second.utilization, *first.utilization);
  EXPECT_EQ(second.memory->used_bytes, first.memory->used_bytes);
}

}  // namespace
}  // namespace trident
