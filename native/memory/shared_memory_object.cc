#include "memory/shared_memory_object.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "base/checked.h"
#include "memory/key_ledger.h"

namespace trident {
namespace {

constexpr char kReservedPrefix[] = "triton_python_backend_shm_region_";
constexpr size_t kMaxKeyBytes = 255;  // of a file name

}  // namespace

std::string NormaliseSharedMemoryKey(const std::string& key) {
  return key.substr(key.starts_with('/') ? 1 : 0);
}

Status CheckSharedMemoryKey(const std::string& key) {
  const size_t start = key.find_first_not_of('/');
  if (start == std::string::npos) return InvalidArg("invalid shm key '", key, "'");
  const std::string name = key.substr(start);
  for (const char* reserved : {kReservedPrefix, kLedgerPrefix}) {
    if (name.starts_with(reserved)) {
      return InvalidArg("key '", key, "': the key contains the reserved prefix '", reserved, "'");
    }
  }
  const auto is_control = [](char c) { return static_cast<unsigned char>(c) < 0x20 || c == 0x7f; };
  if (std::any_of(name.begin(), name.end(), is_control)) {
    return InvalidArg("invalid shm key: it contains a control character");
  }
  if (start > 1 || name.find('/') != std::string::npos || name == "." || name == "..") {
    return InvalidArg("invalid shm key '", key,
                      "': expected one name, with or without a leading slash");
  }
  if (name.size() > kMaxKeyBytes) {
    return InvalidArg("invalid shm key: it has ", name.size(), " bytes, the limit is ",
                      kMaxKeyBytes);
  }
  return Status::Ok();
}

Status CheckInsideObject(const std::string& key, const SharedMemoryObject& object, uint64_t offset,
                         uint64_t byte_size) {
  uint64_t end = 0;
  if (byte_size > 0 && CheckedAdd(offset, byte_size, &end) && end <= object.byte_size) {
    return Status::Ok();
  }
  return InvalidArg("shared memory region '", key, "' has ", object.byte_size,
                    " bytes, too few for ", byte_size, " bytes at offset ", offset);
}

bool SharedMemoryCreatedHere(const std::string& key) {
  return KeyLedger::Contains(NormaliseSharedMemoryKey(key));
}

ScopedDescriptor::~ScopedDescriptor() {
  if (descriptor_ >= 0) close(descriptor_);
}

int OpenSharedMemoryObject(const std::string& key, int flags) {
  return shm_open(("/" + NormaliseSharedMemoryKey(key)).c_str(), flags | O_CLOEXEC, 0600);
}

Status OpenError(const std::string& key, int error) {
  if (error == EMFILE || error == ENFILE) {
    return Unavailable("Unable to open shared memory region: '", key, "': ", std::strerror(error),
                       "; each object needs one (ulimit -n)");
  }
  const StatusCode code = error == ENOENT ? StatusCode::kNotFound : StatusCode::kInternal;
  return Error(code, "Unable to open shared memory region: '", key, "': ", std::strerror(error));
}

Result<SharedMemoryObject> DescribeSharedMemoryObject(const std::string& key, int descriptor) {
  struct stat status;
  if (fstat(descriptor, &status) != 0 || !S_ISREG(status.st_mode) || status.st_size < 0) {
    return Internal("Invalid shared memory region: '", key, "'");
  }
  if (status.st_uid != geteuid()) {
    return Unsupported("shared memory region '", key, "' belongs to another user (id ",
                       status.st_uid, ")");
  }
  return SharedMemoryObject{status.st_dev, status.st_ino, static_cast<uint64_t>(status.st_size)};
}

}  // namespace trident
