#include "memory/shared_memory.h"

#include <gtest/gtest.h>
#include <sys/statvfs.h>

#include <cstring>
#include <limits>
#include <vector>

#include "memory/peer.h"

namespace trident {
namespace {

using Region = SharedMemoryRegion;

TEST(SharedMemoryKey, Grammar) {
  for (const char* good : {"frames", "/frames", "a", "/.hidden", "with space", "sem*"}) {
    EXPECT_TRUE(CheckSharedMemoryKey(good).ok()) << good;
  }
  const std::string longest(255, 'k');
  EXPECT_TRUE(CheckSharedMemoryKey(longest).ok());
  EXPECT_TRUE(CheckSharedMemoryKey("/" + longest).ok());
  const std::string bad[] = {"",     "/",       "///",        "//frames", "a/b",
                             "/a/b", "frames/", "line\nup",   "\x7f",     std::string("a\0b", 3),
                             ".",    "/..",     longest + "k"};
  for (const std::string& key : bad) {
    EXPECT_EQ(CheckSharedMemoryKey(key).code(), StatusCode::kInvalidArg) << key;
  }
}

TEST(SharedMemoryKey, ReservedPrefixesBehindAnyNumberOfSlashes) {
  for (const char* prefix : {"triton_python_backend_shm_region_", "trident_ledger_"}) {
    for (const char* slashes : {"", "/", "//", "/////"}) {
      const Status status = CheckSharedMemoryKey(StrCat(slashes, prefix, "1"));
      EXPECT_EQ(status.code(), StatusCode::kInvalidArg);
      EXPECT_NE(status.message().find("reserved prefix"), std::string::npos) << status.message();
    }
  }
}

TEST(SharedMemory, CreatedObjectIsPrivateZeroedAndReserved) {
  const std::string key = NewKey();
  auto region = Region::Create(key, 10000);
  ASSERT_TRUE(region.ok()) << region.status().message();
  struct stat status;
  const int descriptor = shm_open(key.c_str(), O_RDONLY | O_CLOEXEC, 0);
  ASSERT_EQ(fstat(descriptor, &status), 0);
  close(descriptor);
  EXPECT_EQ(status.st_mode & 07777, 0600u);
  EXPECT_EQ(status.st_size, 10000);
  EXPECT_GE(status.st_blocks * 512, 10000);
  std::vector<uint8_t> bytes(10000, 1);
  ASSERT_TRUE((*region)->Read(0, bytes.data(), bytes.size()).ok());
  EXPECT_EQ(bytes, std::vector<uint8_t>(10000, 0));
}

TEST(SharedMemory, ModeDoesNotDependOnTheUmask) {
  const mode_t before = umask(0277);
  auto region = Region::Create(NewKey(), 1);
  umask(before);
  ASSERT_TRUE(region.ok());
  EXPECT_TRUE(Region::Open((*region)->key(), 0, 0, false).ok());
}

TEST(SharedMemory, TakenKeyIsAlreadyExists) {
  auto region = Region::Create(NewKey(), 1);
  ASSERT_TRUE(region.ok());
  EXPECT_EQ(Region::Create((*region)->key(), 1).status().code(), StatusCode::kAlreadyExists);
}

TEST(SharedMemory, ImpossibleSizes) {
  const uint64_t sizes[] = {0, uint64_t{1} << 63, std::numeric_limits<uint64_t>::max()};
  for (const uint64_t size : sizes) {
    EXPECT_EQ(Region::Create(NewKey(), size).status().code(), StatusCode::kInvalidArg) << size;
  }
}

TEST(SharedMemory, FullFileSystemIsUnavailableAndLeavesNothing) {
  struct statvfs status;
  ASSERT_EQ(statvfs("/dev/shm", &status), 0);
  if (status.f_blocks == 0) GTEST_SKIP() << "/dev/shm has no size limit here";
  const std::string key = NewKey();
  const uint64_t too_much = status.f_blocks * status.f_frsize + (uint64_t{1} << 40);
  EXPECT_EQ(Region::Create(key, too_much).status().code(), StatusCode::kUnavailable);
  EXPECT_FALSE(ObjectExists(key));
  EXPECT_FALSE(SharedMemoryCreatedHere(key));
}

TEST(SharedMemory, OpensAtAnyOffset) {
  auto created = Region::Create(NewKey(), 3 * 4096);
  ASSERT_TRUE(created.ok());
  for (uint64_t i = 0; i < (*created)->byte_size(); ++i) {
    (*created)->data()[i] = static_cast<uint8_t>(i * 7 % 251);
  }
  for (const uint64_t offset : {0, 1, 4095, 4096, 4097, 8191, 12287}) {
    auto opened = Region::Open((*created)->key(), offset, 0, true);
    ASSERT_TRUE(opened.ok()) << opened.status().message();
    ASSERT_EQ((*opened)->byte_size(), 3 * 4096 - offset);
    EXPECT_EQ(std::memcmp((*opened)->data(), (*created)->data() + offset, 3 * 4096 - offset), 0);
  }
}

TEST(SharedMemory, RangesOutsideTheObject) {
  auto created = Region::Create(NewKey(), 100);
  ASSERT_TRUE(created.ok());
  const uint64_t max = std::numeric_limits<uint64_t>::max();
  const std::pair<uint64_t, uint64_t> ranges[] = {{100, 0}, {101, 0},   {0, 101}, {99, 2},
                                                  {1, max}, {max, max}, {max, 1}, {max, 0}};
  for (const auto& [offset, byte_size] : ranges) {
    EXPECT_EQ(Region::Open((*created)->key(), offset, byte_size, false).status().code(),
              StatusCode::kInvalidArg)
        << offset << " " << byte_size;
    if (byte_size == 0) continue;
    uint8_t byte = 0;
    EXPECT_EQ((*created)->Read(offset, &byte, byte_size).code(), StatusCode::kInvalidArg);
    EXPECT_EQ((*created)->Write(offset, &byte, byte_size).code(), StatusCode::kInvalidArg);
  }
}

TEST(SharedMemory, MissingObjectAndWrongKindOfFile) {
  EXPECT_EQ(Region::Open(NewKey(), 0, 0, false).status().code(), StatusCode::kNotFound);
  const std::string key = NewKey();
  ASSERT_EQ(mkfifo(("/dev/shm" + key).c_str(), 0600), 0);
  EXPECT_EQ(Region::Open(key, 0, 0, false).status().code(), StatusCode::kInternal);
  unlink(("/dev/shm" + key).c_str());
}

TEST(SharedMemory, ObjectOfAnotherUserIsRefused) {
  if (geteuid() != 0) GTEST_SKIP() << "only root can make another user's object";
  auto created = Region::Create(NewKey(), 8);
  ASSERT_TRUE(created.ok());
  ASSERT_EQ(chown(("/dev/shm" + (*created)->key()).c_str(), 12345, 12345), 0);
  EXPECT_EQ(Region::Open((*created)->key(), 0, 0, false).status().code(), StatusCode::kUnsupported);
}

TEST(SharedMemory, ReadOnlyRefusesWrites) {
  auto created = Region::Create(NewKey(), 8);
  ASSERT_TRUE(created.ok());
  auto opened = Region::Open((*created)->key(), 0, 0, true);
  ASSERT_TRUE(opened.ok());
  EXPECT_EQ((*opened)->Write(0, "x", 1).code(), StatusCode::kInvalidArg);
}

TEST(SharedMemory, AnotherProcessSeesWhatIsWritten) {
  auto created = Region::Create(NewKey(), 64);
  ASSERT_TRUE(created.ok());
  ASSERT_TRUE((*created)->Write(10, "hello", 5).ok());
  const int code = Peer([&] {
                     auto opened = Region::Open((*created)->key(), 8, 0, false);
                     if (!opened.ok()) return 1;
                     char text[5];
                     if (!(*opened)->Read(2, text, 5).ok()) return 2;
                     if (std::memcmp(text, "hello", 5) != 0) return 3;
                     return (*opened)->Write(7, "there", 5).ok() ? 0 : 4;
                   }).Wait();
  EXPECT_EQ(code, 0);
  char text[5];
  ASSERT_TRUE((*created)->Read(15, text, 5).ok());
  EXPECT_EQ(std::memcmp(text, "there", 5), 0);
}

TEST(SharedMemory, NameGoesWithItsCreatorOnly) {
  const std::string key = NewKey();
  auto created = Region::Create(key, 8);
  ASSERT_TRUE(created.ok());
  EXPECT_TRUE(SharedMemoryCreatedHere(key));
  { ASSERT_TRUE(Region::Open(key, 0, 0, false).ok()); }
  EXPECT_TRUE(ObjectExists(key));
  (*created)->Unlink();
  EXPECT_FALSE(ObjectExists(key));
  EXPECT_FALSE(SharedMemoryCreatedHere(key));
  EXPECT_TRUE((*created)->Write(0, "x", 1).ok());
  {
    auto second = Region::Create(key, 8);
    ASSERT_TRUE(second.ok());
    (*created)->Unlink();  // again: not its object any more
    EXPECT_TRUE(ObjectExists(key));
  }
  EXPECT_FALSE(ObjectExists(key));
}

TEST(SharedMemory, UnlinkSparesAnObjectThatTookTheName) {
  auto created = Region::Create(NewKey(), 8);
  ASSERT_TRUE(created.ok());
  const std::string key = (*created)->key();
  ASSERT_EQ(shm_unlink(key.c_str()), 0);
  const int other = shm_open(key.c_str(), O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
  ASSERT_GE(other, 0);
  close(other);
  (*created)->Unlink();
  EXPECT_TRUE(ObjectExists(key));
  shm_unlink(key.c_str());
}

TEST(SharedMemory, DescriptorsAndMappingsDoNotAccumulate) {
  const auto highest_descriptor = [] {
    const int descriptor = open("/dev/null", O_RDONLY | O_CLOEXEC);
    close(descriptor);
    return descriptor;
  };
  auto created = Region::Create(NewKey(), 8192);
  ASSERT_TRUE(created.ok());
  const int before = highest_descriptor();
  for (int i = 0; i < 100; ++i) {
    EXPECT_TRUE(Region::Open((*created)->key(), 1, 0, false).ok());
    EXPECT_FALSE(Region::Open((*created)->key(), 9000, 0, false).ok());
    EXPECT_FALSE(Region::Create((*created)->key(), 8).ok());
  }
  EXPECT_EQ(highest_descriptor(), before);
}

}  // namespace
}  // namespace trident
