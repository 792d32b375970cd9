// A response cache: keeps responses in memory until they take `byte_size` bytes, then the oldest
// goes first. Its configuration is {"byte_size": <number>}. A list is enough for some thousand
// responses; for more, put the keys into a hash table. It calls what Triton has, nothing else:
// compiled, it runs in Triton too.

#define _POSIX_C_SOURCE 200809L

#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "triton/core/tritoncache.h"

// Hands an error to the caller.
#define TRY(call)                            \
  do {                                       \
    TRITONSERVER_Error* try_error = (call);  \
    if (try_error != NULL) return try_error; \
  } while (0)

typedef struct Kept {
  struct Kept* next;  // the next younger
  char* key;
  void* bytes;
  size_t byte_size;
} Kept;

typedef struct {
  size_t limit;
  // The server calls from many threads; the mutex guards the rest.
  pthread_mutex_t mutex;
  Kept* oldest;
  Kept** youngest;  // where the next one is appended
  size_t byte_size;
} Cache;

static TRITONSERVER_Error* Fail(TRITONSERVER_Error_Code code, const char* message) {
  return TRITONSERVER_ErrorNew(code, message);
}

static TRITONSERVER_Error* OutOfMemory(void) {
  return Fail(TRITONSERVER_ERROR_INTERNAL, "fifo: out of memory");
}

// {"byte_size": 1000} or, as Triton's command line says it, {"byte_size": "1000"}.
static bool ReadLimit(const char* config, size_t* limit) {
  char digits[20] = "";
  int end = 0;
  sscanf(config, " { \"byte_size\" : %19[0-9] } %n", digits, &end);
  if (end == 0) sscanf(config, " { \"byte_size\" : \"%19[0-9]\" } %n", digits, &end);
  if (end == 0 || config[end] != '\0') return false;
  *limit = strtoull(digits, NULL, 10);
  return *limit > 0;
}

TRITONSERVER_Error* TRITONCACHE_CacheInitialize(TRITONCACHE_Cache** cache, const char* config) {
  uint32_t major = 0, minor = 0;
  TRY(TRITONCACHE_ApiVersion(&major, &minor));
  if (major != TRITONCACHE_API_VERSION_MAJOR || minor < TRITONCACHE_API_VERSION_MINOR) {
    return Fail(TRITONSERVER_ERROR_UNSUPPORTED, "fifo: the server has an older cache API");
  }
  size_t limit = 0;
  if (!ReadLimit(config, &limit)) {
    return Fail(TRITONSERVER_ERROR_INVALID_ARG, "fifo: configure it as {\"byte_size\": <number>}");
  }
  Cache* self = calloc(1, sizeof(*self));
  if (self == NULL) return OutOfMemory();
  self->limit = limit;
  self->youngest = &self->oldest;
  if (pthread_mutex_init(&self->mutex, NULL) != 0) {
    free(self);
    return Fail(TRITONSERVER_ERROR_INTERNAL, "fifo: cannot make a mutex");
  }
  *cache = (TRITONCACHE_Cache*)self;
  return NULL;
}

static void Free(Kept* kept) {
  free(kept->key);
  free(kept->bytes);
  free(kept);
}

static void DropOldest(Cache* self) {
  Kept* kept = self->oldest;
  self->oldest = kept->next;
  if (self->oldest == NULL) self->youngest = &self->oldest;
  self->byte_size -= kept->byte_size;
  Free(kept);
}

TRITONSERVER_Error* TRITONCACHE_CacheFinalize(TRITONCACHE_Cache* cache) {
  Cache* self = (Cache*)cache;
  while (self->oldest != NULL) DropOldest(self);
  pthread_mutex_destroy(&self->mutex);
  free(self);
  return NULL;
}

static const Kept* Find(const Cache* self, const char* key) {
  const Kept* kept = self->oldest;
  while (kept != NULL && strcmp(kept->key, key) != 0) kept = kept->next;
  return kept;
}

