// The rate limiter with threads: nobody gets more than there is, nobody waits for ever.

#include "model/rate_limiter.h"

#include <gtest/gtest.h>

#include <atomic>
#include <thread>
#include <vector>

namespace trident {
namespace {

RateLimiter Needing(uint32_t count, uint32_t priority = 1) {
  RateLimiter config;
  config.resources = {{"R", false, count}};
  config.priority = priority;
  return config;
}

using Gate = ExecutionLimiter::Gate;

std::unique_ptr<Gate> Register(ExecutionLimiter* limiter, const RateLimiter& config) {
  auto gate = limiter->Register(&config, 0);
  EXPECT_TRUE(gate.ok()) << gate.status().message();
  return std::move(gate).value();
}

TEST(ExecutionLimiterTest, NeverGivesMoreThanThereIs) {
  constexpr int kUnits = 3;
  auto limiter = std::make_shared<ExecutionLimiter>(RateRule::Amounts{{0, {{"R", kUnits}}}});
  std::atomic<int> taken{0};
  std::atomic<int> worst{0};
  std::vector<std::thread> threads;
  for (int i = 0; i < 6; ++i) {
    threads.emplace_back([&, need = i % 3 + 1] {
      const auto gate = Register(limiter.get(), Needing(static_cast<uint32_t>(need)));
      for (int turn = 0; turn < 500; ++turn) {
        ASSERT_TRUE(gate->Acquire());
        const int now = taken.fetch_add(need) + need;
        int seen = worst.load();
        while (now > seen && !worst.compare_exchange_weak(seen, now)) {
        }
        taken.fetch_sub(need);
        gate->Release(true, turn + 1 < 500);
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(taken.load(), 0);
  EXPECT_LE(worst.load(), kUnits);
}

TEST(ExecutionLimiterTest, WhoHasMoreToDoQueuesUpBeforeTheNextIsChosen) {
  auto limiter = std::make_shared<ExecutionLimiter>(RateRule::Amounts{});
  const auto often = Register(limiter.get(), Needing(1, 1));
  const auto seldom = Register(limiter.get(), Needing(1, 3));
  ASSERT_TRUE(seldom->Acquire());
  std::thread other([&] {
    for (int i = 0; i < 3; ++i) {
      EXPECT_TRUE(often->Acquire());
      often->Release(true, i < 2);
    }
  });
  seldom->Release(true, true);  // has 3 turns' worth now, so the other goes three times first
  EXPECT_TRUE(seldom->Acquire());
  seldom->Release(true, false);
  other.join();
}

TEST(ExecutionLimiterTest, GivingUpEndsAWaitAndLetsOthersPass) {
  auto limiter = std::make_shared<ExecutionLimiter>(RateRule::Amounts{});
  const auto holder = Register(limiter.get(), Needing(1));
  const auto waiter = Register(limiter.get(), Needing(1));
  const auto modest = Register(limiter.get(), {});
  ASSERT_TRUE(holder->Acquire());
  std::thread blocked([&] { EXPECT_FALSE(waiter->Acquire()); });
  waiter->GiveUp();
  blocked.join();
  EXPECT_TRUE(modest->Acquire()) << "nobody stands before it any more";
  modest->Release(true, false);
  holder->Release(true, false);
  EXPECT_TRUE(waiter->Acquire()) << "giving up holds for one wait";
  waiter->Release(true, false);
}

TEST(ExecutionLimiterTest, AGateThatGoesGivesItsTurnToTheNext) {
  auto limiter = std::make_shared<ExecutionLimiter>(RateRule::Amounts{});
  auto holder = Register(limiter.get(), Needing(1));
  const auto waiter = Register(limiter.get(), Needing(1));
  ASSERT_TRUE(holder->Acquire());
  std::thread blocked([&] {
    EXPECT_TRUE(waiter->Acquire());
    waiter->Release(true, false);
  });
  holder = nullptr;
  blocked.join();
}

}  // namespace
}  // namespace trident
