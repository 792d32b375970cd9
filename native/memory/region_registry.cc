#include "memory/region_registry.h"

#include <algorithm>
#include <limits>

#include "base/checked.h"
#include "memory/region_table.h"

namespace trident {
namespace {

constexpr size_t kMaxNameBytes = 255;

Status CheckRegionName(const std::string& name, RegionKind kind) {
  if (name.empty()) {
    return InvalidArg("'region name' is necessary to register ",
                      kind == RegionKind::kCuda ? "cuda" : "system", " shared memory region");
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

Status AlreadyRegistered(const std::string& name) {
  return AlreadyExists("shared memory region '", name, "' already in manager");
}

Status OfOtherKind(std::string_view name, RegionKind asked) {
  const bool cuda = asked == RegionKind::kCuda;
  return NotFound("The region named '", name, "' is registered as ", cuda ? "system" : "CUDA",
                  " shared memory, not ", cuda ? "CUDA" : "system", " shared memory");
}

}  // namespace

// Leases -----------------------------------------------------------------------------------------

RegionLease& RegionLease::operator=(RegionLease&& other) noexcept {
  if (this != &other) {
    Release();
    region_ = std::exchange(other.region_, nullptr);
    direct_ = std::move(other.direct_);
    table_ = std::move(other.table_);
    registered_ = std::exchange(other.registered_, nullptr);
    data_ = std::exchange(other.data_, nullptr);
    byte_size_ = std::exchange(other.byte_size_, 0);
    place_ = other.place_;
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

Result<RegionLease> RegionLease::Direct(const CudaMemory& memory, uint64_t offset,
                                        uint64_t byte_size) {
  TRIDENT_RETURN_IF_ERROR(CheckRange("CUDA memory", memory.byte_size(), offset, byte_size));
  RegionLease lease;
  lease.data_ = memory.data() + offset;
  lease.byte_size_ = byte_size;
  lease.place_ = memory.place();
  lease.direct_ = memory.hold();
  return lease;
}

Status RegionLease::Finish() {
  const bool lost = region_ != nullptr && region_->poisoned();
  const Status status = lost ? region_->CheckUsable() : Status::Ok();
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

// Registry ---------------------------------------------------------------------------------------

RegionRegistry::RegionRegistry(AllowedKeys allowed)
    : allowed_(std::move(allowed)), table_(std::make_shared<RegionTable>()) {}

Status RegionRegistry::CheckFree(const std::string& name) const {
  MutexLock lock(table_->mutex);
  return table_->regions.contains(name) ? AlreadyRegistered(name) : Status::Ok();
}

Status RegionRegistry::Add(const std::string& name, RegisteredRegion region) {
  MutexLock lock(table_->mutex);
  const auto [position, added] = table_->regions.try_emplace(name, std::move(region));
  position->second.name = &position->first;
  return added ? Status::Ok() : AlreadyRegistered(name);
}

Status RegionRegistry::Register(const std::string& name, const std::string& key, uint64_t offset,
                                uint64_t byte_size) {
  TRIDENT_RETURN_IF_ERROR(CheckRegionName(name, RegionKind::kSystem));
  const std::string context = StrCat("failed to register shared memory region '", name, "': ");
  TRIDENT_RETURN_IF_ERROR(CheckSharedMemoryKey(key).WithPrefix(
      StrCat("cannot register shared memory region '", name, "': ")));
  if (!allowed_.Allows(key)) {
    return Unsupported(context, "key '", key, "' was neither created by this process nor allowed ",
                       "by its host");
  }
  TRIDENT_RETURN_IF_ERROR(CheckFree(name));
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
  return Add(name, std::move(region));
}

Status RegionRegistry::RegisterCuda(const std::string& name, std::span<const uint8_t> handle,
                                    int64_t device_id, uint64_t byte_size) {
  TRIDENT_RETURN_IF_ERROR(CheckRegionName(name, RegionKind::kCuda));
  TRIDENT_RETURN_IF_ERROR(cuda::ReportDriver().status.WithPrefix(
      StrCat("failed to register CUDA shared memory region: '", name, "', GPUs not supported: ")));
  if (handle.size() != sizeof(cuda::IpcHandle)) {
    return InvalidArg("'raw_handle' must be a valid base64 encoded cudaIpcMemHandle_t, of ",
                      sizeof(cuda::IpcHandle), " bytes, not ", handle.size());
  }
  TRIDENT_RETURN_IF_ERROR(CheckFree(name));
  const std::string context = StrCat("failed to register shared memory region '", name, "': ");
  if (byte_size == 0) return InvalidArg(context, "invalid args: byte size 0");
  auto memory = CudaMemory::Open(handle, device_id, 0, byte_size);
  if (!memory.ok()) return memory.status().WithPrefix(context);
  RegisteredRegion region;
  region.device_memory = std::move(memory).value();
  region.byte_size = byte_size;
  return Add(name, std::move(region));
}

Status RegionRegistry::Unregister(std::string_view name, RegionKind kind) {
  RegionTable::Map::node_type dropped;
  MutexLock lock(table_->mutex);
  const auto position = table_->regions.find(name);
  if (position == table_->regions.end()) return Status::Ok();
  if (position->second.kind() != kind) return OfOtherKind(name, kind);
  dropped = table_->Unregister(position);
  return Status::Ok();
}

void RegionRegistry::UnregisterAll(RegionKind kind) {
  std::vector<RegionTable::Map::node_type> dropped;
  MutexLock lock(table_->mutex);
  dropped.reserve(table_->regions.size());
  for (auto next = table_->regions.begin(); next != table_->regions.end();) {
    const auto position = next++;
    if (position->second.kind() == kind) dropped.push_back(table_->Unregister(position));
  }
}

std::vector<RegionStatus> RegionRegistry::List(RegionKind kind) const {
  std::vector<RegionStatus> list;
  {
    MutexLock lock(table_->mutex);
    list.reserve(table_->regions.size());
    for (const auto& [name, region] : table_->regions) {
      if (region.kind() == kind) list.push_back(region.status());
    }
  }
  std::sort(list.begin(), list.end(),
            [](const RegionStatus& a, const RegionStatus& b) { return a.name < b.name; });
  return list;
}

Result<RegionStatus> RegionRegistry::Find(std::string_view name, RegionKind kind) const {
  MutexLock lock(table_->mutex);
  const auto position = table_->regions.find(name);
  if (position == table_->regions.end()) {
    return NotFound("Unable to find ", kind == RegionKind::kCuda ? "cuda" : "system",
                    " shared memory region: '", name, "'");
  }
  if (position->second.kind() != kind) return OfOtherKind(name, kind);
  return position->second.status();
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
  lease.data_ = lease.registered_->data() + offset;
  lease.byte_size_ = byte_size;
  lease.place_ = lease.registered_->place();
  return lease;
}

}  // namespace trident
