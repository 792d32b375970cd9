// The conformance backend's part about requests: what it reads, what it writes, and what it is told
// about requests and responses that are no longer its own.

#include <string.h>

#include "conformance_backend.h"

static const int64_t kShape[] = {1, 4};

// Requests ----------------------------------------------------------------------------------------

static void OnCancel(TRITONBACKEND_Request* request, void* userp) { (void)request, (void)userp; }

static void CheckProperties(TRITONBACKEND_Request* request) {
  const char* text = NULL;
  uint64_t number = 0;
  uint32_t flags = 0;
  bool cancelled = true;
  OK(TRITONBACKEND_RequestId(request, &text));
  CHECK(text != NULL && (strcmp(text, "number") == 0 || strcmp(text, "text") == 0));
  if (text != NULL && strcmp(text, "number") == 0) {
    OK(TRITONBACKEND_RequestCorrelationId(request, &number));
    CHECK(number == 12);
    FAILS(TRITONBACKEND_RequestCorrelationIdString(request, &text), kInvalid, "is a number");
  } else {
    FAILS(TRITONBACKEND_RequestCorrelationId(request, &number), kInvalid, "is a string");
    OK(TRITONBACKEND_RequestCorrelationIdString(request, &text));
    CHECK(strcmp(text, "twelve") == 0);
  }
  OK(TRITONBACKEND_RequestIsCancelled(request, &cancelled));
  OK(TRITONBACKEND_RequestFlags(request, &flags));
  OK(TRITONBACKEND_InferenceRequestTimeoutMicroseconds(request, &number));
  CHECK(!cancelled && number == 0);
  OK(TRITONBACKEND_TridentRequestContext(request, &number));
  CHECK(number == 21);
  OK(TRITONBACKEND_TridentRequestSetCancelFn(request, OnCancel, NULL));
  OK(TRITONBACKEND_TridentRequestSetCancelFn(request, NULL, NULL));
  CHECK(flags ==
        (TRITONSERVER_REQUEST_FLAG_SEQUENCE_START | TRITONSERVER_REQUEST_FLAG_SEQUENCE_END));
  LACKS("request", TRITONBACKEND_RequestId(NULL, &text));
  LACKS("id", TRITONBACKEND_RequestId(request, NULL));
  LACKS("request", TRITONBACKEND_RequestCorrelationId(NULL, &number));
  LACKS("id", TRITONBACKEND_RequestCorrelationId(request, NULL));
  LACKS("request", TRITONBACKEND_RequestCorrelationIdString(NULL, &text));
  LACKS("id", TRITONBACKEND_RequestCorrelationIdString(request, NULL));
  LACKS("request", TRITONBACKEND_RequestIsCancelled(NULL, &cancelled));
  LACKS("is_cancelled", TRITONBACKEND_RequestIsCancelled(request, NULL));
  LACKS("request", TRITONBACKEND_RequestFlags(NULL, &flags));
  LACKS("flags", TRITONBACKEND_RequestFlags(request, NULL));
  LACKS("request", TRITONBACKEND_InferenceRequestTimeoutMicroseconds(NULL, &number));
  LACKS("timeout", TRITONBACKEND_InferenceRequestTimeoutMicroseconds(request, NULL));
  LACKS("request", TRITONBACKEND_TridentRequestContext(NULL, &number));
  LACKS("context", TRITONBACKEND_TridentRequestContext(request, NULL));
  LACKS("request", TRITONBACKEND_TridentRequestSetCancelFn(NULL, OnCancel, NULL));
}

