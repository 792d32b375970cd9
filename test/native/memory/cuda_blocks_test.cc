#include "memory/cuda_blocks.h"

#include <gtest/gtest.h>

#include <vector>

#include "memory/cuda_peer.h"

namespace trident {
namespace {

// Before the driver is first used.
[[maybe_unused]] const bool fake_is_used = UseSmallFakeCuda();

class CudaBlocksTest : public testing::Test {
 protected:
  ~CudaBlocksTest() override {
    blocks_.Clear();
    CudaLedger::Get().AwaitDisposal();
    EXPECT_EQ(Calls("device"), 0u);
  }

  // So many at once, which are then done with.
  void Use(int count, uint64_t byte_size) {
    std::vector<CudaMemory> taken;
    for (int i = 0; i < count; ++i) {
      auto memory = blocks_.Take(0, byte_size);
      ASSERT_TRUE(memory.ok()) << memory.status().message();
      EXPECT_EQ(memory->byte_size(), byte_size);
      taken.push_back(std::move(memory).value());
    }
  }

  CudaBlocks blocks_;
};

TEST_F(CudaBlocksTest, SteadyLoadAllocatesOnce) {
  const uint64_t before = Calls("cuMemAlloc_v2");
  for (int i = 0; i < 50; ++i) Use(2, 100'000 + i);
  EXPECT_EQ(Calls("cuMemAlloc_v2"), before + 2);
  ASSERT_TRUE(blocks_.Take(1, 100'000).ok());  // of another device
  EXPECT_EQ(Calls("cuMemAlloc_v2"), before + 3);
}

TEST_F(CudaBlocksTest, KeepsAFewOnly) {
  Use(40, 1000);
  CudaLedger::Get().AwaitDisposal();
  EXPECT_EQ(Calls("device"), 16u);
  blocks_.Clear();
  EXPECT_EQ(Calls("device"), 0u);
  Use(3, 40 << 20);
  CudaLedger::Get().AwaitDisposal();
  EXPECT_EQ(Calls("device"), 1u);
}

TEST_F(CudaBlocksTest, WhatIsWantedReplacesWhatIsNot) {
  Use(16, 1000);
  Use(1, 5000);
  const uint64_t before = Calls("cuMemAlloc_v2");
  for (int i = 0; i < 5; ++i) Use(1, 5000);
  EXPECT_EQ(Calls("cuMemAlloc_v2"), before);
}

TEST_F(CudaBlocksTest, AMistakeCostsNothingThatIsKept) {
  Use(1, 1000);
  const uint64_t before = Calls("cuMemAlloc_v2");
  EXPECT_EQ(blocks_.Allocate(0, 0).status().code(), StatusCode::kInvalidArg);
  EXPECT_EQ(blocks_.Allocate(9, 10).status().code(), StatusCode::kInvalidArg);
  {
    const FailingCall fail("cuMemAlloc_v2", cuda::kUnknown);
    EXPECT_EQ(blocks_.Allocate(0, 10).status().code(), StatusCode::kInternal);
  }
  Use(1, 1000);
  EXPECT_EQ(Calls("cuMemAlloc_v2"), before + 1);  // the one that failed
}

TEST_F(CudaBlocksTest, WhatOthersMayHaveOpenIsNotUsedAgain) {
  {
    auto memory = blocks_.Take(0, 1000);
    ASSERT_TRUE(memory.ok() && memory->Export().ok());
  }
  const uint64_t before = Calls("cuMemAlloc_v2");
  EXPECT_TRUE(blocks_.Take(0, 1000).ok());
  EXPECT_EQ(Calls("cuMemAlloc_v2"), before + 1);
}

TEST_F(CudaBlocksTest, GivesWayToWhoNeedsTheRoom) {
  Use(1, kFakeMemoryBytes / 3);
  EXPECT_TRUE(blocks_.Take(0, kFakeMemoryBytes / 4 * 3).ok());
  Use(1, kFakeMemoryBytes / 3);
  EXPECT_TRUE(blocks_.Allocate(0, kFakeMemoryBytes / 4 * 3).ok());
}

TEST_F(CudaBlocksTest, BlocksOutliveTheirKeeper) {
  CudaMemory memory;
  {
    CudaBlocks blocks;
    memory = *blocks.Take(0, 1000);
  }
  EXPECT_EQ(Calls("device"), 1u);
}

TEST_F(CudaBlocksTest, TellsWhatCantBe) {
  EXPECT_EQ(blocks_.Take(9, 10).status().code(), StatusCode::kInvalidArg);
  const FailingCall fail("cuMemAlloc_v2", cuda::kOutOfMemory);
  EXPECT_EQ(blocks_.Take(0, 10).status().code(), StatusCode::kUnavailable);
}

}  // namespace
}  // namespace trident
