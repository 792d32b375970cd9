// The Triton response cache API, 0.1: what a cache plug-in may call, and what it must offer.
// Binary compatible with Triton Inference Server. The conventions of tritonserver.h apply.

#pragma once

#include <stddef.h>
#include <stdint.h>

#include "triton/core/tritonserver.h"

// DECLSPEC marks what the server implements, ISPEC what the plug-in implements.
#if defined(_WIN32)
#ifdef _COMPILING_TRITONCACHE
#define TRITONCACHE_DECLSPEC __declspec(dllexport)
#define TRITONCACHE_ISPEC __declspec(dllimport)
#else
#define TRITONCACHE_DECLSPEC __declspec(dllimport)
#define TRITONCACHE_ISPEC __declspec(dllexport)
#endif
#elif defined(__GNUC__)
#define TRITONCACHE_DECLSPEC __attribute__((__visibility__("default")))
#define TRITONCACHE_ISPEC __attribute__((__visibility__("default")))
#else
#define TRITONCACHE_DECLSPEC
#define TRITONCACHE_ISPEC
#endif

#ifdef __cplusplus
extern "C" {
#endif

typedef struct TRITONCACHE_Allocator TRITONCACHE_Allocator;
typedef struct TRITONCACHE_Cache TRITONCACHE_Cache;
typedef struct TRITONCACHE_CacheEntry TRITONCACHE_CacheEntry;

// --- Version -----------------------------------------------------------------------------------

#define TRITONCACHE_API_VERSION_MAJOR 0
#define TRITONCACHE_API_VERSION_MINOR 1

// The server's version.
TRITONCACHE_DECLSPEC TRITONSERVER_Error* TRITONCACHE_ApiVersion(uint32_t* major, uint32_t* minor);

// --- Entries: lists of buffers that hold one response ------------------------------------------

TRITONCACHE_DECLSPEC TRITONSERVER_Error* TRITONCACHE_CacheEntryBufferCount(
    TRITONCACHE_CacheEntry* entry, size_t* count);

// Appends a buffer, which the entry does not own. CPU memory only; the attributes are copied.
TRITONCACHE_DECLSPEC TRITONSERVER_Error* TRITONCACHE_CacheEntryAddBuffer(
    TRITONCACHE_CacheEntry* entry, void* base, TRITONSERVER_BufferAttributes* buffer_attributes);

// One buffer. The caller provides the attributes object, which is filled in. An insertion must
// copy the bytes before it returns: the entry may go away right after.
TRITONCACHE_DECLSPEC TRITONSERVER_Error* TRITONCACHE_CacheEntryGetBuffer(
    TRITONCACHE_CacheEntry* entry, size_t index, void** base,
    TRITONSERVER_BufferAttributes* buffer_attributes);

// Replaces a buffer, so that Copy writes into the cache's memory. Null attributes keep the old.
TRITONCACHE_DECLSPEC TRITONSERVER_Error* TRITONCACHE_CacheEntrySetBuffer(
    TRITONCACHE_CacheEntry* entry, size_t index, void* new_base,
    TRITONSERVER_BufferAttributes* buffer_attributes);

// Copies between the entry's buffers and the server's: into the entry during an insertion, out of
// it during a lookup. Call it while the buffers cannot change.
TRITONCACHE_DECLSPEC TRITONSERVER_Error* TRITONCACHE_Copy(TRITONCACHE_Allocator* allocator,
                                                          TRITONCACHE_CacheEntry* entry);

// For programs that drive a cache themselves, such as tests. Older headers do not declare these.
TRITONCACHE_DECLSPEC TRITONSERVER_Error* TRITONCACHE_CacheEntryNew(TRITONCACHE_CacheEntry** entry);

TRITONCACHE_DECLSPEC TRITONSERVER_Error* TRITONCACHE_CacheEntryDelete(
    TRITONCACHE_CacheEntry* entry);

// --- Implemented by the cache: called from many threads at once --------------------------------

// Makes a cache from a JSON object.
TRITONCACHE_ISPEC TRITONSERVER_Error* TRITONCACHE_CacheInitialize(TRITONCACHE_Cache** cache,
                                                                  const char* config);

TRITONCACHE_ISPEC TRITONSERVER_Error* TRITONCACHE_CacheFinalize(TRITONCACHE_Cache* cache);

// Stores a response; ALREADY_EXISTS when the key is taken. The entry tells the sizes. The cache
// sets its own buffers in the entry and calls Copy.
TRITONCACHE_ISPEC TRITONSERVER_Error* TRITONCACHE_CacheInsert(TRITONCACHE_Cache* cache,
                                                              const char* key,
                                                              TRITONCACHE_CacheEntry* entry,
                                                              TRITONCACHE_Allocator* allocator);

// Finds a response; NOT_FOUND when there is none. The cache adds its buffers to the entry and
// calls Copy.
TRITONCACHE_ISPEC TRITONSERVER_Error* TRITONCACHE_CacheLookup(TRITONCACHE_Cache* cache,
                                                              const char* key,
                                                              TRITONCACHE_CacheEntry* entry,
                                                              TRITONCACHE_Allocator* allocator);

#ifdef __cplusplus
}
#endif
