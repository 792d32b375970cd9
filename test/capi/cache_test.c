// Response caches that are plug-ins, through test/caches: what they keep, and what becomes of a
// server whose cache misbehaves.

#include <stdio.h>
#include <string.h>

#include "support.h"
#include "triton/core/tritoncache.h"

static const int32_t kData[4] = {2, 7, 1, 8};

// Entries without a server ------------------------------------------------------------------------

static void TestEntries(void) {
  const TRITONSERVER_Error_Code invalid = TRITONSERVER_ERROR_INVALID_ARG;
  TRITONCACHE_CacheEntry* entry = NULL;
  TRITONSERVER_BufferAttributes* attributes = NULL;
  TRITONSERVER_MemoryType type = TRITONSERVER_MEMORY_GPU;
  char bytes[8];
  void* base = bytes;
  size_t size = 9;
  OK(TRITONSERVER_BufferAttributesNew(&attributes));
  FAILS(TRITONCACHE_CacheEntryNew(NULL), invalid, "argument 'entry' is null");
  OK(TRITONCACHE_CacheEntryNew(&entry));
  OK(TRITONCACHE_CacheEntryBufferCount(entry, &size));
  CHECK(size == 0);

  FAILS(TRITONCACHE_CacheEntryAddBuffer(entry, bytes, attributes), invalid, "byte size was zero");
  OK(TRITONSERVER_BufferAttributesSetByteSize(attributes, sizeof(bytes)));
  OK(TRITONSERVER_BufferAttributesSetMemoryType(attributes, TRITONSERVER_MEMORY_GPU));
  FAILS(TRITONCACHE_CacheEntryAddBuffer(entry, bytes, attributes), invalid, "CPU memory");
  OK(TRITONSERVER_BufferAttributesSetMemoryType(attributes, TRITONSERVER_MEMORY_CPU_PINNED));
  OK(TRITONCACHE_CacheEntryAddBuffer(entry, bytes, attributes));
  OK(TRITONCACHE_CacheEntryBufferCount(entry, &size));
  CHECK(size == 1);

  OK(TRITONSERVER_BufferAttributesSetByteSize(attributes, 1));  // the entry has its own copy
  base = NULL;
  OK(TRITONCACHE_CacheEntryGetBuffer(entry, 0, &base, attributes));
  OK(TRITONSERVER_BufferAttributesByteSize(attributes, &size));
  OK(TRITONSERVER_BufferAttributesMemoryType(attributes, &type));
  CHECK(base == bytes && size == sizeof(bytes) && type == TRITONSERVER_MEMORY_CPU);
  FAILS(TRITONCACHE_CacheEntryGetBuffer(entry, 1, &base, attributes), invalid,
        "out of bounds index 1: cache entry has 1 buffers");

  OK(TRITONCACHE_CacheEntrySetBuffer(entry, 0, bytes + 1, NULL));
  OK(TRITONCACHE_CacheEntryGetBuffer(entry, 0, &base, attributes));
  OK(TRITONSERVER_BufferAttributesByteSize(attributes, &size));
  CHECK(base == bytes + 1 && size == sizeof(bytes));
  OK(TRITONSERVER_BufferAttributesSetByteSize(attributes, 3));
  OK(TRITONCACHE_CacheEntrySetBuffer(entry, 0, NULL, attributes));
  OK(TRITONSERVER_BufferAttributesSetMemoryType(attributes, TRITONSERVER_MEMORY_GPU));
  FAILS(TRITONCACHE_CacheEntrySetBuffer(entry, 0, bytes, attributes), invalid, "CPU memory");
  OK(TRITONCACHE_CacheEntryGetBuffer(entry, 0, &base, attributes));
  OK(TRITONSERVER_BufferAttributesByteSize(attributes, &size));
  CHECK(base == NULL && size == 3);
  FAILS(TRITONCACHE_CacheEntrySetBuffer(entry, 1, bytes, NULL), invalid, "out of bounds index 1");

  FAILS(TRITONCACHE_Copy(NULL, entry), invalid, "argument 'allocator' is null");
  FAILS(TRITONCACHE_Copy((TRITONCACHE_Allocator*)bytes, NULL), invalid, "argument 'entry' is null");
  FAILS(TRITONCACHE_CacheEntryBufferCount(NULL, &size), invalid, "argument 'entry' is null");
  FAILS(TRITONCACHE_CacheEntryBufferCount(entry, NULL), invalid, "argument 'count' is null");
  FAILS(TRITONCACHE_CacheEntryAddBuffer(NULL, bytes, attributes), invalid, "'entry' is null");
  FAILS(TRITONCACHE_CacheEntryAddBuffer(entry, NULL, attributes), invalid, "'base' is null");
  FAILS(TRITONCACHE_CacheEntryAddBuffer(entry, bytes, NULL), invalid, "'buffer_attributes'");
  FAILS(TRITONCACHE_CacheEntryGetBuffer(NULL, 0, &base, attributes), invalid, "'entry' is null");
  FAILS(TRITONCACHE_CacheEntryGetBuffer(entry, 0, NULL, attributes), invalid, "'base' is null");
  FAILS(TRITONCACHE_CacheEntryGetBuffer(entry, 0, &base, NULL), invalid, "'buffer_attributes'");
  FAILS(TRITONCACHE_CacheEntrySetBuffer(NULL, 0, bytes, NULL), invalid, "'entry' is null");
  FAILS(TRITONCACHE_CacheEntryDelete(NULL), invalid, "'entry' is null");
  OK(TRITONCACHE_CacheEntryDelete(entry));
  OK(TRITONSERVER_BufferAttributesDelete(attributes));
}

