#include "repository/load_threads.h"

#include <gtest/gtest.h>

#include <atomic>
#include <thread>
#include <vector>

namespace trident {
namespace {

TEST(LoadThreads, RunEveryPieceOnce) {
  LoadThreads threads(3);
  std::atomic<int> runs[20] = {};
  threads.Run(20, [&](size_t i) { runs[i].fetch_add(1); });
  for (const auto& count : runs) EXPECT_EQ(count, 1);
  threads.Run(0, [&](size_t) { ADD_FAILURE(); });
}

// The cap is one for all who load at the same time, of work as of threads.
TEST(LoadThreads, StayBelowTheCapOverAllCallers) {
  constexpr unsigned kLimit = 3;
  constexpr int kCallers = 4;
  LoadThreads threads(kLimit);
  std::atomic<int> running{0};
  std::atomic<int> most{0};
  const auto caller = [&] {
    threads.Run(30, [&](size_t) {
      const int now = running.fetch_add(1) + 1;
      int seen = most.load();
      while (now > seen && !most.compare_exchange_weak(seen, now)) {
      }
      std::this_thread::yield();
      running.fetch_sub(1);
    });
  };
  std::vector<std::thread> callers;
  for (int i = 0; i < kCallers; ++i) callers.emplace_back(caller);
  for (std::thread& thread : callers) thread.join();
  EXPECT_LE(most.load(), static_cast<int>(kLimit));
}

TEST(LoadThreads, OfALimitOfOneAreTheCallersOwn) {
  for (const unsigned limit : {0u, 1u}) {
    LoadThreads threads(limit);
    threads.Run(5, [&, self = std::this_thread::get_id()](size_t) {
      EXPECT_EQ(std::this_thread::get_id(), self);
    });
  }
}

}  // namespace
}  // namespace trident
