#include "memory/region_registry.h"

#include <algorithm>
#include <limits>

#include "base/checked.h"
#include "memory/region_table.h"

namespace trident {
namespace {

constexpr size_t kMaxNameBytes = 255;

Status CheckRegionName(const std::string& name) {
  if (name.empty()) {
    return InvalidArg("'region name' is necessary to register system shared memory region");
  }
  if (name.size() > kMaxNameBytes) {
    return InvalidArg("the shared memory region's name has ", name.size(), " bytes, the limit is ",
                      kMaxNameBytes);
  }
  const auto is_bad = [](char c) {
    return static_cast<unsigned char>(c) < 0x20 || c == 0x7f || c == '/' || c == '\\';
  };
  if (name.front() == '.' || std::any_of(name.begin(), name.end(), is_bad)) {
    return InvalidArg("invalid shared memory region name: it may not start with a dot nor contain ",
                      "slashes or control characters");
  }
  return Status::Ok();
}

// Whether [offset, offset + byte_size) lies inside `region_bytes`; `name` is for the message.
Status CheckRange(std::string_view name, uint64_t region_bytes, uint64_t offset,
                  uint64_t byte_size) {
  if (offset >= region_bytes) {
    return InvalidArg("Invalid offset for shared memory region: '", name, "': ", offset,
                      ", the region has ", region_bytes, " bytes");
  }
  uint64_t end = 0;
  if (!CheckedAdd(offset, byte_size, &end)) {
    return InvalidArg("Integer overflow detected: byte_size (", byte_size, ") + offset (", offset,
                      ") exceeds maximum value (", std::numeric_limits<uint64_t>::max(),
                      ") for region '", name, "'");
  }
  if (end > region_bytes) {
    return InvalidArg("Invalid offset + byte size for shared memory region: '", name, "': ", offset,
                      " + ", byte_size, ", the region has ", region_bytes, " bytes");
  }
  return Status::Ok();
}

}  // namespace

// Leases
// -------------------------------------------------------------------------------------------

RegionLease& RegionLease::operator=(RegionLease&& other) noexcept {
  if (this != &other) {
    Release();
    region_ = std::exchange(other.region_, nullptr);
    direct_ = std::move(other.direct_);
    table_ = std::move(other.table_);
    registered_ = std::exchange(other.registered_, nullptr);
    data_ = std::exchange(other.data_, nullptr);
    byte_size_ = std::exchange(other.byte_size_, 0);
  }
  return *this;
}

Result<RegionLease> RegionLease::Direct(std::shared_ptr<SharedMemoryRegion> region, uint64_t offset,
                                        uint64_t byte_size, RegionAccess access) {
  if (access == RegionAccess::kWrite && region->read_only()) {
    return InvalidArg("shared memory region '", region->key(), "' was opened read-only");
  }
  TRIDENT_RETURN_IF_ERROR(CheckRange(region->key(), region->byte_size(), offset, byte_size));
  TRIDENT_RETURN_IF_ERROR(region->CheckUsable());
  RegionLease lease;
  lease.data_ = region->data() + offset;
  lease.byte_size_ = byte_size;
  lease.region_ = region.get();
  lease.direct_ = std::move(region);
  return lease;
}

Status RegionLease::Finish() {
  if (region_ == nullptr) return Status::Ok();
  const Status status = region_->poisoned() ? region_->CheckUsable() : Status::Ok();
  Release();
  return status;
}

void RegionLease::Release() {
  if (registered_ != nullptr) {
    RegionTable::Map::node_type dropped;
    MutexLock lock(table_->mutex);
    if (--registered_->leases == 0 && registered_->awaiting_unregister) {
      dropped = table_->regions.extract(*registered_->name);
    }
    registered_ = nullptr;
  }
  table_.reset();
  direct_.reset();
  region_ = nullptr;
  data_ = nullptr;
  byte_size_ = 0;
}

// Registry
// -----------------------------------------------------------------------------------------

RegionRegistry::RegionRegistry(AllowedKeys allowed)
    : allowed_(std::move(allowed)), table_(std::make_shared<RegionTable>()) {}

Status RegionRegistry::Register(const std::string& name, const std::string& key, uint64_t offset,
                                uint64_t byte_size) {
  TRIDENT_RETURN_IF_ERROR(CheckRegionName(name));
  const std::string context = StrCat("failed to register shared memory region '", name, "': ");
  TRIDENT_RETURN_IF_ERROR(CheckSharedMemoryKey(key).WithPrefix(
      StrCat("cannot register shared memory region '", name, "': ")));
  if (!allowed_.Allows(key)) {
    return Unsupported(context, "key '", key, "' was neither created by this process nor allowed ",
                       "by its host");
  }
  const Status taken = AlreadyExists("shared memory region '", name, "' already in manager");
  {
    MutexLock lock(table_->mutex);
    if (table_->regions.contains(name)) return taken;
  }
  if (byte_size == 0) return InvalidArg(context, "invalid args: byte size 0");
  auto object = table_->MapObject(key, offset, byte_size);
  if (!object.ok()) {
    // A missing object is INTERNAL here, as in Triton: the name to register was not looked for.
    const Status& status = object.status();
    const bool missing = status.code() == StatusCode::kNotFound;
    return missing ? Internal(status.message()) : status.WithPrefix(context);
  }
  RegisteredRegion region;
  region.key = key;
  region.object = std::move(object).value();
  region.offset = offset;
  region.byte_size = byte_size;
  MutexLock lock(table_->mutex);
  const auto [position, added] = table_->regions.try_emplace(name, std::move(region));
  position->second.name = &position->first;
  return added ? Status::Ok() : taken;
}

void RegionRegistry::Unregister(std::string_view name) {
  RegionTable::Map::node_type dropped;
  MutexLock lock(table_->mutex);
  const auto position = table_->regions.find(name);
  if (position != table_->regions.end()) dropped = table_->Unregister(position);
}

void RegionRegistry::UnregisterAll() {
  std::vector<RegionTable::Map::node_type> dropped;
  MutexLock lock(table_->mutex);
  dropped.reserve(table_->regions.size());
  for (auto next = table_->regions.begin(); next != table_->regions.end();) {
    dropped.push_back(table_->Unregister(next++));
  }
}

std::vector<RegionStatus> RegionRegistry::List() const {
  std::vector<RegionStatus> list;
  {
    MutexLock lock(table_->mutex);
    list.reserve(table_->regions.size());
    for (const auto& [name, region] : table_->regions) list.push_back(region.status());
  }
  std::sort(list.begin(), list.end(),
            [](const RegionStatus& a, const RegionStatus& b) { return a.name < b.name; });
  return list;
}

Result<RegionStatus> RegionRegistry::Find(std::string_view name) const {
  MutexLock lock(table_->mutex);
  const auto position = table_->regions.find(name);
  if (position != table_->regions.end()) return position->second.status();
  return NotFound("Unable to find system shared memory region: '", name, "'");
}

Result<RegionLease> RegionRegistry::Acquire(std::string_view name, uint64_t offset,
                                            uint64_t byte_size) const {
  RegionLease lease;
  {
    MutexLock lock(table_->mutex);
    const auto position = table_->regions.find(name);
    if (position == table_->regions.end() || position->second.awaiting_unregister) {
      return NotFound("Unable to find shared memory region: '", name, "'");
    }
    RegisteredRegion& region = position->second;
    TRIDENT_RETURN_IF_ERROR(CheckRange(name, region.byte_size, offset, byte_size));
    ++region.leases;
    lease.registered_ = &region;
  }
  lease.table_ = table_;
  lease.region_ = lease.registered_->object.get();
  TRIDENT_RETURN_IF_ERROR(lease.registered_->CheckUsable());
  lease.data_ = lease.region_->data() + lease.registered_->offset + offset;
  lease.byte_size_ = byte_size;
  return lease;
}

}  // namespace trident
