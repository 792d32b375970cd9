#include "base/mutex.h"

#include <gtest/gtest.h>

#include <thread>
#include <vector>

#include "base/clock.h"

namespace trident {
namespace {

TEST(Mutex, Excludes) {
  Mutex mutex;
  int64_t count = 0;
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([&] {
      for (int i = 0; i < 10000; ++i) {
        MutexLock lock(mutex);
        ++count;
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(count, 40000);
}

TEST(Mutex, TryLockFailsWhileHeld) {
  Mutex mutex;
  mutex.Lock();
  std::thread([&] { EXPECT_FALSE(mutex.TryLock()); }).join();
  mutex.Unlock();
  EXPECT_TRUE(mutex.TryLock());
  mutex.Unlock();
}

TEST(CondVar, HandsOverBetweenTwoThreads) {
  Mutex mutex;
  CondVar condition;
  int turn = 0;
  std::thread other([&] {
    for (int i = 0; i < 1000; ++i) {
      MutexLock lock(mutex);
      while (turn % 2 == 0) condition.Wait(mutex);
      ++turn;
      condition.NotifyAll();
    }
  });
  for (int i = 0; i < 1000; ++i) {
    MutexLock lock(mutex);
    while (turn % 2 == 1) condition.Wait(mutex);
    ++turn;
    condition.NotifyAll();
  }
  other.join();
  EXPECT_EQ(turn, 2000);
}

TEST(CondVar, WaitUntilEndsAtItsTime) {
  Mutex mutex;
  CondVar condition;
  MutexLock lock(mutex);
  EXPECT_FALSE(condition.WaitUntil(mutex, 1));  // long past
  const uint64_t deadline = NowNs() + 2'000'000;
  while (condition.WaitUntil(mutex, deadline)) {
  }
  EXPECT_GE(NowNs(), deadline);
}

TEST(Clock, MonotonicTimeNeverGoesBack) {
  uint64_t last = NowNs();
  for (int i = 0; i < 10000; ++i) {
    const uint64_t now = NowNs();
    ASSERT_GE(now, last);
    last = now;
  }
}

}  // namespace
}  // namespace trident
