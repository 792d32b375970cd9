#define _XOPEN_SOURCE 700

#include "support.h"

#include <dlfcn.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

// Messages ----------------------------------------------------------------------------------------

static bool Find(TRITONSERVER_Message* message, const char* text, bool wanted) {
  const char* base = NULL;
  size_t size = 0;
  TRITONSERVER_ErrorDelete(TRITONSERVER_MessageSerializeToJson(message, &base, &size));
  char* copy = calloc(1, size + 1);
  memcpy(copy, base, size);
  const bool found = strstr(copy, text) != NULL;
  if (found != wanted) fprintf(stderr, "  %s '%s' in: %s\n", found ? "a" : "no", text, copy);
  free(copy);
  TRITONSERVER_ErrorDelete(TRITONSERVER_MessageDelete(message));
  return found == wanted;
}

bool MessageHas(TRITONSERVER_Message* message, const char* text) {
  return Find(message, text, true);
}

bool MessageLacks(TRITONSERVER_Message* message, const char* text) {
  return Find(message, text, false);
}

// Repository --------------------------------------------------------------------------------------

const char* g_backends;
const char* g_caches;
const char* g_agents;
const char* g_models;

void MakeRepository(void) {
  static char path[] = "/tmp/trident-capi-XXXXXX";
  g_models = mkdtemp(path);
  if (g_models == NULL) {
    perror("mkdtemp");
    exit(2);
  }
}

static int RemoveOne(const char* path, const struct stat* status, int type, struct FTW* where) {
  (void)status;
  (void)type;
  (void)where;
  return remove(path);
}

void RemoveRepository(void) { nftw(g_models, RemoveOne, 16, FTW_DEPTH | FTW_PHYS); }

void WriteFile(const char* path, const char* text) {
  char full[1024];
  snprintf(full, sizeof(full), "%s/%s", g_models, path);
  for (char* slash = full + strlen(g_models) + 1; (slash = strchr(slash, '/')) != NULL; ++slash) {
    *slash = '\0';
    mkdir(full, 0700);
    *slash = '/';
  }
  FILE* file = fopen(full, "w");
  if (file == NULL) {
    perror(full);
    exit(2);
  }
  fputs(text, file);
  fclose(file);
}

void WriteEchoModel(const char* name, const char* version, const char* extra) {
  char path[256], text[2048];
  snprintf(path, sizeof(path), "%s/%s/data.txt", name, version);
  snprintf(text, sizeof(text), "%s version %s", name, version);
  WriteFile(path, text);
  snprintf(path, sizeof(path), "%s/config.pbtxt", name);
  snprintf(text, sizeof(text),
           "backend: \"echo\" max_batch_size: 8\n"
           "input [{ name: \"INPUT0\" data_type: TYPE_INT32 dims: [4] },\n"
           "  { name: \"INPUT1\" data_type: TYPE_STRING dims: [-1] optional: true }]\n"
           "output [{ name: \"OUTPUT0\" data_type: TYPE_INT32 dims: [4] },\n"
           "  { name: \"OUTPUT1\" data_type: TYPE_STRING dims: [-1] }]\n"
           "instance_group [{ count: 1 kind: KIND_CPU }]\n%s\n",
           extra);
  WriteFile(path, text);
}

void FindFunction(const char* directory, const char* kind, const char* plugin, const char* name,
                  void* function) {
  char path[1024];
  snprintf(path, sizeof(path), "%s/%s/lib%s_%s.so", directory, plugin, kind, plugin);
  void* library = dlopen(path, RTLD_NOW | RTLD_NOLOAD);
  if (!CHECK(library != NULL)) exit(2);
  void* address = dlsym(library, name);
  dlclose(library);
  if (!CHECK(address != NULL)) exit(2);
  memcpy(function, &address, sizeof(address));
}

