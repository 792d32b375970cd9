// Not all of a response cache: a server must refuse it.

#include "triton/core/tritoncache.h"

TRITONSERVER_Error* TRITONCACHE_CacheInitialize(TRITONCACHE_Cache** cache, const char* config) {
  (void)config;
  *cache = NULL;
  return NULL;
}
