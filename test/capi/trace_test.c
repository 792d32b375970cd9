// Traces: what the server tells of each request, in which order, and when it gives a trace back.

#include <stdio.h>
#include <string.h>

#include "support.h"
#include "trace_record.h"
#include "trident/extension.h"

static const int32_t kData[4] = {1, 6, 1, 8};

// Requests ----------------------------------------------------------------------------------------

// Executes one request and checks its story while the response is there; then the trace comes back.
static void Trace(TRITONSERVER_Server* server, const char* model, const char* mode, int level,
                  const char* story) {
  Outcome outcome;
  InitOutcome(&outcome);
  Record* record = NewRecord();
  TRITONSERVER_InferenceRequest* request = NewEchoRequest(server, model, kData, mode, &outcome);
  if (OK(TRITONSERVER_ServerInferAsync(server, request, NewTrace(record, level)))) {
    WaitFor(&outcome);
    if (*story != '\0') CheckStory(record, 0, story);
    ClearOutcome(&outcome);
    CheckWholeStory(record, 0, story);
  }
  OK(TRITONSERVER_InferenceRequestDelete(request));
  DeleteRecord(record);
}

static void TestOne(TRITONSERVER_Server* server) {
  Outcome outcome;
  InitOutcome(&outcome);
  Record* record = NewRecord();
  record->server = server;
  TRITONSERVER_InferenceRequest* request = NewEchoRequest(server, "single", kData, NULL, &outcome);
  OK(TRITONSERVER_InferenceRequestSetId(request, "number one"));
  OK(TRITONSERVER_ServerInferAsync(server, request, NewTrace(record, kTimes)));
  WaitFor(&outcome);
  CheckStory(record, 0, "SQCIOER");
  const Told* told = &record->traces[0];
  CHECK(told->id > 0 && told->parent == 0 && told->version == 1);
  CHECK(strcmp(told->model, "single") == 0 && strcmp(told->request, "number one") == 0);
  for (int i = 1; i < told->events; ++i) CHECK(told->times[i - 1] <= told->times[i]);
  ClearOutcome(&outcome);
  CheckWholeStory(record, 0, "SQCIOER");

  // The next submission is not traced.
  OK(TRITONSERVER_ServerInferAsync(server, request, NULL));
  WaitFor(&outcome);
  ClearOutcome(&outcome);
  CHECK(record->count == 1);
  OK(TRITONSERVER_InferenceRequestDelete(request));
  DeleteRecord(record);
}

static void TestLevels(TRITONSERVER_Server* server) {
  Trace(server, "single", NULL, TRITONSERVER_TRACE_LEVEL_MIN, "SQCIOER");
  Trace(server, "single", NULL, TRITONSERVER_TRACE_LEVEL_MAX, "SQCIOER");
  Trace(server, "single", NULL, kTensors, "qbo");
  Trace(server, "single", NULL, kTimes | kTensors, "SQqboCIOER");
  Trace(server, "single", NULL, TRITONSERVER_TRACE_LEVEL_DISABLED, "");
}

static void TestEnds(TRITONSERVER_Server* server) {
  const int all = kTimes | kTensors;
  Trace(server, "single", "fail", all, "SQqbR");
  Trace(server, "single", "silent", all, "SQqbCIOER");
  Trace(server, "single", "twice", kTimes, "SQCIOER");
  Trace(server, "streaming", "factory", all, "SQqbCIOERo");
  Trace(server, "remembering", NULL, all, "SQqboCIOER");
  Trace(server, "remembering", NULL, all, "SQqoR");
}

static void TestErrorResponse(TRITONSERVER_Server* server) {
  static const int32_t kSilent[4] = {1, 2, INT32_MIN, 3};
  Outcome outcome;
  InitOutcome(&outcome);
  Record* record = NewRecord();
  TRITONSERVER_InferenceRequest* request =
      NewEchoRequest(server, "single", kSilent, NULL, &outcome);
  OK(TRITONSERVER_ServerInferAsync(server, request, NewTrace(record, kTimes | kTensors)));
  WaitFor(&outcome);
  AnsweredWith(&outcome, TRITONSERVER_ERROR_INVALID_ARG, "INT32_MIN has no echo");
  CheckStory(record, 0, "SQqbCIOER");
  ClearOutcome(&outcome);
  CheckWholeStory(record, 0, "SQqbCIOER");
  OK(TRITONSERVER_InferenceRequestDelete(request));
  DeleteRecord(record);
}

