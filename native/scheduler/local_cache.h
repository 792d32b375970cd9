#pragma once

#include "base/lru_store.h"
#include "base/mutex.h"
#include "base/shared_count.h"
#include "scheduler/response_cache.h"

namespace trident {

// A response cache in this process's memory: at most so many bytes, and what was used least
// recently goes first. Nothing is copied or freed under its lock. Thread-safe.
class LocalCache : public ResponseCache {
 public:
  explicit LocalCache(uint64_t capacity_bytes) : responses_(capacity_bytes) {}

  std::shared_ptr<const CachedResponse> Lookup(const Digest& key) override;
  // UNAVAILABLE for a response larger than the whole cache.
  bool Fits(uint64_t byte_size) const override { return byte_size <= responses_.capacity_bytes(); }
  Status Insert(const Digest& key, std::shared_ptr<const CachedResponse> response) override;

 private:
  std::optional<CacheCounters> ReadCounts() const override;

  // Any part of a digest is as good as a hash of it.
  struct FirstWord {
    size_t operator()(const Digest& key) const { return static_cast<size_t>(key[0]); }
  };
  using Responses = LruStore<Digest, std::shared_ptr<const CachedResponse>, FirstWord>;

  Mutex mutex_;
  Responses responses_;        // changed with the mutex held
  SharedCount hits_, misses_;  // likewise
};

}  // namespace trident
