#include "memory/sigbus_guard.h"

#include <gtest/gtest.h>

#include <cstring>
#include <thread>
#include <vector>

#include "memory/peer.h"
#include "memory/shared_memory.h"

namespace trident {
namespace {

using Region = SharedMemoryRegion;

constexpr uint64_t kBytes = 16 * 4096;

std::shared_ptr<Region> NewRegion() {
  auto region = Region::Create(NewKey(), kBytes);
  EXPECT_TRUE(region.ok()) << region.status().message();
  return *region;
}

// A mapping past the end of its file that no region knows of.
volatile char* ForeignFault() {
  const int descriptor = memfd_create("foreign", MFD_CLOEXEC);
  void* page = mmap(nullptr, 4096, PROT_READ, MAP_SHARED, descriptor, 0);
  return static_cast<volatile char*>(page);
}

TEST(SigbusGuard, ShrunkRegionReadsZerosAndIsPoisoned) {
  auto region = NewRegion();
  std::memset(region->data(), 7, kBytes);
  ASSERT_EQ(ResizeByPeer(region->key(), 4096), 0);
  EXPECT_FALSE(region->poisoned());
  uint64_t sum = 0;
  for (uint64_t i = 4096; i < kBytes; ++i) sum += region->data()[i];
  EXPECT_EQ(sum, 0u);
  EXPECT_TRUE(region->poisoned());
  uint8_t byte;
  EXPECT_EQ(region->Read(0, &byte, 1).code(), StatusCode::kInternal);
  EXPECT_EQ(region->Write(0, &byte, 1).code(), StatusCode::kInternal);
}

TEST(SigbusGuard, PoisonIsForGoodEvenWhenTheObjectGrowsBack) {
  auto region = NewRegion();
  ASSERT_EQ(ResizeByPeer(region->key(), 0), 0);
  region->data()[0] = 1;  // a store: lost
  ASSERT_EQ(ResizeByPeer(region->key(), kBytes), 0);
  EXPECT_EQ(region->CheckUsable().code(), StatusCode::kInternal);
  auto again = Region::Open(region->key(), 0, 0, false);
  ASSERT_TRUE(again.ok());
  EXPECT_EQ((*again)->data()[0], 0);
}

TEST(SigbusGuard, ShrunkButUntouchedIsFoundByItsSize) {
  auto region = NewRegion();
  ASSERT_EQ(ResizeByPeer(region->key(), kBytes - 1), 0);
  EXPECT_EQ(region->CheckUsable().code(), StatusCode::kInternal);
  EXPECT_FALSE(region->poisoned());
}

TEST(SigbusGuard, OnlyTheShrunkRegionSuffers) {
  auto region = NewRegion();
  auto neighbour = NewRegion();
  std::memset(neighbour->data(), 9, kBytes);
  ASSERT_EQ(ResizeByPeer(region->key(), 0), 0);
  EXPECT_EQ(region->data()[kBytes - 1], 0);
  EXPECT_TRUE(region->poisoned());
  EXPECT_FALSE(neighbour->poisoned());
  EXPECT_EQ(neighbour->data()[kBytes - 1], 9);
}

TEST(SigbusGuard, ReadOnlyAndUnalignedMappings) {
  auto region = NewRegion();
  auto part = Region::Open(region->key(), 5000, 3000, true);
  ASSERT_TRUE(part.ok());
  ASSERT_EQ(ResizeByPeer(region->key(), 0), 0);
  EXPECT_EQ((*part)->data()[2999], 0);
  EXPECT_TRUE((*part)->poisoned());
  EXPECT_FALSE(region->poisoned());
}

TEST(SigbusGuard, RangesAreRecycledUnpoisoned) {
  for (int i = 0; i < 200; ++i) {
    auto region = NewRegion();
    ASSERT_FALSE(region->poisoned());
    const int descriptor = shm_open(region->key().c_str(), O_RDWR | O_CLOEXEC, 0);
    ASSERT_EQ(ftruncate(descriptor, 0), 0);
    close(descriptor);
    EXPECT_EQ(region->data()[0], 0);
    ASSERT_TRUE(region->poisoned());
  }
}

TEST(SigbusGuard, MoreRegionsThanOneBlockOfTheTable) {
  std::vector<std::shared_ptr<Region>> regions;
  for (int i = 0; i < 200; ++i) regions.push_back(NewRegion());
  for (const int i : {0, 63, 64, 127, 199}) {
    ASSERT_EQ(ResizeByPeer(regions[i]->key(), 0), 0);
    EXPECT_EQ(regions[i]->data()[kBytes - 1], 0);
  }
  for (int i = 0; i < 200; ++i) {
    EXPECT_EQ(regions[i]->poisoned(), i == 0 || i == 63 || i == 64 || i == 127 || i == 199) << i;
  }
}

// Several threads fault in one region while others come and go.
TEST(SigbusGuard, FaultsInManyThreads) {
  for (int round = 0; round < 20; ++round) {
    auto region = NewRegion();
    const int descriptor = shm_open(region->key().c_str(), O_RDWR | O_CLOEXEC, 0);
    ASSERT_GE(descriptor, 0);
    std::vector<std::thread> threads;
    for (int t = 0; t < 4; ++t) {
      threads.emplace_back([&region] {
        std::vector<uint8_t> copy(kBytes);
        while (region->Read(0, copy.data(), kBytes).ok()) {
        }
      });
    }
    threads.emplace_back([] {
      for (int i = 0; i < 20; ++i) NewRegion();
    });
    EXPECT_EQ(ftruncate(descriptor, 0), 0);
    for (std::thread& thread : threads) thread.join();
    close(descriptor);
    EXPECT_EQ(region->CheckUsable().code(), StatusCode::kInternal);
  }
}

// A peer that shrinks and grows the object all the time: every read is right or
// a typed error.
TEST(SigbusGuard, PeerThatKeepsResizing) {
  auto created = NewRegion();
  const std::string key = created->key();
  std::memset(created->data(), 5, kBytes);
  Signal started;
  Peer peer([&] {
    const int descriptor = shm_open(key.c_str(), O_RDWR | O_CLOEXEC, 0);
    if (descriptor < 0) return 1;
    started.Send();
    for (;;) {
      if (ftruncate(descriptor, 0) != 0 || ftruncate(descriptor, kBytes) != 0) return 2;
    }
  });
  started.Receive();
  std::vector<uint8_t> copy(kBytes);
  int refused = 0;
  for (int i = 0; i < 2000; ++i) {
    auto region = Region::Open(key, 0, kBytes, false);
    const Status status = region.ok() ? (*region)->Read(0, copy.data(), kBytes) : region.status();
    if (status.ok()) continue;
    ++refused;
    ASSERT_TRUE(status.code() == StatusCode::kInternal || status.code() == StatusCode::kInvalidArg)
        << status.message();
  }
  peer.Kill();
  EXPECT_EQ(peer.Wait(), -SIGKILL);
  EXPECT_GT(refused, 0);
}

class SigbusGuardDeathTest : public testing::Test {
 protected:
  // Runs the dying statement in a fresh process, where no handler is installed
  // yet.
  SigbusGuardDeathTest() { testing::FLAGS_gtest_death_test_style = "threadsafe"; }
};

[[noreturn]] void ExitWith42(int) { _exit(42); }
[[noreturn]] void ExitWith43(int, siginfo_t*, void*) { _exit(43); }

TEST_F(SigbusGuardDeathTest, FaultElsewhereStillKills) {
  EXPECT_EXIT(
      {
        auto region = NewRegion();
        region->Unlink();
        (void)*ForeignFault();
      },
      testing::KilledBySignal(SIGBUS), "");
}

TEST_F(SigbusGuardDeathTest, SentSignalStillKills) {
  EXPECT_EXIT(
      {
        auto region = NewRegion();
        region->Unlink();
        raise(SIGBUS);
      },
      testing::KilledBySignal(SIGBUS), "");
}

TEST_F(SigbusGuardDeathTest, FaultElsewhereReachesTheEarlierHandler) {
  EXPECT_EXIT(
      {
        signal(SIGBUS, ExitWith42);
        auto region = NewRegion();
        region->Unlink();
        (void)*ForeignFault();
      },
      testing::ExitedWithCode(42), "");
  EXPECT_EXIT(
      {
        struct sigaction action = {};
        action.sa_sigaction = ExitWith43;
        action.sa_flags = SA_SIGINFO;
        sigaction(SIGBUS, &action, nullptr);
        auto region = NewRegion();
        region->Unlink();
        (void)*ForeignFault();
      },
      testing::ExitedWithCode(43), "");
}

TEST_F(SigbusGuardDeathTest, IgnoredSentSignalStaysIgnored) {
  EXPECT_EXIT(
      {
        signal(SIGBUS, SIG_IGN);
        auto region = NewRegion();
        region->Unlink();
        raise(SIGBUS);
        _exit(7);
      },
      testing::ExitedWithCode(7), "");
}

}  // namespace
}  // namespace trident