static void CheckParameters(TRITONBACKEND_Request* request) {
  uint32_t count = 9;
  const char* key = NULL;
  TRITONSERVER_ParameterType type = TRITONSERVER_PARAMETER_INT;
  const void* value = NULL;
  OK(TRITONBACKEND_RequestParameterCount(request, &count));
  CHECK(count == 1);
  LACKS("request", TRITONBACKEND_RequestParameterCount(NULL, &count));
  LACKS("count", TRITONBACKEND_RequestParameterCount(request, NULL));
  OK(TRITONBACKEND_RequestParameter(request, 0, &key, &type, &value));
  CHECK(strcmp(key, "k") == 0 && type == TRITONSERVER_PARAMETER_STRING && strcmp(value, "v") == 0);
  FAILS(TRITONBACKEND_RequestParameter(request, 1, &key, &type, &value), kInvalid,
        "out of bounds index 1");
  LACKS("request", TRITONBACKEND_RequestParameter(NULL, 0, &key, &type, &value));
  LACKS("key", TRITONBACKEND_RequestParameter(request, 0, NULL, &type, &value));
  LACKS("type", TRITONBACKEND_RequestParameter(request, 0, &key, NULL, &value));
  LACKS("vvalue", TRITONBACKEND_RequestParameter(request, 0, &key, &type, NULL));
}

static TRITONBACKEND_Input* CheckInputs(TRITONBACKEND_Request* request) {
  uint32_t count = 0;
  const char* name = NULL;
  TRITONBACKEND_Input *input = NULL, *same = NULL;
  OK(TRITONBACKEND_RequestInputCount(request, &count));
  CHECK(count == 2);  // its own, and the state
  LACKS("request", TRITONBACKEND_RequestInputCount(NULL, &count));
  LACKS("count", TRITONBACKEND_RequestInputCount(request, NULL));
  OK(TRITONBACKEND_RequestInputName(request, 0, &name));
  CHECK(name != NULL && strcmp(name, "INPUT0") == 0);
  FAILS(TRITONBACKEND_RequestInputName(request, count, &name), kInvalid, "out of bounds index");
  LACKS("request", TRITONBACKEND_RequestInputName(NULL, 0, &name));
  LACKS("input_name", TRITONBACKEND_RequestInputName(request, 0, NULL));
  OK(TRITONBACKEND_RequestInputByIndex(request, 0, &input));
  FAILS(TRITONBACKEND_RequestInputByIndex(request, count, &same), kInvalid, "out of bounds index");
  LACKS("request", TRITONBACKEND_RequestInputByIndex(NULL, 0, &same));
  LACKS("input", TRITONBACKEND_RequestInputByIndex(request, 0, NULL));
  OK(TRITONBACKEND_RequestInput(request, "INPUT0", &same));
  CHECK(same == input);
  FAILS(TRITONBACKEND_RequestInput(request, "nobody", &same), kInvalid, "nobody");
  CHECK(same == NULL);
  LACKS("request", TRITONBACKEND_RequestInput(NULL, "INPUT0", &same));
  LACKS("name", TRITONBACKEND_RequestInput(request, NULL, &same));
  LACKS("input", TRITONBACKEND_RequestInput(request, "INPUT0", NULL));
  return input;
}

static void CheckRequestedOutputs(TRITONBACKEND_Request* request) {
  uint32_t count = 0;
  const char* name = NULL;
  size_t size = 16;
  TRITONSERVER_MemoryType type = TRITONSERVER_MEMORY_CPU;
  int64_t id = 0;
  OK(TRITONBACKEND_RequestOutputCount(request, &count));
  CHECK(count == 1);
  LACKS("request", TRITONBACKEND_RequestOutputCount(NULL, &count));
  LACKS("count", TRITONBACKEND_RequestOutputCount(request, NULL));
  OK(TRITONBACKEND_RequestOutputName(request, 0, &name));
  CHECK(name != NULL && strcmp(name, "OUTPUT0") == 0);
  FAILS(TRITONBACKEND_RequestOutputName(request, 1, &name), kInvalid, "out of bounds index 1");
  LACKS("request", TRITONBACKEND_RequestOutputName(NULL, 0, &name));
  LACKS("output_name", TRITONBACKEND_RequestOutputName(request, 0, NULL));
  OK(TRITONBACKEND_RequestOutputBufferProperties(request, "OUTPUT0", &size, &type, &id));
  CHECK(type == TRITONSERVER_MEMORY_CPU_PINNED && id == 5);
  OK(TRITONBACKEND_RequestOutputBufferProperties(request, "OUTPUT0", NULL, &type, &id));
  LACKS("request", TRITONBACKEND_RequestOutputBufferProperties(NULL, "OUTPUT0", &size, &type, &id));
  LACKS("memory_type",
        TRITONBACKEND_RequestOutputBufferProperties(request, "OUTPUT0", &size, NULL, &id));
  LACKS("memory_type_id",
        TRITONBACKEND_RequestOutputBufferProperties(request, "OUTPUT0", &size, &type, NULL));
}

