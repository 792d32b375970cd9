// Inference: every way in, and every way out.

#include <string.h>

#include "support.h"
#include "trident/extension.h"

static const TRITONSERVER_Error_Code kInvalid = TRITONSERVER_ERROR_INVALID_ARG;
static const int32_t kData[4] = {3, 1, 4, 1};

static void Infer(TRITONSERVER_Server* server, TRITONSERVER_InferenceRequest* request,
                  Outcome* outcome) {
  if (OK(TRITONSERVER_ServerInferAsync(server, request, NULL))) WaitFor(outcome);
}

// The same request, twice: what it is made of stays until it is removed.
static void TestAnswerAndReuse(TRITONSERVER_Server* server) {
  Outcome outcome;
  InitOutcome(&outcome);
  TRITONSERVER_InferenceRequest* request = NewEchoRequest(server, "batched", kData, NULL, &outcome);
  OK(TRITONSERVER_InferenceRequestSetId(request, "first"));
  OK(TRITONSERVER_InferenceRequestAddRequestedOutput(request, "OUTPUT0"));
  for (int round = 0; round < 2; ++round) {
    Infer(server, request, &outcome);
    TRITONSERVER_InferenceResponse* response = Answer(&outcome);
    CHECK(HasEcho(response, kData, 1));
    CHECK(outcome.released == 1 && outcome.release_flags == TRITONSERVER_REQUEST_RELEASE_ALL);
    const char* id = NULL;
    const char* model = NULL;
    int64_t version = 0;
    uint32_t outputs = 0;
    OK(TRITONSERVER_InferenceResponseId(response, &id));
    OK(TRITONSERVER_InferenceResponseModel(response, &model, &version));
    OK(TRITONSERVER_InferenceResponseOutputCount(response, &outputs));
    CHECK(strcmp(id, round == 0 ? "first" : "second") == 0);
    CHECK(strcmp(model, "batched") == 0 && version == 1 && outputs == 1);
    CHECK(IntParameter(response, "requests") == 1);
    CHECK(IntParameter(response, "predicted") == 15);
    CHECK(strcmp(ResponseParameter(response, "data"), "batched version 1") == 0);
    CHECK(*(const bool*)ResponseParameter(response, "echo"));
    CHECK(*(const double*)ResponseParameter(response, "half") == 0.5);
    const Allocations seen = outcome.allocations;
    CHECK(seen.starts == 1 && seen.allocations == 1 && seen.attributes == 1 && seen.queries == 1);
    ClearOutcome(&outcome);
    OK(TRITONSERVER_InferenceRequestSetId(request, "second"));
  }
  OK(TRITONSERVER_InferenceRequestDelete(request));
}

// A batch of two items in three blocks, and BYTES beside it.
static void TestBlocksAndBytes(TRITONSERVER_Server* server) {
  Outcome outcome;
  InitOutcome(&outcome);
  const int32_t data[8] = {1, 2, 3, 4, 5, 6, 7, 8};
  const char text[] = "\3\0\0\0one\0\0\0\0";  // "one" and ""
  const int64_t shape[] = {2, 4}, text_shape[] = {2, 1};
  TRITONSERVER_InferenceRequest* request = NewRequest(server, "batched", &outcome);
  TRITONSERVER_BufferAttributes* attributes = NULL;
  OK(TRITONSERVER_InferenceRequestAddInput(request, "INPUT0", TRITONSERVER_TYPE_INT32, shape, 2));
  OK(TRITONSERVER_InferenceRequestAddInput(request, "INPUT1", TRITONSERVER_TYPE_BYTES, text_shape,
                                           2));
  OK(TRITONSERVER_InferenceRequestAppendInputData(request, "INPUT0", data, 4,
                                                  TRITONSERVER_MEMORY_CPU, 0));
  OK(TRITONSERVER_InferenceRequestAppendInputData(request, "INPUT0", data + 1, 24,
                                                  TRITONSERVER_MEMORY_CPU_PINNED, 0));
  OK(TRITONSERVER_BufferAttributesNew(&attributes));
  OK(TRITONSERVER_BufferAttributesSetByteSize(attributes, 4));
  OK(TRITONSERVER_InferenceRequestAppendInputDataWithBufferAttributes(request, "INPUT0", data + 7,
                                                                      attributes));
  OK(TRITONSERVER_BufferAttributesDelete(attributes));
  OK(TRITONSERVER_InferenceRequestAppendInputData(request, "INPUT1", text, 11,
                                                  TRITONSERVER_MEMORY_CPU, 0));
  Infer(server, request, &outcome);
  TRITONSERVER_InferenceResponse* response = Answer(&outcome);
  CHECK(HasEcho(response, data, 2));
  const char *name = NULL, *label = "x";
  TRITONSERVER_DataType datatype;
  const int64_t* out_shape = NULL;
  uint64_t rank = 0;
  const void* base = NULL;
  size_t size = 0;
  TRITONSERVER_MemoryType type;
  int64_t id = 0;
  void* userp = NULL;
  OK(TRITONSERVER_InferenceResponseOutput(response, 1, &name, &datatype, &out_shape, &rank, &base,
                                          &size, &type, &id, &userp));
  CHECK(datatype == TRITONSERVER_TYPE_BYTES && size == 11 && memcmp(base, text, 11) == 0);
  FAILS(TRITONSERVER_InferenceResponseOutput(response, 2, &name, &datatype, &out_shape, &rank,
                                             &base, &size, &type, &id, &userp),
        kInvalid, "out of bounds index 2: response has 2 outputs");
  TRITONSERVER_ParameterType parameter_type;
  FAILS(TRITONSERVER_InferenceResponseParameter(response, 99, &name, &parameter_type, &base),
        kInvalid, "out of bounds index 99: response has");
  OK(TRITONSERVER_InferenceResponseOutputClassificationLabel(response, 0, 0, &label));
  CHECK(label == NULL);
  FAILS(TRITONSERVER_InferenceResponseOutputClassificationLabel(response, 2, 0, &label), kInvalid,
        "out of bounds");
  CHECK(outcome.allocations.starts == 1 && outcome.allocations.allocations == 2);
  ClearOutcome(&outcome);
  OK(TRITONSERVER_InferenceRequestDelete(request));
}

