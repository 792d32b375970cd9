#include "repository/drains.h"

#include <gtest/gtest.h>

#include <atomic>
#include <thread>
#include <vector>

#include "base/clock.h"

namespace trident {
namespace {

// Gives threads only when it is told to, and then runs the work at once.
struct ScarceThreads {
  bool operator()(const Drains::Work& work) {
    if (available->load() == 0) return false;
    available->fetch_sub(1);
    std::thread(work).join();
    return true;
  }
  std::shared_ptr<std::atomic<int>> available = std::make_shared<std::atomic<int>>(0);
};

// Not on the thread of whoever asked: it may stand in a callback of the very request that a drain
// waits for.
TEST(Drains, NeverRunOnTheCallersThread) {
  const ScarceThreads threads;
  Drains drains(threads);
  std::atomic<int> done{0};
  const auto self = std::this_thread::get_id();
  for (int i = 0; i < 3; ++i) {
    drains.Start([&] {
      EXPECT_NE(std::this_thread::get_id(), self);
      done.fetch_add(1);
    });
  }
  EXPECT_EQ(done, 0) << "no thread was to be had";
  EXPECT_TRUE(drains.StartParked());
  EXPECT_FALSE(drains.WaitAll(NowNs())) << "parked work is not lost from sight";
  threads.available->store(1);
  EXPECT_FALSE(drains.StartParked());
  EXPECT_EQ(done, 3) << "one thread is enough for all that is parked";
  EXPECT_TRUE(drains.WaitAll(NowNs()));
}

TEST(Drains, ReleaseWhatTheyHeldBeforeTheyCountAsEnded) {
  Drains drains;
  auto held = std::make_shared<int>(1);
  const std::weak_ptr<int> watch = held;
  drains.Start([held = std::move(held)] {});
  ASSERT_TRUE(drains.WaitAll(kNever));
  EXPECT_TRUE(watch.expired());
}

}  // namespace
}  // namespace trident