// Both lanes that no trace can be handed to directly.
static void TestLanes(TRITONSERVER_Server* server) {
  Outcome outcomes[2];
  TRITONSERVER_InferenceRequest* requests[2];
  TRITONSERVER_Error* errors[2];
  Record* record = NewRecord();
  for (int i = 0; i < 2; ++i) {
    InitOutcome(&outcomes[i]);
    requests[i] = NewEchoRequest(server, "batched", kData, NULL, &outcomes[i]);
    OK(TRITONSERVER_TridentInferenceRequestSetTrace(requests[i], NewTrace(record, kTimes)));
  }
  TRITONSERVER_TridentServerInferAsyncMany(server, requests, 2, 0, errors);
  for (int i = 0; i < 2; ++i) {
    OK(errors[i]);
    WaitFor(&outcomes[i]);
    CHECK(IntParameter(Answer(&outcomes[i]), "requests") == 2);
    ClearOutcome(&outcomes[i]);
    CheckWholeStory(record, i, "SQCIOER");
  }
  bool ran_inline = false;
  OK(TRITONSERVER_TridentInferenceRequestSetTrace(requests[0], NewTrace(record, kTimes)));
  OK(TRITONSERVER_TridentServerInferInline(server, requests[0], UINT64_MAX, &ran_inline));
  WaitFor(&outcomes[0]);
  ClearOutcome(&outcomes[0]);
  CheckWholeStory(record, 2, "SQCIOER");
  for (int i = 0; i < 2; ++i) OK(TRITONSERVER_InferenceRequestDelete(requests[i]));
  DeleteRecord(record);
}

static void TestTensors(TRITONSERVER_Server* server) {
  Outcome outcome;
  InitOutcome(&outcome);
  Record* record = NewRecord();
  TRITONSERVER_InferenceRequest* request = NewEchoRequest(server, "single", kData, NULL, &outcome);
  OK(TRITONSERVER_ServerInferAsync(server, request, NewTrace(record, kTensors)));
  WaitFor(&outcome);
  HasEcho(Answer(&outcome), kData, 1);
  CHECK(record->tensor_count == 3);
  for (int i = 0; i < 3; ++i) {
    const Tensor* tensor = &record->tensors[i];
    CHECK(tensor->activity ==
          (TRITONSERVER_InferenceTraceActivity)(TRITONSERVER_TRACE_TENSOR_QUEUE_INPUT + i));
    CHECK(strcmp(tensor->name, i < 2 ? "INPUT0" : "OUTPUT0") == 0);
    CHECK(tensor->datatype == TRITONSERVER_TYPE_INT32 && tensor->size == sizeof(kData));
    CHECK(tensor->rank == 2 && tensor->shape[0] == 1 && tensor->shape[1] == 4);
    CHECK(tensor->memory_type == TRITONSERVER_MEMORY_CPU);
    CHECK(tensor->memory_type_id == (i < 2 ? 0 : 3));  // as the allocator says of outputs
    CHECK((tensor->base == kData) == (i < 2));
    CHECK(tensor->first == kData[0]);
  }
  ClearOutcome(&outcome);

  // An input in two blocks is seen as one.
  record->tensor_count = 0;
  OK(TRITONSERVER_InferenceRequestRemoveAllInputData(request, "INPUT0"));
  for (int i = 0; i < 2; ++i) {
    OK(TRITONSERVER_InferenceRequestAppendInputData(request, "INPUT0", kData + 2 * i,
                                                    sizeof(kData) / 2, TRITONSERVER_MEMORY_CPU, 0));
  }
  OK(TRITONSERVER_ServerInferAsync(server, request, NewTrace(record, kTensors)));
  WaitFor(&outcome);
  CHECK(record->tensors[0].size == sizeof(kData) && record->tensors[0].first == kData[0]);
  ClearOutcome(&outcome);
  OK(TRITONSERVER_InferenceRequestDelete(request));
  DeleteRecord(record);
}