TRITONSERVER_Server* StartServer(const char* startup, bool strict_config, unsigned exit_timeout) {
  TRITONSERVER_ServerOptions* options = NULL;
  TRITONSERVER_Server* server = NULL;
  OK(TRITONSERVER_ServerOptionsNew(&options));
  OK(TRITONSERVER_ServerOptionsSetModelRepositoryPath(options, g_models));
  OK(TRITONSERVER_ServerOptionsSetBackendDirectory(options, g_backends));
  OK(TRITONSERVER_ServerOptionsSetModelControlMode(options, TRITONSERVER_MODEL_CONTROL_EXPLICIT));
  OK(TRITONSERVER_ServerOptionsSetStrictModelConfig(options, strict_config));
  OK(TRITONSERVER_ServerOptionsSetExitTimeout(options, exit_timeout));
  if (startup != NULL) OK(TRITONSERVER_ServerOptionsSetStartupModel(options, startup));
  OK(TRITONSERVER_ServerNew(&server, options));
  OK(TRITONSERVER_ServerOptionsDelete(options));
  return server;
}

// Outcomes ----------------------------------------------------------------------------------------

void InitOutcome(Outcome* outcome) {
  memset(outcome, 0, sizeof(*outcome));
  pthread_mutex_init(&outcome->mutex, NULL);
  pthread_cond_init(&outcome->changed, NULL);
}

bool WaitForCounts(Outcome* outcome, int finals, int released, int null_responses) {
  struct timespec deadline;
  clock_gettime(CLOCK_REALTIME, &deadline);
  deadline.tv_sec += 30;
  pthread_mutex_lock(&outcome->mutex);
  int failed = 0;
  while (failed == 0 && (outcome->finals < finals || outcome->released < released ||
                         outcome->null_responses < null_responses)) {
    failed = pthread_cond_timedwait(&outcome->changed, &outcome->mutex, &deadline);
  }
  pthread_mutex_unlock(&outcome->mutex);
  return CHECK(failed == 0);
}

bool WaitFor(Outcome* outcome) { return WaitForCounts(outcome, 1, 1, 0); }

bool WaitUntilHeld(Outcome* outcome) { return WaitForCounts(outcome, 0, 0, 1); }

void ClearOutcome(Outcome* outcome) {
  for (int i = 0; i < outcome->response_count && i < kMaxResponses; ++i) {
    OK(TRITONSERVER_InferenceResponseDelete(outcome->responses[i]));
  }
  CHECK(outcome->allocations.allocations == outcome->allocations.releases);
  pthread_mutex_destroy(&outcome->mutex);
  pthread_cond_destroy(&outcome->changed);
  InitOutcome(outcome);
}

static void OnRelease(TRITONSERVER_InferenceRequest* request, uint32_t flags, void* userp) {
  (void)request;
  Outcome* outcome = userp;
  pthread_mutex_lock(&outcome->mutex);
  ++outcome->released;
  outcome->release_flags = flags;
  outcome->released_before_final = outcome->finals == 0;
  outcome->thread = pthread_self();
  pthread_cond_broadcast(&outcome->changed);
  pthread_mutex_unlock(&outcome->mutex);
}

void DeleteOnRelease(TRITONSERVER_InferenceRequest* request, uint32_t flags, void* userp) {
  (void)flags;
  TRITONSERVER_Error* error = TRITONSERVER_InferenceRequestDelete(request);
  Outcome* outcome = userp;
  pthread_mutex_lock(&outcome->mutex);
  if (error == NULL) ++outcome->released;
  pthread_cond_broadcast(&outcome->changed);
  pthread_mutex_unlock(&outcome->mutex);
  TRITONSERVER_ErrorDelete(error);
}

static void OnResponse(TRITONSERVER_InferenceResponse* response, uint32_t flags, void* userp) {
  Outcome* outcome = userp;
  pthread_mutex_lock(&outcome->mutex);
  if (response == NULL) {
    ++outcome->null_responses;
  } else if (outcome->response_count < kMaxResponses) {
    outcome->responses[outcome->response_count++] = response;
  }
  if ((flags & TRITONSERVER_RESPONSE_COMPLETE_FINAL) != 0) ++outcome->finals;
  outcome->thread = pthread_self();
  pthread_cond_broadcast(&outcome->changed);
  pthread_mutex_unlock(&outcome->mutex);
}