// Requests submitted together run together.
static void TestManyTogether(TRITONSERVER_Server* server) {
  enum { kCount = 8 };
  Outcome outcomes[kCount];
  int32_t data[kCount][4];
  TRITONSERVER_InferenceRequest* requests[kCount];
  TRITONSERVER_Error* errors[kCount];
  for (int i = 0; i < kCount; ++i) {
    for (int j = 0; j < 4; ++j) data[i][j] = 100 * i + j;
    InitOutcome(&outcomes[i]);
    requests[i] = NewEchoRequest(server, "batched", data[i], NULL, &outcomes[i]);
  }
  const int wrong = kCount - 1;
  data[3][2] = INT32_MIN;  // the backend refuses it
  OK(TRITONSERVER_InferenceRequestRemoveAllInputData(requests[wrong], "INPUT0"));  // the core does
  TRITONSERVER_TridentServerInferAsyncMany(server, requests, kCount, 0, errors);
  for (int i = 0; i < kCount; ++i) {
    if (i == wrong) {
      FAILS(errors[i], kInvalid, "Expected 16, got 0");
    } else if (OK(errors[i]) && WaitFor(&outcomes[i])) {
      if (i == 3) {
        CHECK(AnsweredWith(&outcomes[i], kInvalid, "INT32_MIN has no echo"));
      } else {
        CHECK(HasEcho(Answer(&outcomes[i]), data[i], 1));
        CHECK(IntParameter(outcomes[i].responses[0], "requests") == kCount - 1);
      }
    }
    ClearOutcome(&outcomes[i]);
    OK(TRITONSERVER_InferenceRequestDelete(requests[i]));
  }
  TRITONSERVER_TridentServerInferAsyncMany(server, requests, 0, 0, errors);
  requests[0] = NULL;
  TRITONSERVER_TridentServerInferAsyncMany(server, requests, 1, 0, errors);
  FAILS(errors[0], kInvalid, "request 0 is null");
}

static void TestInline(TRITONSERVER_Server* server) {
  Outcome outcome;
  InitOutcome(&outcome);
  TRITONSERVER_InferenceRequest* request = NewEchoRequest(server, "single", kData, NULL, &outcome);
  bool ran_inline = false;
  OK(TRITONSERVER_TridentServerInferInline(server, request, UINT64_MAX, &ran_inline));
  CHECK(ran_inline);
  CHECK(outcome.released == 1 && outcome.finals == 1);
  CHECK(pthread_equal(outcome.thread, pthread_self()) != 0);
  CHECK(HasEcho(Answer(&outcome), kData, 1));
  ClearOutcome(&outcome);
  OK(TRITONSERVER_InferenceRequestDelete(request));
}

