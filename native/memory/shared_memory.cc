#include "memory/shared_memory.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <limits>
#include <utility>

#include "base/checked.h"
#include "memory/key_ledger.h"
#include "memory/sigbus_guard.h"

namespace trident {
namespace {

constexpr char kReservedPrefix[] = "triton_python_backend_shm_region_";
constexpr size_t kMaxKeyBytes = 255;  // of a file name

std::string ErrorText(int error) { return std::strerror(error); }

class ScopedDescriptor {
 public:
  explicit ScopedDescriptor(int descriptor) : descriptor_(descriptor) {}
  ~ScopedDescriptor() {
    if (descriptor_ >= 0) close(descriptor_);
  }
  ScopedDescriptor(const ScopedDescriptor&) = delete;
  ScopedDescriptor& operator=(const ScopedDescriptor&) = delete;

  int get() const { return descriptor_; }
  int Take() { return std::exchange(descriptor_, -1); }

 private:
  int descriptor_;
};

int OpenObject(const std::string& key, int flags) {
  return shm_open(("/" + NormaliseSharedMemoryKey(key)).c_str(), flags | O_CLOEXEC, 0600);
}

Status OpenError(const std::string& key, int error) {
  const StatusCode code = error == ENOENT ? StatusCode::kNotFound : StatusCode::kInternal;
  return Error(code, "Unable to open shared memory region: '", key, "': ", ErrorText(error));
}

// The object's size, after making sure that it is a plain object of this user.
Result<uint64_t> OwnObjectSize(const std::string& key, int descriptor) {
  struct stat status;
  if (fstat(descriptor, &status) != 0 || !S_ISREG(status.st_mode) || status.st_size < 0) {
    return Internal("Invalid shared memory region: '", key, "'");
  }
  if (status.st_uid != geteuid()) {
    return Unsupported("shared memory region '", key, "' belongs to another user (id ",
                       status.st_uid, ")");
  }
  return static_cast<uint64_t>(status.st_size);
}

// Reserves the object's memory. Signals interrupt the reservation of large objects.
int Reserve(int descriptor, uint64_t byte_size) {
  int error;
  do {
    error = posix_fallocate(descriptor, 0, static_cast<off_t>(byte_size));
  } while (error == EINTR);
  return error;
}

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

bool SharedMemoryCreatedHere(const std::string& key) {
  return KeyLedger::Contains(NormaliseSharedMemoryKey(key));
}

Result<std::shared_ptr<SharedMemoryRegion>> SharedMemoryRegion::Create(const std::string& key,
                                                                       uint64_t byte_size) {
  const std::string context = StrCat("failed to create shared memory region '", key, "': ");
  Status valid = CheckSharedMemoryKey(key);
  if (!valid.ok()) return valid.WithPrefix("failed to create shared memory region: ");
  if (byte_size == 0 || byte_size > std::numeric_limits<off_t>::max()) {
    return InvalidArg(context, byte_size, " bytes is not a possible size");
  }
  KeyLedger::Begin();
  ScopedDescriptor descriptor(OpenObject(key, O_RDWR | O_CREAT | O_EXCL));
  if (descriptor.get() < 0) {
    if (errno == EEXIST) return AlreadyExists(context, "an object with this key exists");
    return Internal(context, ErrorText(errno));
  }
  const std::string name = NormaliseSharedMemoryKey(key);
  KeyLedger::Add(name, descriptor.get());
  int error = fchmod(descriptor.get(), 0600) == 0 ? 0 : errno;  // whatever the umask took away
  if (error == 0) error = Reserve(descriptor.get(), byte_size);
  if (error != 0) {
    KeyLedger::Unlink(name);
    return Unavailable(context, "no room for ", byte_size, " bytes: ", ErrorText(error));
  }
  auto region = Map(key, descriptor.Take(), 0, byte_size, /*read_only=*/false);
  if (region.ok()) {
    (*region)->owns_name_ = true;
  } else {
    KeyLedger::Unlink(name);
  }
  return region;
}

Result<std::shared_ptr<SharedMemoryRegion>> SharedMemoryRegion::Open(const std::string& key,
                                                                     uint64_t offset,
                                                                     uint64_t byte_size,
                                                                     bool read_only) {
  Status valid = CheckSharedMemoryKey(key);
  if (!valid.ok()) return valid.WithPrefix("failed to open shared memory region: ");
  ScopedDescriptor descriptor(OpenObject(key, read_only ? O_RDONLY : O_RDWR));
  if (descriptor.get() < 0) return OpenError(key, errno);
  TRIDENT_ASSIGN_OR_RETURN(const uint64_t object_bytes, OwnObjectSize(key, descriptor.get()));
  if (byte_size == 0 && offset < object_bytes) byte_size = object_bytes - offset;
  uint64_t end = 0;
  if (byte_size == 0 || !CheckedAdd(offset, byte_size, &end) || end > object_bytes) {
    return InvalidArg("shared memory region '", key, "' has ", object_bytes, " bytes, too few for ",
                      byte_size, " bytes at offset ", offset);
  }
  return Map(key, descriptor.Take(), offset, byte_size, read_only);
}

// Owns `descriptor` whatever happens. The range has been checked against the object.
Result<std::shared_ptr<SharedMemoryRegion>> SharedMemoryRegion::Map(const std::string& key,
                                                                    int descriptor, uint64_t offset,
                                                                    uint64_t byte_size,
                                                                    bool read_only) {
  std::shared_ptr<SharedMemoryRegion> region(new SharedMemoryRegion);
  region->key_ = key;
  region->descriptor_ = descriptor;
  region->offset_ = offset;
  region->byte_size_ = byte_size;
  region->read_only_ = read_only;
  const uint64_t page = static_cast<uint64_t>(sysconf(_SC_PAGESIZE));
  const uint64_t lead = offset % page;
  uint64_t padded = 0;
  if (!CheckedAdd(byte_size, lead, &padded) || !CheckedAdd(padded, page - 1, &padded)) {
    return InvalidArg("shared memory region '", key, "': ", byte_size, " bytes is too large");
  }
  region->mapping_bytes_ = padded / page * page;
  const int protection = PROT_READ | (read_only ? 0 : PROT_WRITE);
  void* mapping = mmap(nullptr, region->mapping_bytes_, protection, MAP_SHARED, descriptor,
                       static_cast<off_t>(offset - lead));
  if (mapping == MAP_FAILED) {
    return InvalidArg("shared memory region '", key,
                      "': unable to process address space: ", ErrorText(errno));
  }
  region->mapping_ = mapping;
  region->data_ = static_cast<uint8_t*>(mapping) + lead;
  region->guard_ = GuardedRange::Protect(mapping, region->mapping_bytes_, protection);
  return region;
}

SharedMemoryRegion::~SharedMemoryRegion() {
  Unlink();
  if (mapping_ != nullptr) {
    guard_->Release();
    munmap(mapping_, mapping_bytes_);
  }
  if (descriptor_ >= 0) close(descriptor_);
}

bool SharedMemoryRegion::poisoned() const { return guard_->poisoned(); }

Status SharedMemoryRegion::PoisonedError() const {
  return Internal("shared memory region '", key_, "' shrank while it was in use");
}

Status SharedMemoryRegion::CheckUsable() const {
  if (poisoned()) return PoisonedError();
  struct stat status;
  if (fstat(descriptor_, &status) != 0)
    return Internal("Invalid shared memory region: '", key_, "'");
  const uint64_t needed = offset_ + byte_size_;
  if (static_cast<uint64_t>(status.st_size) < needed) {
    return Internal("shared memory region '", key_, "' shrank to ", status.st_size, " bytes, ",
                    needed, " are needed");
  }
  return Status::Ok();
}

Status SharedMemoryRegion::CheckBounds(uint64_t offset, uint64_t byte_size) const {
  uint64_t end = 0;
  if (CheckedAdd(offset, byte_size, &end) && end <= byte_size_) return Status::Ok();
  return InvalidArg("shared memory region '", key_, "' has ", byte_size_, " bytes; ", byte_size,
                    " bytes at offset ", offset, " are not inside it");
}

Status SharedMemoryRegion::Read(uint64_t offset, void* destination, uint64_t byte_size) const {
  TRIDENT_RETURN_IF_ERROR(CheckBounds(offset, byte_size));
  TRIDENT_RETURN_IF_ERROR(CheckUsable());
  if (byte_size > 0) std::memcpy(destination, data_ + offset, byte_size);
  return poisoned() ? PoisonedError() : Status::Ok();
}

Status SharedMemoryRegion::Write(uint64_t offset, const void* source, uint64_t byte_size) {
  if (read_only_) return InvalidArg("shared memory region '", key_, "' was opened read-only");
  TRIDENT_RETURN_IF_ERROR(CheckBounds(offset, byte_size));
  TRIDENT_RETURN_IF_ERROR(CheckUsable());
  if (byte_size > 0) std::memcpy(data_ + offset, source, byte_size);
  return poisoned() ? PoisonedError() : Status::Ok();
}

void SharedMemoryRegion::Unlink() {
  if (owns_name_.exchange(false)) KeyLedger::Unlink(NormaliseSharedMemoryKey(key_));
}

}  // namespace trident
