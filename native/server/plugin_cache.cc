#include "server/plugin_cache.h"

#include "model/plugin_file.h"
#include "model/plugin_status.h"
#include "scheduler/packed_response.h"
#include "server/cache_entry.h"

namespace trident {
namespace {

TRITONCACHE_CacheEntry* HandleOf(CacheEntry* entry) {
  return reinterpret_cast<TRITONCACHE_CacheEntry*>(entry);
}
TRITONCACHE_Allocator* HandleOf(CacheCopier* copier) {
  return reinterpret_cast<TRITONCACHE_Allocator*>(copier);
}

// Plug-ins take keys that end in a null character.
std::string Hexadecimal(const Digest& key) {
  std::string text;
  for (const uint64_t word : key) {
    for (int shift = 60; shift >= 0; shift -= 4) text += "0123456789abcdef"[(word >> shift) & 15];
  }
  return text;
}

Result<CacheEntry::Buffer> OnlyBuffer(const CacheEntry& entry) {
  if (entry.buffers.size() != 1) {
    return Internal("a response takes 1 buffer, and the cache entry has ", entry.buffers.size());
  }
  if (entry.buffers[0].base == nullptr) return Internal("the buffer of the cache entry is null");
  return entry.buffers[0];
}

// Into the plug-in's memory.
class Insertion : public CacheCopier {
 public:
  Insertion(const CachedResponse& response, uint64_t packed_size)
      : response_(response), packed_size_(packed_size) {}

  Status Copy(const CacheEntry& entry) override {
    TRIDENT_ASSIGN_OR_RETURN(const CacheEntry::Buffer buffer, OnlyBuffer(entry));
    if (buffer.byte_size != packed_size_) {
      return Internal("the response takes ", packed_size_, " bytes, and the cache entry has ",
                      buffer.byte_size);
    }
    Pack(response_, static_cast<char*>(buffer.base));
    return Status::Ok();
  }

 private:
  const CachedResponse& response_;
  const uint64_t packed_size_;
};

// Out of the plug-in's memory.
class Retrieval : public CacheCopier {
 public:
  Status Copy(const CacheEntry& entry) override {
    TRIDENT_ASSIGN_OR_RETURN(const CacheEntry::Buffer buffer, OnlyBuffer(entry));
    TRIDENT_ASSIGN_OR_RETURN(response,
                             Unpack({static_cast<const char*>(buffer.base), buffer.byte_size}));
    return Status::Ok();
  }

  std::shared_ptr<const CachedResponse> response;
};

Result<std::string> FindLibrary(const std::string& directory, const std::string& name) {
  if (directory.empty()) return InvalidArg("cache directory can not be empty");
  const std::string file = "libtritoncache_" + name + ".so";
  TRIDENT_ASSIGN_OR_RETURN(std::string path, FindPluginFile("cache", directory, name, file));
  if (!path.empty()) return path;
  return InvalidArg("unable to find '", file, "' for cache. Searched: ", directory, "/", name);
}

}  // namespace

Status PluginCache::FindEntryPoints(const DynamicLibrary& library) {
  const auto find = [&](const char* symbol, auto* function) -> Status {
    TRIDENT_ASSIGN_OR_RETURN(void* address, library.Find(symbol));
    *function = reinterpret_cast<std::remove_reference_t<decltype(*function)>>(address);
    return Status::Ok();
  };
  TRIDENT_RETURN_IF_ERROR(find("TRITONCACHE_CacheInitialize", &initialize_));
  TRIDENT_RETURN_IF_ERROR(find("TRITONCACHE_CacheFinalize", &finalize_));
  TRIDENT_RETURN_IF_ERROR(find("TRITONCACHE_CacheLookup", &lookup_));
  return find("TRITONCACHE_CacheInsert", &insert_);
}

Result<std::shared_ptr<ResponseCache>> PluginCache::Load(const std::string& directory,
                                                         const std::string& name,
                                                         const std::string& config,
                                                         std::shared_ptr<Logger> logger) {
  TRIDENT_ASSIGN_OR_RETURN(const std::string path, FindLibrary(directory, name));
  TRIDENT_ASSIGN_OR_RETURN(const auto library, DynamicLibrary::Open(path));
  std::shared_ptr<PluginCache> cache(new PluginCache(name, std::move(logger)));
  TRIDENT_RETURN_IF_ERROR(cache->FindEntryPoints(*library));
  TRITONCACHE_Cache* made = nullptr;
  TRIDENT_RETURN_IF_ERROR(CallPlugin(cache->initialize_, &made, config.c_str())
                              .WithPrefix(StrCat("cache '", name, "' failed to initialize: ")));
  if (made == nullptr) return Internal("cache '", name, "' initialized without making a cache");
  cache->cache_ = made;
  return std::shared_ptr<ResponseCache>(std::move(cache));
}

bool PluginCache::IsIn(const std::string& directory, const std::string& name) {
  return FindLibrary(directory, name).ok();
}

PluginCache::~PluginCache() {
  if (cache_ == nullptr) return;
  const Status status = CallPlugin(finalize_, cache_);
  if (!status.ok()) {
    TRIDENT_LOG(*logger_, LogLevel::kError, "cache '", name_,
                "' failed to finalize: ", status.message());
  }
}

std::shared_ptr<const CachedResponse> PluginCache::Lookup(const Digest& key) {
  CacheEntry entry;
  Retrieval retrieval;
  Status status =
      CallPlugin(lookup_, cache_, Hexadecimal(key).c_str(), HandleOf(&entry), HandleOf(&retrieval));
  if (status.code() == StatusCode::kNotFound) return nullptr;
  if (status.ok() && retrieval.response == nullptr) {
    status = Internal("it found a response but did not copy it");
  }
  if (status.ok()) return retrieval.response;
  // Once: whatever it is, the next look-up is likely to meet it too.
  if (!warned_.exchange(true)) {
    TRIDENT_LOG(*logger_, LogLevel::kError, "cache '", name_,
                "' failed to look up a response: ", status.message());
  }
  return nullptr;
}

Status PluginCache::Insert(const Digest& key, std::shared_ptr<const CachedResponse> response) {
  const uint64_t packed_size = PackedSize(*response);
  CacheEntry entry{{{.byte_size = packed_size}}};
  Insertion insertion(*response, packed_size);
  return CallPlugin(insert_, cache_, Hexadecimal(key).c_str(), HandleOf(&entry),
                    HandleOf(&insertion));
}

}  // namespace trident
