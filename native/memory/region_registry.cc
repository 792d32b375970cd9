#include "memory/region_registry.h"

#include <algorithm>
#include <limits>
#include <map>

#include "base/checked.h"
#include "base/mutex.h"

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

struct RegionEntry {
  std::string key;
  std::shared_ptr<SharedMemoryRegion> region;
  // Both guarded by the table's mutex.
  uint64_t leases = 0;
  bool awaiting_unregister = false;
};

struct RegionTable {
  using Map = std::map<std::string, std::shared_ptr<RegionEntry>, std::less<>>;

  mutable Mutex mutex;
  Map entries GUARDED_BY(mutex);

  // Returns the entry when the caller is to drop it: unmapping doesn't belong under the lock.
  std::shared_ptr<RegionEntry> Unregister(Map::iterator* position) REQUIRES(mutex) {
    std::shared_ptr<RegionEntry> entry = (*position)->second;
    if (entry->leases > 0) {
      entry->awaiting_unregister = true;
      ++*position;
      return nullptr;
    }
    *position = entries.erase(*position);
    return entry;
  }
};

// Keys
// ---------------------------------------------------------------------------------------------

Result<AllowedKeys> AllowedKeys::Parse(const std::vector<std::string>& patterns) {
  AllowedKeys allowed;
  for (const std::string& pattern : patterns) {
    const std::string name = NormaliseSharedMemoryKey(pattern);
    const size_t star = name.find('*');
    if (name.empty() || (star != std::string::npos && star + 1 != name.size())) {
      return InvalidArg("allowed shared memory key '", pattern,
                        "': expected a key, or a prefix that ends with '*'");
    }
    if (star == std::string::npos) {
      allowed.exact_.push_back(name);
    } else {
      allowed.prefixes_.push_back(name.substr(0, star));
    }
  }
  return allowed;
}

bool AllowedKeys::Allows(const std::string& key) const {
  const std::string name = NormaliseSharedMemoryKey(key);
  const auto starts = [&name](const std::string& prefix) { return name.starts_with(prefix); };
  return std::find(exact_.begin(), exact_.end(), name) != exact_.end() ||
         std::any_of(prefixes_.begin(), prefixes_.end(), starts) || SharedMemoryCreatedHere(key);
}

// Leases
// -------------------------------------------------------------------------------------------

RegionLease& RegionLease::operator=(RegionLease&& other) noexcept {
  if (this != &other) {
    Release();
    region_ = std::move(other.region_);
    table_ = std::move(other.table_);
    entry_ = std::move(other.entry_);
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
  lease.region_ = std::move(region);
  return lease;
}

Status RegionLease::Finish() {
  if (region_ == nullptr) return Status::Ok();
  const Status status = region_->poisoned() ? region_->CheckUsable() : Status::Ok();
  Release();
  return status;
}

void RegionLease::Release() {
  if (entry_ != nullptr) {
    std::shared_ptr<RegionEntry> dropped;
    {
      MutexLock lock(table_->mutex);
      if (--entry_->leases == 0 && entry_->awaiting_unregister) {
        for (auto it = table_->entries.begin(); it != table_->entries.end(); ++it) {
          if (it->second == entry_) {
            dropped = table_->Unregister(&it);
            break;
          }
        }
      }
    }
    entry_.reset();
    table_.reset();
  }
  region_.reset();
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
    if (table_->entries.contains(name)) return taken;
  }
  if (byte_size == 0) return InvalidArg(context, "invalid args: byte size 0");
  auto region = SharedMemoryRegion::Open(key, offset, byte_size, /*read_only=*/false);
  if (!region.ok()) {
    // A missing object is INTERNAL here, as in Triton: the name to register was not looked for.
    const Status& status = region.status();
    const bool missing = status.code() == StatusCode::kNotFound;
    return missing ? Internal(status.message()) : status.WithPrefix(context);
  }
  auto entry = std::make_shared<RegionEntry>();
  entry->key = key;
  entry->region = std::move(region).value();
  MutexLock lock(table_->mutex);
  return table_->entries.emplace(name, std::move(entry)).second ? Status::Ok() : taken;
}

void RegionRegistry::Unregister(std::string_view name) {
  std::shared_ptr<RegionEntry> dropped;
  MutexLock lock(table_->mutex);
  auto it = table_->entries.find(name);
  if (it != table_->entries.end()) dropped = table_->Unregister(&it);
}

void RegionRegistry::UnregisterAll() {
  std::vector<std::shared_ptr<RegionEntry>> dropped;
  MutexLock lock(table_->mutex);
  for (auto it = table_->entries.begin(); it != table_->entries.end();) {
    dropped.push_back(table_->Unregister(&it));
  }
}

namespace {

RegionStatus StatusOf(const std::string& name, const RegionEntry& entry) {
  return {name, entry.key, entry.region->offset(), entry.region->byte_size()};
}

}  // namespace

std::vector<RegionStatus> RegionRegistry::List() const {
  std::vector<RegionStatus> list;
  MutexLock lock(table_->mutex);
  for (const auto& [name, entry] : table_->entries) list.push_back(StatusOf(name, *entry));
  return list;
}

Result<RegionStatus> RegionRegistry::Find(std::string_view name) const {
  MutexLock lock(table_->mutex);
  const auto it = table_->entries.find(name);
  if (it != table_->entries.end()) return StatusOf(it->first, *it->second);
  return NotFound("Unable to find system shared memory region: '", name, "'");
}

Result<RegionLease> RegionRegistry::Acquire(std::string_view name, uint64_t offset,
                                            uint64_t byte_size) const {
  RegionLease lease;
  {
    MutexLock lock(table_->mutex);
    const auto it = table_->entries.find(name);
    if (it == table_->entries.end() || it->second->awaiting_unregister) {
      return NotFound("Unable to find shared memory region: '", name, "'");
    }
    const std::shared_ptr<RegionEntry>& entry = it->second;
    TRIDENT_RETURN_IF_ERROR(CheckRange(name, entry->region->byte_size(), offset, byte_size));
    ++entry->leases;
    lease.table_ = table_;
    lease.entry_ = entry;
    lease.region_ = entry->region;
  }
  TRIDENT_RETURN_IF_ERROR(lease.region_->CheckUsable());
  lease.data_ = lease.region_->data() + offset;
  lease.byte_size_ = byte_size;
  return lease;
}

}  // namespace trident
