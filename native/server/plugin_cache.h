#pragma once

#include <atomic>
#include <memory>
#include <string>

#include "base/dynamic_library.h"
#include "base/log.h"
#include "scheduler/response_cache.h"
#include "triton/core/tritoncache.h"

namespace trident {

// The response cache that a plug-in library keeps, initialised for one server. What the plug-in
// does wrong costs an execution or an insertion, never an answer. Thread-safe.
class PluginCache : public ResponseCache {
 public:
  // <directory>/<name>/libtritoncache_<name>.so; `config` is for the plug-in to understand.
  // INVALID_ARG when there is no such file, NOT_FOUND when it is no cache, else what its
  // initialisation says.
  static Result<std::shared_ptr<ResponseCache>> Load(const std::string& directory,
                                                     const std::string& name,
                                                     const std::string& config,
                                                     std::shared_ptr<Logger> logger);
  // There is a library to load.
  static bool IsIn(const std::string& directory, const std::string& name);
  ~PluginCache() override;

  std::shared_ptr<const CachedResponse> Lookup(const Digest& key) override;
  bool Fits(uint64_t) const override { return true; }  // only the plug-in knows
  Status Insert(const Digest& key, std::shared_ptr<const CachedResponse> response) override;

 private:
  PluginCache(std::string name, std::shared_ptr<Logger> logger)
      : name_(std::move(name)), logger_(std::move(logger)) {}
  // What there is to know the plug-in tells by custom metrics.
  std::optional<CacheCounters> ReadCounts() const override { return std::nullopt; }
  Status FindEntryPoints(const DynamicLibrary& library);

  const std::string name_;
  const std::shared_ptr<Logger> logger_;
  decltype(&TRITONCACHE_CacheInitialize) initialize_ = nullptr;
  decltype(&TRITONCACHE_CacheFinalize) finalize_ = nullptr;
  decltype(&TRITONCACHE_CacheLookup) lookup_ = nullptr;
  decltype(&TRITONCACHE_CacheInsert) insert_ = nullptr;
  TRITONCACHE_Cache* cache_ = nullptr;  // null until initialised
  std::atomic<bool> warned_{false};
};

}  // namespace trident
