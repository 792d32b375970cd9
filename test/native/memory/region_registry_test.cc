#include "memory/region_registry.h"

#include <gtest/gtest.h>

#include <atomic>
#include <cstring>
#include <limits>
#include <random>
#include <thread>

#include "memory/peer.h"

namespace trident {
namespace {

using Region = SharedMemoryRegion;

constexpr RegionKind kSystem = RegionKind::kSystem;

constexpr uint64_t kMax = std::numeric_limits<uint64_t>::max();

class RegionRegistryTest : public testing::Test {
 protected:
  RegionRegistryTest() : region_(*Region::Create(NewKey(), 10000)) {}

  Status Register(const std::string& name, uint64_t offset = 0, uint64_t byte_size = 10000) {
    return registry_.Register(name, region_->key(), offset, byte_size);
  }

  std::shared_ptr<Region> region_;
  RegionRegistry registry_{AllowedKeys()};
};

TEST_F(RegionRegistryTest, RegisterListFindUnregister) {
  ASSERT_TRUE(Register("b", 100, 200).ok());
  ASSERT_TRUE(Register("a").ok());
  const auto list = registry_.List(kSystem);
  ASSERT_EQ(list.size(), 2u);
  EXPECT_EQ(list[0].name, "a");
  EXPECT_EQ(list[1].name, "b");
  EXPECT_EQ(list[1].key, region_->key());
  EXPECT_EQ(list[1].offset, 100u);
  EXPECT_EQ(list[1].byte_size, 200u);
  EXPECT_EQ(registry_.Find("b", kSystem)->byte_size, 200u);
  EXPECT_EQ(registry_.Find("c", kSystem).status().code(), StatusCode::kNotFound);
  EXPECT_TRUE(registry_.Unregister("b", kSystem).ok());
  EXPECT_TRUE(registry_.Unregister("b", kSystem).ok());
  EXPECT_TRUE(registry_.Unregister("never", kSystem).ok());
  EXPECT_EQ(registry_.List(kSystem).size(), 1u);
  registry_.UnregisterAll(kSystem);
  EXPECT_TRUE(registry_.List(kSystem).empty());
}

TEST_F(RegionRegistryTest, LeaseSeesTheBytesAtAnyOffset) {
  for (uint64_t i = 0; i < 10000; ++i) region_->data()[i] = static_cast<uint8_t>(i % 253);
  ASSERT_TRUE(Register("whole").ok());
  ASSERT_TRUE(Register("part", 4099, 1000).ok());
  auto whole = registry_.Acquire("whole", 4100, 10);
  auto part = registry_.Acquire("part", 1, 10);
  ASSERT_TRUE(whole.ok() && part.ok());
  EXPECT_EQ(std::memcmp(whole->data(), region_->data() + 4100, 10), 0);
  EXPECT_EQ(std::memcmp(part->data(), region_->data() + 4100, 10), 0);
  static_cast<uint8_t*>(part->data())[0] = 255;
  EXPECT_EQ(region_->data()[4100], 255);
  EXPECT_TRUE(whole->Finish().ok());
  EXPECT_FALSE(whole->active());
  EXPECT_TRUE(whole->Finish().ok());
}

TEST_F(RegionRegistryTest, RefusedRegistrations) {
  ASSERT_TRUE(Register("taken").ok());
  const auto code = [this](const std::string& name, const std::string& key, uint64_t offset,
                           uint64_t byte_size) {
    return registry_.Register(name, key, offset, byte_size).code();
  };
  const std::string& key = region_->key();
  EXPECT_EQ(code("", key, 0, 1), StatusCode::kInvalidArg);
  EXPECT_EQ(code(".dot", key, 0, 1), StatusCode::kInvalidArg);
  EXPECT_EQ(code("a/b", key, 0, 1), StatusCode::kInvalidArg);
  EXPECT_EQ(code("a\nb", key, 0, 1), StatusCode::kInvalidArg);
  EXPECT_EQ(code(std::string(256, 'n'), key, 0, 1), StatusCode::kInvalidArg);
  EXPECT_EQ(code("n", "", 0, 1), StatusCode::kInvalidArg);
  EXPECT_EQ(code("n", "//triton_python_backend_shm_region_1", 0, 1), StatusCode::kInvalidArg);
  EXPECT_EQ(code("n", "/not_ours", 0, 1), StatusCode::kUnsupported);
  EXPECT_EQ(code("taken", key, 0, 1), StatusCode::kAlreadyExists);
  EXPECT_EQ(code("n", key, 0, 0), StatusCode::kInvalidArg);
  EXPECT_EQ(code("n", key, 0, 10001), StatusCode::kInvalidArg);
  EXPECT_EQ(code("n", key, 10000, 1), StatusCode::kInvalidArg);
  EXPECT_EQ(code("n", key, 1, kMax), StatusCode::kInvalidArg);
  EXPECT_EQ(code("n", key, kMax, kMax), StatusCode::kInvalidArg);
  EXPECT_EQ(registry_.List(kSystem).size(), 1u);
}

TEST_F(RegionRegistryTest, KeysAreAllowedExactlyOrByPrefix) {
  auto allowed = AllowedKeys::Parse({"/camera", "video_*"});
  ASSERT_TRUE(allowed.ok());
  for (const char* key : {"camera", "/camera", "video_", "/video_1"}) {
    EXPECT_TRUE(allowed->Allows(key)) << key;
  }
  for (const char* key : {"camera1", "camer", "/avideo_1", "video"}) {
    EXPECT_FALSE(allowed->Allows(key)) << key;
  }
  EXPECT_TRUE(allowed->Allows(region_->key()));
  EXPECT_TRUE(AllowedKeys::Parse({"*"})->Allows("anything"));
  for (const char* bad : {"", "/", "a*b", "**"}) {
    EXPECT_EQ(AllowedKeys::Parse({bad}).status().code(), StatusCode::kInvalidArg) << bad;
  }
  // Allowed, but no such object.
  RegionRegistry registry(*allowed);
  EXPECT_EQ(registry.Register("n", "/camera", 0, 1).code(), StatusCode::kInternal);
}

TEST_F(RegionRegistryTest, ObjectsOfOtherProcessesNeedToBeAllowed) {
  const std::string key = NewKey();
  Signal ready, done;
  Peer producer([&] {
    auto region = Region::Create(key, 64);
    if (!region.ok() || !(*region)->Write(0, "frame", 5).ok()) return 1;
    ready.Send();
    done.Receive();
    exit(0);
  });
  ready.Receive();
  EXPECT_EQ(registry_.Register("frames", key, 0, 64).code(), StatusCode::kUnsupported);
  RegionRegistry open(*AllowedKeys::Parse({key}));
  ASSERT_TRUE(open.Register("frames", key, 0, 64).ok());
  auto lease = open.Acquire("frames", 0, 5);
  ASSERT_TRUE(lease.ok());
  EXPECT_EQ(std::memcmp(lease->data(), "frame", 5), 0);
  done.Send();
  EXPECT_EQ(producer.Wait(), 0);
}

TEST_F(RegionRegistryTest, UnregisterWaitsForTheLastLease) {
  ASSERT_TRUE(Register("r").ok());
  auto first = registry_.Acquire("r", 0, 10);
  auto second = registry_.Acquire("r", 5, 10);
  ASSERT_TRUE(first.ok() && second.ok());
  EXPECT_TRUE(registry_.Unregister("r", kSystem).ok());
  EXPECT_EQ(registry_.List(kSystem).size(), 1u);
  EXPECT_EQ(registry_.Acquire("r", 0, 1).status().code(), StatusCode::kNotFound);
  EXPECT_EQ(Register("r").code(), StatusCode::kAlreadyExists);
  { RegionLease moved = std::move(*first); }
  EXPECT_EQ(registry_.List(kSystem).size(), 1u);
  static_cast<uint8_t*>(second->data())[0] = 1;
  EXPECT_TRUE(second->Finish().ok());
  EXPECT_TRUE(registry_.List(kSystem).empty());
  EXPECT_TRUE(Register("r").ok());
}

TEST_F(RegionRegistryTest, UnregisterAllLeavesOnlyWhatIsInUse) {
  ASSERT_TRUE(Register("a").ok());
  ASSERT_TRUE(Register("b").ok());
  ASSERT_TRUE(Register("c").ok());
  auto lease = registry_.Acquire("b", 0, 1);
  ASSERT_TRUE(lease.ok());
  registry_.UnregisterAll(kSystem);
  ASSERT_EQ(registry_.List(kSystem).size(), 1u);
  EXPECT_EQ(registry_.List(kSystem)[0].name, "b");
  *lease = RegionLease();
  EXPECT_TRUE(registry_.List(kSystem).empty());
}

TEST_F(RegionRegistryTest, LeaseOutlivesRegistryAndRegion) {
  auto registry = std::make_unique<RegionRegistry>(AllowedKeys());
  ASSERT_TRUE(registry->Register("r", region_->key(), 0, 100).ok());
  auto lease = registry->Acquire("r", 0, 100);
  ASSERT_TRUE(lease.ok());
  registry.reset();
  region_.reset();
  std::memset(lease->data(), 1, 100);
  EXPECT_TRUE(lease->Finish().ok());
}

TEST_F(RegionRegistryTest, DirectLeases) {
  auto lease = RegionLease::Direct(region_, 4097, 100, RegionAccess::kWrite);
  ASSERT_TRUE(lease.ok());
  EXPECT_EQ(lease->data(), region_->data() + 4097);
  EXPECT_EQ(lease->byte_size(), 100u);
  EXPECT_TRUE(lease->Finish().ok());
  EXPECT_EQ(RegionLease::Direct(region_, 10000, 0, RegionAccess::kRead).status().code(),
            StatusCode::kInvalidArg);
  auto reading = Region::Open(region_->key(), 0, 0, true);
  ASSERT_TRUE(reading.ok());
  EXPECT_TRUE(RegionLease::Direct(*reading, 0, 1, RegionAccess::kRead).ok());
  EXPECT_EQ(RegionLease::Direct(*reading, 0, 1, RegionAccess::kWrite).status().code(),
            StatusCode::kInvalidArg);
}

TEST_F(RegionRegistryTest, RegionThatShrinksFailsItsLeasesAndLaterOnes) {
  ASSERT_TRUE(Register("r").ok());
  auto lease = registry_.Acquire("r", 0, 10000);
  ASSERT_TRUE(lease.ok());
  ASSERT_EQ(ResizeByPeer(region_->key(), 0), 0);
  uint64_t sum = 0;
  for (uint64_t i = 0; i < 10000; ++i) sum += static_cast<uint8_t*>(lease->data())[i];
  EXPECT_EQ(sum, 0u);
  EXPECT_EQ(lease->Finish().code(), StatusCode::kInternal);
  EXPECT_EQ(registry_.Acquire("r", 0, 1).status().code(), StatusCode::kInternal);
  EXPECT_EQ(RegionLease::Direct(region_, 0, 1, RegionAccess::kRead).status().code(),
            StatusCode::kInternal);
  EXPECT_TRUE(registry_.Unregister("r", kSystem).ok());
  EXPECT_TRUE(registry_.List(kSystem).empty());
}

TEST_F(RegionRegistryTest, APeerThatShrinksAnObjectFailsAllItsRegionsUntilTheyAreRegisteredAnew) {
  ASSERT_TRUE(Register("touched", 0, 100).ok());
  ASSERT_TRUE(Register("beside", 200, 100).ok());
  auto touched = registry_.Acquire("touched", 0, 100);
  auto beside = registry_.Acquire("beside", 0, 100);
  ASSERT_TRUE(touched.ok() && beside.ok());
  ASSERT_EQ(ResizeByPeer(region_->key(), 0), 0);
  EXPECT_EQ(static_cast<uint8_t*>(touched->data())[0], 0);
  EXPECT_EQ(beside->Finish().code(), StatusCode::kInternal);
  EXPECT_EQ(touched->Finish().code(), StatusCode::kInternal);
  ASSERT_EQ(ResizeByPeer(region_->key(), 10000), 0);
  EXPECT_EQ(registry_.Acquire("beside", 0, 1).status().code(), StatusCode::kInternal);
  EXPECT_TRUE(registry_.Unregister("beside", kSystem).ok());
  ASSERT_TRUE(Register("beside", 200, 100).ok());  // "touched" still has the former mapping
  auto again = registry_.Acquire("beside", 0, 100);
  ASSERT_TRUE(again.ok());
  static_cast<uint8_t*>(again->data())[0] = 7;
  EXPECT_TRUE(again->Finish().ok());
  auto seen = Region::Open(region_->key(), 200, 1, true);
  ASSERT_TRUE(seen.ok());
  EXPECT_EQ((*seen)->data()[0], 7);
  EXPECT_EQ(registry_.Acquire("touched", 0, 1).status().code(), StatusCode::kInternal);
}

// Its pages cost its owner nothing, so it may be larger than all memory.
TEST_F(RegionRegistryTest, APeerThatShrinksASparseObjectEndsNothing) {
  const std::string key = NewKey();
  const uint64_t memory = static_cast<uint64_t>(sysconf(_SC_PHYS_PAGES)) * sysconf(_SC_PAGESIZE);
  const int descriptor = shm_open(key.c_str(), O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
  ASSERT_GE(descriptor, 0);
  ASSERT_EQ(ftruncate(descriptor, static_cast<off_t>(4 * memory)), 0);
  RegionRegistry registry(*AllowedKeys::Parse({key}));
  const Status registered = registry.Register("part", key, 0, 4096);
  EXPECT_TRUE(registered.ok()) << registered.message();
  auto lease = registry.Acquire("part", 0, 4096);
  EXPECT_EQ(ftruncate(descriptor, 0), 0);
  shm_unlink(key.c_str());
  close(descriptor);
  ASSERT_TRUE(lease.ok());
  EXPECT_EQ(static_cast<uint8_t*>(lease->data())[4095], 0);
  EXPECT_EQ(lease->Finish().code(), StatusCode::kInternal);
}

// Against the same rule in 128-bit arithmetic, with numbers near every border.
TEST_F(RegionRegistryTest, AcquireAcceptsExactlyWhatLiesInside) {
  const uint32_t seed = std::random_device{}();
  SCOPED_TRACE(StrCat("seed ", seed));
  std::mt19937_64 random(seed);
  constexpr uint64_t kBytes = 5000;
  ASSERT_TRUE(Register("r", 1234, kBytes).ok());
  const uint64_t anchors[] = {0, 1, kBytes / 2, kBytes, kMax / 2, kMax - kBytes, kMax};
  const auto number = [&]() -> uint64_t {
    if (random() % 4 == 0) return random();
    return anchors[random() % std::size(anchors)] + random() % 7 - 3;
  };
  int accepted = 0;
  for (int i = 0; i < 100000; ++i) {
    const uint64_t offset = number();
    const uint64_t byte_size = number();
    const bool inside =
        offset < kBytes && static_cast<unsigned __int128>(offset) + byte_size <= kBytes;
    auto lease = registry_.Acquire("r", offset, byte_size);
    ASSERT_EQ(lease.ok(), inside) << offset << " " << byte_size;
    if (inside) {
      ++accepted;
      ASSERT_EQ(lease->byte_size(), byte_size);
    } else {
      ASSERT_EQ(lease.status().code(), StatusCode::kInvalidArg);
    }
  }
  EXPECT_GT(accepted, 1000);
}

// Regions of one object come and go, one by one and all at once, while others of it are in use.
TEST_F(RegionRegistryTest, ManyThreadsAndRegionsOfOneObject) {
  constexpr int kRegions = 4;
  constexpr uint64_t kBytes = 1000;
  for (uint64_t i = 0; i < kRegions * kBytes; ++i) {
    region_->data()[i] = static_cast<uint8_t>(i / kBytes);
  }
  const auto name = [](int region) { return std::string(1, static_cast<char>('a' + region)); };
  std::atomic<bool> stop{false};
  std::atomic<uint64_t> wrong{0};
  std::atomic<uint64_t> acquired[kRegions] = {};
  std::vector<std::thread> threads;
  for (int t = 0; t < 3; ++t) {
    threads.emplace_back([&, t] {
      for (int i = t; !stop; ++i) {
        const int region = i % kRegions;
        auto lease = registry_.Acquire(name(region), kBytes - 8, 8);
        if (!lease.ok()) continue;
        wrong += static_cast<uint8_t*>(lease->data())[7] != region;
        wrong += !lease->Finish().ok();
        ++acquired[region];
      }
    });
  }
  for (int round = 0; round < 30; ++round) {
    for (int region = 0; region < kRegions; ++region) {
      while (!Register(name(region), region * kBytes, kBytes).ok()) std::this_thread::yield();
    }
    for (int region = 0; region < kRegions; ++region) {
      for (const uint64_t before = acquired[region]; acquired[region] == before;) {
        std::this_thread::yield();
      }
    }
    if (round % 2 == 0) {
      registry_.UnregisterAll(kSystem);
    } else {
      for (int region = 0; region < kRegions; ++region)
        EXPECT_TRUE(registry_.Unregister(name(region), kSystem).ok());
    }
  }
  stop = true;
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(wrong, 0u);
  EXPECT_TRUE(registry_.List(kSystem).empty());
}

TEST_F(RegionRegistryTest, ManyThreads) {
  std::atomic<bool> stop{false};
  std::atomic<uint64_t> acquired{0};
  std::vector<std::thread> threads;
  for (int t = 0; t < 3; ++t) {
    threads.emplace_back([&] {
      while (!stop) {
        auto lease = registry_.Acquire("r", 0, 8);
        if (!lease.ok()) continue;
        volatile uint8_t byte = *static_cast<uint8_t*>(lease->data());
        (void)byte;
        acquired += lease->Finish().ok();
      }
    });
  }
  for (int i = 0; i < 300; ++i) {
    while (!Register("r").ok()) std::this_thread::yield();
    for (const uint64_t before = acquired; acquired == before;) std::this_thread::yield();
    EXPECT_TRUE(registry_.Unregister("r", kSystem).ok());
  }
  stop = true;
  for (std::thread& thread : threads) thread.join();
  EXPECT_TRUE(registry_.List(kSystem).empty());
}

}  // namespace
}  // namespace trident
