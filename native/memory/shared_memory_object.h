#pragma once

#include <cstdint>
#include <string>
#include <utility>

#include "base/status.h"

namespace trident {

// What is wrong with a shared-memory key: INVALID_ARG for an empty one, the prefix that Triton's
// Python backend keeps for itself, a slash other than one leading, a control character, "." or
// "..", or more than 255 bytes. The prefix is looked for behind any number of leading slashes.
Status CheckSharedMemoryKey(const std::string& key);

// `key` without its leading slash: two keys name the same object when these are equal.
std::string NormaliseSharedMemoryKey(const std::string& key);

// True while an object that this process created under `key` has not been unlinked by it.
bool SharedMemoryCreatedHere(const std::string& key);

// Owns a file descriptor.
class ScopedDescriptor {
 public:
  explicit ScopedDescriptor(int descriptor) : descriptor_(descriptor) {}
  ~ScopedDescriptor();
  ScopedDescriptor(const ScopedDescriptor&) = delete;
  ScopedDescriptor& operator=(const ScopedDescriptor&) = delete;

  int get() const { return descriptor_; }
  int Take() { return std::exchange(descriptor_, -1); }

 private:
  int descriptor_;
};

// shm_open of a key, close-on-exec, mode 0600: a descriptor, or -1 and errno.
int OpenSharedMemoryObject(const std::string& key, int flags);
// What that errno means: NOT_FOUND; UNAVAILABLE when the process may have no more files; INTERNAL.
Status OpenError(const std::string& key, int error);

// An object of the system, whatever its name: equal while it exists.
struct SharedMemoryObject {
  uint64_t device = 0;
  uint64_t inode = 0;
  uint64_t byte_size = 0;  // when it was looked at
};

// The object of a descriptor. UNSUPPORTED when another user owns it, INTERNAL when it is none.
Result<SharedMemoryObject> DescribeSharedMemoryObject(const std::string& key, int descriptor);

// INVALID_ARG unless [offset, offset + byte_size) is a part of the object.
Status CheckInsideObject(const std::string& key, const SharedMemoryObject& object, uint64_t offset,
                         uint64_t byte_size);

}  // namespace trident
