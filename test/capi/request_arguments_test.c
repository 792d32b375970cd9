// Every function that reads or changes a request: without the request, without another argument,
// and of a request that is in flight, which belongs to the server.

#include <string.h>

#include "support.h"
#include "trident/extension.h"

static const TRITONSERVER_Error_Code kInvalid = TRITONSERVER_ERROR_INVALID_ARG;
static const int32_t kData[4] = {3, 1, 4, 1};
static const int64_t kShape[] = {1, 4};

// `function` of `request` with these arguments, when it may not be changed, and of none.
#define CHANGES(function, ...)                                        \
  do {                                                                \
    FAILS(function(request, __VA_ARGS__), kInvalid,                   \
          #function ": the request has not been released yet");       \
    FAILS(function(NULL, __VA_ARGS__), kInvalid, "request' is null"); \
  } while (0)

static void OnRelease(TRITONSERVER_InferenceRequest* request, uint32_t flags, void* userp) {
  (void)request, (void)flags, (void)userp;
}

static void OnResponse(TRITONSERVER_InferenceResponse* response, uint32_t flags, void* userp) {
  (void)response, (void)flags, (void)userp;
}

static void TestChangesInFlight(TRITONSERVER_InferenceRequest* request) {
  TRITONSERVER_BufferAttributes* attributes = NULL;
  OK(TRITONSERVER_BufferAttributesNew(&attributes));
  CHANGES(TRITONSERVER_InferenceRequestSetId, "x");
  CHANGES(TRITONSERVER_InferenceRequestSetFlags, 0);
  CHANGES(TRITONSERVER_InferenceRequestSetCorrelationId, 1);
  CHANGES(TRITONSERVER_InferenceRequestSetCorrelationIdString, "x");
  CHANGES(TRITONSERVER_InferenceRequestSetTimeoutMicroseconds, 1);
  CHANGES(TRITONSERVER_TridentInferenceRequestSetDeadlineMicroseconds, 1);
  CHANGES(TRITONSERVER_TridentInferenceRequestSetContext, 1);
  CHANGES(TRITONSERVER_InferenceRequestSetPriorityUInt64, 1);
  CHANGES(TRITONSERVER_InferenceRequestSetStringParameter, "k", "v");
  CHANGES(TRITONSERVER_InferenceRequestSetIntParameter, "k", 1);
  CHANGES(TRITONSERVER_InferenceRequestSetBoolParameter, "k", true);
  CHANGES(TRITONSERVER_InferenceRequestSetDoubleParameter, "k", 1);
  CHANGES(TRITONSERVER_InferenceRequestAddInput, "x", TRITONSERVER_TYPE_INT32, kShape, 2);
  CHANGES(TRITONSERVER_InferenceRequestAddRawInput, "x");
  CHANGES(TRITONSERVER_InferenceRequestRemoveInput, "INPUT0");
  CHANGES(TRITONSERVER_InferenceRequestAppendInputData, "INPUT0", kData, 4, TRITONSERVER_MEMORY_CPU,
          0);
  CHANGES(TRITONSERVER_InferenceRequestAppendInputDataWithHostPolicy, "INPUT0", kData, 4,
          TRITONSERVER_MEMORY_CPU, 0, "cpu");
  CHANGES(TRITONSERVER_InferenceRequestAppendInputDataWithBufferAttributes, "INPUT0", kData,
          attributes);
  CHANGES(TRITONSERVER_InferenceRequestRemoveAllInputData, "INPUT0");
  CHANGES(TRITONSERVER_InferenceRequestAddRequestedOutput, "OUTPUT0");
  CHANGES(TRITONSERVER_InferenceRequestRemoveRequestedOutput, "OUTPUT0");
  CHANGES(TRITONSERVER_InferenceRequestSetReleaseCallback, OnRelease, NULL);
  CHANGES(TRITONSERVER_InferenceRequestSetResponseCallback, Allocator(), NULL, OnResponse, NULL);
  OK(TRITONSERVER_BufferAttributesDelete(attributes));

  const char* const busy = "the request has not been released yet";
  FAILS(TRITONSERVER_InferenceRequestSetPriority(request, 1), kInvalid, busy);
  FAILS(TRITONSERVER_InferenceRequestRemoveAllInputs(request), kInvalid, busy);
  FAILS(TRITONSERVER_InferenceRequestRemoveAllRequestedOutputs(request), kInvalid, busy);
  FAILS(TRITONSERVER_InferenceRequestDelete(request), kInvalid, busy);
  LACKS("inference_request", TRITONSERVER_InferenceRequestSetPriority(NULL, 1));
  LACKS("inference_request", TRITONSERVER_InferenceRequestRemoveAllInputs(NULL));
  LACKS("inference_request", TRITONSERVER_InferenceRequestRemoveAllRequestedOutputs(NULL));
}

// A request in flight can be read.
static void TestReading(TRITONSERVER_InferenceRequest* request) {
  const char* text = NULL;
  uint32_t small = 9;
  uint64_t number = 9;
  bool flag = true;
  OK(TRITONSERVER_InferenceRequestId(request, &text));
  OK(TRITONSERVER_InferenceRequestFlags(request, &small));
  CHECK(strcmp(text, "held") == 0 && small == 0);
  LACKS("inference_request", TRITONSERVER_InferenceRequestId(NULL, &text));
  LACKS("id", TRITONSERVER_InferenceRequestId(request, NULL));
  LACKS("inference_request", TRITONSERVER_InferenceRequestFlags(NULL, &small));
  LACKS("flags", TRITONSERVER_InferenceRequestFlags(request, NULL));
  LACKS("inference_request", TRITONSERVER_InferenceRequestCorrelationId(NULL, &number));
  LACKS("correlation_id", TRITONSERVER_InferenceRequestCorrelationId(request, NULL));
  LACKS("inference_request", TRITONSERVER_InferenceRequestCorrelationIdString(NULL, &text));
  LACKS("correlation_id", TRITONSERVER_InferenceRequestCorrelationIdString(request, NULL));
  LACKS("inference_request", TRITONSERVER_InferenceRequestPriority(NULL, &small));
  LACKS("priority", TRITONSERVER_InferenceRequestPriority(request, NULL));
  LACKS("inference_request", TRITONSERVER_InferenceRequestPriorityUInt64(NULL, &number));
  LACKS("priority", TRITONSERVER_InferenceRequestPriorityUInt64(request, NULL));
  LACKS("inference_request", TRITONSERVER_InferenceRequestTimeoutMicroseconds(NULL, &number));
  LACKS("timeout_us", TRITONSERVER_InferenceRequestTimeoutMicroseconds(request, NULL));
  LACKS("inference_request", TRITONSERVER_InferenceRequestIsCancelled(NULL, &flag));
  LACKS("is_cancelled", TRITONSERVER_InferenceRequestIsCancelled(request, NULL));
  LACKS("inference_request", TRITONSERVER_InferenceRequestCancel(NULL));
}

static void TestNullValues(TRITONSERVER_InferenceRequest* request) {
  LACKS("id", TRITONSERVER_InferenceRequestSetId(request, NULL));
  LACKS("correlation_id", TRITONSERVER_InferenceRequestSetCorrelationIdString(request, NULL));
  LACKS("key", TRITONSERVER_InferenceRequestSetStringParameter(request, NULL, "v"));
  LACKS("value", TRITONSERVER_InferenceRequestSetStringParameter(request, "k", NULL));
  LACKS("key", TRITONSERVER_InferenceRequestSetIntParameter(request, NULL, 1));
  LACKS("key", TRITONSERVER_InferenceRequestSetBoolParameter(request, NULL, true));
  LACKS("key", TRITONSERVER_InferenceRequestSetDoubleParameter(request, NULL, 1));
  LACKS("name",
        TRITONSERVER_InferenceRequestAddInput(request, NULL, TRITONSERVER_TYPE_INT32, kShape, 2));
  LACKS("name", TRITONSERVER_InferenceRequestAddRawInput(request, NULL));
  LACKS("name", TRITONSERVER_InferenceRequestRemoveInput(request, NULL));
  LACKS("name", TRITONSERVER_InferenceRequestAppendInputData(request, NULL, kData, 4,
                                                             TRITONSERVER_MEMORY_CPU, 0));
  LACKS("host_policy_name", TRITONSERVER_InferenceRequestAppendInputDataWithHostPolicy(
                                request, "INPUT0", kData, 4, TRITONSERVER_MEMORY_CPU, 0, NULL));
  LACKS("buffer_attributes", TRITONSERVER_InferenceRequestAppendInputDataWithBufferAttributes(
                                 request, "INPUT0", kData, NULL));
  LACKS("name", TRITONSERVER_InferenceRequestRemoveAllInputData(request, NULL));
  LACKS("name", TRITONSERVER_InferenceRequestAddRequestedOutput(request, NULL));
  LACKS("name", TRITONSERVER_InferenceRequestRemoveRequestedOutput(request, NULL));
  LACKS("request_release_fn", TRITONSERVER_InferenceRequestSetReleaseCallback(request, NULL, NULL));
  LACKS("response_allocator",
        TRITONSERVER_InferenceRequestSetResponseCallback(request, NULL, NULL, OnResponse, NULL));
  LACKS("response_fn",
        TRITONSERVER_InferenceRequestSetResponseCallback(request, Allocator(), NULL, NULL, NULL));
}

// What was added can be removed, and the request is as if it had never been there.
static void TestRemoval(TRITONSERVER_InferenceRequest* request) {
  OK(TRITONSERVER_InferenceRequestAddInput(request, "INPUT1", TRITONSERVER_TYPE_BYTES, kShape, 2));
  OK(TRITONSERVER_InferenceRequestRemoveInput(request, "INPUT1"));
  OK(TRITONSERVER_InferenceRequestAddRequestedOutput(request, "OUTPUT1"));
  OK(TRITONSERVER_InferenceRequestRemoveRequestedOutput(request, "OUTPUT1"));
  OK(TRITONSERVER_TridentInferenceRequestSetDeadlineMicroseconds(request, 5));
}

// One input without name, type or shape takes them from the configuration.
static void TestRawInput(TRITONSERVER_Server* server) {
  Outcome outcome;
  InitOutcome(&outcome);
  TRITONSERVER_InferenceRequest* request = NewRequest(server, "plain", &outcome);
  OK(TRITONSERVER_InferenceRequestAddRawInput(request, "INPUT0"));
  OK(TRITONSERVER_InferenceRequestAppendInputData(request, "INPUT0", kData, sizeof(kData),
                                                  TRITONSERVER_MEMORY_CPU, 0));
  if (OK(TRITONSERVER_ServerInferAsync(server, request, NULL))) WaitFor(&outcome);
  CHECK(Answer(&outcome) != NULL);
  ClearOutcome(&outcome);
  OK(TRITONSERVER_InferenceRequestDelete(request));
}

void TestRequestArguments(void) {
  TRITONSERVER_Server* server = StartServer("single", true, 30);
  Outcome outcome;
  InitOutcome(&outcome);
  TRITONSERVER_InferenceRequest* request =
      NewEchoRequest(server, "single", kData, "hold", &outcome);
  OK(TRITONSERVER_InferenceRequestSetId(request, "held"));
  OK(TRITONSERVER_ServerInferAsync(server, request, NULL));
  WaitUntilHeld(&outcome);
  TestChangesInFlight(request);
  TestReading(request);
  OK(TRITONSERVER_InferenceRequestCancel(request));
  WaitFor(&outcome);
  ClearOutcome(&outcome);
  TestNullValues(request);
  TestRemoval(request);
  OK(TRITONSERVER_InferenceRequestSetStringParameter(request, "mode", ""));
  if (OK(TRITONSERVER_ServerInferAsync(server, request, NULL))) WaitFor(&outcome);
  CHECK(HasEcho(Answer(&outcome), kData, 1));
  ClearOutcome(&outcome);
  OK(TRITONSERVER_InferenceRequestDelete(request));
  OK(TRITONSERVER_ServerLoadModel(server, "plain"));
  TestRawInput(server);
  OK(TRITONSERVER_ServerDelete(server));
}
