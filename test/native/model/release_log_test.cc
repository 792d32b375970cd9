#include "model/release_log.h"

#include <gtest/gtest.h>

#include <array>
#include <thread>
#include <vector>

namespace trident {
namespace {

using Requests = std::vector<TRITONBACKEND_Request*>;

class ReleaseLogs : public testing::Test {
 protected:
  TRITONBACKEND_Request* Request(size_t n) {
    return reinterpret_cast<TRITONBACKEND_Request*>(&bytes_[n]);
  }

  std::array<char, 4> bytes_{};
  Requests given_ = {Request(0), Request(1)}, inner_given_ = {Request(2)};
  Requests memory_, inner_memory_;
};

TEST_F(ReleaseLogs, HaveWhatWasReleasedInAnyOrder) {
  const ReleaseLog log(given_, &memory_);
  ReleaseLog::Add(Request(1));
  EXPECT_TRUE(log.Has(Request(1)));
  EXPECT_FALSE(log.Has(Request(0)));
  ReleaseLog::Add(Request(0));
  EXPECT_TRUE(log.Has(Request(0)));
}

TEST_F(ReleaseLogs, EachHasOnlyItsOwn) {
  const ReleaseLog log(given_, &memory_);
  for (int i = 0; i < 3; ++i) {
    const ReleaseLog inner(inner_given_, &inner_memory_);
    ReleaseLog::Add(Request(2));
    EXPECT_TRUE(inner.Has(Request(2)));
    if (i == 0) ReleaseLog::Add(Request(0));  // as in a callback of what it had executed
    EXPECT_FALSE(inner.Has(Request(0)));
  }
  EXPECT_TRUE(log.Has(Request(0)));
  EXPECT_EQ(memory_, Requests{Request(0)});
}

TEST_F(ReleaseLogs, AreOpenOnTheirThreadWhileTheyLast) {
  EXPECT_FALSE(ReleaseLog::IsOpen(memory_));
  const ReleaseLog log(given_, &memory_);
  EXPECT_FALSE(ReleaseLog::IsOpen(inner_memory_));
  {
    const ReleaseLog inner(inner_given_, &inner_memory_);
    EXPECT_TRUE(ReleaseLog::IsOpen(inner_memory_));
    EXPECT_TRUE(ReleaseLog::IsOpen(memory_));
  }
  EXPECT_FALSE(ReleaseLog::IsOpen(inner_memory_));
  std::thread([&] { EXPECT_FALSE(ReleaseLog::IsOpen(memory_)); }).join();
}

TEST_F(ReleaseLogs, WhatNobodyExecutesIsNotNoted) {
  ReleaseLog::Add(Request(0));
  const ReleaseLog log(given_, &memory_);
  ReleaseLog::Add(Request(3));
  EXPECT_TRUE(memory_.empty());
}

}  // namespace
}  // namespace trident
