#include "memory/shared_memory.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <limits>

#include "base/checked.h"
#include "memory/huge_pages.h"
#include "memory/key_ledger.h"
#include "memory/sigbus_guard.h"

namespace trident {
namespace {

std::string ErrorText(int error) { return std::strerror(error); }

// Makes a new object as large as it shall be, still without memory. An errno.
int Resize(int descriptor, uint64_t byte_size) {
  struct statvfs system;
  // Seen now rather than when most of the machine's memory has been taken.
  if (fstatvfs(descriptor, &system) == 0 && system.f_blocks > 0 &&
      system.f_bavail * system.f_frsize < byte_size) {
    return ENOSPC;
  }
  return ftruncate(descriptor, static_cast<off_t>(byte_size)) == 0 ? 0 : errno;
}

// Reserves the object's memory. Signals interrupt the reservation of large objects. An errno.
int Reserve(int descriptor, uint64_t byte_size) {
  int error;
  do {
    error = posix_fallocate(descriptor, 0, static_cast<off_t>(byte_size));
  } while (error == EINTR);
  return error;
}

}  // namespace

Result<std::shared_ptr<SharedMemoryRegion>> SharedMemoryRegion::Create(const std::string& key,
                                                                       uint64_t byte_size) {
  const std::string context = StrCat("failed to create shared memory region '", key, "': ");
  Status valid = CheckSharedMemoryKey(key);
  if (!valid.ok()) return valid.WithPrefix("failed to create shared memory region: ");
  if (byte_size == 0 || byte_size > std::numeric_limits<off_t>::max()) {
    return InvalidArg(context, byte_size, " bytes is not a possible size");
  }
  KeyLedger::Begin();
  ScopedDescriptor descriptor(OpenSharedMemoryObject(key, O_RDWR | O_CREAT | O_EXCL));
  if (descriptor.get() < 0) {
    if (errno == EEXIST) return AlreadyExists(context, "an object with this key exists");
    return OpenError(key, errno).WithPrefix(context);
  }
  const std::string name = NormaliseSharedMemoryKey(key);
  KeyLedger::Add(name, descriptor.get());
  auto region = MapNew(key, descriptor.Take(), byte_size);
  if (!region.ok()) {
    KeyLedger::Unlink(name);
    return region.status().WithPrefix(context);
  }
  (*region)->owns_name_ = true;
  return region;
}

// Owns `descriptor` whatever happens.
Result<std::shared_ptr<SharedMemoryRegion>> SharedMemoryRegion::MapNew(const std::string& key,
                                                                       int descriptor,
                                                                       uint64_t byte_size) {
  ScopedDescriptor owned(descriptor);
  const auto no_room = [byte_size](int error) {
    return Unavailable("no room for ", byte_size, " bytes: ", ErrorText(error));
  };
  int error = fchmod(descriptor, 0600) == 0 ? 0 : errno;  // whatever the umask took away
  if (error == 0) error = Resize(descriptor, byte_size);
  if (error != 0) return no_room(error);
  TRIDENT_ASSIGN_OR_RETURN(std::shared_ptr<SharedMemoryRegion> region,
                           Map(key, owned.Take(), 0, byte_size, /*read_only=*/false));
  PopulateHugePages(region->mapping_, region->mapping_bytes_);
  error = Reserve(descriptor, byte_size);
  if (error != 0) return no_room(error);
  return region;
}

Result<std::shared_ptr<SharedMemoryRegion>> SharedMemoryRegion::Open(const std::string& key,
                                                                     uint64_t offset,
                                                                     uint64_t byte_size,
                                                                     bool read_only) {
  Status valid = CheckSharedMemoryKey(key);
  if (!valid.ok()) return valid.WithPrefix("failed to open shared memory region: ");
  ScopedDescriptor descriptor(OpenSharedMemoryObject(key, read_only ? O_RDONLY : O_RDWR));
  if (descriptor.get() < 0) return OpenError(key, errno);
  TRIDENT_ASSIGN_OR_RETURN(const SharedMemoryObject object,
                           DescribeSharedMemoryObject(key, descriptor.get()));
  if (byte_size == 0 && offset < object.byte_size) byte_size = object.byte_size - offset;
  TRIDENT_RETURN_IF_ERROR(CheckInsideObject(key, object, offset, byte_size));
  return Map(key, descriptor.Take(), offset, byte_size, read_only);
}

Result<std::shared_ptr<SharedMemoryRegion>> SharedMemoryRegion::MapAll(
    const std::string& key, int descriptor, const SharedMemoryObject& object) {
  return Map(key, descriptor, 0, object.byte_size, /*read_only=*/false);
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
  void* mapping = MapShared(descriptor, offset - lead, region->mapping_bytes_, protection);
  if (mapping == MAP_FAILED && errno == ENOMEM) {
    return Unavailable("shared memory region '", key, "': the process may have no more address ",
                       "space (ulimit -v) or mappings (vm.max_map_count)");
  }
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

Status SharedMemoryRegion::CheckUsable(uint64_t byte_size) const {
  if (poisoned()) return PoisonedError();
  // What fstat would tell, at half its price: this is on the path of every request, and nobody
  // reads through the descriptor's position.
  const off_t object_bytes = lseek(descriptor_, 0, SEEK_END);
  if (object_bytes < 0) return Internal("Invalid shared memory region: '", key_, "'");
  const uint64_t needed = offset_ + byte_size;
  if (static_cast<uint64_t>(object_bytes) < needed) {
    return Internal("shared memory region '", key_, "' shrank to ", object_bytes, " bytes, ",
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
