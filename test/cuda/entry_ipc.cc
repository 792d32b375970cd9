#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <map>
#include <tuple>

#include "entry_points.h"
#include "memory.h"

namespace trident::cuda::fake {
namespace {

constexpr uint64_t kMagic = 0x41445543454b4146;  // "FAKECUDA"

// What a handle's 64 bytes say: a file of another process, which others find below /proc. Its inode
// tells the file from later ones with the same number.
struct HandleText {
  uint64_t magic;
  uint64_t inode;
  uint64_t lead;
  uint64_t bytes;
  int32_t process;
  int32_t file;
  int32_t device;
};
static_assert(sizeof(HandleText) <= sizeof(IpcHandle));

// A context gets the same memory for the same handle, until it has closed it as often.
struct Opening {
  std::shared_ptr<FakeMemory> memory;
  int count = 0;
};
using OpeningKey = std::tuple<uint64_t, FakeDevice*>;  // inode, the device that has opened it

struct Openings {
  Mutex mutex;
  std::map<OpeningKey, Opening> open GUARDED_BY(mutex);
};

Openings& All() {
  static Openings* const openings = new Openings;
  return *openings;
}

// The file that the handle names, of whoever has it.
CuResult OpenFile(const HandleText& text, int* file) {
  char path[64];
  snprintf(path, sizeof(path), "/proc/%d/fd/%d", text.process, text.file);
  const int found = open(path, O_RDWR | O_CLOEXEC);
  if (found < 0) return errno == EACCES || errno == EPERM ? kMapFailed : kInvalidHandle;
  struct stat facts;
  const uint64_t end = text.lead + text.bytes;
  if (fstat(found, &facts) != 0 || facts.st_ino != text.inode ||
      static_cast<uint64_t>(facts.st_size) != end) {
    close(found);
    return kInvalidHandle;
  }
  *file = found;
  return kSuccess;
}

}  // namespace

extern "C" {

CuResult cuIpcGetMemHandle(IpcHandle* handle, DevicePointer pointer) {
  const Call call(Row::cuIpcGetMemHandle);
  if (call.failed()) return call.result();
  const auto memory = FindMemory(pointer, 1);
  if (memory == nullptr || memory->opened()) return kInvalidValue;
  struct stat facts;
  if (fstat(memory->file(), &facts) != 0) return kInvalidValue;
  const HandleText text{kMagic,
                        facts.st_ino,
                        memory->lead(),
                        memory->bytes(),
                        getpid(),
                        memory->file(),
                        memory->device().ordinal()};
  memset(handle, 0, sizeof(*handle));
  memcpy(handle, &text, sizeof(text));
  return kSuccess;
}

CuResult cuIpcOpenMemHandle_v2(DevicePointer* pointer, IpcHandle handle, unsigned flags) {
  const Call call(Row::cuIpcOpenMemHandle_v2, Call::kNoCapture);
  if (call.failed()) return call.result();
  HandleText text;
  memcpy(&text, &handle, sizeof(text));
  if (text.magic != kMagic || flags > kIpcLazyEnablePeerAccess) return kInvalidValue;
  if (text.process == getpid()) return kInvalidContext;
  FakeDevice* const owner = DeviceAt(text.device);
  if (owner == nullptr) return kInvalidDevice;
  if (owner != &call.device() && !PeersReachEachOther()) return kPeerAccessUnsupported;
  int file = -1;
  if (const CuResult result = OpenFile(text, &file)) return result;
  MutexLock lock(All().mutex);
  Opening& opening = All().open[{text.inode, &call.device()}];
  if (opening.count == 0) {
    opening.memory = FakeMemory::Map(owner, file, text.lead, text.bytes, /*opened=*/true);
    if (opening.memory == nullptr) {
      All().open.erase({text.inode, &call.device()});
      return kMapFailed;
    }
    Remember(opening.memory);
  } else {
    close(file);
  }
  ++opening.count;
  Count(Row::opened, 1, 0);
  *pointer = opening.memory->pointer();
  return kSuccess;
}

CuResult cuIpcCloseMemHandle(DevicePointer pointer) {
  const Call call(Row::cuIpcCloseMemHandle, Call::kNoCapture);
  if (call.refused()) return call.result();
  MutexLock lock(All().mutex);
  for (auto entry = All().open.begin(); entry != All().open.end(); ++entry) {
    Opening& opening = entry->second;
    if (opening.memory->pointer() != pointer) continue;
    Count(Row::opened, -1, 0);
    if (--opening.count > 0) return call.result();
    ForgetMemory(pointer);
    opening.memory->Free();
    All().open.erase(entry);
    return call.result();
  }
  return kInvalidValue;
}

}  // extern "C"

}  // namespace trident::cuda::fake
