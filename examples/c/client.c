// A client: asks for the digits on 360 images twice, the second time to get the answers out of the
// response cache. It calls what Triton has, nothing else: compiled, it runs with Triton's library
// too.

#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "triton/core/tritonserver.h"

#define MODEL "digit"
#define PIXELS 64
#define IMAGE_BYTE_SIZE (PIXELS * sizeof(float))

// Hands an error to the caller.
#define TRY(call)                            \
  do {                                       \
    TRITONSERVER_Error* try_error = (call);  \
    if (try_error != NULL) return try_error; \
  } while (0)

static TRITONSERVER_Error* Fail(const char* what, const char* name) {
  char message[512];
  snprintf(message, sizeof(message), "%s %s", what, name);
  return TRITONSERVER_ErrorNew(TRITONSERVER_ERROR_INTERNAL, message);
}

// True, the error printed and gone, when there was one.
static bool Failed(TRITONSERVER_Error* error) {
  if (error == NULL) return false;
  fprintf(stderr, "%s: %s\n", TRITONSERVER_ErrorCodeString(error),
          TRITONSERVER_ErrorMessage(error));
  TRITONSERVER_ErrorDelete(error);
  return true;
}

// Images ------------------------------------------------------------------------------------------

typedef struct {
  float* pixels;
  unsigned char* labels;
  size_t count;
} Images;

// The whole file in memory that the caller frees.
static TRITONSERVER_Error* ReadFile(const char* folder, const char* name, void** bytes,
                                    size_t* byte_size) {
  char path[4096];
  snprintf(path, sizeof(path), "%s/data/%s", folder, name);
  FILE* file = fopen(path, "rb");
  if (file == NULL) return Fail("cannot open", path);
  fseek(file, 0, SEEK_END);
  const long end = ftell(file);
  rewind(file);
  *byte_size = end > 0 ? (size_t)end : 0;
  *bytes = malloc(*byte_size + 1);
  const bool complete = *bytes != NULL && fread(*bytes, 1, *byte_size, file) == *byte_size;
  fclose(file);
  return complete ? NULL : Fail("cannot read", path);
}

static TRITONSERVER_Error* ReadImages(const char* folder, Images* images) {
  size_t pixels_byte_size = 0;
  TRY(ReadFile(folder, "labels.u8", (void**)&images->labels, &images->count));
  TRY(ReadFile(folder, "images.f32", (void**)&images->pixels, &pixels_byte_size));
  return pixels_byte_size == images->count * IMAGE_BYTE_SIZE
             ? NULL
             : Fail("images and labels don't match in", folder);
}

// The server --------------------------------------------------------------------------------------

static TRITONSERVER_Error* SetOptions(TRITONSERVER_ServerOptions* options, const char* digits,
                                      const char* build) {
  char path[4096];
  snprintf(path, sizeof(path), "%s/models", digits);
  TRY(TRITONSERVER_ServerOptionsSetModelRepositoryPath(options, path));
  snprintf(path, sizeof(path), "%s/models", build);
  TRY(TRITONSERVER_ServerOptionsSetModelRepositoryPath(options, path));
  TRY(TRITONSERVER_ServerOptionsSetModelControlMode(options, TRITONSERVER_MODEL_CONTROL_EXPLICIT));
  snprintf(path, sizeof(path), "%s/caches", build);
  TRY(TRITONSERVER_ServerOptionsSetCacheDirectory(options, path));
  TRY(TRITONSERVER_ServerOptionsSetCacheConfig(options, "fifo", "{\"byte_size\": 1000000}"));
  return TRITONSERVER_ServerOptionsSetLogInfo(options, false);
}

static TRITONSERVER_Error* StartServer(const char* digits, const char* build,
                                       TRITONSERVER_Server** server) {
  TRITONSERVER_ServerOptions* options = NULL;
  TRY(TRITONSERVER_ServerOptionsNew(&options));
  TRITONSERVER_Error* error = SetOptions(options, digits, build);
  if (error == NULL) error = TRITONSERVER_ServerNew(server, options);
  TRITONSERVER_ErrorDelete(TRITONSERVER_ServerOptionsDelete(options));
  return error;
}