static void TestEnsemble(TRITONSERVER_Server* server) {
  Outcome outcome;
  InitOutcome(&outcome);
  Record* record = NewRecord();
  TRITONSERVER_InferenceRequest* request = NewEchoRequest(server, "chain", kData, NULL, &outcome);
  OK(TRITONSERVER_InferenceRequestSetId(request, "whole"));
  OK(TRITONSERVER_ServerInferAsync(server, request, NewTrace(record, kTimes)));
  WaitFor(&outcome);
  CHECK(record->count == 3);
  CheckStory(record, 0, "SQR");
  for (int i = 1; i < 3; ++i) {
    CheckWholeStory(record, i, "SQCIOER");
    CHECK(record->traces[i].parent == record->traces[0].id);
    CHECK(strcmp(record->traces[i].model, i == 1 ? "single" : "batched") == 0);
    CHECK(strcmp(record->traces[i].request, "whole") == 0);
  }
  ClearOutcome(&outcome);
  CheckWholeStory(record, 0, "SQR");
  OK(TRITONSERVER_InferenceRequestDelete(request));
  DeleteRecord(record);
}

// A full queue refuses, a cancelled request ends in the queue.
static void TestQueue(TRITONSERVER_Server* server) {
  const TRITONSERVER_Error_Code unavailable = TRITONSERVER_ERROR_UNAVAILABLE;
  Outcome held, waiting, refused;
  InitOutcome(&held);
  InitOutcome(&waiting);
  InitOutcome(&refused);
  Record* record = NewRecord();
  TRITONSERVER_InferenceRequest* holding = NewEchoRequest(server, "short", kData, "hold", &held);
  TRITONSERVER_InferenceRequest* queued = NewEchoRequest(server, "short", kData, NULL, &waiting);
  TRITONSERVER_InferenceRequest* third = NewEchoRequest(server, "short", kData, NULL, &refused);
  OK(TRITONSERVER_ServerInferAsync(server, holding, NewTrace(record, kTimes)));
  WaitUntilHeld(&held);
  OK(TRITONSERVER_ServerInferAsync(server, queued, NewTrace(record, kTimes)));
  FAILS(TRITONSERVER_ServerInferAsync(server, third, NewTrace(record, kTimes)), unavailable,
        "is full");
  CheckStory(record, 2, "SQR.");

  // One in flight keeps the trace it has.
  FAILS(TRITONSERVER_ServerInferAsync(server, queued, NewTrace(record, kTimes)),
        TRITONSERVER_ERROR_INVALID_ARG, "in flight");
  CheckStory(record, 3, ".");

  // What the request was told to name stays ours.
  TRITONSERVER_InferenceTrace* trace = NewTrace(record, kTimes);
  FAILS(TRITONSERVER_TridentInferenceRequestSetTrace(queued, trace), TRITONSERVER_ERROR_INVALID_ARG,
        "has not been released yet");
  OK(TRITONSERVER_TridentInferenceRequestSetTrace(third, trace));
  FAILS(TRITONSERVER_ServerInferAsync(server, third, NULL), unavailable, "is full");
  CheckStory(record, 4, "SQ");
  OK(TRITONSERVER_TridentInferenceRequestSetTrace(third, NULL));
  OK(TRITONSERVER_InferenceTraceDelete(trace));

  // A step that is refused has a whole story all the same.
  Record* ensemble = NewRecord();
  TRITONSERVER_InferenceRequest* whole = NewEchoRequest(server, "narrow", kData, NULL, &refused);
  OK(TRITONSERVER_ServerInferAsync(server, whole, NewTrace(ensemble, kTimes)));
  WaitFor(&refused);
  AnsweredWith(&refused, unavailable, "is full");
  ClearOutcome(&refused);
  CheckWholeStory(ensemble, 0, "SQR");
  CheckWholeStory(ensemble, 1, "SQR");
  OK(TRITONSERVER_InferenceRequestDelete(whole));
  DeleteRecord(ensemble);

  OK(TRITONSERVER_InferenceRequestCancel(queued));
  WaitFor(&waiting);
  CheckStory(record, 1, "SQR");
  OK(TRITONSERVER_InferenceRequestCancel(holding));
  WaitFor(&held);
  CheckStory(record, 0, "SQCIOER");
  ClearOutcome(&waiting);
  ClearOutcome(&held);
  CheckWholeStory(record, 0, "SQCIOER");
  CheckWholeStory(record, 1, "SQR");
  CHECK(record->count == 5);
  OK(TRITONSERVER_InferenceRequestDelete(holding));
  OK(TRITONSERVER_InferenceRequestDelete(queued));
  OK(TRITONSERVER_InferenceRequestDelete(third));
  DeleteRecord(record);
}

