#pragma once

#include <atomic>
#include <memory>
#include <utility>

#include "scheduler/model_cache.h"

namespace trident {

// Stands between a backend and the client of a request that was not in the cache: a final response
// that succeeded is remembered before it is delivered. As thread-safe as the client's sink.
class CacheSink : public ForwardingSink {
 public:
  CacheSink(std::shared_ptr<ResponseSink> client, std::shared_ptr<ModelCache> cache,
            const Digest& key, uint64_t lookup_ns)
      : ForwardingSink(std::move(client)),
        cache_(std::move(cache)),
        key_(key),
        lookup_ns_(lookup_ns) {}

  void Deliver(ResponsePtr response, uint32_t flags) override {
    // One of several responses is not the answer.
    const bool only = !delivered_.exchange(true) && (flags & kResponseFinal) != 0;
    if (only && response != nullptr && response->status().ok()) {
      cache_->Insert(key_, *response, lookup_ns_);
    }
    client().Deliver(std::move(response), flags);
  }

 private:
  const std::shared_ptr<ModelCache> cache_;
  const Digest key_;
  const uint64_t lookup_ns_;
  std::atomic<bool> delivered_{false};
};

}  // namespace trident
