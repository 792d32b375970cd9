// A backend: the position of the largest score of each row. Its model has one FP32 input, whose
// last dimension holds the scores, and one INT32 output, whose last dimension is 1. It calls what
// Triton has, nothing else: compiled, it runs in Triton too.

#define _POSIX_C_SOURCE 200809L

#include <inttypes.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "triton/core/tritonbackend.h"

#define MAX_RANK 8

// Hands an error to the caller.
#define TRY(call)                            \
  do {                                       \
    TRITONSERVER_Error* try_error = (call);  \
    if (try_error != NULL) return try_error; \
  } while (0)

typedef struct {
  const char* name;
  atomic_uint_least64_t rows;  // answered by all instances
} Model;

// An instance runs one batch at a time, so what it has needs no lock.
typedef struct {
  Model* model;
  float* scores;  // of a request whose input comes in several blocks
  uint64_t scores_byte_size;
} Instance;

static TRITONSERVER_Error* InvalidArg(const Model* model, const char* what) {
  char message[256];
  snprintf(message, sizeof(message), "argmax: model '%s' %s", model->name, what);
  return TRITONSERVER_ErrorNew(TRITONSERVER_ERROR_INVALID_ARG, message);
}

static TRITONSERVER_Error* OutOfMemory(void) {
  return TRITONSERVER_ErrorNew(TRITONSERVER_ERROR_INTERNAL, "argmax: out of memory");
}

// For errors that nobody waits for.
static void LogAndDelete(TRITONSERVER_Error* error) {
  if (error == NULL) return;
  TRITONSERVER_ErrorDelete(TRITONSERVER_LogMessage(TRITONSERVER_LOG_ERROR, __FILE__, __LINE__,
                                                   TRITONSERVER_ErrorMessage(error)));
  TRITONSERVER_ErrorDelete(error);
}