// Takes the message.
static TRITONSERVER_Error* Print(const char* title, TRITONSERVER_Message* message) {
  const char* json = NULL;
  size_t byte_size = 0;
  TRITONSERVER_Error* error = TRITONSERVER_MessageSerializeToJson(message, &json, &byte_size);
  if (error == NULL) printf("%s %.*s\n", title, (int)byte_size, json);
  TRITONSERVER_ErrorDelete(TRITONSERVER_MessageDelete(message));
  return error;
}

// Requests ----------------------------------------------------------------------------------------

typedef struct {
  TRITONSERVER_Server* server;
  TRITONSERVER_ResponseAllocator* allocator;
  Images images;
  pthread_mutex_t mutex;
  pthread_cond_t answered;
  size_t pending;             // guarded by `mutex`
  TRITONSERVER_Error* error;  // the first of an answer; guarded by `mutex`
} Client;

// One request: its callbacks get this, and its output is written here.
typedef struct {
  Client* client;
  int32_t digit;
} Question;

// Asked for the memory of each output.
static TRITONSERVER_Error* Allocate(TRITONSERVER_ResponseAllocator* allocator, const char* name,
                                    size_t byte_size, TRITONSERVER_MemoryType memory_type,
                                    int64_t memory_id, void* userp, void** buffer,
                                    void** buffer_userp, TRITONSERVER_MemoryType* actual_type,
                                    int64_t* actual_id) {
  (void)allocator, (void)memory_type, (void)memory_id;
  Question* question = userp;
  if (byte_size != sizeof(question->digit)) return Fail("unexpected size of output", name);
  *buffer = &question->digit;
  *buffer_userp = NULL;
  *actual_type = TRITONSERVER_MEMORY_CPU;
  *actual_id = 0;
  return NULL;
}

// Called when a response is deleted: the memory stays with its question.
static TRITONSERVER_Error* Release(TRITONSERVER_ResponseAllocator* allocator, void* buffer,
                                   void* buffer_userp, size_t byte_size,
                                   TRITONSERVER_MemoryType memory_type, int64_t memory_id) {
  (void)allocator, (void)buffer, (void)buffer_userp, (void)byte_size;
  (void)memory_type, (void)memory_id;
  return NULL;
}

// On a thread of the server: the response is ours.
static void OnResponse(TRITONSERVER_InferenceResponse* response, uint32_t flags, void* userp) {
  Client* client = ((Question*)userp)->client;
  TRITONSERVER_Error* error = NULL;
  if (response != NULL) {
    error = TRITONSERVER_InferenceResponseError(response);
    TRITONSERVER_ErrorDelete(TRITONSERVER_InferenceResponseDelete(response));
  }
  pthread_mutex_lock(&client->mutex);
  if (client->error == NULL) {
    client->error = error;
  } else {
    TRITONSERVER_ErrorDelete(error);
  }
  if ((flags & TRITONSERVER_RESPONSE_COMPLETE_FINAL) != 0 && --client->pending == 0) {
    pthread_cond_signal(&client->answered);
  }
  pthread_mutex_unlock(&client->mutex);
}

// On a thread of the server: the request is ours again, maybe before its response has come.
static void OnRelease(TRITONSERVER_InferenceRequest* request, uint32_t flags, void* userp) {
  (void)flags, (void)userp;
  Failed(TRITONSERVER_InferenceRequestDelete(request));
}

static TRITONSERVER_Error* Describe(TRITONSERVER_InferenceRequest* request, Client* client,
                                    size_t image, Question* question) {
  static const int64_t kShape[] = {1, 1, 8, 8};
  TRY(TRITONSERVER_InferenceRequestAddInput(request, "image", TRITONSERVER_TYPE_FP32, kShape, 4));
  TRY(TRITONSERVER_InferenceRequestAppendInputData(request, "image",
                                                   client->images.pixels + image * PIXELS,
                                                   IMAGE_BYTE_SIZE, TRITONSERVER_MEMORY_CPU, 0));
  TRY(TRITONSERVER_InferenceRequestSetReleaseCallback(request, OnRelease, NULL));
  return TRITONSERVER_InferenceRequestSetResponseCallback(request, client->allocator, question,
                                                          OnResponse, question);
}

