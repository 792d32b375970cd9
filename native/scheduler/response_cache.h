#pragma once

#include <atomic>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/blake2b.h"
#include "base/datatype.h"
#include "base/mutex.h"
#include "base/shape.h"
#include "base/status.h"
#include "inference/parameter.h"

namespace trident {

// What a successful response said. Shared by everybody who answers with it. Immutable after
// construction.
struct CachedResponse {
  struct Output {
    std::string name;
    DataType datatype = DataType::kInvalid;
    Shape shape;
    std::string bytes;
  };
  std::vector<Output> outputs;
  std::vector<Parameter> parameters;

  // The memory it takes, near enough to bound a cache by.
  uint64_t byte_size() const;
};

// What a cache has done and holds.
struct CacheCounters {
  uint64_t lookups = 0, hits = 0, misses = 0, evictions = 0;
  uint64_t entries = 0, used_bytes = 0, capacity_bytes = 0;
  uint64_t lookup_ns = 0, insertion_ns = 0;  // as its users have measured it

  double utilization() const {
    return capacity_bytes == 0
               ? 0
               : static_cast<double>(used_bytes) / static_cast<double>(capacity_bytes);
  }
};

// Remembers responses by the digest of all that they depend on. Its methods are called on the
// threads of clients and instances, under no lock. Thread-safe.
class ResponseCache {
 public:
  virtual ~ResponseCache() = default;

  // Null when there is none.
  virtual std::shared_ptr<const CachedResponse> Lookup(const Digest& key) = 0;
  // Whether a response of this size could be kept: asked before one is copied.
  virtual bool Fits(uint64_t byte_size) const = 0;
  // ALREADY_EXISTS when `key` is known; the old response stays. Another failure: not remembered.
  virtual Status Insert(const Digest& key, std::shared_ptr<const CachedResponse> response) = 0;

  // How many loads of `model` have used this cache before: a part of its keys, so that a reload
  // starts afresh. Not unique beyond this cache, so that servers can share what a plug-in keeps.
  uint64_t CountLoad(const std::string& model);

  void CountLookupTime(uint64_t ns) { lookup_ns_.fetch_add(ns, std::memory_order_relaxed); }
  void CountInsertionTime(uint64_t ns) { insertion_ns_.fetch_add(ns, std::memory_order_relaxed); }
  // Waits for nobody, so the counts need not be of one moment. Nothing of a cache that has metrics
  // of its own.
  std::optional<CacheCounters> Read() const {
    std::optional<CacheCounters> counters = ReadCounts();
    if (!counters) return std::nullopt;
    counters->lookup_ns = lookup_ns_.load(std::memory_order_relaxed);
    counters->insertion_ns = insertion_ns_.load(std::memory_order_relaxed);
    return counters;
  }

 private:
  // All but the times.
  virtual std::optional<CacheCounters> ReadCounts() const = 0;

  std::atomic<uint64_t> lookup_ns_{0}, insertion_ns_{0};
  Mutex mutex_;
  std::map<std::string, uint64_t> loads_ GUARDED_BY(mutex_);  // by model
};

}  // namespace trident
