#include "memory/key_ledger.h"

#include <dirent.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <string>

#include "memory/peer.h"
#include "memory/shared_memory.h"

namespace trident {
namespace {

using Region = SharedMemoryRegion;

// Creates an object and keeps it until the process ends.
bool CreateForGood(const std::string& key) {
  static std::shared_ptr<Region> kept;
  auto region = Region::Create(key, 4096);
  if (region.ok()) kept = *region;
  return region.ok();
}

int LedgersOf(pid_t process) {
  const std::string prefix = StrCat(kLedgerPrefix, geteuid(), "_", process, "_");
  int count = 0;
  DIR* folder = opendir("/dev/shm");
  while (const dirent* item = readdir(folder)) {
    count += std::string(item->d_name).starts_with(prefix);
  }
  closedir(folder);
  return count;
}

TEST(KeyLedger, ExitUnlinksWhatTheProcessCreated) {
  const std::string key = NewKey();
  Peer peer([&]() -> int {
    if (!CreateForGood(key) || !ObjectExists(key) || LedgersOf(getpid()) != 1) _exit(1);
    exit(LedgersOf(getpid()) == 1 ? 0 : 1);
  });
  EXPECT_EQ(peer.Wait(), 0);
  EXPECT_FALSE(ObjectExists(key));
}

TEST(KeyLedger, ObjectsOfKilledProcessesGoWhenTheNextOneCreates) {
  const std::string key = NewKey();
  for (const int signal : {SIGKILL, SIGTERM, SIGABRT}) {
    Peer victim([&]() -> int {
      if (!CreateForGood(key)) return 1;
      ::signal(signal, SIG_DFL);
      raise(signal);
      return 2;
    });
    EXPECT_EQ(victim.Wait(), -signal);
    ASSERT_TRUE(ObjectExists(key));
  }
  Peer heir([&] { return CreateForGood(key) ? 0 : 1; });
  EXPECT_EQ(heir.Wait(), 0);
  Peer cleaner([&] { return CreateForGood(NewKey() + "_other") ? 0 : 1; });
  EXPECT_EQ(cleaner.Wait(), 0);
  EXPECT_FALSE(ObjectExists(key));
  Peer last([&]() -> int { exit(CreateForGood(NewKey() + "_last") ? 0 : 1); });
  EXPECT_EQ(last.Wait(), 0);
}

TEST(KeyLedger, ObjectsOfLivingProcessesStay) {
  const std::string key = NewKey();
  Signal ready, done;
  Peer holder([&] {
    if (!CreateForGood(key)) return 1;
    ready.Send();
    done.Receive();
    return ObjectExists(key) ? 0 : 2;
  });
  ready.Receive();
  Peer other([&]() -> int { exit(CreateForGood(NewKey() + "_other") ? 0 : 1); });
  EXPECT_EQ(other.Wait(), 0);
  EXPECT_TRUE(ObjectExists(key));
  done.Send();
  EXPECT_EQ(holder.Wait(), 0);
  Peer last([&]() -> int { exit(CreateForGood(NewKey() + "_last") ? 0 : 1); });
  EXPECT_EQ(last.Wait(), 0);
  EXPECT_FALSE(ObjectExists(key));
}

TEST(KeyLedger, SparesAnObjectThatTookADeadProcessesName) {
  const std::string key = NewKey();
  Peer victim([&]() -> int { _exit(CreateForGood(key) ? 0 : 1); });
  ASSERT_EQ(victim.Wait(), 0);
  ASSERT_EQ(shm_unlink(key.c_str()), 0);
  const int stranger = shm_open(key.c_str(), O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
  ASSERT_GE(stranger, 0);
  close(stranger);
  Peer reaper([&]() -> int { exit(CreateForGood(NewKey() + "_reaper") ? 0 : 1); });
  EXPECT_EQ(reaper.Wait(), 0);
  EXPECT_TRUE(ObjectExists(key));
  shm_unlink(key.c_str());
}

TEST(KeyLedger, ForkedChildLeavesItsParentsObjects) {
  auto region = Region::Create(NewKey(), 8);
  ASSERT_TRUE(region.ok());
  Peer child([]() -> int { exit(0); });
  EXPECT_EQ(child.Wait(), 0);
  EXPECT_TRUE(ObjectExists((*region)->key()));
  Peer creating_child([]() -> int { exit(CreateForGood(NewKey() + "_child") ? 0 : 1); });
  EXPECT_EQ(creating_child.Wait(), 0);
  EXPECT_TRUE(ObjectExists((*region)->key()));
}

TEST(KeyLedger, StaysSmallWhenObjectsComeAndGo) {
  Peer peer([] {
    for (int i = 0; i < 1000; ++i) {
      if (!Region::Create(NewKey(), 1).ok()) return 1;
    }
    const std::string prefix = StrCat(kLedgerPrefix, geteuid(), "_", getpid(), "_");
    DIR* folder = opendir("/dev/shm");
    while (const dirent* item = readdir(folder)) {
      struct stat status;
      if (std::string(item->d_name).starts_with(prefix) &&
          stat(StrCat("/dev/shm/", item->d_name).c_str(), &status) == 0) {
        shm_unlink(item->d_name);
        return status.st_size < 10000 ? 0 : 3;
      }
    }
    return 2;
  });
  EXPECT_EQ(peer.Wait(), 0);
}

}  // namespace
}  // namespace trident
