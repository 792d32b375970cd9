#include "memory/key_ledger.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdlib>
#include <map>
#include <sstream>
#include <vector>

#include "base/clock.h"
#include "base/mutex.h"
#include "base/status.h"

namespace trident {
namespace {

// Where POSIX shared-memory objects appear as files.
constexpr char kObjectFolder[] = "/dev/shm";

// Lines a ledger may have beyond twice the living names before it is written anew.
constexpr size_t kSpareLines = 64;

struct Ledger {
  Mutex mutex;
  std::map<std::string, ino_t> names GUARDED_BY(mutex);
  std::string file GUARDED_BY(mutex);  // the ledger's own name; empty: not open
  int descriptor GUARDED_BY(mutex) = -1;
  size_t lines GUARDED_BY(mutex) = 0;
  pid_t process GUARDED_BY(mutex) = 0;  // a forked child must not clean up for its parent

  static Ledger& Get() {
    static Ledger* const ledger = new Ledger;
    return *ledger;
  }

  void Open() REQUIRES(mutex);
  bool Create() REQUIRES(mutex);
  void Append(const std::string& name, ino_t inode) REQUIRES(mutex);
  void Compact() REQUIRES(mutex);
};

ino_t InodeOf(int descriptor) {
  struct stat status;
  return fstat(descriptor, &status) == 0 ? status.st_ino : 0;
}

// Unlinks `name` if it is still the object with this inode. Opens nothing: a process that has used
// up its files must still be able to clean up.
void UnlinkObject(const std::string& name, ino_t inode) {
  struct stat status;
  const std::string file = StrCat(kObjectFolder, "/", name);
  if (lstat(file.c_str(), &status) == 0 && status.st_ino == inode) {
    shm_unlink(("/" + name).c_str());
  }
}

std::string ReadAll(int descriptor) {
  std::string text;
  char buffer[4096];
  ssize_t got;
  while ((got = read(descriptor, buffer, sizeof(buffer))) > 0) text.append(buffer, got);
  return text;
}

// Cleans up after the holder of ledger `file`, unless it lives: then the lock is taken.
void ReapLedger(const std::string& file) {
  const int descriptor = shm_open(("/" + file).c_str(), O_RDWR | O_CLOEXEC, 0);
  if (descriptor < 0) return;
  struct stat status;
  if (fstat(descriptor, &status) == 0 && status.st_uid == geteuid() &&
      flock(descriptor, LOCK_EX | LOCK_NB) == 0) {
    std::istringstream lines(ReadAll(descriptor));
    ino_t inode;
    std::string name;
    while (lines >> inode && lines.get() == ' ' && std::getline(lines, name)) {
      UnlinkObject(name, inode);
    }
    shm_unlink(("/" + file).c_str());
  }
  close(descriptor);
}

void OnExit() {
  Ledger& ledger = Ledger::Get();
  // A thread that exit() caught in the middle of a change keeps the lock for ever.
  if (!ledger.mutex.TryLock()) return;
  if (ledger.process == getpid()) {
    for (const auto& [name, inode] : ledger.names) UnlinkObject(name, inode);
    if (!ledger.file.empty()) shm_unlink(("/" + ledger.file).c_str());
  }
  ledger.mutex.Unlock();
}

void Ledger::Open() {
  if (process == 0) {
    std::atexit(OnExit);
  } else {  // a copy of the parent's, made by fork
    if (descriptor >= 0) close(descriptor);
    names.clear();
    lines = 0;
  }
  process = getpid();
  for (int attempt = 0; attempt < 8; ++attempt) {
    if (Create()) return;
  }
  file.clear();
}

bool Ledger::Create() {
  file = StrCat(kLedgerPrefix, geteuid(), "_", process, "_", NowNs());
  descriptor = shm_open(("/" + file).c_str(), O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
  if (descriptor < 0) return false;
  struct stat status;
  // A process that reaps may have found it unlocked a moment ago, and removed it.
  if (flock(descriptor, LOCK_EX | LOCK_NB) == 0 && fstat(descriptor, &status) == 0 &&
      status.st_nlink > 0) {
    return true;
  }
  close(descriptor);
  descriptor = -1;
  return false;
}

void Ledger::Append(const std::string& name, ino_t inode) {
  if (descriptor < 0) return;
  const std::string line = StrCat(inode, " ", name, "\n");
  if (write(descriptor, line.data(), line.size()) == static_cast<ssize_t>(line.size())) ++lines;
}

void Ledger::Compact() {
  if (descriptor < 0 || lines <= 2 * names.size() + kSpareLines) return;
  if (ftruncate(descriptor, 0) != 0 || lseek(descriptor, 0, SEEK_SET) != 0) return;
  lines = 0;
  for (const auto& [name, inode] : names) Append(name, inode);
}

// Unlinks what dead processes left.
void Reap() {
  DIR* folder = opendir(kObjectFolder);
  if (folder == nullptr) return;
  std::vector<std::string> files;
  while (const dirent* item = readdir(folder)) {
    const std::string file = item->d_name;
    if (file.starts_with(kLedgerPrefix)) files.push_back(file);
  }
  closedir(folder);
  for (const std::string& file : files) ReapLedger(file);
}

}  // namespace

void KeyLedger::Begin() {
  Ledger& ledger = Ledger::Get();
  MutexLock lock(ledger.mutex);
  if (ledger.process == getpid()) return;
  ledger.Open();
  Reap();
}

void KeyLedger::Add(const std::string& name, int descriptor) {
  Ledger& ledger = Ledger::Get();
  const ino_t inode = InodeOf(descriptor);
  MutexLock lock(ledger.mutex);
  ledger.names[name] = inode;
  ledger.Append(name, inode);
}

void KeyLedger::Unlink(const std::string& name) {
  Ledger& ledger = Ledger::Get();
  MutexLock lock(ledger.mutex);
  const auto found = ledger.names.find(name);
  if (found == ledger.names.end()) return;
  UnlinkObject(name, found->second);
  ledger.names.erase(found);
  ledger.Compact();
}

bool KeyLedger::Contains(const std::string& name) {
  Ledger& ledger = Ledger::Get();
  MutexLock lock(ledger.mutex);
  return ledger.names.count(name) > 0;
}

}  // namespace trident