// Of what is no legal request nothing is told, but the trace comes back.
static void TestIllegal(TRITONSERVER_Server* server) {
  Outcome outcome;
  InitOutcome(&outcome);
  Record* record = NewRecord();
  TRITONSERVER_InferenceRequest* request = NewRequest(server, "single", &outcome);
  FAILS(TRITONSERVER_ServerInferAsync(server, request, NewTrace(record, kTimes)),
        TRITONSERVER_ERROR_INVALID_ARG, "missing required input");
  CheckStory(record, 0, ".");
  LACKS("server", TRITONSERVER_ServerInferAsync(NULL, request, NewTrace(record, kTimes)));
  CheckStory(record, 1, ".");
  OK(TRITONSERVER_InferenceRequestDelete(request));
  DeleteRecord(record);
}

static void TestCustomActivity(TRITONSERVER_Server* server) {
  Outcome outcome;
  InitOutcome(&outcome);
  Record* record = NewRecord();
  TRITONSERVER_InferenceTrace* trace = NewTrace(record, kTimes);
  OK(TRITONSERVER_InferenceTraceSetContext(trace, "{\"from\":\"far\"}"));
  TRITONSERVER_InferenceRequest* request =
      NewEchoRequest(server, "single", kData, "custom", &outcome);
  OK(TRITONSERVER_ServerInferAsync(server, request, trace));
  WaitFor(&outcome);
  CheckStory(record, 0, "SQxCIOER");
  char context[64];
  snprintf(context, sizeof(context), "{\"from\":\"far\",\"%llu\":\"serving\"}",
           (unsigned long long)record->traces[0].times[2]);
  CHECK(strcmp(record->traces[0].context, context) == 0);
  const char* after = NULL;
  OK(TRITONSERVER_InferenceTraceContext(trace, &after));  // the response still holds the trace
  CHECK(strcmp(after, "{\"from\":\"far\"}") == 0);
  ClearOutcome(&outcome);
  OK(TRITONSERVER_InferenceRequestDelete(request));
  DeleteRecord(record);
}

// Objects -----------------------------------------------------------------------------------------

static void TestTraceObjects(void) {
  const TRITONSERVER_Error_Code invalid = TRITONSERVER_ERROR_INVALID_ARG;
  Record* record = NewRecord();
  TRITONSERVER_InferenceTrace *trace = NULL, *child = NULL;
  const char* text = NULL;
  uint64_t id = 0, child_id = 0, parent = 7;
  const TRITONSERVER_InferenceTraceLevel times = TRITONSERVER_TRACE_LEVEL_TIMESTAMPS;
  FAILS(TRITONSERVER_InferenceTraceNew(NULL, times, 0, NULL, NULL, NULL), invalid,
        "argument 'trace' is null");
  FAILS(TRITONSERVER_InferenceTraceNew(&trace, times, 0, NULL, NULL, NULL), invalid,
        "argument 'release_fn' is null");
  trace = NewTrace(record, kTimes);
  OK(TRITONSERVER_InferenceTraceId(trace, &id));
  OK(TRITONSERVER_InferenceTraceParentId(trace, &parent));
  CHECK(id > 0 && parent == 0);
  OK(TRITONSERVER_InferenceTraceModelName(trace, &text));
  CHECK(*text == '\0');
  OK(TRITONSERVER_InferenceTraceContext(trace, &text));
  CHECK(*text == '\0');
  OK(TRITONSERVER_InferenceTraceSetContext(trace, "any text"));
  OK(TRITONSERVER_InferenceTraceContext(trace, &text));
  CHECK(strcmp(text, "any text") == 0);
  FAILS(TRITONSERVER_InferenceTraceSetContext(trace, NULL), invalid, "'trace_context' is null");

  OK(TRITONSERVER_InferenceTraceSpawnChildTrace(trace, &child));
  OK(TRITONSERVER_InferenceTraceId(child, &child_id));
  OK(TRITONSERVER_InferenceTraceParentId(child, &parent));
  CHECK(child_id > id && parent == id);
  OK(TRITONSERVER_InferenceTraceReportActivity(child, 42, "by hand"));
  CheckStory(record, 0, "x");
  CHECK(record->traces[0].times[0] == 42);
  CHECK(strcmp(record->traces[0].context, "{\"42\":\"by hand\"}") == 0);
  FAILS(TRITONSERVER_InferenceTraceReportActivity(child, 1, NULL), invalid,
        "'activity_name' is null");
  OK(TRITONSERVER_InferenceTraceDelete(child));
  OK(TRITONSERVER_InferenceTraceDelete(trace));

  // Backends need not ask whether a request is traced.
  OK(TRITONSERVER_InferenceTraceSpawnChildTrace(NULL, &child));
  CHECK(child == NULL);
  OK(TRITONSERVER_InferenceTraceReportActivity(NULL, 1, "nobody hears"));
  OK(TRITONSERVER_InferenceTraceDelete(NULL));
  FAILS(TRITONSERVER_InferenceTraceId(NULL, &id), invalid, "argument 'trace' is null");
  DeleteRecord(record);
}