// Servers -----------------------------------------------------------------------------------------

// A server with this cache, and the model "cached" that uses it.
static TRITONSERVER_Error* StartCached(TRITONSERVER_Server** server, const char* directory,
                                       const char* cache, const char* config) {
  TRITONSERVER_ServerOptions* options = NULL;
  OK(TRITONSERVER_ServerOptionsNew(&options));
  OK(TRITONSERVER_ServerOptionsSetModelRepositoryPath(options, g_models));
  OK(TRITONSERVER_ServerOptionsSetBackendDirectory(options, g_backends));
  OK(TRITONSERVER_ServerOptionsSetModelControlMode(options, TRITONSERVER_MODEL_CONTROL_EXPLICIT));
  OK(TRITONSERVER_ServerOptionsSetStartupModel(options, "cached"));
  OK(TRITONSERVER_ServerOptionsSetCacheDirectory(options, directory));
  OK(TRITONSERVER_ServerOptionsSetCacheConfig(options, cache, config));
  OK(TRITONSERVER_ServerOptionsSetLogError(options, false));
  TRITONSERVER_Error* error = TRITONSERVER_ServerNew(server, options);
  OK(TRITONSERVER_ServerOptionsDelete(options));
  return error;
}

static TRITONSERVER_Server* Start(const char* cache, const char* config) {
  TRITONSERVER_Server* server = NULL;
  OK(StartCached(&server, g_caches, cache, config));
  return server;
}

// Asks for the echo of `data`, and checks it with all that the echo backend says beside.
static void Ask(TRITONSERVER_Server* server, const int32_t data[4]) {
  Outcome outcome;
  InitOutcome(&outcome);
  TRITONSERVER_InferenceRequest* request = NewEchoRequest(server, "cached", data, NULL, &outcome);
  if (OK(TRITONSERVER_ServerInferAsync(server, request, NULL))) WaitFor(&outcome);
  TRITONSERVER_InferenceResponse* response = Answer(&outcome);
  CHECK(HasEcho(response, data, 1));
  CHECK(IntParameter(response, "requests") == 1);
  const char* text = ResponseParameter(response, "data");
  const bool* echo = ResponseParameter(response, "echo");
  const double* half = ResponseParameter(response, "half");
  CHECK(text != NULL && strcmp(text, "cached version 1") == 0);
  CHECK(echo != NULL && *echo && half != NULL && *half == 0.5);
  ClearOutcome(&outcome);
  OK(TRITONSERVER_InferenceRequestDelete(request));
}

// Checks "<name>":{"count":<count> in the statistics.
static void CheckCount(TRITONSERVER_Server* server, const char* name, int count) {
  TRITONSERVER_Message* message = NULL;
  char text[64];
  snprintf(text, sizeof(text), "\"%s\":{\"count\":%d,", name, count);
  OK(TRITONSERVER_ServerModelStatistics(server, "cached", -1, &message));
  CHECK(MessageHas(message, text));
}

static void TestHits(void) {
  const int32_t other[4] = {1, 1, 2, 3};
  TRITONSERVER_Server* server = Start("keeper", "{\"mode\": \"keep\"}");
  for (int i = 0; i < 3; ++i) Ask(server, kData);
  Ask(server, other);
  CheckCount(server, "success", 4);
  CheckCount(server, "queue", 4);
  CheckCount(server, "compute_infer", 2);
  CheckCount(server, "cache_hit", 2);
  CheckCount(server, "cache_miss", 2);
  OK(TRITONSERVER_ServerUnloadModel(server, "cached"));
  OK(TRITONSERVER_ServerLoadModel(server, "cached"));
  Ask(server, kData);  // a model that was loaded again has no answers yet
  CheckCount(server, "cache_hit", 0);
  OK(TRITONSERVER_ServerDelete(server));
}

