#include "scheduler/local_cache.h"

namespace trident {

std::shared_ptr<const CachedResponse> LocalCache::Lookup(const Digest& key) {
  MutexLock lock(mutex_);
  const auto found = by_key_.find(key);
  if (found == by_key_.end()) {
    ++misses_;
    return nullptr;
  }
  ++hits_;
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
  while (used_bytes_ + byte_size > capacity_bytes_) {
    const auto oldest = std::prev(entries_.end());
    used_bytes_ -= oldest->byte_size;
    ++evictions_;
    by_key_.erase(oldest->key);
    evicted.splice(evicted.begin(), entries_, oldest);
  }
  entries_.splice(entries_.begin(), added);
  used_bytes_ += byte_size;
  ++stored_;
  return Status::Ok();
}

std::optional<CacheCounters> LocalCache::ReadCounts() const {
  CacheCounters counters;
  counters.hits = hits_;
  counters.misses = misses_;
  counters.lookups = counters.hits + counters.misses;
  counters.evictions = evictions_;
  counters.entries = stored_ - counters.evictions;
  counters.used_bytes = used_bytes_;
  counters.capacity_bytes = capacity_bytes_;
  return counters;
}

}  // namespace trident
