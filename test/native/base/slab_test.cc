#include "base/slab.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <random>
#include <set>
#include <thread>
#include <vector>

namespace trident {
namespace {

constexpr size_t kObject = 448;
constexpr size_t kPerBlock = ((size_t{2} << 20) - 64) / kObject;

TEST(Slab, ObjectsAreAlignedAndTheirOwn) {
  Slab slab(kObject);
  std::vector<void*> objects;
  for (size_t i = 0; i < 2 * kPerBlock; ++i) {
    objects.push_back(slab.Allocate());
    ASSERT_EQ(reinterpret_cast<uintptr_t>(objects.back()) % 64, 0u);
    memset(objects.back(), static_cast<int>(i % 251), kObject);
  }
  for (size_t i = 0; i < objects.size(); ++i) {
    const auto* bytes = static_cast<unsigned char*>(objects[i]);
    ASSERT_TRUE(std::all_of(bytes, bytes + kObject, [&](auto byte) { return byte == i % 251; }));
    slab.Free(objects[i]);
  }
}

TEST(Slab, WhatIsFreedServesAgain) {
  Slab slab(kObject);
  void* const first = slab.Allocate();
  void* const second = slab.Allocate();
  slab.Free(first);
  EXPECT_EQ(slab.Allocate(), first);
  slab.Free(first);
  slab.Free(second);
}

TEST(Slab, EmptyBlocksGoBackButForOne) {
  Slab slab(kObject);
  EXPECT_EQ(slab.block_count(), 0u);
  std::vector<void*> objects;
  for (size_t i = 0; i < 5 * kPerBlock; ++i) objects.push_back(slab.Allocate());
  EXPECT_EQ(slab.block_count(), 5u);
  objects.push_back(slab.Allocate());
  EXPECT_EQ(slab.block_count(), 6u);
  for (void* object : objects) slab.Free(object);
  EXPECT_EQ(slab.block_count(), 1u);
  objects.clear();
  for (size_t i = 0; i < kPerBlock; ++i) objects.push_back(slab.Allocate());
  EXPECT_EQ(slab.block_count(), 1u);
  for (void* object : objects) slab.Free(object);
}

// A client who makes a request and deletes it, again and again, where one block is full.
TEST(Slab, ASwingAtTheEdgeOfABlockKeepsTheBlock) {
  Slab slab(kObject);
  std::vector<void*> objects;
  for (size_t i = 0; i < kPerBlock; ++i) objects.push_back(slab.Allocate());
  std::set<void*> places;
  for (int round = 0; round < 100; ++round) {
    void* const object = slab.Allocate();
    places.insert(object);
    EXPECT_EQ(slab.block_count(), 2u);
    slab.Free(object);
    EXPECT_EQ(slab.block_count(), 2u);
  }
  EXPECT_EQ(places.size(), 1u);
  for (void* object : objects) slab.Free(object);
  EXPECT_EQ(slab.block_count(), 1u);
}

TEST(Slab, ThreadsShareIt) {
  Slab slab(kObject);
  const unsigned seed = std::random_device{}();
  printf("seed %u\n", seed);
  std::vector<std::thread> threads;
  for (unsigned t = 0; t < 4; ++t) {
    threads.emplace_back([&slab, random = std::mt19937(seed + t), t]() mutable {
      std::vector<unsigned*> mine;
      for (int step = 0; step < 20000; ++step) {
        if (mine.empty() || (mine.size() < 8000 && random() % 5 < 3)) {
          mine.push_back(static_cast<unsigned*>(slab.Allocate()));
          *mine.back() = t;
        } else {
          std::swap(mine[random() % mine.size()], mine.back());
          ASSERT_EQ(*mine.back(), t);
          slab.Free(mine.back());
          mine.pop_back();
        }
      }
      for (unsigned* object : mine) slab.Free(object);
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(slab.block_count(), 1u);
}

}  // namespace
}  // namespace trident