// Threads -----------------------------------------------------------------------------------------

enum { kThreads = 4, kRequests = 25 };

static void* TraceMany(void* server) {
  for (int i = 0; i < kRequests; ++i) {
    Trace(server, "batched", "custom", kTimes | kTensors, "SQqbxoCIOER");
  }
  return NULL;
}

static void TestThreads(TRITONSERVER_Server* server) {
  pthread_t threads[kThreads];
  for (int i = 0; i < kThreads; ++i) pthread_create(&threads[i], NULL, TraceMany, server);
  for (int i = 0; i < kThreads; ++i) pthread_join(threads[i], NULL);
}

static void WriteEnsemble(const char* name, const char* steps) {
  char path[64], text[1024];
  snprintf(path, sizeof(path), "%s/1/.keep", name);
  WriteFile(path, "");
  snprintf(path, sizeof(path), "%s/config.pbtxt", name);
  snprintf(text, sizeof(text),
           "platform: \"ensemble\" max_batch_size: 8\n"
           "input [{ name: \"INPUT0\" data_type: TYPE_INT32 dims: [4] }]\n"
           "output [{ name: \"OUTPUT0\" data_type: TYPE_INT32 dims: [4] }]\n"
           "ensemble_scheduling { step [%s] }\n",
           steps);
  WriteFile(path, text);
}

// A server whose models answer in every way.
static TRITONSERVER_Server* StartTraced(void) {
  WriteEchoModel("remembering", "1", "response_cache { enable: true }");
  WriteEchoModel("streaming", "1", "model_transaction_policy { decoupled: true }");
  WriteEchoModel("short", "1", "dynamic_batching { default_queue_policy { max_queue_size: 1 } }");
  WriteEnsemble("chain",
                "{ model_name: \"single\" model_version: -1\n"
                "  input_map { key: \"INPUT0\" value: \"INPUT0\" }\n"
                "  output_map { key: \"OUTPUT0\" value: \"between\" } },\n"
                "{ model_name: \"batched\" model_version: -1\n"
                "  input_map { key: \"INPUT0\" value: \"between\" }\n"
                "  output_map { key: \"OUTPUT0\" value: \"OUTPUT0\" } }");
  WriteEnsemble("narrow",
                "{ model_name: \"short\" model_version: -1\n"
                "  input_map { key: \"INPUT0\" value: \"INPUT0\" }\n"
                "  output_map { key: \"OUTPUT0\" value: \"OUTPUT0\" } }");
  TRITONSERVER_ServerOptions* options = NULL;
  TRITONSERVER_Server* server = NULL;
  OK(TRITONSERVER_ServerOptionsNew(&options));
  OK(TRITONSERVER_ServerOptionsSetModelRepositoryPath(options, g_models));
  OK(TRITONSERVER_ServerOptionsSetBackendDirectory(options, g_backends));
  OK(TRITONSERVER_ServerOptionsSetModelControlMode(options, TRITONSERVER_MODEL_CONTROL_EXPLICIT));
  OK(TRITONSERVER_ServerOptionsSetResponseCacheByteSize(options, 1 << 20));
  for (size_t i = 0; i < 4; ++i) {
    static const char* const kModels[] = {"chain", "remembering", "streaming", "narrow"};
    OK(TRITONSERVER_ServerOptionsSetStartupModel(options, kModels[i]));
  }
  OK(TRITONSERVER_ServerNew(&server, options));
  OK(TRITONSERVER_ServerOptionsDelete(options));
  return server;
}

