// A response cache in plain C that keeps all responses in memory of its own. Proof that the cache
// header is C, and a way to make a cache behave in any way a test needs. Its configuration is
// {"mode": <word>} with
//
//   keep     behaves
//   newer    is built for an API that the server does not have yet
//   refuse   fails to initialise
//   nothing  initialises without making a cache
//   lookup   fails to look up
//   insert   fails to insert
//   short    has a byte less for a response than it takes
//   twice    has two buffers for one response
//   bare     copies into no memory
//   forget   finds responses but does not copy them
//   damage   gives back a byte less than it was given
//
// keeper_count() is the number of caches that are initialised and not finalised.

#define _POSIX_C_SOURCE 200809L

#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "checks.h"
#include "triton/core/tritoncache.h"

#define TRY(call)                            \
  do {                                       \
    TRITONSERVER_Error* try_error = (call);  \
    if (try_error != NULL) return try_error; \
  } while (0)

typedef struct Kept {
  struct Kept* next;
  char* key;
  void* bytes;
  size_t byte_size;
} Kept;

typedef struct {
  char mode[16];
  pthread_mutex_t mutex;
  Kept* first;  // guarded by `mutex`
} Keeper;

static pthread_mutex_t g_mutex = PTHREAD_MUTEX_INITIALIZER;
static int g_count;  // guarded by `g_mutex`

TRITONCACHE_ISPEC int keeper_count(void) {
  pthread_mutex_lock(&g_mutex);
  const int count = g_count;
  pthread_mutex_unlock(&g_mutex);
  return count;
}

static void Count(int change) {
  pthread_mutex_lock(&g_mutex);
  g_count += change;
  pthread_mutex_unlock(&g_mutex);
}

static bool Is(const Keeper* self, const char* mode) { return strcmp(self->mode, mode) == 0; }

static TRITONSERVER_Error* Fail(TRITONSERVER_Error_Code code, const char* message) {
  return TRITONSERVER_ErrorNew(code, message);
}

static TRITONSERVER_Error* CheckVersion(const Keeper* self) {
  uint32_t major = 0, minor = 0;
  TRY(TRITONCACHE_ApiVersion(&major, &minor));
  const uint32_t wanted = TRITONCACHE_API_VERSION_MINOR + (Is(self, "newer") ? 1 : 0);
  if (major == TRITONCACHE_API_VERSION_MAJOR && minor >= wanted) return NULL;
  return Fail(TRITONSERVER_ERROR_UNSUPPORTED, "keeper: the server has an older cache API");
}

TRITONSERVER_Error* TRITONCACHE_CacheInitialize(TRITONCACHE_Cache** cache, const char* config) {
  Keeper keeper = {.mode = ""};
  if (sscanf(config, " { \"mode\" : \"%15[a-z]\" }", keeper.mode) != 1) {
    return Fail(TRITONSERVER_ERROR_INVALID_ARG, "keeper: the configuration has no mode");
  }
  TRY(CheckVersion(&keeper));
  if (Is(&keeper, "refuse")) return Fail(TRITONSERVER_ERROR_UNAVAILABLE, "keeper: not today");
  *cache = NULL;
  if (Is(&keeper, "nothing")) return NULL;
  Keeper* self = malloc(sizeof(*self));
  *self = keeper;
  pthread_mutex_init(&self->mutex, NULL);
  Count(1);
  *cache = (TRITONCACHE_Cache*)self;
  return NULL;
}

static void Free(Kept* kept) {
  free(kept->key);
  free(kept->bytes);
  free(kept);
}

TRITONSERVER_Error* TRITONCACHE_CacheFinalize(TRITONCACHE_Cache* cache) {
  Keeper* self = (Keeper*)cache;
  while (self->first != NULL) {
    Kept* next = self->first->next;
    Free(self->first);
    self->first = next;
  }
  pthread_mutex_destroy(&self->mutex);
  free(self);
  Count(-1);
  return NULL;
}

static Kept* Find(Keeper* self, const char* key) {
  Kept* kept = self->first;
  while (kept != NULL && strcmp(kept->key, key) != 0) kept = kept->next;
  return kept;
}