// Allocator ---------------------------------------------------------------------------------------

static TRITONSERVER_Error* Start(TRITONSERVER_ResponseAllocator* allocator, void* userp) {
  (void)allocator;
  ++((Allocations*)userp)->starts;
  return NULL;
}

static TRITONSERVER_Error* Allocate(TRITONSERVER_ResponseAllocator* allocator, const char* name,
                                    size_t size, TRITONSERVER_MemoryType type, int64_t id,
                                    void* userp, void** buffer, void** buffer_userp,
                                    TRITONSERVER_MemoryType* actual_type, int64_t* actual_id) {
  (void)allocator;
  (void)type;
  (void)id;
  if (strncmp(name, "OUTPUT", 6) != 0) {
    return TRITONSERVER_ErrorNew(TRITONSERVER_ERROR_INVALID_ARG, "no such output");
  }
  *buffer = malloc(size);
  *buffer_userp = userp;
  *actual_type = TRITONSERVER_MEMORY_CPU;
  *actual_id = 0;
  ++((Allocations*)userp)->allocations;
  return NULL;
}

static TRITONSERVER_Error* Release(TRITONSERVER_ResponseAllocator* allocator, void* buffer,
                                   void* buffer_userp, size_t size, TRITONSERVER_MemoryType type,
                                   int64_t id) {
  (void)allocator;
  (void)size;
  (void)id;
  free(buffer);
  if (type == TRITONSERVER_MEMORY_CPU) ++((Allocations*)buffer_userp)->releases;
  return NULL;
}

static TRITONSERVER_Error* Attributes(TRITONSERVER_ResponseAllocator* allocator, const char* name,
                                      TRITONSERVER_BufferAttributes* attributes, void* userp,
                                      void* buffer_userp) {
  (void)allocator;
  (void)name;
  if (userp == buffer_userp) ++((Allocations*)userp)->attributes;
  return TRITONSERVER_BufferAttributesSetMemoryTypeId(attributes, 3);
}

static TRITONSERVER_Error* Query(TRITONSERVER_ResponseAllocator* allocator, void* userp,
                                 const char* name, size_t* size, TRITONSERVER_MemoryType* type,
                                 int64_t* id) {
  (void)allocator;
  (void)name;
  (void)size;
  *type = TRITONSERVER_MEMORY_CPU_PINNED;
  *id = 5;
  ++((Allocations*)userp)->queries;
  return NULL;
}

static TRITONSERVER_ResponseAllocator* g_allocator;

TRITONSERVER_ResponseAllocator* Allocator(void) {
  if (g_allocator == NULL) {
    OK(TRITONSERVER_ResponseAllocatorNew(&g_allocator, Allocate, Release, Start));
    OK(TRITONSERVER_ResponseAllocatorSetBufferAttributesFunction(g_allocator, Attributes));
    OK(TRITONSERVER_ResponseAllocatorSetQueryFunction(g_allocator, Query));
  }
  return g_allocator;
}

void DeleteAllocator(void) {
  OK(TRITONSERVER_ResponseAllocatorDelete(g_allocator));
  g_allocator = NULL;
}

// Requests ----------------------------------------------------------------------------------------

TRITONSERVER_InferenceRequest* NewRequest(TRITONSERVER_Server* server, const char* model,
                                          Outcome* outcome) {
  TRITONSERVER_InferenceRequest* request = NULL;
  OK(TRITONSERVER_InferenceRequestNew(&request, server, model, -1));
  OK(TRITONSERVER_InferenceRequestSetReleaseCallback(request, OnRelease, outcome));
  OK(TRITONSERVER_InferenceRequestSetResponseCallback(request, Allocator(), &outcome->allocations,
                                                      OnResponse, outcome));
  return request;
}

