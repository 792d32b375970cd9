// Regions in numbers, and objects that several of them share.

#include <gtest/gtest.h>
#include <sys/resource.h>

#include <cstdlib>
#include <cstring>
#include <fstream>
#include <string>
#include <vector>

#include "memory/peer.h"
#include "memory/region_registry.h"

namespace trident {
namespace {

using Region = SharedMemoryRegion;

constexpr RegionKind kSystem = RegionKind::kSystem;

int NextDescriptor() {
  const int descriptor = open("/dev/null", O_RDONLY | O_CLOEXEC);
  close(descriptor);
  return descriptor;
}

int64_t MappingsOf(const std::string& key) {
  std::ifstream maps("/proc/self/maps");
  int64_t count = 0;
  for (std::string line; std::getline(maps, line);) {
    count += line.find("/dev/shm" + key) == std::string::npos ? 0 : 1;
  }
  return count;
}

class RegionScale : public testing::Test {
 protected:
  std::shared_ptr<Region> Create(uint64_t byte_size) {
    return *Region::Create(NewKey(), byte_size);
  }

  RegionRegistry registry_{AllowedKeys()};
};

TEST_F(RegionScale, ManyRegionsOfOneObjectShareItsMapping) {
  constexpr uint64_t kRegions = 60000;
  constexpr uint64_t kBytes = sizeof(uint64_t);
  const auto object = Create(kRegions * kBytes);
  const int64_t mappings = MappingsOf(object->key());
  const int descriptor = NextDescriptor();
  for (uint64_t i = 0; i < kRegions; ++i) {
    std::memcpy(object->data() + i * kBytes, &i, kBytes);
    ASSERT_TRUE(registry_.Register(StrCat("r", i), object->key(), i * kBytes, kBytes).ok()) << i;
  }
  EXPECT_EQ(MappingsOf(object->key()), mappings + 1);
  EXPECT_EQ(NextDescriptor(), descriptor + 1);
  EXPECT_EQ(registry_.List(kSystem).size(), kRegions);
  for (uint64_t i = 0; i < kRegions; ++i) {
    auto lease = registry_.Acquire(StrCat("r", i), 0, kBytes);
    ASSERT_TRUE(lease.ok()) << lease.status().message();
    ASSERT_EQ(std::memcmp(lease->data(), &i, kBytes), 0) << i;
    ASSERT_TRUE(lease->Finish().ok());
  }
  registry_.UnregisterAll(kSystem);
  EXPECT_TRUE(registry_.List(kSystem).empty());
  EXPECT_EQ(MappingsOf(object->key()), mappings);
  EXPECT_EQ(NextDescriptor(), descriptor);
}

TEST_F(RegionScale, ARegionEndsAtItsOwnEnd) {
  const auto object = Create(100);
  ASSERT_TRUE(registry_.Register("r", object->key(), 10, 20).ok());
  EXPECT_TRUE(registry_.Acquire("r", 0, 20).ok());
  EXPECT_EQ(registry_.Acquire("r", 0, 21).status().code(), StatusCode::kInvalidArg);
  EXPECT_EQ(registry_.Acquire("r", 20, 1).status().code(), StatusCode::kInvalidArg);
}

TEST_F(RegionScale, AnObjectThatGrewIsMappedAgain) {
  const auto object = Create(4096);
  ASSERT_TRUE(registry_.Register("old", object->key(), 0, 4096).ok());
  auto lease = registry_.Acquire("old", 0, 4096);
  ASSERT_TRUE(lease.ok());
  ASSERT_EQ(ResizeByPeer(object->key(), 100 * 4096), 0);
  ASSERT_TRUE(registry_.Register("new", object->key(), 50 * 4096, 4096).ok());
  auto beyond = registry_.Acquire("new", 0, 4096);
  ASSERT_TRUE(beyond.ok());
  std::memset(beyond->data(), 7, 4096);
  std::memset(lease->data(), 8, 4096);
  EXPECT_EQ(object->data()[0], 8);
  EXPECT_TRUE(beyond->Finish().ok());
  EXPECT_TRUE(lease->Finish().ok());
  auto whole = Region::Open(object->key(), 0, 0, true);
  ASSERT_TRUE(whole.ok());
  EXPECT_EQ((*whole)->data()[50 * 4096], 7);
}

TEST_F(RegionScale, WhatIsLeftOfAnObjectStaysUsable) {
  const auto object = Create(100 * 4096);
  ASSERT_TRUE(registry_.Register("first", object->key(), 0, 4096).ok());
  ASSERT_TRUE(registry_.Register("last", object->key(), 99 * 4096, 4096).ok());
  ASSERT_EQ(ResizeByPeer(object->key(), 50 * 4096), 0);
  EXPECT_TRUE(registry_.Acquire("first", 0, 4096).ok());
  EXPECT_EQ(registry_.Acquire("last", 0, 1).status().code(), StatusCode::kInternal);
  EXPECT_EQ(registry_.Register("late", object->key(), 99 * 4096, 1).code(),
            StatusCode::kInvalidArg);
  EXPECT_TRUE(registry_.Register("fits", object->key(), 49 * 4096, 4096).ok());
}

TEST_F(RegionScale, ALostMappingIsNotUsedForLaterRegions) {
  const auto object = Create(4096);
  ASSERT_TRUE(registry_.Register("lost", object->key(), 0, 4096).ok());
  auto lease = registry_.Acquire("lost", 0, 4096);
  ASSERT_TRUE(lease.ok());
  ASSERT_EQ(ResizeByPeer(object->key(), 0), 0);
  EXPECT_EQ(static_cast<volatile uint8_t*>(lease->data())[4095], 0);
  EXPECT_EQ(lease->Finish().code(), StatusCode::kInternal);
  ASSERT_EQ(ResizeByPeer(object->key(), 4096), 0);
  EXPECT_EQ(registry_.Acquire("lost", 0, 1).status().code(), StatusCode::kInternal);
  ASSERT_TRUE(registry_.Register("again", object->key(), 0, 4096).ok());
  EXPECT_TRUE(registry_.Acquire("again", 0, 4096)->Finish().ok());
}

TEST_F(RegionScale, AnotherObjectOfTheSameKeyIsAnother) {
  auto object = Create(64);
  const std::string key = object->key();
  ASSERT_TRUE(registry_.Register("old", key, 0, 64).ok());
  object.reset();
  object = *Region::Create(key, 64);
  object->data()[0] = 9;
  ASSERT_TRUE(registry_.Register("new", key, 0, 64).ok());
  EXPECT_EQ(*static_cast<uint8_t*>(registry_.Acquire("old", 0, 1)->data()), 0);
  EXPECT_EQ(*static_cast<uint8_t*>(registry_.Acquire("new", 0, 1)->data()), 9);
}

// Each object takes a file of the process.
TEST_F(RegionScale, MoreObjectsThanFilesIsAClearError) {
  std::vector<std::shared_ptr<Region>> objects;
  for (int i = 0; i < 40; ++i) objects.push_back(Create(64));
  Peer limited([&] {
    RegionRegistry registry(*AllowedKeys::Parse({"*"}));
    rlimit limit{};
    getrlimit(RLIMIT_NOFILE, &limit);
    limit.rlim_cur = NextDescriptor() + 10;
    setrlimit(RLIMIT_NOFILE, &limit);
    size_t i = 0;
    Status status;
    for (; i < objects.size(); ++i) {
      status = registry.Register(StrCat(i), objects[i]->key(), 0, 64);
      if (!status.ok()) break;
    }
    if (i < 5 || i == objects.size()) return 1;
    if (status.code() != StatusCode::kUnavailable) return 2;
    if (status.message().find("ulimit -n") == std::string::npos) return 3;
    if (!registry.Acquire("0", 0, 64).ok()) return 4;
    EXPECT_TRUE(registry.Unregister("0", kSystem).ok());
    return registry.Register("0", objects[i]->key(), 0, 64).ok() ? 0 : 5;
  });
  EXPECT_EQ(limited.Wait(), 0);
}

TEST_F(RegionScale, NothingIsLeftOfAsManyObjectsAsThereAreFiles) {
  Peer limited([&] {
    rlimit limit{};
    getrlimit(RLIMIT_NOFILE, &limit);
    limit.rlim_cur = NextDescriptor() + 10;
    setrlimit(RLIMIT_NOFILE, &limit);
    std::vector<std::shared_ptr<Region>> objects;
    std::vector<std::string> keys;
    for (int i = 0; i < 40; ++i) {
      keys.push_back(NewKey());
      auto object = Region::Create(keys.back(), 64);
      if (!object.ok() && object.status().code() != StatusCode::kUnavailable) return 1;
      if (!object.ok()) break;
      objects.push_back(std::move(object).value());
    }
    if (objects.size() < 5 || objects.size() == 40) return 2;
    for (auto& object : objects) object->Unlink();
    objects.clear();
    for (const std::string& key : keys) {
      if (ObjectExists(key)) return 3;
    }
    exit(0);  // as a process ends that leaves nothing
  });
  EXPECT_EQ(limited.Wait(), 0);
}

TEST_F(RegionScale, NoRoomForAnotherMappingIsAClearError) {
  const auto object = Create(64 << 20);
  Peer limited([&] {
    RegionRegistry registry(*AllowedKeys::Parse({"*"}));
    uint64_t pages = 0;
    std::ifstream("/proc/self/statm") >> pages;
    rlimit limit{};
    getrlimit(RLIMIT_AS, &limit);
    limit.rlim_cur = (pages + 2048) * 4096;
    setrlimit(RLIMIT_AS, &limit);
    const Status status = registry.Register("r", object->key(), 0, 64);
    if (status.code() != StatusCode::kUnavailable) return 1;
    return status.message().find("vm.max_map_count") == std::string::npos ? 2 : 0;
  });
  EXPECT_EQ(limited.Wait(), 0);
}

}  // namespace
}  // namespace trident
