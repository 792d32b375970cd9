// A backend in plain C: gives every input INPUT<x> back as output OUTPUT<x>. Proof that the backend
// headers are C, and a way to make a backend behave in any way a test needs. The string parameter
// "mode" of a request chooses:
//
//   (none)      answers; an INT32 input that contains INT32_MIN gets an error response instead
//   factory     releases the request first, answers through a response factory, FINAL flag apart;
//               reports the response to the statistics
//   linger      answers, and releases the request a while later
//   silent      releases the request without any answer
//   twice       sends a second final response, and counts whether it was refused
//   reschedule  tries to have the request run again, and counts whether that was refused
//   fail        fails the whole batch
//   state       writes INPUT0 to the state STATE_OUT, and answers
//   custom      reports the custom activity "serving" to the request's trace, which must be there
//   hold        sends a sign of life (a null response), waits until the request is cancelled,
//               answers CANCELLED
//
// Every response carries parameters: "requests" and "refusals" (INT), "instance" and "data"
// (STRING; the text of data.txt in the version directory), "echo" (BOOL), "half" (DOUBLE); and
// "predicted" (INT: memory type * 10 + id) where the requester tells where outputs will be.

#define _POSIX_C_SOURCE 200809L

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "trident/extension.h"
#include "triton/core/tritonbackend.h"

#define TRY(call)                            \
  do {                                       \
    TRITONSERVER_Error* try_error = (call);  \
    if (try_error != NULL) return try_error; \
  } while (0)

typedef struct {
  char data[64];
} Model;

typedef struct {
  TRITONBACKEND_ModelInstance* handle;
  const char* name;
  Model* model;
  int64_t refusals;  // of what no backend may do
} Instance;