// The request belongs to the server from here on, unless it is refused.
static TRITONSERVER_Error* Ask(Client* client, size_t image, Question* question) {
  TRITONSERVER_InferenceRequest* request = NULL;
  TRY(TRITONSERVER_InferenceRequestNew(&request, client->server, MODEL, -1));
  TRITONSERVER_Error* error = Describe(request, client, image, question);
  if (error == NULL) {
    pthread_mutex_lock(&client->mutex);
    ++client->pending;
    pthread_mutex_unlock(&client->mutex);
    error = TRITONSERVER_ServerInferAsync(client->server, request, NULL);
    if (error == NULL) return NULL;
    pthread_mutex_lock(&client->mutex);
    --client->pending;
    pthread_mutex_unlock(&client->mutex);
  }
  TRITONSERVER_ErrorDelete(TRITONSERVER_InferenceRequestDelete(request));
  return error;
}

// Waits for all answers, whatever was refused: they are written to memory of the caller.
static TRITONSERVER_Error* AskAll(Client* client, Question* questions) {
  TRITONSERVER_Error* error = NULL;
  for (size_t i = 0; i < client->images.count && error == NULL; ++i) {
    questions[i].client = client;
    error = Ask(client, i, &questions[i]);
  }
  pthread_mutex_lock(&client->mutex);
  while (client->pending > 0) pthread_cond_wait(&client->answered, &client->mutex);
  TRITONSERVER_Error* answer_error = client->error;
  client->error = NULL;
  pthread_mutex_unlock(&client->mutex);
  if (error == NULL) return answer_error;
  TRITONSERVER_ErrorDelete(answer_error);
  return error;
}

static TRITONSERVER_Error* Classify(Client* client, const char* title) {
  const size_t count = client->images.count;
  Question* questions = calloc(count, sizeof(*questions));
  if (questions == NULL) return Fail("no memory for", "the answers");
  TRITONSERVER_Error* error = AskAll(client, questions);
  size_t right = 0;
  for (size_t i = 0; i < count; ++i) right += questions[i].digit == client->images.labels[i];
  free(questions);
  if (error == NULL) {
    printf("%s: accuracy %.2f %% (%zu of %zu)\n", title, 100.0 * (double)right / (double)count,
           right, count);
  }
  return error;
}

// -------------------------------------------------------------------------------------------------

static TRITONSERVER_Error* Run(Client* client, const char* digits, const char* build) {
  TRITONSERVER_Message* message = NULL;
  TRY(ReadImages(digits, &client->images));
  TRY(StartServer(digits, build, &client->server));
  TRY(TRITONSERVER_ServerMetadata(client->server, &message));
  TRY(Print("server", message));

  // An ensemble brings the models of its steps.
  TRY(TRITONSERVER_ServerLoadModel(client->server, MODEL));
  TRY(TRITONSERVER_ServerModelMetadata(client->server, MODEL, -1, &message));
  TRY(Print("model", message));

  TRY(TRITONSERVER_ResponseAllocatorNew(&client->allocator, Allocate, Release, NULL));
  TRY(Classify(client, "executed"));
  TRY(Classify(client, "remembered"));
  TRY(TRITONSERVER_ServerModelStatistics(client->server, MODEL, -1, &message));
  return Print("statistics", message);
}

// The server goes first: it waits until every request and response is gone.
static bool Close(Client* client) {
  bool failed = false;
  if (client->server != NULL) failed |= Failed(TRITONSERVER_ServerDelete(client->server));
  if (client->allocator != NULL) {
    failed |= Failed(TRITONSERVER_ResponseAllocatorDelete(client->allocator));
  }
  free(client->images.pixels);
  free(client->images.labels);
  return !failed;
}

int main(int argc, char** argv) {
  if (argc != 3) {
    fprintf(stderr, "usage: %s <examples/digits> <folder with models/ and caches/>\n", argv[0]);
    return 2;
  }
  Client client = {.mutex = PTHREAD_MUTEX_INITIALIZER, .answered = PTHREAD_COND_INITIALIZER};
  const bool failed = Failed(Run(&client, argv[1], argv[2]));
  return Close(&client) && !failed ? 0 : 1;
}