TRITONSERVER_InferenceRequest* NewEchoRequest(TRITONSERVER_Server* server, const char* model,
                                              const int32_t data[4], const char* mode,
                                              Outcome* outcome) {
  const int64_t shape[] = {1, 4};
  TRITONSERVER_InferenceRequest* request = NewRequest(server, model, outcome);
  OK(TRITONSERVER_InferenceRequestAddInput(request, "INPUT0", TRITONSERVER_TYPE_INT32, shape, 2));
  OK(TRITONSERVER_InferenceRequestAppendInputData(request, "INPUT0", data, 4 * sizeof(*data),
                                                  TRITONSERVER_MEMORY_CPU, 0));
  if (mode != NULL) OK(TRITONSERVER_InferenceRequestSetStringParameter(request, "mode", mode));
  return request;
}

TRITONSERVER_InferenceResponse* Answer(Outcome* outcome) {
  if (!CHECK(outcome->response_count == 1) || !CHECK(outcome->finals == 1)) return NULL;
  return OK(TRITONSERVER_InferenceResponseError(outcome->responses[0])) ? outcome->responses[0]
                                                                        : NULL;
}

bool AnsweredWith(Outcome* outcome, TRITONSERVER_Error_Code code, const char* text) {
  return CHECK(outcome->response_count == 1) && CHECK(outcome->finals == 1) &&
         FAILS(TRITONSERVER_InferenceResponseError(outcome->responses[0]), code, text);
}

bool HasEcho(TRITONSERVER_InferenceResponse* response, const int32_t* data, int64_t items) {
  if (response == NULL) return false;
  const char* name = NULL;
  TRITONSERVER_DataType datatype;
  const int64_t* shape = NULL;
  uint64_t rank = 0;
  const void* base = NULL;
  size_t size = 0;
  TRITONSERVER_MemoryType type;
  int64_t id = 0;
  void* userp = NULL;
  return OK(TRITONSERVER_InferenceResponseOutput(response, 0, &name, &datatype, &shape, &rank,
                                                 &base, &size, &type, &id, &userp)) &&
         CHECK(strcmp(name, "OUTPUT0") == 0) && CHECK(datatype == TRITONSERVER_TYPE_INT32) &&
         CHECK(rank == 2) && CHECK(shape[0] == items) && CHECK(shape[1] == 4) &&
         CHECK(size == (size_t)items * 16) && CHECK(memcmp(base, data, size) == 0) &&
         CHECK(type == TRITONSERVER_MEMORY_CPU) && CHECK(id == 3) && CHECK(userp != NULL);
}

const void* ResponseParameter(TRITONSERVER_InferenceResponse* response, const char* name) {
  uint32_t count = 0;
  if (response == NULL) return NULL;
  OK(TRITONSERVER_InferenceResponseParameterCount(response, &count));
  for (uint32_t i = 0; i < count; ++i) {
    const char* found = NULL;
    TRITONSERVER_ParameterType type;
    const void* value = NULL;
    OK(TRITONSERVER_InferenceResponseParameter(response, i, &found, &type, &value));
    if (strcmp(found, name) == 0) return value;
  }
  return NULL;
}

int64_t IntParameter(TRITONSERVER_InferenceResponse* response, const char* name) {
  const int64_t* value = ResponseParameter(response, name);
  return value == NULL ? -1 : *value;
}

bool ServesData(TRITONSERVER_Server* server, const char* model, const char* data) {
  const int32_t numbers[4] = {3, 1, 4, 1};
  Outcome outcome;
  InitOutcome(&outcome);
  TRITONSERVER_InferenceRequest* request = NewEchoRequest(server, model, numbers, NULL, &outcome);
  bool same = OK(TRITONSERVER_ServerInferAsync(server, request, NULL)) && WaitFor(&outcome);
  if (same) {
    const char* found = ResponseParameter(Answer(&outcome), "data");
    same = CHECK(found != NULL) && CHECK(strcmp(found, data) == 0);
    if (!same) fprintf(stderr, "  data: %s\n", found == NULL ? "none" : found);
  }
  ClearOutcome(&outcome);
  OK(TRITONSERVER_InferenceRequestDelete(request));
  return same;
}