static uint64_t Now(void) {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

// True, and the error gone, when there was one.
static bool Refused(TRITONSERVER_Error* error) {
  const bool refused = error != NULL;
  TRITONSERVER_ErrorDelete(error);
  return refused;
}

// For calls that can't fail in a working server: without them a test would wait for ever.
static void Must(TRITONSERVER_Error* error) {
  if (error == NULL) return;
  fprintf(stderr, "echo: %s\n", TRITONSERVER_ErrorMessage(error));
  abort();
}

// Model -------------------------------------------------------------------------------------------

TRITONSERVER_Error* TRITONBACKEND_Initialize(TRITONBACKEND_Backend* backend) {
  uint32_t major = 0, minor = 0;
  TRY(TRITONBACKEND_ApiVersion(&major, &minor));
  if (major != TRITONBACKEND_API_VERSION_MAJOR || minor < TRITONBACKEND_API_VERSION_MINOR) {
    return TRITONSERVER_ErrorNew(TRITONSERVER_ERROR_UNSUPPORTED, "echo: other API version");
  }
  const char* name = NULL;
  TRY(TRITONBACKEND_BackendName(backend, &name));
  return TRITONSERVER_LogMessage(TRITONSERVER_LOG_INFO, __FILE__, __LINE__, "echo is here");
}

static bool ConfigHasInputs(TRITONSERVER_Message* config) {
  const char* text = NULL;
  size_t size = 0;
  Must(TRITONSERVER_MessageSerializeToJson(config, &text, &size));
  static const char kNone[] = "\"input\":[]";
  for (size_t i = 0; i + sizeof(kNone) - 1 <= size; ++i) {
    if (memcmp(text + i, kNone, sizeof(kNone) - 1) == 0) return false;
  }
  return true;
}

static TRITONSERVER_Error* CompleteConfig(TRITONBACKEND_Model* model) {
  static const char kConfig[] =
      "{\"max_batch_size\": 4,"
      " \"input\": [{\"name\": \"INPUT0\", \"data_type\": \"TYPE_INT32\", \"dims\": [4]}],"
      " \"output\": [{\"name\": \"OUTPUT0\", \"data_type\": \"TYPE_INT32\", \"dims\": [4]}]}";
  bool wanted = false;
  TRY(TRITONBACKEND_ModelAutoCompleteConfig(model, &wanted));
  TRITONSERVER_Message* config = NULL;
  TRY(TRITONBACKEND_ModelConfig(model, 1, &config));
  wanted = wanted && !ConfigHasInputs(config);
  TRY(TRITONSERVER_MessageDelete(config));
  if (!wanted) return NULL;
  TRY(TRITONSERVER_MessageNewFromSerializedJson(&config, kConfig, sizeof(kConfig) - 1));
  TRITONSERVER_Error* error = TRITONBACKEND_ModelSetConfig(model, 1, config);
  TRY(TRITONSERVER_MessageDelete(config));
  return error;
}

TRITONSERVER_Error* TRITONBACKEND_ModelInitialize(TRITONBACKEND_Model* model) {
  TRY(CompleteConfig(model));
  Model* state = calloc(1, sizeof(*state));
  TRITONBACKEND_ArtifactType type;
  const char* directory = NULL;
  uint64_t version = 0;
  TRY(TRITONBACKEND_ModelRepository(model, &type, &directory));
  TRY(TRITONBACKEND_ModelVersion(model, &version));
  char path[4096];
  snprintf(path, sizeof(path), "%s/%llu/data.txt", directory, (unsigned long long)version);
  FILE* file = fopen(path, "r");
  if (file != NULL) {
    state->data[fread(state->data, 1, sizeof(state->data) - 1, file)] = '\0';
    fclose(file);
  }
  return TRITONBACKEND_ModelSetState(model, state);
}

TRITONSERVER_Error* TRITONBACKEND_ModelFinalize(TRITONBACKEND_Model* model) {
  void* state = NULL;
  TRY(TRITONBACKEND_ModelState(model, &state));
  free(state);
  return NULL;
}

static TRITONSERVER_Error* ReportMemory(TRITONBACKEND_ModelInstance* instance) {
  TRITONSERVER_BufferAttributes* usage = NULL;
  TRY(TRITONSERVER_BufferAttributesNew(&usage));
  TRY(TRITONSERVER_BufferAttributesSetByteSize(usage, sizeof(Instance)));
  TRY(TRITONBACKEND_ModelInstanceReportMemoryUsage(instance, &usage, 1));
  return TRITONSERVER_BufferAttributesDelete(usage);
}

TRITONSERVER_Error* TRITONBACKEND_ModelInstanceInitialize(TRITONBACKEND_ModelInstance* instance) {
  Instance* state = calloc(1, sizeof(*state));
  state->handle = instance;
  TRITONBACKEND_Model* model = NULL;
  void* model_state = NULL;
  TRY(TRITONBACKEND_ModelInstanceModel(instance, &model));
  TRY(TRITONBACKEND_ModelState(model, &model_state));
  TRY(TRITONBACKEND_ModelInstanceName(instance, &state->name));
  state->model = model_state;
  TRY(TRITONBACKEND_ModelInstanceSetState(instance, state));
  return ReportMemory(instance);
}

TRITONSERVER_Error* TRITONBACKEND_ModelInstanceFinalize(TRITONBACKEND_ModelInstance* instance) {
  void* state = NULL;
  TRY(TRITONBACKEND_ModelInstanceState(instance, &state));
  free(state);
  return NULL;
}

// Execution ---------------------------------------------------------------------------------------

// The bytes of `input`, block after block, to `to`.
static TRITONSERVER_Error* Gather(TRITONBACKEND_Input* input, char* to, Instance* self) {
  uint32_t blocks = 0;
  TRY(TRITONBACKEND_InputProperties(input, NULL, NULL, NULL, NULL, NULL, &blocks));
  for (uint32_t i = 0; i < blocks; ++i) {
    const void* block = NULL;
    uint64_t size = 0;
    TRITONSERVER_MemoryType type = TRITONSERVER_MEMORY_CPU;
    int64_t id = 0;
    TRY(TRITONBACKEND_InputBuffer(input, i, &block, &size, &type, &id));
    const void* same_block = NULL;
    TRITONSERVER_BufferAttributes* attributes = NULL;
    size_t same_size = 0;
    TRY(TRITONBACKEND_InputBufferAttributes(input, i, &same_block, &attributes));
    TRY(TRITONSERVER_BufferAttributesByteSize(attributes, &same_size));
    if (same_block != block || same_size != size) {
      return TRITONSERVER_ErrorNew(TRITONSERVER_ERROR_INTERNAL, "echo: two truths about a block");
    }
    memcpy(to, block, size);
    to += size;
    TRY(TRITONBACKEND_TridentModelInstanceReportCopies(self->handle, 1, size));
  }
  return NULL;
}

static TRITONSERVER_Error* EchoTensor(TRITONBACKEND_Response* response, TRITONBACKEND_Input* input,
                                      const char* output_name, Instance* self) {
  TRITONSERVER_DataType datatype;
  const int64_t* shape = NULL;
  uint32_t rank = 0;
  uint64_t size = 0;
  TRY(TRITONBACKEND_InputProperties(input, NULL, &datatype, &shape, &rank, &size, NULL));
  TRITONBACKEND_Output* output = NULL;
  TRY(TRITONBACKEND_ResponseOutput(response, &output, output_name, datatype, shape, rank));
  void* buffer = NULL;
  TRITONSERVER_MemoryType type = TRITONSERVER_MEMORY_CPU;
  int64_t id = 0;
  TRY(TRITONBACKEND_OutputBuffer(output, &buffer, size, &type, &id));
  TRY(Gather(input, buffer, self));
  if (datatype != TRITONSERVER_TYPE_INT32) return NULL;
  for (uint64_t i = 0; i < size / sizeof(int32_t); ++i) {
    if (((const int32_t*)buffer)[i] == INT32_MIN) {
      return TRITONSERVER_ErrorNew(TRITONSERVER_ERROR_INVALID_ARG, "echo: INT32_MIN has no echo");
    }
  }
  return NULL;
}

static TRITONSERVER_Error* FillResponse(TRITONBACKEND_Response* response,
                                        TRITONBACKEND_Request* request, uint32_t requests,
                                        Instance* self) {
  TRY(TRITONBACKEND_ResponseSetIntParameter(response, "requests", requests));
  TRY(TRITONBACKEND_ResponseSetIntParameter(response, "refusals", self->refusals));
  TRY(TRITONBACKEND_ResponseSetStringParameter(response, "instance", self->name));
  TRY(TRITONBACKEND_ResponseSetStringParameter(response, "data", self->model->data));
  TRY(TRITONBACKEND_ResponseSetBoolParameter(response, "echo", true));
  TRY(TRITONBACKEND_ResponseSetDoubleParameter(response, "half", 0.5));
  uint32_t outputs = 0;
  TRY(TRITONBACKEND_RequestOutputCount(request, &outputs));
  for (uint32_t i = 0; i < outputs; ++i) {
    const char* output_name = NULL;
    TRY(TRITONBACKEND_RequestOutputName(request, i, &output_name));
    char input_name[64];
    snprintf(input_name, sizeof(input_name), "INPUT%s", output_name + strlen("OUTPUT"));
    TRITONBACKEND_Input* input = NULL;
    // An optional input that was left out has no echo.
    if (Refused(TRITONBACKEND_RequestInput(request, input_name, &input))) continue;
    size_t size = 0;
    TRITONSERVER_MemoryType type = TRITONSERVER_MEMORY_GPU;
    int64_t id = 7;
    if (!Refused(
            TRITONBACKEND_RequestOutputBufferProperties(request, output_name, &size, &type, &id))) {
      TRY(TRITONBACKEND_ResponseSetIntParameter(response, "predicted", type * 10 + id));
    }
    TRY(EchoTensor(response, input, output_name, self));
  }
  return NULL;
}

static const char* Mode(TRITONBACKEND_Request* request) {
  uint32_t count = 0;
  Must(TRITONBACKEND_RequestParameterCount(request, &count));
  for (uint32_t i = 0; i < count; ++i) {
    const char* key = NULL;
    TRITONSERVER_ParameterType type;
    const void* value = NULL;
    Must(TRITONBACKEND_RequestParameter(request, i, &key, &type, &value));
    if (strcmp(key, "mode") == 0 && type == TRITONSERVER_PARAMETER_STRING) return value;
  }
  return "";
}

// A final response: `error` (consumed) or the echo.
static bool Answer(TRITONBACKEND_Request* request, uint32_t requests, Instance* self,
                   TRITONSERVER_Error* error) {
  TRITONBACKEND_Response* response = NULL;
  Must(TRITONBACKEND_ResponseNew(&response, request));
  if (error == NULL) error = FillResponse(response, request, requests, self);
  Must(TRITONBACKEND_ResponseSend(response, TRITONSERVER_RESPONSE_COMPLETE_FINAL, error));
  return !Refused(error);
}

// Must come before the response is sent, so that who has it finds it in the statistics.
static void ReportResponse(Instance* self, TRITONBACKEND_ResponseFactory* factory, uint64_t start,
                           uint64_t output_start, TRITONSERVER_Error* error) {
  TRITONBACKEND_ModelInstanceResponseStatistics* report = NULL;
  Must(TRITONBACKEND_ModelInstanceResponseStatisticsNew(&report));
  self->refusals += Refused(TRITONBACKEND_ModelInstanceReportResponseStatistics(report));
  Must(TRITONBACKEND_ModelInstanceResponseStatisticsSetModelInstance(report, self->handle));
  self->refusals += Refused(TRITONBACKEND_ModelInstanceReportResponseStatistics(report));
  Must(TRITONBACKEND_ModelInstanceResponseStatisticsSetResponseFactory(report, factory));
  Must(TRITONBACKEND_ModelInstanceResponseStatisticsSetResponseStart(report, start));
  Must(TRITONBACKEND_ModelInstanceResponseStatisticsSetComputeOutputStart(report, output_start));
  Must(TRITONBACKEND_ModelInstanceResponseStatisticsSetResponseEnd(report, Now()));
  Must(TRITONBACKEND_ModelInstanceResponseStatisticsSetError(report, error));
  Must(TRITONBACKEND_ModelInstanceReportResponseStatistics(report));
  Must(TRITONBACKEND_ModelInstanceResponseStatisticsSetResponseEnd(report, start - 1));
  self->refusals += Refused(TRITONBACKEND_ModelInstanceReportResponseStatistics(report));
  Must(TRITONBACKEND_ModelInstanceResponseStatisticsDelete(report));
}

// The answer goes out after the request is back with its owner, and FINAL after the answer.
static bool AnswerThroughFactory(TRITONBACKEND_Request* request, uint32_t requests,
                                 Instance* self) {
  TRITONBACKEND_ResponseFactory* factory = NULL;
  TRITONBACKEND_Response* response = NULL;
  const uint64_t start = Now();
  Must(TRITONBACKEND_ResponseFactoryNew(&factory, request));
  Must(TRITONBACKEND_ResponseNewFromFactory(&response, factory));
  const uint64_t output_start = Now();
  TRITONSERVER_Error* error = FillResponse(response, request, requests, self);
  Must(TRITONBACKEND_RequestRelease(request, TRITONSERVER_REQUEST_RELEASE_ALL));
  ReportResponse(self, factory, start, output_start, error);
  Must(TRITONBACKEND_ResponseSend(response, 0, error));
  Must(TRITONBACKEND_ResponseFactorySendFlags(factory, TRITONSERVER_RESPONSE_COMPLETE_FINAL));
  Must(TRITONBACKEND_ResponseFactoryDelete(factory));
  return !Refused(error);
}

static void HoldUntilCancelled(TRITONBACKEND_Request* request) {
  TRITONBACKEND_ResponseFactory* factory = NULL;
  Must(TRITONBACKEND_ResponseFactoryNew(&factory, request));
  Must(TRITONBACKEND_ResponseFactorySendFlags(factory, 0));
  Must(TRITONBACKEND_ResponseFactoryDelete(factory));
  for (bool cancelled = false; !cancelled;) {
    const struct timespec pause = {.tv_nsec = 200000};
    nanosleep(&pause, NULL);
    Must(TRITONBACKEND_RequestIsCancelled(request, &cancelled));
  }
}

static void ReportServing(TRITONBACKEND_Request* request) {
  TRITONSERVER_InferenceTrace* trace = NULL;
  Must(TRITONBACKEND_RequestTrace(request, &trace));
  if (trace == NULL) abort();
  Must(TRITONSERVER_InferenceTraceReportActivity(trace, Now(), "serving"));
}

static void WriteState(TRITONBACKEND_Request* request, Instance* self) {
  const int64_t shape[] = {1, 4};
  TRITONBACKEND_Input* input = NULL;
  TRITONBACKEND_State* state = NULL;
  TRITONSERVER_MemoryType type = TRITONSERVER_MEMORY_CPU;
  int64_t id = 0;
  void* buffer = NULL;
  Must(TRITONBACKEND_RequestInput(request, "INPUT0", &input));
  Must(TRITONBACKEND_StateNew(&state, request, "STATE_OUT", TRITONSERVER_TYPE_INT32, shape, 2));
  Must(TRITONBACKEND_StateBuffer(state, &buffer, 4 * sizeof(int32_t), &type, &id));
  Must(Gather(input, buffer, self));
  Must(TRITONBACKEND_StateUpdate(state));
}

// Answers, reports and releases one request of a batch of `requests`.
static void Serve(TRITONBACKEND_ModelInstance* instance, TRITONBACKEND_Request* request,
                  uint32_t requests, uint64_t exec_start) {
  void* state = NULL;
  Must(TRITONBACKEND_ModelInstanceState(instance, &state));
  Instance* self = state;
  const char* mode = Mode(request);
  const uint64_t compute_start = Now();
  bool success = false;
  if (strcmp(mode, "factory") == 0) {
    // Reported first: afterwards the request is no longer ours.
    const uint64_t end = Now();
    Must(TRITONBACKEND_ModelInstanceReportStatistics(instance, request, true, exec_start,
                                                     compute_start, end, end));
    AnswerThroughFactory(request, requests, self);
    return;
  }
  if (strcmp(mode, "custom") == 0) ReportServing(request);
  if (strcmp(mode, "state") == 0) WriteState(request, self);
  if (strcmp(mode, "hold") == 0) {
    HoldUntilCancelled(request);
    success = Answer(request, requests, self,
                     TRITONSERVER_ErrorNew(TRITONSERVER_ERROR_CANCELLED, "echo: cancelled"));
  } else if (strcmp(mode, "silent") != 0) {
    success = Answer(request, requests, self, NULL);
  }
  if (strcmp(mode, "linger") == 0) {
    const struct timespec pause = {0, 20 * 1000 * 1000};
    nanosleep(&pause, NULL);
  }
  if (strcmp(mode, "twice") == 0) {
    TRITONBACKEND_Response* response = NULL;
    Must(TRITONBACKEND_ResponseNew(&response, request));
    self->refusals +=
        Refused(TRITONBACKEND_ResponseSend(response, TRITONSERVER_RESPONSE_COMPLETE_FINAL, NULL));
  }
  if (strcmp(mode, "reschedule") == 0) {
    self->refusals +=
        Refused(TRITONBACKEND_RequestRelease(request, TRITONSERVER_REQUEST_RELEASE_RESCHEDULE));
  }
  const uint64_t end = Now();
  Must(TRITONBACKEND_ModelInstanceReportStatistics(instance, request, success, exec_start,
                                                   compute_start, end, end));
  Must(TRITONBACKEND_RequestRelease(request, TRITONSERVER_REQUEST_RELEASE_ALL));
}

static uint64_t BatchSize(TRITONBACKEND_Request* request) {
  TRITONBACKEND_Input* input = NULL;
  const int64_t* shape = NULL;
  Must(TRITONBACKEND_RequestInputByIndex(request, 0, &input));
  Must(TRITONBACKEND_InputProperties(input, NULL, NULL, &shape, NULL, NULL, NULL));
  return (uint64_t)shape[0];
}

TRITONSERVER_Error* TRITONBACKEND_ModelInstanceExecute(TRITONBACKEND_ModelInstance* instance,
                                                       TRITONBACKEND_Request** requests,
                                                       uint32_t request_count) {
  const uint64_t exec_start = Now();
  uint64_t batch_size = 0;
  for (uint32_t i = 0; i < request_count; ++i) {
    if (strcmp(Mode(requests[i]), "fail") == 0) {
      return TRITONSERVER_ErrorNew(TRITONSERVER_ERROR_UNAVAILABLE, "echo: the batch failed");
    }
    batch_size += BatchSize(requests[i]);
  }
  // Counted before any answer, so that who has an answer finds it in the statistics.
  TRY(TRITONBACKEND_ModelInstanceReportBatchStatistics(instance, batch_size, exec_start, exec_start,
                                                       Now(), Now()));
  for (uint32_t i = 0; i < request_count; ++i) {
    Serve(instance, requests[i], request_count, exec_start);
  }
  return NULL;
}