static bool Measures(TRITONSERVER_Server* server, const char* line) {
  TRITONSERVER_Metrics* metrics = NULL;
  const char* text = NULL;
  size_t size = 0;
  OK(TRITONSERVER_ServerMetrics(server, &metrics));
  OK(TRITONSERVER_MetricsFormatted(metrics, TRITONSERVER_METRIC_PROMETHEUS, &text, &size));
  const bool found = strstr(text, line) != NULL;
  OK(TRITONSERVER_MetricsDelete(metrics));
  return found;
}

// Our own cache, as the plug-in that it is in a cache directory.
static void TestLocal(void) {
  const int32_t other[4] = {1, 1, 2, 3};
  TRITONSERVER_Server* server = Start("local", "{\"size\": 1000000}");
  Ask(server, kData);  // all of it is measured, the last call, too
  CHECK(Measures(server, "\nnv_cache_insertion_duration "));
  CHECK(!Measures(server, "\nnv_cache_insertion_duration 0\n"));
  for (int i = 0; i < 2; ++i) Ask(server, kData);
  Ask(server, other);
  CheckCount(server, "cache_hit", 2);
  CheckCount(server, "cache_miss", 2);
  CHECK(Measures(server, "\nnv_cache_num_lookups 4\n"));
  CHECK(Measures(server, "\nnv_cache_num_hits 2\n"));
  CHECK(Measures(server, "\nnv_cache_num_misses 2\n"));
  CHECK(Measures(server, "\nnv_cache_num_entries 2\n"));
  CHECK(Measures(server, "\nnv_cache_num_evictions 0\n"));
  CHECK(Measures(server, "\nnv_cache_lookup_duration "));
  OK(TRITONSERVER_ServerDelete(server));
  server = Start("local", "{\"size\": \"1\"}");  // nothing fits
  for (int i = 0; i < 2; ++i) Ask(server, kData);
  CheckCount(server, "cache_miss", 2);
  CHECK(Measures(server, "\nnv_cache_num_entries 0\n"));
  OK(TRITONSERVER_ServerDelete(server));
  for (int size = 200; size < 2000; size += 200) {  // one fits, not the other beside it
    char config[32];
    snprintf(config, sizeof(config), "{\"size\": %d}", size);
    server = Start("local", config);
    Ask(server, kData);
    Ask(server, other);
    Ask(server, kData);
    const bool evicts = Measures(server, "\nnv_cache_num_evictions 2\n") &&
                        Measures(server, "\nnv_cache_num_entries 1\n");
    OK(TRITONSERVER_ServerDelete(server));
    if (evicts) return;
  }
  CHECK(!"a size at which one response makes room for another");
}

// Whatever a cache does wrong, requests are answered.
static void TestMisbehaviour(void) {
  const struct {
    const char *cache, *config;
    int misses;  // of two requests: a second insertion of the same is none
  } cases[] = {
      {"keeper", "{\"mode\": \"lookup\"}", 1},
      {"keeper", "{\"mode\": \"insert\"}", 2},
      {"keeper", "{\"mode\": \"short\"}", 2},
      {"keeper", "{\"mode\": \"twice\"}", 2},
      {"keeper", "{\"mode\": \"bare\"}", 2},
      {"keeper", "{\"mode\": \"forget\"}", 1},
      {"keeper", "{\"mode\": \"damage\"}", 1},
      {"thrower", "lookup", 2},
      {"thrower", "insert", 2},
      {"thrower", "finalize", 2},
      {"thrower", "nameless", 2},
  };
  for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); ++i) {
    TRITONSERVER_Server* server = Start(cases[i].cache, cases[i].config);
    Ask(server, kData);
    Ask(server, kData);
    CheckCount(server, "success", 2);
    CheckCount(server, "cache_hit", 0);
    CheckCount(server, "cache_miss", cases[i].misses);
    OK(TRITONSERVER_ServerDelete(server));
  }
}

