#include "memory/region_table.h"

#include <fcntl.h>

#include <cerrno>

namespace trident {

// A mapping that is poisoned or, because the object grew, too small is left to those who have it.
Result<std::shared_ptr<SharedMemoryRegion>> RegionTable::MapObject(const std::string& key,
                                                                   uint64_t offset,
                                                                   uint64_t byte_size) {
  ScopedDescriptor descriptor(OpenSharedMemoryObject(key, O_RDWR));
  if (descriptor.get() < 0) return OpenError(key, errno);
  TRIDENT_ASSIGN_OR_RETURN(const SharedMemoryObject object,
                           DescribeSharedMemoryObject(key, descriptor.get()));
  TRIDENT_RETURN_IF_ERROR(CheckInsideObject(key, object, offset, byte_size));
  const ObjectId id{object.device, object.inode};
  std::shared_ptr<SharedMemoryRegion> mapped = FindMapped(id);
  if (mapped != nullptr && !mapped->poisoned() && offset + byte_size <= mapped->byte_size()) {
    return mapped;
  }
  TRIDENT_ASSIGN_OR_RETURN(mapped, SharedMemoryRegion::MapAll(key, descriptor.Take(), object));
  Remember(id, mapped);
  return mapped;
}

std::shared_ptr<SharedMemoryRegion> RegionTable::FindMapped(const ObjectId& id) {
  MutexLock lock(mutex);
  const auto position = objects.find(id);
  return position == objects.end() ? nullptr : position->second.lock();
}

void RegionTable::Remember(const ObjectId& id, const std::shared_ptr<SharedMemoryRegion>& object) {
  MutexLock lock(mutex);
  if (objects.size() > 2 * regions.size()) {
    std::erase_if(objects, [](const auto& item) { return item.second.expired(); });
  }
  objects[id] = object;
}

}  // namespace trident
