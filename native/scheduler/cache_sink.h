#pragma once

#include <memory>
#include <utility>

#include "scheduler/model_cache.h"

namespace trident {

// Stands between a backend and the client of a request that was not in the cache: a final response
// that succeeded is remembered before it is delivered. As thread-safe as the client's sink.
class CacheSink : public ResponseSink {
 public:
  CacheSink(std::shared_ptr<ResponseSink> client, std::shared_ptr<ModelCache> cache,
            const Digest& key, uint64_t lookup_ns)
      : client_(std::move(client)), cache_(std::move(cache)), key_(key), lookup_ns_(lookup_ns) {}

  Status StartResponse() override { return client_->StartResponse(); }
  Status Allocate(const char* output_name, uint64_t byte_size, OutputBuffer* buffer) override {
    return client_->Allocate(output_name, byte_size, buffer);
  }
  void Free(const OutputBuffer& buffer) override { client_->Free(buffer); }
  Status Query(const char* output_name, uint64_t* byte_size,
               BufferAttributes* attributes) override {
    return client_->Query(output_name, byte_size, attributes);
  }
  void Deliver(std::unique_ptr<InferenceResponse> response, uint32_t flags) override {
    const bool whole = response != nullptr && (flags & kResponseFinal) != 0;
    if (whole && response->status().ok()) cache_->Insert(key_, *response, lookup_ns_);
    client_->Deliver(std::move(response), flags);
  }

 private:
  const std::shared_ptr<ResponseSink> client_;
  const std::shared_ptr<ModelCache> cache_;
  const Digest key_;
  const uint64_t lookup_ns_;
};

}  // namespace trident
