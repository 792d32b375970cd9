#include "repository/claims.h"

#include <gtest/gtest.h>

#include <atomic>
#include <random>
#include <thread>

namespace trident {
namespace {

const ModelIdentity kA{"", "a"}, kB{"", "b"}, kC{"", "c"};

TEST(Claims, CoverWhatTheyHold) {
  ModelClaims claims;
  ModelClaim claim(&claims);
  EXPECT_TRUE(claim.Covers({}));
  EXPECT_FALSE(claim.Covers({kA}));
  ASSERT_TRUE(claim.Replace({kA, kB}));
  EXPECT_TRUE(claim.Covers({kB}));
  EXPECT_FALSE(claim.Covers({kB, kC}));
  ASSERT_TRUE(claim.Replace({kC}));
  EXPECT_FALSE(claim.Covers({kB}));
}

TEST(Claims, OfOtherModelsDoNotWait) {
  ModelClaims claims;
  ModelClaim one(&claims), other(&claims);
  ASSERT_TRUE(one.Replace({kA}));
  EXPECT_TRUE(other.Replace({kB, kC}));
}

// 3.13.7: in whatever order they are asked for.
TEST(Claims, TakeTurnsAndNeverWaitForEachOther) {
  const unsigned seed = std::random_device{}();
  SCOPED_TRACE(testing::Message() << "seed " << seed);
  ModelClaims claims;
  std::atomic<int> holders[4] = {};
  const auto change = [&](unsigned own_seed) {
    std::mt19937 random(own_seed);
    for (int round = 0; round < 300; ++round) {
      ModelClaim claim(&claims);
      for (int widen = 0; widen < 2; ++widen) {
        ModelSet models;
        for (int i = 0; i < 4; ++i) {
          if (random() % 2 == 0) models.insert({"", std::to_string(i)});
        }
        ASSERT_TRUE(claim.Replace(models));
        for (const ModelIdentity& model : models) {
          EXPECT_EQ(holders[std::stoi(model.name)].fetch_add(1), 0);
        }
        for (const ModelIdentity& model : models) holders[std::stoi(model.name)].fetch_sub(1);
      }
    }
  };
  std::vector<std::thread> threads;
  for (unsigned i = 0; i < 4; ++i) threads.emplace_back(change, seed + i);
  for (std::thread& thread : threads) thread.join();
}

TEST(Claims, EndWaitingWhenStopped) {
  ModelClaims claims;
  ModelClaim holder(&claims);
  ASSERT_TRUE(holder.Replace({kA}));
  std::atomic<bool> got{true};
  std::thread waiter([&] {
    ModelClaim claim(&claims);
    got = claim.Replace({kA, kB});
  });
  claims.Stop();
  waiter.join();
  EXPECT_FALSE(got);
  EXPECT_FALSE(holder.Replace({kC}));
}

}  // namespace
}  // namespace trident