static void IgnoreRelease(TRITONSERVER_InferenceTrace* trace, void* userp) {
  (void)trace, (void)userp;
}

static void TestBadArguments(void) {
  const TRITONSERVER_InferenceTraceLevel level = TRITONSERVER_TRACE_LEVEL_TIMESTAMPS;
  TRITONSERVER_InferenceTrace *trace = NULL, *child = NULL;
  LACKS("trace", TRITONSERVER_InferenceTraceNew(NULL, level, 0, NULL, IgnoreRelease, NULL));
  LACKS("release_fn", TRITONSERVER_InferenceTraceNew(&trace, level, 0, NULL, NULL, NULL));
  LACKS("trace",
        TRITONSERVER_InferenceTraceTensorNew(NULL, level, 0, NULL, NULL, IgnoreRelease, NULL));
  LACKS("release_fn",
        TRITONSERVER_InferenceTraceTensorNew(&trace, level, 0, NULL, NULL, NULL, NULL));
  // Nothing is told of a trace without callbacks.
  OK(TRITONSERVER_InferenceTraceNew(&trace, level, 0, NULL, IgnoreRelease, NULL));
  uint64_t id = 0;
  int64_t version = 0;
  const char* text = NULL;
  LACKS("trace", TRITONSERVER_InferenceTraceId(NULL, &id));
  LACKS("id", TRITONSERVER_InferenceTraceId(trace, NULL));
  LACKS("trace", TRITONSERVER_InferenceTraceParentId(NULL, &id));
  LACKS("parent_id", TRITONSERVER_InferenceTraceParentId(trace, NULL));
  LACKS("trace", TRITONSERVER_InferenceTraceModelName(NULL, &text));
  LACKS("model_name", TRITONSERVER_InferenceTraceModelName(trace, NULL));
  LACKS("trace", TRITONSERVER_InferenceTraceModelVersion(NULL, &version));
  LACKS("model_version", TRITONSERVER_InferenceTraceModelVersion(trace, NULL));
  LACKS("trace", TRITONSERVER_InferenceTraceRequestId(NULL, &text));
  LACKS("request_id", TRITONSERVER_InferenceTraceRequestId(trace, NULL));
  LACKS("trace", TRITONSERVER_InferenceTraceContext(NULL, &text));
  LACKS("trace_context", TRITONSERVER_InferenceTraceContext(trace, NULL));
  LACKS("trace", TRITONSERVER_InferenceTraceSetContext(NULL, "{}"));
  LACKS("trace_context", TRITONSERVER_InferenceTraceSetContext(trace, NULL));
  LACKS("child_trace", TRITONSERVER_InferenceTraceSpawnChildTrace(trace, NULL));
  LACKS("activity_name", TRITONSERVER_InferenceTraceReportActivity(trace, 1, NULL));
  LACKS("request", TRITONSERVER_TridentInferenceRequestSetTrace(NULL, trace));
  OK(TRITONSERVER_InferenceTraceDelete(trace));

  // What is not traced has nothing to tell or to spawn.
  OK(TRITONSERVER_InferenceTraceReportActivity(NULL, 1, "x"));
  OK(TRITONSERVER_InferenceTraceSpawnChildTrace(NULL, &child));
  CHECK(child == NULL);
  CHECK(BAD(TRITONSERVER_InferenceTraceDelete(NULL)) == NULL);
}

void TestTraces(void) {
  TestBadArguments();
  TestTraceObjects();
  TRITONSERVER_Server* server = StartTraced();
  TestOne(server);
  TestLevels(server);
  TestEnds(server);
  TestErrorResponse(server);
  TestLanes(server);
  TestTensors(server);
  TestEnsemble(server);
  TestQueue(server);
  TestIllegal(server);
  TestCustomActivity(server);
  TestThreads(server);
  OK(TRITONSERVER_ServerDelete(server));
}
