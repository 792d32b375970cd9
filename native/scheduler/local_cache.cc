#include "scheduler/local_cache.h"

namespace trident {

std::shared_ptr<const CachedResponse> LocalCache::Lookup(const Digest& key) {
  MutexLock lock(mutex_);
  const auto* const found = responses_.Find(key);
  if (found == nullptr) {
    ++misses_;
    return nullptr;
  }
  ++hits_;
  return *found;
}

Status LocalCache::Insert(const Digest& key, std::shared_ptr<const CachedResponse> response) {
  const uint64_t byte_size = response->byte_size() + sizeof(Responses::Entry);
  if (!Fits(byte_size)) {
    return Unavailable("a response of ", byte_size, " bytes does not fit a cache of ",
                       responses_.capacity_bytes());
  }
  Responses::Entries added;
  added.push_back({key, byte_size, std::move(response)});
  Responses::Entries evicted;  // freed after the lock
  MutexLock lock(mutex_);
  if (!responses_.Insert(added, evicted)) return AlreadyExists("the response cache has this key");
  return Status::Ok();
}

std::optional<CacheCounters> LocalCache::ReadCounts() const {
  CacheCounters counters;
  counters.hits = hits_;
  counters.misses = misses_;
  counters.lookups = counters.hits + counters.misses;
  counters.evictions = responses_.evictions();
  counters.entries = responses_.count();
  counters.used_bytes = responses_.used_bytes();
  counters.capacity_bytes = responses_.capacity_bytes();
  return counters;
}

}  // namespace trident
