#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>

#include "base/mutex.h"
#include "memory/cuda_memory.h"
#include "memory/region_registry.h"

namespace trident {

// One registration: a name for a part of an object, or for memory of a device.
struct RegisteredRegion {
  std::shared_ptr<SharedMemoryRegion> object;  // all of it; null for a CUDA region
  CudaMemory device_memory;
  uint64_t offset = 0;
  uint64_t byte_size = 0;
  // These two change, under the table's mutex; the others stay as registered.
  uint64_t leases = 0;
  bool awaiting_unregister = false;
  // Last, as no request needs them.
  const std::string* name = nullptr;  // of the table
  std::string key;

  RegionKind kind() const { return device_memory ? RegionKind::kCuda : RegionKind::kSystem; }
  Status CheckUsable() const {
    return device_memory ? Status::Ok() : object->CheckUsable(offset + byte_size);
  }
  uint8_t* data() const { return device_memory ? device_memory.data() : object->data() + offset; }
  cuda::Place place() const { return device_memory ? device_memory.place() : cuda::Place(); }
  RegionStatus status() const { return {*name, key, offset, byte_size, place().device_id}; }
};

// The registrations of a server, which its leases share. Regions don't move: a lease points at its
// region, and one that has leases is not removed. So who has a lease reads what never changes of
// its region without `mutex`, which guards the rest.
struct RegionTable {
  struct Hash {
    using is_transparent = void;
    size_t operator()(std::string_view name) const { return std::hash<std::string_view>()(name); }
  };
  using Map = std::unordered_map<std::string, RegisteredRegion, Hash, std::equal_to<>>;
  using ObjectId = std::pair<uint64_t, uint64_t>;  // device, inode

  mutable Mutex mutex;
  Map regions GUARDED_BY(mutex);
  std::map<ObjectId, std::weak_ptr<SharedMemoryRegion>> objects GUARDED_BY(mutex);

  // Returns the node when the caller is to drop it: unmapping doesn't belong under the lock.
  Map::node_type Unregister(Map::iterator position) REQUIRES(mutex) {
    if (position->second.leases == 0) return regions.extract(position);
    position->second.awaiting_unregister = true;
    return {};
  }

  // The object behind `key`, mapped at least up to the end of [offset, offset + byte_size). Errors
  // as SharedMemoryRegion::Open. The object is opened here to see which it is; the descriptor is
  // kept with its first mapping only.
  Result<std::shared_ptr<SharedMemoryRegion>> MapObject(const std::string& key, uint64_t offset,
                                                        uint64_t byte_size);

 private:
  std::shared_ptr<SharedMemoryRegion> FindMapped(const ObjectId& id);
  void Remember(const ObjectId& id, const std::shared_ptr<SharedMemoryRegion>& object);
};

}  // namespace trident
