#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/status.h"
#include "memory/allowed_keys.h"
#include "memory/cuda_memory.h"
#include "memory/shared_memory.h"

namespace trident {

enum class RegionAccess { kRead, kWrite };
enum class RegionKind { kSystem, kCuda };

struct RegisteredRegion;
struct RegionTable;  // all of a server's

// A request's hold on bytes of a region: there and registered until the lease ends. Movable.
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
  static Result<RegionLease> Direct(const CudaMemory& memory, uint64_t offset, uint64_t byte_size);

  bool active() const { return data_ != nullptr; }
  void* data() const { return data_; }
  uint64_t byte_size() const { return byte_size_; }
  cuda::Place place() const { return place_; }

  // Ends the lease. INTERNAL when the object shrank while it lasted: what was read was zeros and
  // what was written is lost.
  Status Finish();

 private:
  friend class RegionRegistry;
  void Release();

  SharedMemoryRegion* region_ = nullptr;  // null for memory of a device
  // What keeps the memory: itself when the lease is direct, else its registration, which stays in
  // the table while it has leases.
  std::shared_ptr<const void> direct_;
  std::shared_ptr<RegionTable> table_;
  RegisteredRegion* registered_ = nullptr;
  void* data_ = nullptr;
  uint64_t byte_size_ = 0;
  cuda::Place place_;
};

struct RegionStatus {
  std::string name;
  std::string key;  // "" for a CUDA region
  uint64_t offset = 0;
  uint64_t byte_size = 0;
  int device_id = cuda::Place::kHost;
};

// A server's registered shared-memory regions, of the system and of CUDA devices under names of one
// space, with the checks, their order and the codes of Triton's shared-memory extensions. However
// many regions are registered of an object, it is mapped once and kept open once: a process may
// have some 65,000 mappings, and often fewer files. So even a small region takes address space for
// its whole object, and a peer that shrinks an object under a request may fail all regions of that
// object. Leases may outlive the registry. Thread-safe.
class RegionRegistry {
 public:
  explicit RegionRegistry(AllowedKeys allowed);

  // INVALID_ARG: name or key breaks its grammar, size 0, the object is too small. UNSUPPORTED:
  // the key is neither ours nor allowed. ALREADY_EXISTS: the name is taken, also while its
  // unregistration waits. UNAVAILABLE: the process may have no more files or mappings. INTERNAL:
  // the object can't be opened.
  Status Register(const std::string& name, const std::string& key, uint64_t offset,
                  uint64_t byte_size);

  // The first `byte_size` bytes of the allocation of `handle`. INVALID_ARG: name, size, handle or
  // device is not right (CudaMemory::Open). ALREADY_EXISTS as above. UNSUPPORTED: no driver.
  Status RegisterCuda(const std::string& name, std::span<const uint8_t> handle, int64_t device_id,
                      uint64_t byte_size);

  // Success for an unknown name, NOT_FOUND for one of the other kind. A region in use takes no new
  // leases from now on and goes with its last one.
  Status Unregister(std::string_view name, RegionKind kind);
  void UnregisterAll(RegionKind kind);

  // All regions of a kind, by name; those that wait for their last lease included.
  std::vector<RegionStatus> List(RegionKind kind) const;
  // NOT_FOUND for an unknown name or one of the other kind.
  Result<RegionStatus> Find(std::string_view name, RegionKind kind) const;

  // NOT_FOUND: no such region. INVALID_ARG: [offset, offset + byte_size) is not inside it.
  // INTERNAL: the object shrank.
  Result<RegionLease> Acquire(std::string_view name, uint64_t offset, uint64_t byte_size) const;

 private:
  Status CheckFree(const std::string& name) const;
  Status Add(const std::string& name, RegisteredRegion region);

  const AllowedKeys allowed_;
  const std::shared_ptr<RegionTable> table_;  // shared with leases
};

}  // namespace trident