// The bytes of the only block.
static const void* CheckInput(TRITONBACKEND_Input* input) {
  const char* name = NULL;
  TRITONSERVER_DataType datatype = TRITONSERVER_TYPE_INVALID;
  const int64_t* shape = NULL;
  uint32_t rank = 0, blocks = 0;
  uint64_t size = 0;
  const void *bytes = NULL, *same = NULL;
  TRITONSERVER_MemoryType type = TRITONSERVER_MEMORY_GPU;
  int64_t id = 9;
  TRITONSERVER_BufferAttributes* attributes = NULL;
  OK(TRITONBACKEND_InputProperties(input, &name, &datatype, &shape, &rank, &size, &blocks));
  CHECK(strcmp(name, "INPUT0") == 0 && datatype == TRITONSERVER_TYPE_INT32 && rank == 2);
  CHECK(shape[0] == 1 && shape[1] == 4 && size == 16 && blocks == 1);
  LACKS("input", TRITONBACKEND_InputProperties(NULL, &name, &datatype, &shape, &rank, &size, NULL));
  blocks = 9;
  OK(TRITONBACKEND_InputPropertiesForHostPolicy(input, "nobody", NULL, NULL, NULL, NULL, NULL,
                                                &blocks));
  CHECK(blocks == 1);  // what is for all policies
  LACKS("input", TRITONBACKEND_InputPropertiesForHostPolicy(NULL, "cpu", NULL, NULL, NULL, NULL,
                                                            NULL, &blocks));
  OK(TRITONBACKEND_InputBuffer(input, 0, &bytes, &size, &type, &id));
  CHECK(bytes != NULL && size == 16 && type == TRITONSERVER_MEMORY_CPU && id == 0);
  FAILS(TRITONBACKEND_InputBuffer(input, 1, &same, &size, &type, &id), kInvalid,
        "out of bounds index 1");
  LACKS("input", TRITONBACKEND_InputBuffer(NULL, 0, &same, &size, &type, &id));
  LACKS("buffer", TRITONBACKEND_InputBuffer(input, 0, NULL, &size, &type, &id));
  LACKS("memory_type", TRITONBACKEND_InputBuffer(input, 0, &same, &size, NULL, &id));
  OK(TRITONBACKEND_InputBufferForHostPolicy(input, "cpu", 0, &same, &size, &type, &id));
  CHECK(same == bytes);
  FAILS(TRITONBACKEND_InputBufferForHostPolicy(input, "cpu", 1, &same, &size, &type, &id), kInvalid,
        "out of bounds index 1");
  LACKS("input", TRITONBACKEND_InputBufferForHostPolicy(NULL, "cpu", 0, &same, &size, &type, &id));
  OK(TRITONBACKEND_InputBufferAttributes(input, 0, &same, &attributes));
  CHECK(same == bytes && attributes != NULL);
  FAILS(TRITONBACKEND_InputBufferAttributes(input, 1, &same, &attributes), kInvalid,
        "out of bounds index 1");
  LACKS("input", TRITONBACKEND_InputBufferAttributes(NULL, 0, &same, &attributes));
  LACKS("buffer_attributes", TRITONBACKEND_InputBufferAttributes(input, 0, &same, NULL));
  return bytes;
}