// Memory for the response in `entry`, and its bytes into it.
static TRITONSERVER_Error* Fill(const Keeper* self, Kept* kept, TRITONCACHE_CacheEntry* entry,
                                TRITONCACHE_Allocator* allocator,
                                TRITONSERVER_BufferAttributes* attributes) {
  size_t count = 0;
  void* base = NULL;
  TRY(TRITONCACHE_CacheEntryBufferCount(entry, &count));
  if (count != 1) return Fail(TRITONSERVER_ERROR_INTERNAL, "keeper: not one buffer");
  TRY(TRITONCACHE_CacheEntryGetBuffer(entry, 0, &base, attributes));
  TRY(TRITONSERVER_BufferAttributesByteSize(attributes, &kept->byte_size));
  if (Is(self, "bare")) return TRITONCACHE_Copy(allocator, entry);
  kept->bytes = malloc(kept->byte_size);
  if (Is(self, "short")) {
    TRY(TRITONSERVER_BufferAttributesSetByteSize(attributes, kept->byte_size - 1));
    TRY(TRITONCACHE_CacheEntrySetBuffer(entry, 0, kept->bytes, attributes));
  } else {
    TRY(TRITONCACHE_CacheEntrySetBuffer(entry, 0, kept->bytes, NULL));
  }
  if (Is(self, "twice")) TRY(TRITONCACHE_CacheEntryAddBuffer(entry, kept->bytes, attributes));
  TRY(TRITONCACHE_Copy(allocator, entry));
  if (Is(self, "damage")) --kept->byte_size;
  return NULL;
}

static TRITONSERVER_Error* Keep(Keeper* self, const char* key, TRITONCACHE_CacheEntry* entry,
                                TRITONCACHE_Allocator* allocator) {
  if (Find(self, key) != NULL) return Fail(TRITONSERVER_ERROR_ALREADY_EXISTS, "keeper: known");
  TRITONSERVER_BufferAttributes* attributes = NULL;
  TRY(TRITONSERVER_BufferAttributesNew(&attributes));
  Kept* kept = calloc(1, sizeof(*kept));
  TRITONSERVER_Error* error = Fill(self, kept, entry, allocator, attributes);
  TRITONSERVER_ErrorDelete(TRITONSERVER_BufferAttributesDelete(attributes));
  if (error != NULL) {
    Free(kept);
    return error;
  }
  kept->key = strdup(key);
  kept->next = self->first;
  self->first = kept;
  return NULL;
}

TRITONSERVER_Error* TRITONCACHE_CacheInsert(TRITONCACHE_Cache* cache, const char* key,
                                            TRITONCACHE_CacheEntry* entry,
                                            TRITONCACHE_Allocator* allocator) {
  Keeper* self = (Keeper*)cache;
  if (Is(self, "insert")) return Fail(TRITONSERVER_ERROR_UNAVAILABLE, "keeper: no insertion");
  pthread_mutex_lock(&self->mutex);
  TRITONSERVER_Error* error = Keep(self, key, entry, allocator);
  pthread_mutex_unlock(&self->mutex);
  return error;
}

static TRITONSERVER_Error* Give(const Kept* kept, TRITONCACHE_CacheEntry* entry,
                                TRITONCACHE_Allocator* allocator) {
  TRITONSERVER_BufferAttributes* attributes = NULL;
  TRY(TRITONSERVER_BufferAttributesNew(&attributes));
  TRY(TRITONSERVER_BufferAttributesSetByteSize(attributes, kept->byte_size));
  TRITONSERVER_Error* error = TRITONCACHE_CacheEntryAddBuffer(entry, kept->bytes, attributes);
  TRITONSERVER_ErrorDelete(TRITONSERVER_BufferAttributesDelete(attributes));
  return error != NULL ? error : GOOD(TRITONCACHE_Copy(allocator, entry));
}

TRITONSERVER_Error* TRITONCACHE_CacheLookup(TRITONCACHE_Cache* cache, const char* key,
                                            TRITONCACHE_CacheEntry* entry,
                                            TRITONCACHE_Allocator* allocator) {
  Keeper* self = (Keeper*)cache;
  if (Is(self, "lookup")) return Fail(TRITONSERVER_ERROR_UNAVAILABLE, "keeper: no look-up");
  pthread_mutex_lock(&self->mutex);
  const Kept* kept = Find(self, key);
  TRITONSERVER_Error* error = NULL;
  if (kept == NULL) {
    error = Fail(TRITONSERVER_ERROR_NOT_FOUND, "keeper: unknown");
  } else if (!Is(self, "forget")) {
    error = Give(kept, entry, allocator);
  }
  pthread_mutex_unlock(&self->mutex);
  return error;
}
