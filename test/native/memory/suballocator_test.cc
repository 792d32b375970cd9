#include "memory/suballocator.h"

#include <gtest/gtest.h>

#include <map>
#include <random>

namespace trident {
namespace {

constexpr uint64_t kUnit = Suballocator::kAlignment;

TEST(Suballocator, GivesTheSmallestStretchThatSuffices) {
  Suballocator space(10 * kUnit);
  const auto first = space.Allocate(4 * kUnit);
  const auto kept = space.Allocate(kUnit);
  const auto second = space.Allocate(2 * kUnit);
  const auto last = space.Allocate(kUnit);
  ASSERT_TRUE(first && kept && second && last);
  ASSERT_TRUE(space.Free(*first));
  ASSERT_TRUE(space.Free(*second));
  // Free are 4 in front, 2 in the middle and 2 behind.
  EXPECT_EQ(space.Allocate(2 * kUnit), second);
  EXPECT_EQ(space.Allocate(3 * kUnit), first);
}

TEST(Suballocator, RoundsUpAndCountsWhatThatTakes) {
  Suballocator space(3 * kUnit + 7);
  EXPECT_EQ(space.Allocate(1), 0u);
  EXPECT_EQ(space.Allocate(0), kUnit);
  EXPECT_EQ(space.used_bytes(), 2 * kUnit);
  EXPECT_EQ(space.Allocate(kUnit + 1), std::nullopt);
  EXPECT_EQ(space.Allocate(kUnit), 2 * kUnit);
  EXPECT_EQ(space.Allocate(0), std::nullopt);
  EXPECT_EQ(space.Allocate(UINT64_MAX), std::nullopt);
}

TEST(Suballocator, KnowsWhatItHasGiven) {
  Suballocator space(4 * kUnit);
  ASSERT_EQ(space.Allocate(2 * kUnit), 0u);
  EXPECT_FALSE(space.Free(kUnit)) << "the middle of a stretch";
  EXPECT_FALSE(space.Free(2 * kUnit)) << "free";
  EXPECT_TRUE(space.Free(0));
  EXPECT_FALSE(space.Free(0)) << "given back already";
  EXPECT_EQ(space.used_bytes(), 0u);
}

TEST(Suballocator, OfLessThanOneUnitHasNoRoom) {
  EXPECT_EQ(Suballocator(kUnit - 1).Allocate(0), std::nullopt);
}

// However stretches come and go, no two overlap, and at the end all is one again.
class SuballocatorAtRandom : public testing::TestWithParam<uint64_t> {};

TEST_P(SuballocatorAtRandom, KeepsStretchesApartAndJoinsThemAgain) {
  constexpr uint64_t kBytes = 200 * kUnit;
  std::mt19937_64 random(GetParam());
  Suballocator space(kBytes);
  std::map<uint64_t, uint64_t> taken;  // byte size by offset
  uint64_t used = 0;
  const auto give_back = [&](std::map<uint64_t, uint64_t>::iterator stretch) {
    ASSERT_TRUE(space.Free(stretch->first));
    used -= stretch->second;
    taken.erase(stretch);
  };
  for (int i = 0; i < 20'000; ++i) {
    if (!taken.empty() && random() % 2 == 0) {
      give_back(std::next(taken.begin(), static_cast<long>(random() % taken.size())));
    } else {
      const uint64_t byte_size = random() % (20 * kUnit);
      const auto offset = space.Allocate(byte_size);
      if (!offset) continue;
      const uint64_t whole = std::max<uint64_t>((byte_size + kUnit - 1) / kUnit, 1) * kUnit;
      ASSERT_EQ(*offset % kUnit, 0u);
      ASSERT_LE(*offset + whole, kBytes);
      const auto [stretch, added] = taken.emplace(*offset, whole);
      ASSERT_TRUE(added);
      if (stretch != taken.begin()) {
        ASSERT_LE(std::prev(stretch)->first + std::prev(stretch)->second, *offset);
      }
      if (std::next(stretch) != taken.end()) {
        ASSERT_LE(*offset + whole, std::next(stretch)->first);
      }
      used += whole;
    }
    ASSERT_EQ(space.used_bytes(), used);
  }
  while (!taken.empty()) give_back(taken.begin());
  EXPECT_EQ(space.Allocate(kBytes), 0u);
}

INSTANTIATE_TEST_SUITE_P(Seeds, SuballocatorAtRandom, testing::Range<uint64_t>(1, 6));

}  // namespace
}  // namespace trident