// Of several models one runs here, the last, when the others have been queued.
static void TestManyModelsInline(TRITONSERVER_Server* server) {
  enum { kQueued, kRefused, kInline, kCount };
  const char* const models[] = {"batched", "single", "single"};
  Outcome outcomes[kCount];
  TRITONSERVER_InferenceRequest* requests[kCount];
  TRITONSERVER_Error* errors[kCount];
  for (int i = 0; i < kCount; ++i) {
    InitOutcome(&outcomes[i]);
    requests[i] = NewEchoRequest(server, models[i], kData, NULL, &outcomes[i]);
  }
  OK(TRITONSERVER_InferenceRequestRemoveAllInputData(requests[kRefused], "INPUT0"));
  TRITONSERVER_TridentServerInferAsyncMany(server, requests, kCount, UINT64_MAX, errors);
  CHECK(outcomes[kInline].released == 1);
  FAILS(errors[kRefused], kInvalid, "Expected 16, got 0");
  for (int i = 0; i < kCount; ++i) {
    if (i != kRefused && OK(errors[i]) && WaitFor(&outcomes[i])) {
      CHECK(HasEcho(Answer(&outcomes[i]), kData, 1));
      CHECK((pthread_equal(outcomes[i].thread, pthread_self()) != 0) == (i == kInline));
    }
    ClearOutcome(&outcomes[i]);
    OK(TRITONSERVER_InferenceRequestDelete(requests[i]));
  }
}

static void ExpectAnswer(TRITONSERVER_Server* server, const char* mode,
                         TRITONSERVER_Error_Code code, const char* text) {
  Outcome outcome;
  InitOutcome(&outcome);
  TRITONSERVER_InferenceRequest* request = NewEchoRequest(server, "single", kData, mode, &outcome);
  Infer(server, request, &outcome);
  CHECK(AnsweredWith(&outcome, code, text));
  CHECK(outcome.released == 1);
  ClearOutcome(&outcome);
  OK(TRITONSERVER_InferenceRequestDelete(request));
}

// Whatever a backend does, a request ends once.
static void TestBackendsThatMisbehave(TRITONSERVER_Server* server) {
  ExpectAnswer(server, "silent", TRITONSERVER_ERROR_INTERNAL, "without a final response");
  ExpectAnswer(server, "fail", TRITONSERVER_ERROR_UNAVAILABLE, "echo: the batch failed");
  Outcome outcome;
  InitOutcome(&outcome);
  const char* const modes[] = {"twice", "reschedule", ""};
  for (int i = 0; i < 3; ++i) {
    TRITONSERVER_InferenceRequest* request =
        NewEchoRequest(server, "single", kData, modes[i], &outcome);
    Infer(server, request, &outcome);
    CHECK(HasEcho(Answer(&outcome), kData, 1));
    // What the backend tried was refused by the time of the next answer.
    CHECK(IntParameter(outcome.responses[0], "refusals") == i);
    ClearOutcome(&outcome);
    OK(TRITONSERVER_InferenceRequestDelete(request));
  }
}

static void TestFactory(TRITONSERVER_Server* server) {
  Outcome outcome;
  InitOutcome(&outcome);
  TRITONSERVER_InferenceRequest* request =
      NewEchoRequest(server, "single", kData, "factory", &outcome);
  Infer(server, request, &outcome);
  CHECK(outcome.released_before_final);
  CHECK(outcome.null_responses == 1);  // the final flag came alone
  CHECK(HasEcho(Answer(&outcome), kData, 1));
  ClearOutcome(&outcome);
  OK(TRITONSERVER_InferenceRequestDelete(request));
}

// As most clients do it: the release callback deletes the request, before or after its answer.
static void TestDeleteInCallback(TRITONSERVER_Server* server) {
  const char* const modes[] = {NULL, "factory", "silent", "fail"};
  for (int i = 0; i < 4; ++i) {
    Outcome outcome;
    InitOutcome(&outcome);
    TRITONSERVER_InferenceRequest* request =
        NewEchoRequest(server, "single", kData, modes[i], &outcome);
    OK(TRITONSERVER_InferenceRequestSetReleaseCallback(request, DeleteOnRelease, &outcome));
    Infer(server, request, &outcome);
    CHECK(outcome.released == 1 && outcome.finals == 1 && outcome.response_count == 1);
    ClearOutcome(&outcome);
  }
}

static void ChangeInCallback(TRITONSERVER_InferenceResponse* response, uint32_t flags,
                             void* userp) {
  (void)flags;
  FAILS(TRITONSERVER_InferenceRequestSetId(userp, "x"), kInvalid, "not been released yet");
  OK(TRITONSERVER_InferenceResponseDelete(response));
}

