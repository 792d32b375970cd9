#include "memory/memory_pools.h"

#include <gtest/gtest.h>

#include <thread>
#include <vector>

namespace trident {
namespace {

constexpr uint64_t kUnit = Suballocator::kAlignment;

std::shared_ptr<char> HostBlock(uint64_t byte_size) {
  return {new char[byte_size], [](char* bytes) { delete[] bytes; }};
}

TEST(MemoryPool, MakesItsBlockForTheFirstPiece) {
  int blocks = 0;
  MemoryPool pool("pool", 4 * kUnit, [&](uint64_t byte_size) {
    ++blocks;
    return HostBlock(byte_size);
  });
  EXPECT_EQ(pool.total_bytes(), 0u);
  EXPECT_EQ(blocks, 0);
  const auto piece = pool.Allocate(1);
  ASSERT_TRUE(piece.ok());
  EXPECT_EQ(pool.total_bytes(), 4 * kUnit);
  EXPECT_EQ(pool.used_bytes(), kUnit);
  EXPECT_TRUE(pool.Free(*piece).ok());
  EXPECT_EQ(pool.used_bytes(), 0u);
  EXPECT_TRUE(pool.Allocate(4 * kUnit).ok());
  EXPECT_EQ(blocks, 1);
}

TEST(MemoryPool, SaysThatItIsFull) {
  MemoryPool pool("pool", 2 * kUnit, HostBlock);
  ASSERT_TRUE(pool.Allocate(kUnit).ok());
  const Status status = pool.Allocate(kUnit + 1).status();
  EXPECT_EQ(status.code(), StatusCode::kUnavailable);
  EXPECT_EQ(status.message(), "the pool has no room for 257 bytes: 256 of its 512 are in use");
}

TEST(MemoryPool, OfNoBytesIsNone) {
  MemoryPool pool("pool", 0, HostBlock);
  EXPECT_EQ(pool.Allocate(0).status().code(), StatusCode::kUnavailable);
  EXPECT_EQ(pool.Free(nullptr).code(), StatusCode::kInvalidArg);
}

TEST(MemoryPool, RemembersWhyThereIsNoBlock) {
  int blocks = 0;
  MemoryPool pool("pool", kUnit, [&](uint64_t) -> Result<std::shared_ptr<char>> {
    ++blocks;
    return Unsupported("no driver");
  });
  for (int i = 0; i < 2; ++i) {
    const Status status = pool.Allocate(1).status();
    EXPECT_EQ(status.code(), StatusCode::kUnsupported);
    EXPECT_EQ(status.message(), "there is no pool: no driver");
  }
  EXPECT_EQ(blocks, 1);
}

TEST(MemoryPool, TriesAgainAfterAWhile) {
  int blocks = 0;
  MemoryPool pool("pool", kUnit, [&](uint64_t byte_size) -> Result<std::shared_ptr<char>> {
    if (++blocks == 1) return Unavailable("out of memory");
    return HostBlock(byte_size);
  });
  int refused = 0;
  while (!pool.Allocate(1).ok()) ASSERT_LT(++refused, 1000);
  EXPECT_GT(refused, 1) << "not each time";
  EXPECT_EQ(blocks, 2);
  EXPECT_EQ(pool.used_bytes(), kUnit);
}

TEST(MemoryPool, RefusesToFreeWhatIsNotItsOwn) {
  MemoryPool pool("pool", 2 * kUnit, HostBlock);
  const auto piece = pool.Allocate(1);
  ASSERT_TRUE(piece.ok());
  char other = 0;
  for (void* const wrong : {static_cast<void*>(&other), static_cast<void*>(nullptr),
                            static_cast<void*>(static_cast<char*>(*piece) + 1)}) {
    EXPECT_EQ(pool.Free(wrong).code(), StatusCode::kInvalidArg);
  }
  EXPECT_TRUE(pool.Free(*piece).ok());
  EXPECT_EQ(pool.Free(*piece).code(), StatusCode::kInvalidArg);
}

TEST(MemoryPool, ServesThreads) {
  constexpr int kThreads = 4;
  MemoryPool pool("pool", 64 * kUnit, HostBlock);
  std::vector<std::thread> threads;
  for (int i = 0; i < kThreads; ++i) {
    threads.emplace_back([&pool, i] {
      for (int k = 0; k < 500; ++k) {
        const auto piece = pool.Allocate(kUnit + static_cast<uint64_t>(k % 5) * kUnit);
        ASSERT_TRUE(piece.ok());
        auto* const mark = static_cast<volatile char*>(*piece);
        *mark = static_cast<char>(i);
        std::this_thread::yield();
        ASSERT_EQ(*mark, static_cast<char>(i)) << "nobody else has it";
        ASSERT_TRUE(pool.Free(*piece).ok());
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(pool.used_bytes(), 0u);
}

}  // namespace
}  // namespace trident
