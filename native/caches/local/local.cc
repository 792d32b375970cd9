// The response cache "local" as a plug-in, for any server with Triton's cache API: it keeps
// responses in this process's memory, with what it takes to find them at most as many bytes as its
// configuration says, which is {"size": <bytes>} as for Triton's cache of this name.

#include <chrono>
#include <exception>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "base/lru_store.h"
#include "base/mutex.h"
#include "caches/local/metrics.h"
#include "triton/core/tritoncache.h"

namespace trident {
namespace {

using Attributes =
    std::unique_ptr<TRITONSERVER_BufferAttributes, decltype([](auto* attributes) {
                      TRITONSERVER_ErrorDelete(TRITONSERVER_BufferAttributesDelete(attributes));
                    })>;

// What a call of the server's said went wrong.
struct ServerError {
  TRITONSERVER_Error* error;
};

void Must(TRITONSERVER_Error* error) {
  if (error != nullptr) throw ServerError{error};
}

[[noreturn]] void Fail(TRITONSERVER_Error_Code code, const std::string& message) {
  throw ServerError{TRITONSERVER_ErrorNew(code, message.c_str())};
}

Attributes NewAttributes() {
  TRITONSERVER_BufferAttributes* attributes = nullptr;
  Must(TRITONSERVER_BufferAttributesNew(&attributes));
  return Attributes(attributes);
}

// The object behind TRITONCACHE_Cache. Nothing is copied under its lock. Thread-safe.
class LocalCachePlugin {
 public:
  explicit LocalCachePlugin(uint64_t capacity_bytes) : responses_(capacity_bytes) {}

  void Lookup(const std::string& key, TRITONCACHE_CacheEntry* entry,
              TRITONCACHE_Allocator* allocator) {
    const Buffers buffers = Find(key);
    if (buffers == nullptr) Fail(TRITONSERVER_ERROR_NOT_FOUND, "key [" + key + "] does not exist");
    const Attributes attributes = NewAttributes();
    for (std::string& buffer : *buffers) {
      Must(TRITONSERVER_BufferAttributesSetByteSize(attributes.get(), buffer.size()));
      Must(TRITONCACHE_CacheEntryAddBuffer(entry, buffer.data(), attributes.get()));
    }
    Must(TRITONCACHE_Copy(allocator, entry));
  }

  void Insert(const std::string& key, TRITONCACHE_CacheEntry* entry,
              TRITONCACHE_Allocator* allocator) {
    const auto begin = Clock::now();
    uint64_t byte_size = 0;
    Count(sizeof(Responses::Entry) + key.size(), &byte_size);
    const Buffers buffers = MakeRoom(entry, &byte_size);
    Must(TRITONCACHE_Copy(allocator, entry));
    Responses::Entries added, evicted;
    added.push_back({key, byte_size, buffers});
    MutexLock lock(mutex_);
    if (!responses_.Insert(added, evicted)) {
      Fail(TRITONSERVER_ERROR_ALREADY_EXISTS, "key '" + key + "' already exists");
    }
    counts_.insertion_time += Clock::now() - begin;
    Show();
  }

 private:
  using Clock = std::chrono::steady_clock;
  // One for each buffer of an entry. Shared with those who read it while it is evicted.
  using Buffers = std::shared_ptr<std::vector<std::string>>;
  using Responses = LruStore<std::string, Buffers>;

  Buffers Find(const std::string& key) {
    const auto begin = Clock::now();
    MutexLock lock(mutex_);
    const Buffers* const found = responses_.Find(key);
    ++(found == nullptr ? counts_.misses : counts_.hits);
    counts_.lookup_time += Clock::now() - begin;
    Show();
    return found == nullptr ? nullptr : *found;
  }

  // Adds what a response takes; more than the cache has is an error.
  void Count(uint64_t bytes, uint64_t* byte_size) const {
    *byte_size += bytes;
    if (*byte_size <= responses_.capacity_bytes()) return;
    Fail(TRITONSERVER_ERROR_INTERNAL,
         "Requested byte_size: " + std::to_string(*byte_size) +
             " is greater than total cache size: " + std::to_string(responses_.capacity_bytes()));
  }