static void TestRefusedCaches(void) {
  const TRITONSERVER_Error_Code invalid = TRITONSERVER_ERROR_INVALID_ARG;
  const struct {
    const char *cache, *config;
    TRITONSERVER_Error_Code code;
    const char* message;
  } cases[] = {
      {"keeper", "{\"mode\": \"newer\"}", TRITONSERVER_ERROR_UNSUPPORTED,
       "cache 'keeper' failed to initialize: keeper: the server has an older cache API"},
      {"keeper", "{\"mode\": \"refuse\"}", TRITONSERVER_ERROR_UNAVAILABLE, "keeper: not today"},
      {"keeper", "{\"mode\": \"nothing\"}", TRITONSERVER_ERROR_INTERNAL,
       "cache 'keeper' initialized without making a cache"},
      {"keeper", "", invalid, "keeper: the configuration has no mode"},
      {"local", "", invalid, "config didn't contain a valid 'size' field"},
      {"local", "{\"size\": -1}", invalid, "'size' config must be a string or uint"},
      {"local", "{\"size\": \"1x\"}", invalid, "'size' config must be a string or uint"},
      {"thrower", "initialize", TRITONSERVER_ERROR_INTERNAL,
       "cache 'thrower' failed to initialize: it threw an exception: thrower: initialize"},
      {"incomplete", "{}", TRITONSERVER_ERROR_NOT_FOUND,
       "unable to find required entrypoint 'TRITONCACHE_CacheFinalize' in shared library: "},
      {"nobody", "{}", invalid, "unable to find 'libtritoncache_nobody.so' for cache. Searched: "},
      {"../keeper", "{}", invalid, "cache name '../keeper' is not a plain name"},
      {"..", "{}", invalid, "is not a plain name"},
      {"", "{}", invalid, "is not a plain name"},
  };
  TRITONSERVER_Server* server = NULL;
  for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); ++i) {
    FAILS(StartCached(&server, g_caches, cases[i].cache, cases[i].config), cases[i].code,
          cases[i].message);
  }
  FAILS(StartCached(&server, "", "keeper", "{}"), invalid, "cache directory can not be empty");
  WriteFile("broken/libtritoncache_broken.so", "not a library");
  FAILS(StartCached(&server, g_models, "broken", "{}"), TRITONSERVER_ERROR_NOT_FOUND,
        "unable to load shared library: ");
  CHECK(server == NULL);
}

// A cache counts what it takes to find a response: there is one without a buffer that does not fit.
static void TestLimit(void) {
  TRITONSERVER_Error* (*initialize)(TRITONCACHE_Cache**, const char*) = NULL;
  TRITONSERVER_Error* (*insert)(TRITONCACHE_Cache*, const char*, TRITONCACHE_CacheEntry*,
                                TRITONCACHE_Allocator*) = NULL;
  TRITONSERVER_Error* (*finalize)(TRITONCACHE_Cache*) = NULL;
  FindFunction(g_caches, "tritoncache", "local", "TRITONCACHE_CacheInitialize", &initialize);
  FindFunction(g_caches, "tritoncache", "local", "TRITONCACHE_CacheInsert", &insert);
  FindFunction(g_caches, "tritoncache", "local", "TRITONCACHE_CacheFinalize", &finalize);
  TRITONCACHE_Cache* cache = NULL;
  TRITONCACHE_CacheEntry* entry = NULL;
  CHECK(initialize(&cache, "{\"size\": 8}") == NULL);
  OK(TRITONCACHE_CacheEntryNew(&entry));
  TRITONSERVER_Error* error = insert(cache, "key", entry, NULL);
  CHECK(error != NULL && strstr(TRITONSERVER_ErrorMessage(error), "than total cache size: 8"));
  TRITONSERVER_ErrorDelete(error);
  OK(TRITONCACHE_CacheEntryDelete(entry));
  CHECK(finalize(cache) == NULL);
}

// The number of caches that "keeper" has made and not been told to finalise.
static int KeeperCount(void) {
  int (*count)(void) = NULL;
  FindFunction(g_caches, "tritoncache", "keeper", "keeper_count", &count);
  return count();
}

static void TestLife(void) {
  TRITONSERVER_Server* one = Start("keeper", "{\"mode\": \"keep\"}");
  TRITONSERVER_Server* other = Start("keeper", "{\"mode\": \"keep\"}");
  CHECK(KeeperCount() == 2);
  Ask(one, kData);
  Ask(other, kData);  // each has its own
  CheckCount(other, "cache_hit", 0);
  OK(TRITONSERVER_ServerDelete(one));
  CHECK(KeeperCount() == 1);
  OK(TRITONSERVER_ServerDelete(other));
  CHECK(KeeperCount() == 0);
}

void TestCaches(void) {
  TestEntries();
  WriteEchoModel("cached", "1", "response_cache { enable: true }");
  TestHits();
  TestLocal();
  TestLimit();
  TestMisbehaviour();
  TestRefusedCaches();
  TestLife();
}
