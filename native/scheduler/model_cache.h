#pragma once

#include <atomic>
#include <memory>
#include <optional>
#include <string>

#include "base/log.h"
#include "inference/request.h"
#include "scheduler/response_cache.h"

namespace trident {

// The response cache as one loaded model uses it: what a request's answer depends on, answering
// with what is remembered, and remembering. After a reload the same request may have another
// answer, so entries are of one load of the model; servers that share a cache share those of equal
// loads. Thread-safe.
class ModelCache : public std::enable_shared_from_this<ModelCache> {
 public:
  // `model` tells the model's version from all others of all servers that use the cache.
  // `statistics` are the model's, which whoever holds one of its requests or responses keeps alive.
  ModelCache(std::shared_ptr<ResponseCache> cache, const std::string& model,
             ModelStatistics& statistics, std::shared_ptr<Logger> logger);

  // The answer out of something remembered, and when that was looked up.
  struct Hit {
    ResponsePtr response;
    uint64_t start_ns = 0;
    uint64_t end_ns = 0;
  };

  // Nothing for a submitted request that must execute; its response will be remembered then, if it
  // is a success. Requests with inputs that can't be read here or that differ from host policy to
  // host policy go by, as do those whose client gives no host memory for what is remembered: it may
  // want it on the device where the model would have put it.
  std::optional<Hit> Find(InferenceRequest* request);

  // Ends a submitted request with what Find has found. May call the client back before it returns.
  void Answer(RequestPtr request, Hit hit);

 private:
  friend class CacheSink;
  std::optional<Digest> KeyOf(const InferenceRequest& request) const;
  void Insert(const Digest& key, const InferenceResponse& response, uint64_t lookup_ns);
  Status CopyAndInsert(const Digest& key, const InferenceResponse& response);

  const std::shared_ptr<ResponseCache> cache_;
  const std::string model_;
  const uint64_t load_;
  ModelStatistics& statistics_;
  const std::shared_ptr<Logger> logger_;
  std::atomic<bool> warned_{false};
};

}  // namespace trident
