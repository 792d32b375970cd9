#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/status.h"
#include "memory/shared_memory.h"

namespace trident {

// Which keys may be registered: those this process created, and those its host listed, each one
// exactly or as "prefix*". Immutable after construction.
class AllowedKeys {
 public:
  AllowedKeys() = default;

  // INVALID_ARG for an empty entry or a '*' that is not the last character.
  static Result<AllowedKeys> Parse(const std::vector<std::string>& patterns);

  bool Allows(const std::string& key) const;

 private:
  std::vector<std::string> exact_;
  std::vector<std::string> prefixes_;
};

enum class RegionAccess { kRead, kWrite };

struct RegionEntry;  // one registered region
struct RegionTable;  // all of a server's

// A request's hold on bytes of a region: mapped and registered until the lease ends. Movable.
// Externally synchronised by its owner; leases of one region are independent of each other.
class RegionLease {
 public:
  RegionLease() = default;
  RegionLease(RegionLease&& other) noexcept { *this = std::move(other); }
  RegionLease& operator=(RegionLease&& other) noexcept;
  ~RegionLease() { Release(); }

  // A lease on a region that needs no registration. Errors as RegionRegistry::Acquire.
  static Result<RegionLease> Direct(std::shared_ptr<SharedMemoryRegion> region, uint64_t offset,
                                    uint64_t byte_size, RegionAccess access);

  bool active() const { return region_ != nullptr; }
  void* data() const { return data_; }
  uint64_t byte_size() const { return byte_size_; }

  // Ends the lease. INTERNAL when the object shrank while it lasted: what was read was zeros and
  // what was written is lost.
  Status Finish();

 private:
  friend class RegionRegistry;
  void Release();

  std::shared_ptr<SharedMemoryRegion> region_;
  std::shared_ptr<RegionTable> table_;  // null for a direct lease, as is entry_
  std::shared_ptr<RegionEntry> entry_;
  void* data_ = nullptr;
  uint64_t byte_size_ = 0;
};

struct RegionStatus {
  std::string name;
  std::string key;
  uint64_t offset = 0;
  uint64_t byte_size = 0;
};

// A server's registered system shared-memory regions, with the checks, their order and the codes
// of Triton's shared-memory extension. Leases may outlive it. Thread-safe.
class RegionRegistry {
 public:
  explicit RegionRegistry(AllowedKeys allowed);

  // INVALID_ARG: name or key breaks its grammar, size 0, the object is too small. UNSUPPORTED:
  // the key is neither ours nor allowed. ALREADY_EXISTS: the name is taken, also while its
  // unregistration waits. INTERNAL: the object can't be opened.
  Status Register(const std::string& name, const std::string& key, uint64_t offset,
                  uint64_t byte_size);

  // Success for an unknown name. A region in use takes no new leases from now on and goes with its
  // last one.
  void Unregister(std::string_view name);
  void UnregisterAll();

  // All regions, by name; those that wait for their last lease included.
  std::vector<RegionStatus> List() const;
  // NOT_FOUND for an unknown name.
  Result<RegionStatus> Find(std::string_view name) const;

  // NOT_FOUND: no such region. INVALID_ARG: [offset, offset + byte_size) is not inside it.
  // INTERNAL: the object shrank.
  Result<RegionLease> Acquire(std::string_view name, uint64_t offset, uint64_t byte_size) const;

 private:
  const AllowedKeys allowed_;
  const std::shared_ptr<RegionTable> table_;  // shared with leases
};

}  // namespace trident
