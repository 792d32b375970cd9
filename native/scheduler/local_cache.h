#pragma once

#include <list>
#include <unordered_map>

#include "base/mutex.h"
#include "base/shared_count.h"
#include "scheduler/response_cache.h"

namespace trident {

// A response cache in this process's memory: at most so many bytes, and what was used least
// recently goes first. Nothing is copied or freed under its lock. Thread-safe.
class LocalCache : public ResponseCache {
 public:
  explicit LocalCache(uint64_t capacity_bytes) : capacity_bytes_(capacity_bytes) {}

  std::shared_ptr<const CachedResponse> Lookup(const Digest& key) override;
  // UNAVAILABLE for a response larger than the whole cache.
  bool Fits(uint64_t byte_size) const override { return byte_size <= capacity_bytes_; }
  Status Insert(const Digest& key, std::shared_ptr<const CachedResponse> response) override;

 private:
  std::optional<CacheCounters> ReadCounts() const override;

  // Any part of a digest is as good as a hash of it.
  struct FirstWord {
    size_t operator()(const Digest& key) const { return static_cast<size_t>(key[0]); }
  };
  struct Entry {
    Digest key;
    uint64_t byte_size;
    std::shared_ptr<const CachedResponse> response;
  };
  using Entries = std::list<Entry>;

  const uint64_t capacity_bytes_;
  Mutex mutex_;
  Entries entries_ GUARDED_BY(mutex_);  // the last used first
  std::unordered_map<Digest, Entries::iterator, FirstWord> by_key_ GUARDED_BY(mutex_);
  // Changed with the mutex held.
  SharedCount hits_, misses_, evictions_, stored_, used_bytes_;
};

}  // namespace trident
