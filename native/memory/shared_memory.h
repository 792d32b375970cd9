#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <string>

#include "base/status.h"
#include "memory/shared_memory_object.h"

namespace trident {

class GuardedRange;

// A mapped part of a POSIX shared-memory object. Promises that reading or writing inside it never
// ends the process, even when a peer shrinks the object meanwhile: the mapping then turns into
// private zeros, poisoned() becomes true for good and every use answers INTERNAL. Keeps the
// object's descriptor, close-on-exec, to see its size again before each use. The mapping lasts as
// long as the shared_ptr; from 2 MiB on it is of huge pages where the machine has them.
// Thread-safe; the bytes themselves are the users' to synchronise.
class SharedMemoryRegion {
 public:
  // A new object of `byte_size` zeros, mode 0600, its memory reserved now: a full /dev/shm is
  // UNAVAILABLE here instead of a fault later. ALREADY_EXISTS when the key is taken.
  static Result<std::shared_ptr<SharedMemoryRegion>> Create(const std::string& key,
                                                            uint64_t byte_size);

  // Maps [offset, offset + byte_size) of an existing object; `byte_size` 0 means up to its end.
  // The offset needs no alignment. NOT_FOUND without such an object, INVALID_ARG when it is
  // smaller, UNSUPPORTED when another user owns it, UNAVAILABLE when the process may have no more
  // files or mappings.
  static Result<std::shared_ptr<SharedMemoryRegion>> Open(const std::string& key, uint64_t offset,
                                                          uint64_t byte_size, bool read_only);

  // All of an object that has been opened for reading and writing, and described. Owns `descriptor`
  // whatever happens. UNAVAILABLE when the process may have no more mappings.
  static Result<std::shared_ptr<SharedMemoryRegion>> MapAll(const std::string& key, int descriptor,
                                                            const SharedMemoryObject& object);

  ~SharedMemoryRegion();
  SharedMemoryRegion(const SharedMemoryRegion&) = delete;
  SharedMemoryRegion& operator=(const SharedMemoryRegion&) = delete;

  const std::string& key() const { return key_; }
  uint64_t offset() const { return offset_; }
  uint64_t byte_size() const { return byte_size_; }
  bool read_only() const { return read_only_; }
  uint8_t* data() const { return data_; }

  bool poisoned() const;

  // INTERNAL when the region is poisoned or the object is by now too small for it.
  Status CheckUsable() const { return CheckUsable(byte_size_); }
  // The same for who uses only the region's first bytes.
  Status CheckUsable(uint64_t byte_size) const;

  // Copies between the region and private memory. INVALID_ARG outside the region or writing a
  // read-only one; INTERNAL as CheckUsable, also when the object shrank during the copy.
  Status Read(uint64_t offset, void* destination, uint64_t byte_size) const;
  Status Write(uint64_t offset, const void* source, uint64_t byte_size);

  // Removes the object's name; mappings stay valid. The region that created the object does so at
  // its end, or now; nothing happens for others.
  void Unlink();

 private:
  SharedMemoryRegion() = default;
  static Result<std::shared_ptr<SharedMemoryRegion>> Map(const std::string& key, int descriptor,
                                                         uint64_t offset, uint64_t byte_size,
                                                         bool read_only);
  static Result<std::shared_ptr<SharedMemoryRegion>> MapNew(const std::string& key, int descriptor,
                                                            uint64_t byte_size);
  Status CheckBounds(uint64_t offset, uint64_t byte_size) const;
  Status PoisonedError() const;

  std::string key_;
  int descriptor_ = -1;
  uint64_t offset_ = 0;
  uint64_t byte_size_ = 0;
  bool read_only_ = false;
  uint8_t* data_ = nullptr;  // offset_ of the object
  void* mapping_ = nullptr;  // data_, down to its page boundary
  uint64_t mapping_bytes_ = 0;
  GuardedRange* guard_ = nullptr;
  std::atomic<bool> owns_name_{false};
};

}  // namespace trident
