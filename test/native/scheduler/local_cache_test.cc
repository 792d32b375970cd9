#include "scheduler/local_cache.h"

#include <gtest/gtest.h>

#include <random>
#include <thread>

namespace trident {
namespace {

Digest Key(uint64_t number) { return {number, 0, 0, 0}; }

std::shared_ptr<const CachedResponse> Response(const std::string& text, size_t bytes = 100) {
  auto response = std::make_shared<CachedResponse>();
  response->outputs.push_back({text, DataType::kUint8, {1}, std::string(bytes, 'x')});
  return response;
}

// What one response of Response("a") costs.
uint64_t OneEntry() {
  LocalCache cache(1 << 20);
  EXPECT_TRUE(cache.Insert(Key(1), Response("a")).ok());
  return cache.Read()->used_bytes;
}

std::string NameOf(const std::shared_ptr<const CachedResponse>& response) {
  return response == nullptr ? "" : response->outputs[0].name;
}

TEST(LocalCacheTest, GivesBackWhatWasPutIn) {
  LocalCache cache(1 << 20);
  EXPECT_EQ(cache.Lookup(Key(1)), nullptr);
  const auto response = Response("a");
  ASSERT_TRUE(cache.Insert(Key(1), response).ok());
  EXPECT_EQ(cache.Lookup(Key(1)), response) << "the same object: nothing is copied";
  EXPECT_EQ(cache.Lookup(Key(2)), nullptr);
}

TEST(LocalCacheTest, TheFirstResponseStays) {
  LocalCache cache(1 << 20);
  ASSERT_TRUE(cache.Insert(Key(1), Response("a")).ok());
  EXPECT_EQ(cache.Insert(Key(1), Response("b")).code(), StatusCode::kAlreadyExists);
  EXPECT_EQ(NameOf(cache.Lookup(Key(1))), "a");
  EXPECT_EQ(cache.Read()->entries, 1u);
}

TEST(LocalCacheTest, TheLeastRecentlyUsedGoesFirst) {
  LocalCache cache(3 * OneEntry());
  for (const char* name : {"a", "b", "c"}) {
    ASSERT_TRUE(cache.Insert(Key(static_cast<uint64_t>(name[0])), Response(name)).ok());
  }
  EXPECT_EQ(NameOf(cache.Lookup(Key('a'))), "a");  // so b is the oldest now
  ASSERT_TRUE(cache.Insert(Key('d'), Response("d")).ok());
  EXPECT_EQ(cache.Lookup(Key('b')), nullptr);
  EXPECT_EQ(NameOf(cache.Lookup(Key('a'))), "a");
  EXPECT_EQ(NameOf(cache.Lookup(Key('c'))), "c");
  EXPECT_EQ(NameOf(cache.Lookup(Key('d'))), "d");
}

TEST(LocalCacheTest, ALargeResponseTakesThePlaceOfSeveral) {
  LocalCache cache(3 * OneEntry());
  for (uint64_t i = 0; i < 3; ++i) ASSERT_TRUE(cache.Insert(Key(i), Response("a")).ok());
  ASSERT_TRUE(cache.Insert(Key(9), Response("b", 100 + OneEntry())).ok());
  EXPECT_EQ(cache.Lookup(Key(0)), nullptr);
  EXPECT_EQ(cache.Lookup(Key(1)), nullptr);
  EXPECT_EQ(NameOf(cache.Lookup(Key(2))), "a");
  EXPECT_EQ(NameOf(cache.Lookup(Key(9))), "b");
}

TEST(LocalCacheTest, WhatIsLargerThanTheCacheIsRefusedAndNothingGoes) {
  LocalCache cache(OneEntry());
  ASSERT_TRUE(cache.Insert(Key(1), Response("a")).ok());
  EXPECT_EQ(cache.Insert(Key(2), Response("b", 101)).code(), StatusCode::kUnavailable);
  EXPECT_EQ(NameOf(cache.Lookup(Key(1))), "a");
  EXPECT_EQ(cache.Read()->evictions, 0u);
}

TEST(LocalCacheTest, AResponseInUseOutlivesItsEviction) {
  LocalCache cache(OneEntry());
  ASSERT_TRUE(cache.Insert(Key(1), Response("a")).ok());
  const auto used = cache.Lookup(Key(1));
  ASSERT_TRUE(cache.Insert(Key(2), Response("b")).ok());
  EXPECT_EQ(cache.Lookup(Key(1)), nullptr);
  EXPECT_EQ(NameOf(used), "a");
}

TEST(LocalCacheTest, CountsWhatHappens) {
  LocalCache cache(2 * OneEntry());
  (void)cache.Lookup(Key(1));
  for (uint64_t i = 1; i <= 3; ++i) ASSERT_TRUE(cache.Insert(Key(i), Response("a")).ok());
  (void)cache.Lookup(Key(3));
  const CacheCounters counters = *cache.Read();
  EXPECT_EQ(counters.lookups, 2u);
  EXPECT_EQ(counters.hits, 1u);
  EXPECT_EQ(counters.misses, 1u);
  EXPECT_EQ(counters.evictions, 1u);
  EXPECT_EQ(counters.entries, 2u);
  EXPECT_EQ(counters.used_bytes, 2 * OneEntry());
  EXPECT_DOUBLE_EQ(counters.utilization(), 1.0);
}

TEST(LocalCacheTest, ManyThreadsKeepItsBooksInOrder) {
  const uint64_t entry = OneEntry();
  LocalCache cache(20 * entry);
  std::vector<std::thread> threads;
  for (unsigned seed = 0; seed < 4; ++seed) {
    threads.emplace_back([&cache, seed] {
      std::minstd_rand random(seed + 1);
      for (int i = 0; i < 2'000; ++i) {
        const uint64_t key = random() % 50;
        if (cache.Lookup(Key(key)) == nullptr) (void)cache.Insert(Key(key), Response("a"));
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  const CacheCounters counters = *cache.Read();
  EXPECT_EQ(counters.lookups, 8'000u);
  EXPECT_EQ(counters.hits + counters.misses, counters.lookups);
  EXPECT_LE(counters.entries, 20u);
  EXPECT_EQ(counters.used_bytes, counters.entries * entry);
}

}  // namespace
}  // namespace trident