  // Memory for all buffers of `entry`; `byte_size` counts it.
  Buffers MakeRoom(TRITONCACHE_CacheEntry* entry, uint64_t* byte_size) const {
    size_t count = 0;
    Must(TRITONCACHE_CacheEntryBufferCount(entry, &count));
    const Attributes attributes = NewAttributes();
    const auto buffers = std::make_shared<std::vector<std::string>>(count);
    for (size_t i = 0; i < count; ++i) {
      void* ignored = nullptr;
      size_t size = 0;
      Must(TRITONCACHE_CacheEntryGetBuffer(entry, i, &ignored, attributes.get()));
      Must(TRITONSERVER_BufferAttributesByteSize(attributes.get(), &size));
      Count(sizeof(std::string) + size, byte_size);
      (*buffers)[i].resize(size);
      Must(TRITONCACHE_CacheEntrySetBuffer(entry, i, (*buffers)[i].data(), nullptr));
    }
    return buffers;
  }

  void Show() REQUIRES(mutex_) {
    counts_.utilization = static_cast<double>(responses_.used_bytes()) /
                          static_cast<double>(responses_.capacity_bytes());
    counts_.entries = responses_.count();
    counts_.evictions = responses_.evictions();
    metrics_.Show(counts_);
  }

  Mutex mutex_;
  Responses responses_;  // but for its capacity, used with the mutex held
  CacheCounts counts_ GUARDED_BY(mutex_);
  CacheMetrics metrics_ GUARDED_BY(mutex_);
};

// A number, or one as command lines write it.
uint64_t ReadSize(const char* config) {
  const nlohmann::json json = nlohmann::json::parse(config, nullptr, false);
  if (!json.is_object() || !json.contains("size")) {
    Fail(TRITONSERVER_ERROR_INVALID_ARG,
         "Failed to initialize LocalCache: config didn't contain a valid 'size' field.");
  }
  nlohmann::json size = json["size"];
  if (size.is_string()) size = nlohmann::json::parse(size.get<std::string>(), nullptr, false);
  if (!size.is_number_unsigned() || size == 0) {
    Fail(TRITONSERVER_ERROR_INVALID_ARG,
         "Failed to initialize LocalCache: 'size' config must be a string or uint type above 0");
  }
  return size.get<uint64_t>();
}

LocalCachePlugin* Core(TRITONCACHE_Cache* cache) {
  return reinterpret_cast<LocalCachePlugin*>(cache);
}

// Runs the body of an entry point: nothing is thrown at the server.
template <typename Body>
TRITONSERVER_Error* Guard(Body&& body) {
  try {
    body();
    return nullptr;
  } catch (const ServerError& failure) {
    return failure.error;
  } catch (const std::exception& error) {
    return TRITONSERVER_ErrorNew(TRITONSERVER_ERROR_INTERNAL, error.what());
  }
}

}  // namespace
}  // namespace trident

using namespace trident;  // NOLINT: C functions live outside every namespace

extern "C" {

TRITONSERVER_Error* TRITONCACHE_CacheInitialize(TRITONCACHE_Cache** cache, const char* config) {
  return Guard([&] {
    *cache = reinterpret_cast<TRITONCACHE_Cache*>(new LocalCachePlugin(ReadSize(config)));
  });
}

TRITONSERVER_Error* TRITONCACHE_CacheFinalize(TRITONCACHE_Cache* cache) {
  delete Core(cache);
  return nullptr;
}

TRITONSERVER_Error* TRITONCACHE_CacheLookup(TRITONCACHE_Cache* cache, const char* key,
                                            TRITONCACHE_CacheEntry* entry,
                                            TRITONCACHE_Allocator* allocator) {
  return Guard([&] { Core(cache)->Lookup(key, entry, allocator); });
}

TRITONSERVER_Error* TRITONCACHE_CacheInsert(TRITONCACHE_Cache* cache, const char* key,
                                            TRITONCACHE_CacheEntry* entry,
                                            TRITONCACHE_Allocator* allocator) {
  return Guard([&] { Core(cache)->Insert(key, entry, allocator); });
}

}  // extern "C"