static void CheckState(TRITONBACKEND_Request* request) {
  TRITONBACKEND_State* state = NULL;
  const TRITONSERVER_DataType int32 = TRITONSERVER_TYPE_INT32;
  TRITONSERVER_BufferAttributes* attributes = NULL;
  TRITONSERVER_MemoryType type = TRITONSERVER_MEMORY_GPU;
  int64_t id = 9;
  void* buffer = NULL;
  LACKS("state", TRITONBACKEND_StateNew(NULL, request, "STATE_OUT", int32, kShape, 2));
  LACKS("request", TRITONBACKEND_StateNew(&state, NULL, "STATE_OUT", int32, kShape, 2));
  LACKS("name", TRITONBACKEND_StateNew(&state, request, NULL, int32, kShape, 2));
  LACKS("shape", TRITONBACKEND_StateNew(&state, request, "STATE_OUT", int32, NULL, 2));
  FAILS(TRITONBACKEND_StateNew(&state, request, "nobody", int32, kShape, 2), kInvalid, "nobody");
  CHECK(state == NULL);
  OK(TRITONBACKEND_StateNew(&state, request, "STATE_OUT", int32, kShape, 2));
  FAILS(TRITONBACKEND_StateUpdate(state), kInvalid, "");  // has no bytes yet
  LACKS("state", TRITONBACKEND_StateBuffer(NULL, &buffer, 16, &type, &id));
  LACKS("buffer", TRITONBACKEND_StateBuffer(state, NULL, 16, &type, &id));
  FAILS(TRITONBACKEND_StateBuffer(state, &buffer, 3, &type, &id), kInvalid, "");
  OK(TRITONBACKEND_StateBuffer(state, &buffer, 16, &type, &id));
  if (CHECK(buffer != NULL && type == TRITONSERVER_MEMORY_CPU)) memset(buffer, 1, 16);
  OK(TRITONBACKEND_StateBufferAttributes(state, &attributes));
  LACKS("state", TRITONBACKEND_StateBufferAttributes(NULL, &attributes));
  LACKS("buffer_attributes", TRITONBACKEND_StateBufferAttributes(state, NULL));
  OK(TRITONBACKEND_StateUpdate(state));
  LACKS("state", TRITONBACKEND_StateUpdate(NULL));
}

// Responses ---------------------------------------------------------------------------------------

static void CheckResponseParameters(TRITONBACKEND_Response* response) {
  OK(TRITONBACKEND_ResponseSetStringParameter(response, "text", "v"));
  OK(TRITONBACKEND_ResponseSetIntParameter(response, "int", 1));
  OK(TRITONBACKEND_ResponseSetBoolParameter(response, "bool", true));
  OK(TRITONBACKEND_ResponseSetDoubleParameter(response, "double", 1));
  LACKS("response", TRITONBACKEND_ResponseSetStringParameter(NULL, "text", "v"));
  LACKS("value", TRITONBACKEND_ResponseSetStringParameter(response, "text", NULL));
  LACKS("response", TRITONBACKEND_ResponseSetIntParameter(NULL, "int", 1));
  LACKS("name", TRITONBACKEND_ResponseSetIntParameter(response, NULL, 1));
  LACKS("response", TRITONBACKEND_ResponseSetBoolParameter(NULL, "bool", true));
  LACKS("name", TRITONBACKEND_ResponseSetBoolParameter(response, NULL, true));
  LACKS("response", TRITONBACKEND_ResponseSetDoubleParameter(NULL, "double", 1));
  LACKS("name", TRITONBACKEND_ResponseSetDoubleParameter(response, NULL, 1));
}

