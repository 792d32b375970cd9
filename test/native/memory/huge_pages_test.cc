#include "memory/huge_pages.h"

#include <gtest/gtest.h>

#include <cstring>
#include <string>

#include "memory/peer.h"
#include "memory/shared_memory.h"
#include "support/memory_pages.h"

namespace trident {
namespace {

using Region = SharedMemoryRegion;

uint64_t PlaceInHugePage(const Region& region) {
  return reinterpret_cast<uintptr_t>(region.data()) % kHugePageBytes;
}

bool SharedMemoryHasHugePages(uint64_t byte_size) {
  const std::string key = NewKey();
  const int descriptor = shm_open(key.c_str(), O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
  const bool has = descriptor >= 0 && KernelGivesHugePages(byte_size, descriptor);
  shm_unlink(key.c_str());
  close(descriptor);
  return has;
}

TEST(HugePages, LargeRegionsLieInMemoryAsInTheirObject) {
  const auto created = *Region::Create(NewKey(), 3 * kHugePageBytes + 5);
  EXPECT_EQ(PlaceInHugePage(*created), 0u);
  for (uint64_t i = 0; i < created->byte_size(); i += 1000) {
    created->data()[i] = static_cast<uint8_t>(i / 1000 * 7 % 251);
  }
  for (const uint64_t offset : {uint64_t{1}, uint64_t{4096}, kHugePageBytes, kHugePageBytes + 5}) {
    const uint64_t byte_size = created->byte_size() - offset;
    auto opened = Region::Open(created->key(), offset, 0, true);
    ASSERT_TRUE(opened.ok()) << opened.status().message();
    if (byte_size >= kHugePageBytes) {
      EXPECT_EQ(PlaceInHugePage(**opened), offset % kHugePageBytes);
    }
    EXPECT_EQ(std::memcmp((*opened)->data(), created->data() + offset, byte_size), 0) << offset;
  }
}

TEST(HugePages, ALargeRegionThatShrinksCostsAnError) {
  const auto region = *Region::Create(NewKey(), 2 * kHugePageBytes + 4096);
  std::memset(region->data(), 1, region->byte_size());
  ASSERT_EQ(ResizeByPeer(region->key(), 100), 0);
  uint8_t last = 1;
  EXPECT_EQ(region->Read(region->byte_size() - 1, &last, 1).code(), StatusCode::kInternal);
  EXPECT_EQ(static_cast<volatile uint8_t*>(region->data())[region->byte_size() - 1], 0);
  EXPECT_TRUE(region->poisoned());
}

TEST(HugePages, ALargeRegionFaultsFewPagesIn) {
  constexpr uint64_t kBytes = 16 << 20;
  if (kSanitized) GTEST_SKIP() << "a sanitizer has memory of its own";
  if (!SharedMemoryHasHugePages(kBytes)) {
    GTEST_SKIP() << "the kernel gives /dev/shm no huge pages: as it is mounted, or none are left";
  }
  const int64_t before = PageFaults();
  const auto region = *Region::Create(NewKey(), kBytes);
  std::memset(region->data(), 1, kBytes);
  const int64_t faults = PageFaults() - before;
  RecordProperty("faults", std::to_string(faults));
  EXPECT_LT(faults, static_cast<int64_t>(kBytes / 4096 / 8));
}

}  // namespace
}  // namespace trident