// Many clients go on as soon as they have the answer; the backend releases the request later.
static void TestGoesOnBeforeTheRelease(TRITONSERVER_Server* server) {
  Outcome outcome;
  InitOutcome(&outcome);
  TRITONSERVER_InferenceRequest* request =
      NewEchoRequest(server, "single", kData, "linger", &outcome);
  OK(TRITONSERVER_ServerInferAsync(server, request, NULL));
  WaitForCounts(&outcome, 1, 0, 0);
  OK(TRITONSERVER_ServerInferAsync(server, request, NULL));
  WaitForCounts(&outcome, 2, 0, 0);
  OK(TRITONSERVER_InferenceRequestSetId(request, "third"));
  OK(TRITONSERVER_ServerInferAsync(server, request, NULL));
  WaitForCounts(&outcome, 3, 0, 0);
  OK(TRITONSERVER_InferenceRequestDelete(request));
  WaitForCounts(&outcome, 3, 3, 0);
  ClearOutcome(&outcome);

  // The backend can't release it while the callback waits.
  request = NewEchoRequest(server, "single", kData, NULL, &outcome);
  OK(TRITONSERVER_InferenceRequestSetResponseCallback(request, Allocator(), &outcome.allocations,
                                                      ChangeInCallback, request));
  OK(TRITONSERVER_ServerInferAsync(server, request, NULL));
  WaitForCounts(&outcome, 0, 1, 0);
  OK(TRITONSERVER_InferenceRequestDelete(request));
  ClearOutcome(&outcome);
}

// While a request is in flight it can be asked and cancelled, but not changed.
static void TestCancel(TRITONSERVER_Server* server) {
  Outcome running, waiting;
  InitOutcome(&running);
  InitOutcome(&waiting);
  TRITONSERVER_InferenceRequest* first = NewEchoRequest(server, "single", kData, "hold", &running);
  TRITONSERVER_InferenceRequest* second = NewEchoRequest(server, "single", kData, NULL, &waiting);
  bool cancelled = true;
  FAILS(TRITONSERVER_InferenceRequestCancel(first), TRITONSERVER_ERROR_INTERNAL, "submitted");
  FAILS(TRITONSERVER_InferenceRequestIsCancelled(first, &cancelled), TRITONSERVER_ERROR_INTERNAL,
        "submitted");
  OK(TRITONSERVER_ServerInferAsync(server, first, NULL));
  WaitUntilHeld(&running);
  OK(TRITONSERVER_ServerInferAsync(server, second, NULL));

  OK(TRITONSERVER_InferenceRequestIsCancelled(first, &cancelled));
  CHECK(!cancelled);
  FAILS(TRITONSERVER_ServerInferAsync(server, first, NULL), kInvalid, "in flight");
  FAILS(TRITONSERVER_InferenceRequestSetId(first, "x"), kInvalid,
        "TRITONSERVER_InferenceRequestSetId: the request has not been released yet");
  FAILS(TRITONSERVER_InferenceRequestRemoveAllInputs(first), kInvalid, "not been released yet");
  FAILS(TRITONSERVER_InferenceRequestAppendInputData(first, "INPUT0", kData, 4,
                                                     TRITONSERVER_MEMORY_CPU, 0),
        kInvalid, "not been released yet");
  FAILS(TRITONSERVER_InferenceRequestDelete(first), kInvalid, "not been released yet");

  OK(TRITONSERVER_InferenceRequestCancel(second));  // in the queue: ends at once
  WaitFor(&waiting);
  CHECK(AnsweredWith(&waiting, TRITONSERVER_ERROR_CANCELLED, "cancelled"));
  CHECK(running.finals == 0);
  OK(TRITONSERVER_InferenceRequestCancel(first));  // executing: the backend looks
  WaitFor(&running);
  CHECK(AnsweredWith(&running, TRITONSERVER_ERROR_CANCELLED, "echo: cancelled"));
  OK(TRITONSERVER_InferenceRequestIsCancelled(first, &cancelled));
  CHECK(cancelled);
  ClearOutcome(&running);
  ClearOutcome(&waiting);

  // A cancelled request can be used again.
  OK(TRITONSERVER_InferenceRequestSetStringParameter(first, "mode", ""));
  Infer(server, first, &running);
  CHECK(HasEcho(Answer(&running), kData, 1));
  ClearOutcome(&running);
  OK(TRITONSERVER_InferenceRequestDelete(first));
  OK(TRITONSERVER_InferenceRequestDelete(second));
}

