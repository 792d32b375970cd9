#include "model/load_once.h"

#include <gtest/gtest.h>

#include <stdexcept>

namespace trident {
namespace {

using Numbers = LoadOnce<int>;

TEST(LoadOnce, LoadsOnceWhatCanBeLoaded) {
  Numbers numbers;
  int loads = 0;
  const auto load = [&]() -> Numbers::Loaded { return std::make_shared<int>(++loads); };
  EXPECT_EQ(*numbers.Get("one", load).value(), 1);
  EXPECT_EQ(*numbers.Get("one", load).value(), 1);
  EXPECT_EQ(*numbers.Get("other", load).value(), 2);
}

TEST(LoadOnce, TriesAgainWhatThrew) {
  Numbers numbers;
  const auto fail = [](auto thrown) { return [=]() -> Numbers::Loaded { throw thrown; }; };
  EXPECT_EQ(numbers.Get("one", fail(std::runtime_error("not today"))).status().message(),
            "failed to load 'one': not today");
  EXPECT_EQ(numbers.Get("one", fail(7)).status().message(),
            "failed to load 'one': it threw an exception");
  EXPECT_TRUE(numbers.Get("one", [] { return Numbers::Loaded(std::make_shared<int>(1)); }).ok());
}

}  // namespace
}  // namespace trident