static void CheckOutput(TRITONBACKEND_Response* response, const void* bytes) {
  TRITONBACKEND_Output* output = NULL;
  TRITONSERVER_DataType datatype = TRITONSERVER_TYPE_INT32;
  TRITONSERVER_BufferAttributes* attributes = NULL;
  TRITONSERVER_MemoryType type = TRITONSERVER_MEMORY_CPU;
  int64_t id = 0;
  void* buffer = NULL;
  LACKS("response", TRITONBACKEND_ResponseOutput(NULL, &output, "OUTPUT0", datatype, kShape, 2));
  LACKS("output", TRITONBACKEND_ResponseOutput(response, NULL, "OUTPUT0", datatype, kShape, 2));
  LACKS("name", TRITONBACKEND_ResponseOutput(response, &output, NULL, datatype, kShape, 2));
  LACKS("shape", TRITONBACKEND_ResponseOutput(response, &output, "OUTPUT0", datatype, NULL, 2));
  CHECK(output == NULL);
  OK(TRITONBACKEND_ResponseOutput(response, &output, "OUTPUT0", datatype, kShape, 2));
  LACKS("output", TRITONBACKEND_OutputBuffer(NULL, &buffer, 16, &type, &id));
  LACKS("buffer", TRITONBACKEND_OutputBuffer(output, NULL, 16, &type, &id));
  LACKS("memory_type", TRITONBACKEND_OutputBuffer(output, &buffer, 16, NULL, &id));
  FAILS(TRITONBACKEND_OutputBuffer(output, &buffer, 12, &type, &id), kInvalid, "asked for 12");
  OK(TRITONBACKEND_OutputBuffer(output, &buffer, 16, &type, &id));
  if (CHECK(buffer != NULL)) memcpy(buffer, bytes, 16);
  FAILS(TRITONBACKEND_OutputBuffer(output, &buffer, 16, &type, &id), kInvalid, "already has");
  OK(TRITONBACKEND_OutputBufferAttributes(output, &attributes));
  LACKS("output", TRITONBACKEND_OutputBufferAttributes(NULL, &attributes));
  LACKS("buffer_attributes", TRITONBACKEND_OutputBufferAttributes(output, NULL));

  const char* name = NULL;
  const int64_t* shape = NULL;
  uint64_t rank = 0;
  datatype = TRITONSERVER_TYPE_INVALID;
  OK(TRITONBACKEND_InferenceResponseOutput(response, 0, &name, &datatype, &shape, &rank));
  CHECK(strcmp(name, "OUTPUT0") == 0 && datatype == TRITONSERVER_TYPE_INT32 && rank == 2);
  FAILS(TRITONBACKEND_InferenceResponseOutput(response, 1, &name, &datatype, &shape, &rank),
        kInvalid, "out of bounds index 1");
  LACKS("response",
        TRITONBACKEND_InferenceResponseOutput(NULL, 0, &name, &datatype, &shape, &rank));
  OK(TRITONBACKEND_InferenceResponseOutputByName(response, "OUTPUT0", &datatype, &shape, &rank));
  FAILS(TRITONBACKEND_InferenceResponseOutputByName(response, "nobody", &datatype, &shape, &rank),
        TRITONSERVER_ERROR_NOT_FOUND, "nobody");
  LACKS("response",
        TRITONBACKEND_InferenceResponseOutputByName(NULL, "OUTPUT0", &datatype, &shape, &rank));
}

static TRITONBACKEND_ResponseFactory* CheckFactory(TRITONBACKEND_Request* request) {
  TRITONBACKEND_ResponseFactory* factory = NULL;
  bool cancelled = true;
  LACKS("factory", TRITONBACKEND_ResponseFactoryNew(NULL, request));
  LACKS("request", TRITONBACKEND_ResponseFactoryNew(&factory, NULL));
  CHECK(factory == NULL);
  OK(TRITONBACKEND_ResponseFactoryNew(&factory, request));
  OK(TRITONBACKEND_ResponseFactoryIsCancelled(factory, &cancelled));
  CHECK(!cancelled);
  LACKS("factory", TRITONBACKEND_ResponseFactoryIsCancelled(NULL, &cancelled));
  LACKS("is_cancelled", TRITONBACKEND_ResponseFactoryIsCancelled(factory, NULL));
  LACKS("factory", TRITONBACKEND_ResponseFactorySendFlags(NULL, 0));
  return factory;
}