static void TestProperties(TRITONSERVER_Server* server) {
  Outcome outcome;
  InitOutcome(&outcome);
  TRITONSERVER_InferenceRequest* request = NewRequest(server, "batched", &outcome);
  const char* text = NULL;
  uint64_t number = 9;
  uint32_t small = 9;
  OK(TRITONSERVER_InferenceRequestId(request, &text));
  CHECK(strcmp(text, "") == 0);
  OK(TRITONSERVER_InferenceRequestSetFlags(request, TRITONSERVER_REQUEST_FLAG_SEQUENCE_END));
  OK(TRITONSERVER_InferenceRequestFlags(request, &small));
  CHECK(small == TRITONSERVER_REQUEST_FLAG_SEQUENCE_END);
  OK(TRITONSERVER_InferenceRequestCorrelationId(request, &number));
  CHECK(number == 0);
  FAILS(TRITONSERVER_InferenceRequestCorrelationIdString(request, &text), kInvalid, "a number");
  OK(TRITONSERVER_InferenceRequestSetCorrelationIdString(request, "talk"));
  OK(TRITONSERVER_InferenceRequestCorrelationIdString(request, &text));
  CHECK(strcmp(text, "talk") == 0);
  FAILS(TRITONSERVER_InferenceRequestCorrelationId(request, &number), kInvalid, "a string");
  char long_id[130];
  memset(long_id, 'x', sizeof(long_id));
  long_id[129] = '\0';
  FAILS(TRITONSERVER_InferenceRequestSetCorrelationIdString(request, long_id),
        TRITONSERVER_ERROR_UNSUPPORTED, "128");
  OK(TRITONSERVER_InferenceRequestSetCorrelationId(request, 12));
  OK(TRITONSERVER_InferenceRequestCorrelationId(request, &number));
  CHECK(number == 12);
  OK(TRITONSERVER_InferenceRequestSetPriority(request, 4));
  OK(TRITONSERVER_InferenceRequestPriority(request, &small));
  CHECK(small == 4);
  OK(TRITONSERVER_InferenceRequestSetPriorityUInt64(request, (uint64_t)1 << 32));
  OK(TRITONSERVER_InferenceRequestPriorityUInt64(request, &number));
  CHECK(number == (uint64_t)1 << 32);
  FAILS(TRITONSERVER_InferenceRequestPriority(request, &small), kInvalid, "PriorityUInt64");
  OK(TRITONSERVER_InferenceRequestSetTimeoutMicroseconds(request, 77));
  OK(TRITONSERVER_InferenceRequestTimeoutMicroseconds(request, &number));
  CHECK(number == 77);
  OK(TRITONSERVER_InferenceRequestSetIntParameter(request, "i", 1));
  OK(TRITONSERVER_InferenceRequestSetBoolParameter(request, "b", true));
  OK(TRITONSERVER_InferenceRequestSetDoubleParameter(request, "d", 1.5));
  OK(TRITONSERVER_InferenceRequestDelete(request));
}

// Data for one host policy goes to the instances under it; CPU instances run under "cpu".
static void TestHostPolicyData(TRITONSERVER_Server* server) {
  Outcome outcome;
  InitOutcome(&outcome);
  TRITONSERVER_InferenceRequest* request = NewEchoRequest(server, "batched", kData, NULL, &outcome);
  OK(TRITONSERVER_InferenceRequestAppendInputDataWithHostPolicy(
      request, "INPUT0", kData, sizeof(kData), TRITONSERVER_MEMORY_CPU, 0, "elsewhere"));
  Infer(server, request, &outcome);
  CHECK(HasEcho(Answer(&outcome), kData, 1));
  ClearOutcome(&outcome);
  OK(TRITONSERVER_InferenceRequestDelete(request));
}

void TestRequests(void) {
  TRITONSERVER_Server* server = StartServer("single", true, 30);
  OK(TRITONSERVER_ServerLoadModel(server, "batched"));
  TestAnswerAndReuse(server);
  TestBlocksAndBytes(server);
  TestManyTogether(server);
  TestInline(server);
  TestManyModelsInline(server);
  TestBackendsThatMisbehave(server);
  TestFactory(server);
  TestDeleteInCallback(server);
  TestGoesOnBeforeTheRelease(server);
  TestCancel(server);
  TestProperties(server);
  TestHostPolicyData(server);
  OK(TRITONSERVER_ServerDelete(server));
}
