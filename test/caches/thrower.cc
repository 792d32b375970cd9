// A response cache that lets C++ exceptions out of its C functions. Its configuration, as a plain
// word, says where: "initialize", "lookup", "insert" or "finalize"; "nameless": in all but the
// first, and not a std::exception.

#include <stdexcept>
#include <string>

#include "triton/core/tritoncache.h"

namespace {

void ThrowIn(const std::string& function, const std::string& config) {
  if (config == "nameless" && function != "initialize") throw 7;
  if (config == function) throw std::runtime_error("thrower: " + function);
}

const std::string& ConfigOf(TRITONCACHE_Cache* cache) {
  return *reinterpret_cast<std::string*>(cache);
}

}  // namespace

extern "C" {

TRITONSERVER_Error* TRITONCACHE_CacheInitialize(TRITONCACHE_Cache** cache, const char* config) {
  ThrowIn("initialize", config);
  *cache = reinterpret_cast<TRITONCACHE_Cache*>(new std::string(config));
  return nullptr;
}

TRITONSERVER_Error* TRITONCACHE_CacheFinalize(TRITONCACHE_Cache* cache) {
  const std::string config = ConfigOf(cache);
  delete reinterpret_cast<std::string*>(cache);
  ThrowIn("finalize", config);
  return nullptr;
}

TRITONSERVER_Error* TRITONCACHE_CacheLookup(TRITONCACHE_Cache* cache, const char*,
                                            TRITONCACHE_CacheEntry*, TRITONCACHE_Allocator*) {
  ThrowIn("lookup", ConfigOf(cache));
  return TRITONSERVER_ErrorNew(TRITONSERVER_ERROR_NOT_FOUND, "thrower: keeps nothing");
}

TRITONSERVER_Error* TRITONCACHE_CacheInsert(TRITONCACHE_Cache* cache, const char*,
                                            TRITONCACHE_CacheEntry*, TRITONCACHE_Allocator*) {
  ThrowIn("insert", ConfigOf(cache));
  return nullptr;
}

}  // extern "C"
