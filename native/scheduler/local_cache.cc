#include "scheduler/local_cache.h"

namespace trident {

std::shared_ptr<const CachedResponse> LocalCache::Lookup(const Digest& key) {
  MutexLock lock(mutex_);
  ++counters_.lookups;
  const auto found = by_key_.find(key);
  if (found == by_key_.end()) {
    ++counters_.misses;
    return nullptr;
  }
  ++counters_.hits;
  entries_.splice(entries_.begin(), entries_, found->second);
  return found->second->response;
}

Status LocalCache::Insert(const Digest& key, std::shared_ptr<const CachedResponse> response) {
  const uint64_t byte_size = response->byte_size() + sizeof(Entry);
  if (byte_size > capacity_bytes_) {
    return Unavailable("a response of ", byte_size, " bytes does not fit a cache of ",
                       capacity_bytes_);
  }
  Entries added;
  added.push_back({key, byte_size, std::move(response)});
  Entries evicted;  // freed after the lock
  MutexLock lock(mutex_);
  if (!by_key_.emplace(key, added.begin()).second) {
    return AlreadyExists("the response cache has this key");
  }
  while (counters_.used_bytes + byte_size > capacity_bytes_) {
    const auto oldest = std::prev(entries_.end());
    counters_.used_bytes -= oldest->byte_size;
    ++counters_.evictions;
    by_key_.erase(oldest->key);
    evicted.splice(evicted.begin(), entries_, oldest);
  }
  entries_.splice(entries_.begin(), added);
  counters_.used_bytes += byte_size;
  return Status::Ok();
}

LocalCache::Counters LocalCache::Read() const {
  MutexLock lock(mutex_);
  Counters counters = counters_;
  counters.entries = entries_.size();
  counters.capacity_bytes = capacity_bytes_;
  return counters;
}

}  // namespace trident