static void CheckStatistics(TRITONBACKEND_ModelInstance* instance, TRITONBACKEND_Request* request,
                            TRITONBACKEND_ResponseFactory* factory) {
  OK(TRITONBACKEND_ModelInstanceReportStatistics(instance, request, true, 1, 2, 3, 4));
  LACKS("instance", TRITONBACKEND_ModelInstanceReportStatistics(NULL, request, true, 1, 2, 3, 4));
  LACKS("request", TRITONBACKEND_ModelInstanceReportStatistics(instance, NULL, true, 1, 2, 3, 4));
  TRITONBACKEND_ModelInstanceResponseStatistics* report = NULL;
  OK(TRITONBACKEND_ModelInstanceResponseStatisticsNew(&report));
  OK(TRITONBACKEND_ModelInstanceResponseStatisticsSetModelInstance(report, instance));
  FAILS(TRITONBACKEND_ModelInstanceReportResponseStatistics(report), kInvalid, "response factory");
  OK(TRITONBACKEND_ModelInstanceResponseStatisticsSetResponseFactory(report, factory));
  OK(TRITONBACKEND_ModelInstanceResponseStatisticsSetResponseStart(report, 1));
  OK(TRITONBACKEND_ModelInstanceResponseStatisticsSetComputeOutputStart(report, 2));
  OK(TRITONBACKEND_ModelInstanceResponseStatisticsSetResponseEnd(report, 3));
  OK(TRITONBACKEND_ModelInstanceReportResponseStatistics(report));
  OK(TRITONBACKEND_ModelInstanceResponseStatisticsDelete(report));
}

// After the final response and the release: nothing that is sent reaches the client.
static void CheckTooLate(TRITONBACKEND_Request* request, TRITONBACKEND_ResponseFactory* factory) {
  const uint32_t final = TRITONSERVER_RESPONSE_COMPLETE_FINAL;
  TRITONBACKEND_Response* late = NULL;
  OK(TRITONBACKEND_ResponseNewFromFactory(&late, factory));
  FAILS(TRITONBACKEND_ResponseSend(late, final, NULL), kInvalid, "after its final one");
  FAILS(TRITONBACKEND_ResponseFactorySendFlags(factory, final), kInvalid, "after its final one");
  LACKS("response", TRITONBACKEND_ResponseNewFromFactory(NULL, factory));
  LACKS("factory", TRITONBACKEND_ResponseNewFromFactory(&late, NULL));
  LACKS("request", TRITONBACKEND_RequestRelease(NULL, TRITONSERVER_REQUEST_RELEASE_ALL));
  FAILS(TRITONBACKEND_RequestRelease(request, TRITONSERVER_REQUEST_RELEASE_RESCHEDULE), kInvalid,
        "RESCHEDULE");
  OK(TRITONBACKEND_RequestRelease(request, TRITONSERVER_REQUEST_RELEASE_ALL));
}

void ServeWithChecks(TRITONBACKEND_ModelInstance* instance, TRITONBACKEND_Request* request) {
  TRITONBACKEND_Response* response = NULL;
  TRITONSERVER_InferenceTrace* trace = (TRITONSERVER_InferenceTrace*)&response;
  LACKS("request", TRITONBACKEND_RequestTrace(NULL, &trace));
  LACKS("trace", TRITONBACKEND_RequestTrace(request, NULL));
  OK(TRITONBACKEND_RequestTrace(request, &trace));
  CHECK(trace == NULL);  // it is not traced
  CheckProperties(request);
  CheckParameters(request);
  const void* bytes = CheckInput(CheckInputs(request));
  CheckRequestedOutputs(request);
  CheckState(request);
  TRITONBACKEND_ResponseFactory* factory = CheckFactory(request);
  CheckStatistics(instance, request, factory);

  LACKS("response", TRITONBACKEND_ResponseNew(NULL, request));
  LACKS("request", TRITONBACKEND_ResponseNew(&response, NULL));
  OK(TRITONBACKEND_ResponseNewFromFactory(&response, factory));
  OK(TRITONBACKEND_ResponseDelete(response));  // dropped: nobody hears of it
  OK(TRITONBACKEND_ResponseNew(&response, request));
  CheckResponseParameters(response);
  CheckOutput(response, bytes);
  LACKS("response", TRITONBACKEND_ResponseSend(NULL, 0, NULL));
  OK(TRITONBACKEND_ResponseFactorySendFlags(factory, 0));
  OK(TRITONBACKEND_ResponseSend(response, TRITONSERVER_RESPONSE_COMPLETE_FINAL, NULL));
  CheckTooLate(request, factory);
  OK(TRITONBACKEND_ResponseFactoryDelete(factory));
}