static uint64_t Now(void) {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

// Life cycle --------------------------------------------------------------------------------------

TRITONSERVER_Error* TRITONBACKEND_Initialize(TRITONBACKEND_Backend* backend) {
  (void)backend;
  uint32_t major = 0, minor = 0;
  TRY(TRITONBACKEND_ApiVersion(&major, &minor));
  if (major == TRITONBACKEND_API_VERSION_MAJOR && minor >= TRITONBACKEND_API_VERSION_MINOR) {
    return NULL;
  }
  return TRITONSERVER_ErrorNew(TRITONSERVER_ERROR_UNSUPPORTED,
                               "argmax: the server has an older backend API");
}

// Called when the server is gone. The models of this backend share nothing that would go now.
TRITONSERVER_Error* TRITONBACKEND_Finalize(TRITONBACKEND_Backend* backend) {
  (void)backend;
  return NULL;
}

TRITONSERVER_Error* TRITONBACKEND_ModelInitialize(TRITONBACKEND_Model* model) {
  const char* name = NULL;
  TRY(TRITONBACKEND_ModelName(model, &name));
  Model* self = calloc(1, sizeof(*self));
  if (self == NULL) return OutOfMemory();
  self->name = name;
  TRITONSERVER_Error* error = TRITONBACKEND_ModelSetState(model, self);
  if (error != NULL) free(self);
  return error;
}

TRITONSERVER_Error* TRITONBACKEND_ModelFinalize(TRITONBACKEND_Model* model) {
  void* state = NULL;
  TRY(TRITONBACKEND_ModelState(model, &state));
  Model* self = state;
  char message[256];
  snprintf(message, sizeof(message), "argmax: model '%s' has answered %" PRIu64 " rows", self->name,
           (uint64_t)self->rows);
  free(self);
  return TRITONSERVER_LogMessage(TRITONSERVER_LOG_INFO, __FILE__, __LINE__, message);
}

TRITONSERVER_Error* TRITONBACKEND_ModelInstanceInitialize(TRITONBACKEND_ModelInstance* instance) {
  TRITONBACKEND_Model* model = NULL;
  void* model_state = NULL;
  TRY(TRITONBACKEND_ModelInstanceModel(instance, &model));
  TRY(TRITONBACKEND_ModelState(model, &model_state));
  Instance* self = calloc(1, sizeof(*self));
  if (self == NULL) return OutOfMemory();
  self->model = model_state;
  TRITONSERVER_Error* error = TRITONBACKEND_ModelInstanceSetState(instance, self);
  if (error != NULL) free(self);
  return error;
}

TRITONSERVER_Error* TRITONBACKEND_ModelInstanceFinalize(TRITONBACKEND_ModelInstance* instance) {
  void* state = NULL;
  TRY(TRITONBACKEND_ModelInstanceState(instance, &state));
  Instance* self = state;
  free(self->scores);
  free(self);
  return NULL;
}

// Execution ---------------------------------------------------------------------------------------

static TRITONSERVER_Error* Block(const Model* model, TRITONBACKEND_Input* input, uint32_t index,
                                 const void** block, uint64_t* byte_size) {
  TRITONSERVER_MemoryType memory_type = TRITONSERVER_MEMORY_CPU;
  int64_t memory_id = 0;
  TRY(TRITONBACKEND_InputBuffer(input, index, block, byte_size, &memory_type, &memory_id));
  return memory_type == TRITONSERVER_MEMORY_GPU ? InvalidArg(model, "reads memory of the CPU only")
                                                : NULL;
}

// The contents of `input`: in place, or gathered in memory of the instance.
static TRITONSERVER_Error* Contents(Instance* self, TRITONBACKEND_Input* input, uint32_t blocks,
                                    uint64_t byte_size, const float** contents) {
  const void* block = NULL;
  uint64_t block_byte_size = 0;
  if (blocks == 1) {
    TRY(Block(self->model, input, 0, &block, &block_byte_size));
    *contents = block;
    return NULL;
  }
  if (self->scores_byte_size < byte_size) {
    float* larger = realloc(self->scores, byte_size);
    if (larger == NULL) return OutOfMemory();
    self->scores = larger;
    self->scores_byte_size = byte_size;
  }
  char* to = (char*)self->scores;
  for (uint32_t i = 0; i < blocks; ++i) {
    TRY(Block(self->model, input, i, &block, &block_byte_size));
    memcpy(to, block, block_byte_size);
    to += block_byte_size;
  }
  *contents = self->scores;
  return NULL;
}

static int32_t Largest(const float* scores, uint64_t count) {
  uint64_t largest = 0;
  for (uint64_t i = 1; i < count; ++i) {
    if (scores[i] > scores[largest]) largest = i;
  }
  return (int32_t)largest;
}

// Fills `response`, if its requester wants the output; `rows` is how many it has.
static TRITONSERVER_Error* Fill(Instance* self, TRITONBACKEND_Request* request,
                                TRITONBACKEND_Response* response, uint64_t* rows) {
  TRITONBACKEND_Input* input = NULL;
  TRITONSERVER_DataType datatype = TRITONSERVER_TYPE_INVALID;
  const int64_t* shape = NULL;
  uint32_t rank = 0, blocks = 0;
  uint64_t byte_size = 0;
  TRY(TRITONBACKEND_RequestInputByIndex(request, 0, &input));
  TRY(TRITONBACKEND_InputProperties(input, NULL, &datatype, &shape, &rank, &byte_size, &blocks));
  if (datatype != TRITONSERVER_TYPE_FP32) return InvalidArg(self->model, "takes FP32 scores");
  if (rank == 0 || rank > MAX_RANK || shape[rank - 1] < 1) {
    return InvalidArg(self->model, "needs one score or more, in at most 8 dimensions");
  }
  const uint64_t count = (uint64_t)shape[rank - 1];
  *rows = byte_size / sizeof(float) / count;

  uint32_t wanted = 0;
  TRY(TRITONBACKEND_RequestOutputCount(request, &wanted));
  if (wanted == 0) return NULL;
  const float* scores = NULL;
  TRY(Contents(self, input, blocks, byte_size, &scores));

  const char* name = NULL;
  TRITONBACKEND_Output* output = NULL;
  int64_t output_shape[MAX_RANK];
  memcpy(output_shape, shape, rank * sizeof(*shape));
  output_shape[rank - 1] = 1;
  TRY(TRITONBACKEND_RequestOutputName(request, 0, &name));
  TRY(TRITONBACKEND_ResponseOutput(response, &output, name, TRITONSERVER_TYPE_INT32, output_shape,
                                   rank));
  void* buffer = NULL;
  TRITONSERVER_MemoryType memory_type = TRITONSERVER_MEMORY_CPU;
  int64_t memory_id = 0;
  TRY(TRITONBACKEND_OutputBuffer(output, &buffer, *rows * sizeof(int32_t), &memory_type,
                                 &memory_id));
  if (memory_type == TRITONSERVER_MEMORY_GPU) {
    return InvalidArg(self->model, "writes memory of the CPU only");
  }
  int32_t* positions = buffer;
  for (uint64_t row = 0; row < *rows; ++row) {
    positions[row] = Largest(scores + row * count, count);
  }
  return NULL;
}

// Sends the one response of `request`, its outputs or an error. False: it was no success.
static bool Answer(Instance* self, TRITONBACKEND_Request* request, uint64_t* rows) {
  TRITONBACKEND_Response* response = NULL;
  TRITONSERVER_Error* error = TRITONBACKEND_ResponseNew(&response, request);
  if (error != NULL) {
    LogAndDelete(error);
    return false;
  }
  error = Fill(self, request, response, rows);
  const bool success = error == NULL;
  LogAndDelete(TRITONBACKEND_ResponseSend(response, TRITONSERVER_RESPONSE_COMPLETE_FINAL, error));
  TRITONSERVER_ErrorDelete(error);
  return success;
}

// Every request of the batch gets its answer and goes back, whatever became of the others: an error
// returned from here would leave all of them to the server.
TRITONSERVER_Error* TRITONBACKEND_ModelInstanceExecute(TRITONBACKEND_ModelInstance* instance,
                                                       TRITONBACKEND_Request** requests,
                                                       uint32_t request_count) {
  void* state = NULL;
  TRY(TRITONBACKEND_ModelInstanceState(instance, &state));
  Instance* self = state;
  const uint64_t begin = Now();
  uint64_t batch_size = 0;
  for (uint32_t i = 0; i < request_count; ++i) {
    const uint64_t start = Now();
    uint64_t rows = 0;
    const bool success = Answer(self, requests[i], &rows);
    const uint64_t end = Now();
    if (success) batch_size += rows;
    LogAndDelete(TRITONBACKEND_ModelInstanceReportStatistics(instance, requests[i], success, begin,
                                                             start, end, end));
    LogAndDelete(TRITONBACKEND_RequestRelease(requests[i], TRITONSERVER_REQUEST_RELEASE_ALL));
  }
  const uint64_t end = Now();
  LogAndDelete(TRITONBACKEND_ModelInstanceReportBatchStatistics(instance, batch_size, begin, begin,
                                                                end, end));
  atomic_fetch_add(&self->model->rows, batch_size);
  return NULL;
}