// The response in `entry` into memory of ours.
static TRITONSERVER_Error* CopyIn(Kept* kept, TRITONCACHE_CacheEntry* entry,
                                  TRITONCACHE_Allocator* allocator,
                                  TRITONSERVER_BufferAttributes* attributes) {
  size_t count = 0;
  void* base = NULL;
  TRY(TRITONCACHE_CacheEntryBufferCount(entry, &count));
  if (count != 1) return Fail(TRITONSERVER_ERROR_UNSUPPORTED, "fifo: more than one response");
  TRY(TRITONCACHE_CacheEntryGetBuffer(entry, 0, &base, attributes));
  TRY(TRITONSERVER_BufferAttributesByteSize(attributes, &kept->byte_size));
  kept->bytes = malloc(kept->byte_size);
  if (kept->bytes == NULL) return OutOfMemory();
  TRY(TRITONCACHE_CacheEntrySetBuffer(entry, 0, kept->bytes, NULL));
  return TRITONCACHE_Copy(allocator, entry);
}

static TRITONSERVER_Error* Fill(Kept* kept, const char* key, TRITONCACHE_CacheEntry* entry,
                                TRITONCACHE_Allocator* allocator) {
  kept->key = strdup(key);
  if (kept->key == NULL) return OutOfMemory();
  TRITONSERVER_BufferAttributes* attributes = NULL;
  TRY(TRITONSERVER_BufferAttributesNew(&attributes));
  TRITONSERVER_Error* error = CopyIn(kept, entry, allocator, attributes);
  TRITONSERVER_ErrorDelete(TRITONSERVER_BufferAttributesDelete(attributes));
  return error;
}

// With the mutex. Takes `kept` only when there is no error.
static TRITONSERVER_Error* Keep(Cache* self, Kept* kept) {
  if (Find(self, kept->key) != NULL) {
    return Fail(TRITONSERVER_ERROR_ALREADY_EXISTS, "fifo: the response is known");
  }
  if (kept->byte_size > self->limit) {
    return Fail(TRITONSERVER_ERROR_UNAVAILABLE, "fifo: the response is larger than the cache");
  }
  while (self->byte_size + kept->byte_size > self->limit) DropOldest(self);
  *self->youngest = kept;
  self->youngest = &kept->next;
  self->byte_size += kept->byte_size;
  return NULL;
}

TRITONSERVER_Error* TRITONCACHE_CacheInsert(TRITONCACHE_Cache* cache, const char* key,
                                            TRITONCACHE_CacheEntry* entry,
                                            TRITONCACHE_Allocator* allocator) {
  Cache* self = (Cache*)cache;
  Kept* kept = calloc(1, sizeof(*kept));
  if (kept == NULL) return OutOfMemory();
  TRITONSERVER_Error* error = Fill(kept, key, entry, allocator);
  if (error == NULL) {
    pthread_mutex_lock(&self->mutex);
    error = Keep(self, kept);
    pthread_mutex_unlock(&self->mutex);
  }
  if (error != NULL) Free(kept);
  return error;
}

static TRITONSERVER_Error* CopyOut(const Kept* kept, TRITONCACHE_CacheEntry* entry,
                                   TRITONCACHE_Allocator* allocator) {
  TRITONSERVER_BufferAttributes* attributes = NULL;
  TRY(TRITONSERVER_BufferAttributesNew(&attributes));
  TRITONSERVER_Error* error = TRITONSERVER_BufferAttributesSetByteSize(attributes, kept->byte_size);
  if (error == NULL) error = TRITONCACHE_CacheEntryAddBuffer(entry, kept->bytes, attributes);
  TRITONSERVER_ErrorDelete(TRITONSERVER_BufferAttributesDelete(attributes));
  return error != NULL ? error : TRITONCACHE_Copy(allocator, entry);
}

// The response must not go away while it is copied: hence under the mutex.
TRITONSERVER_Error* TRITONCACHE_CacheLookup(TRITONCACHE_Cache* cache, const char* key,
                                            TRITONCACHE_CacheEntry* entry,
                                            TRITONCACHE_Allocator* allocator) {
  Cache* self = (Cache*)cache;
  pthread_mutex_lock(&self->mutex);
  const Kept* kept = Find(self, key);
  TRITONSERVER_Error* error = kept != NULL ? CopyOut(kept, entry, allocator)
                                           : Fail(TRITONSERVER_ERROR_NOT_FOUND, "fifo: not here");
  pthread_mutex_unlock(&self->mutex);
  return error;
}
