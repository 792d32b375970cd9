// What every function of the server API says to arguments that are not there: INVALID_ARG, naming
// the argument; the functions that delete take null as nothing to delete.

#include <string.h>

#include "support.h"
#include "trident/extension.h"
#include "triton/core/tritonbackend.h"
#include "triton/core/tritoncache.h"
#include "triton/core/tritonrepoagent.h"

static const int32_t kData[4] = {3, 1, 4, 1};

static void TestVersions(void) {
  uint32_t number = 9;
  LACKS("major", TRITONSERVER_ApiVersion(NULL, &number));
  LACKS("minor", TRITONSERVER_ApiVersion(&number, NULL));
  LACKS("major", TRITONBACKEND_ApiVersion(NULL, &number));
  LACKS("minor", TRITONBACKEND_ApiVersion(&number, NULL));
  LACKS("major", TRITONCACHE_ApiVersion(NULL, &number));
  LACKS("minor", TRITONCACHE_ApiVersion(&number, NULL));
  LACKS("major", TRITONREPOAGENT_ApiVersion(NULL, &number));
  LACKS("minor", TRITONREPOAGENT_ApiVersion(&number, NULL));
  CHECK(number == 9);
}

static void TestDeletions(void) {
  BAD(TRITONSERVER_ErrorDelete(NULL));
  BAD(TRITONSERVER_ParameterDelete(NULL));
  OK(BAD(TRITONSERVER_BufferAttributesDelete(NULL)));
  OK(BAD(TRITONSERVER_InferenceRequestDelete(NULL)));
  OK(BAD(TRITONSERVER_InferenceResponseDelete(NULL)));
  OK(BAD(TRITONSERVER_MessageDelete(NULL)));
  OK(BAD(TRITONSERVER_MetricsDelete(NULL)));
  OK(BAD(TRITONSERVER_MetricArgsDelete(NULL)));
  OK(BAD(TRITONSERVER_MetricDelete(NULL)));
  OK(BAD(TRITONSERVER_MetricFamilyDelete(NULL)));
  OK(BAD(TRITONSERVER_ResponseAllocatorDelete(NULL)));
  OK(BAD(TRITONSERVER_ServerDelete(NULL)));
  OK(BAD(TRITONSERVER_ServerOptionsDelete(NULL)));
  OK(BAD(TRITONBACKEND_ModelInstanceResponseStatisticsDelete(NULL)));
  OK(BAD(TRITONBACKEND_ResponseDelete(NULL)));
  OK(BAD(TRITONBACKEND_ResponseFactoryDelete(NULL)));
}

static void TestMessagesAndLog(void) {
  TRITONSERVER_Message* message = NULL;
  const char* base = NULL;
  size_t size = 0;
  LACKS("message", TRITONSERVER_MessageNewFromSerializedJson(NULL, "{}", 2));
  LACKS("base", TRITONSERVER_MessageNewFromSerializedJson(&message, NULL, 2));
  CHECK(message == NULL);
  LACKS("message", TRITONSERVER_MessageSerializeToJson(NULL, &base, &size));
  OK(TRITONSERVER_MessageNewFromSerializedJson(&message, "", 0));
  LACKS("base", TRITONSERVER_MessageSerializeToJson(message, NULL, &size));
  LACKS("byte_size", TRITONSERVER_MessageSerializeToJson(message, &base, NULL));
  OK(TRITONSERVER_MessageDelete(message));
  LACKS("filename", TRITONSERVER_LogMessage(TRITONSERVER_LOG_INFO, NULL, 1, "x"));
  LACKS("msg", TRITONSERVER_LogMessage(TRITONSERVER_LOG_INFO, "f", 1, NULL));
}

static void TestBufferAttributes(void) {
  TRITONSERVER_BufferAttributes* attributes = NULL;
  TRITONSERVER_MemoryType type;
  int64_t id = 0;
  size_t size = 0;
  void* handle = NULL;
  LACKS("buffer_attributes", TRITONSERVER_BufferAttributesNew(NULL));
  LACKS("buffer_attributes", TRITONSERVER_BufferAttributesMemoryType(NULL, &type));
  LACKS("buffer_attributes", TRITONSERVER_BufferAttributesMemoryTypeId(NULL, &id));
  LACKS("buffer_attributes", TRITONSERVER_BufferAttributesByteSize(NULL, &size));
  LACKS("buffer_attributes", TRITONSERVER_BufferAttributesCudaIpcHandle(NULL, &handle));
  LACKS("buffer_attributes",
        TRITONSERVER_BufferAttributesSetMemoryType(NULL, TRITONSERVER_MEMORY_CPU));
  LACKS("buffer_attributes", TRITONSERVER_BufferAttributesSetMemoryTypeId(NULL, 0));
  LACKS("buffer_attributes", TRITONSERVER_BufferAttributesSetByteSize(NULL, 0));
  LACKS("buffer_attributes", TRITONSERVER_BufferAttributesSetCudaIpcHandle(NULL, NULL));
  OK(TRITONSERVER_BufferAttributesNew(&attributes));
  LACKS("memory_type", TRITONSERVER_BufferAttributesMemoryType(attributes, NULL));
  LACKS("memory_type_id", TRITONSERVER_BufferAttributesMemoryTypeId(attributes, NULL));
  LACKS("byte_size", TRITONSERVER_BufferAttributesByteSize(attributes, NULL));
  LACKS("cuda_ipc_handle", TRITONSERVER_BufferAttributesCudaIpcHandle(attributes, NULL));
  OK(TRITONSERVER_BufferAttributesDelete(attributes));
}

static TRITONSERVER_Error* Allocate(TRITONSERVER_ResponseAllocator* allocator, const char* name,
                                    size_t size, TRITONSERVER_MemoryType type, int64_t id,
                                    void* userp, void** buffer, void** buffer_userp,
                                    TRITONSERVER_MemoryType* actual_type, int64_t* actual_id) {
  (void)allocator, (void)name, (void)size, (void)type, (void)id, (void)userp;
  (void)buffer, (void)buffer_userp, (void)actual_type, (void)actual_id;
  return NULL;
}

static TRITONSERVER_Error* Release(TRITONSERVER_ResponseAllocator* allocator, void* buffer,
                                   void* buffer_userp, size_t size, TRITONSERVER_MemoryType type,
                                   int64_t id) {
  (void)allocator, (void)buffer, (void)buffer_userp, (void)size, (void)type, (void)id;
  return NULL;
}

static void TestAllocators(void) {
  TRITONSERVER_ResponseAllocator* allocator = NULL;
  LACKS("allocator", TRITONSERVER_ResponseAllocatorNew(NULL, Allocate, Release, NULL));
  LACKS("alloc_fn", TRITONSERVER_ResponseAllocatorNew(&allocator, NULL, Release, NULL));
  LACKS("release_fn", TRITONSERVER_ResponseAllocatorNew(&allocator, Allocate, NULL, NULL));
  CHECK(allocator == NULL);
  LACKS("allocator", TRITONSERVER_ResponseAllocatorSetBufferAttributesFunction(NULL, NULL));
  LACKS("allocator", TRITONSERVER_ResponseAllocatorSetQueryFunction(NULL, NULL));
  OK(TRITONSERVER_ResponseAllocatorNew(&allocator, Allocate, Release, NULL));
  OK(TRITONSERVER_ResponseAllocatorSetQueryFunction(allocator, NULL));  // has none
  OK(TRITONSERVER_ResponseAllocatorDelete(allocator));
}

static void TestMetricArguments(TRITONSERVER_Server* server) {
  TRITONSERVER_Metrics* metrics = NULL;
  TRITONSERVER_MetricFamily* family = NULL;
  TRITONSERVER_Metric* metric = NULL;
  TRITONSERVER_MetricKind kind = TRITONSERVER_METRIC_KIND_GAUGE;
  const char* base = NULL;
  size_t size = 0;
  LACKS("server", TRITONSERVER_ServerMetrics(NULL, &metrics));
  LACKS("metrics", TRITONSERVER_ServerMetrics(server, NULL));
  LACKS("metrics",
        TRITONSERVER_MetricsFormatted(NULL, TRITONSERVER_METRIC_PROMETHEUS, &base, &size));
  LACKS("family", TRITONSERVER_MetricFamilyNew(NULL, kind, "n", "d"));
  LACKS("description", TRITONSERVER_MetricFamilyNew(&family, kind, "n", NULL));
  LACKS("family", TRITONSERVER_GetMetricFamilyKind(NULL, &kind));
  LACKS("args", TRITONSERVER_MetricArgsSetHistogram(NULL, NULL, 0));
  LACKS("family", TRITONSERVER_MetricNewWithArgs(&metric, NULL, NULL, 0, NULL));
  LACKS("metric", TRITONSERVER_MetricIncrement(NULL, 1));
  LACKS("metric", TRITONSERVER_MetricSet(NULL, 1));
  LACKS("metric", TRITONSERVER_MetricObserve(NULL, 1));
  LACKS("metric", TRITONSERVER_GetMetricKind(NULL, &kind));
  OK(TRITONSERVER_MetricFamilyNew(&family, kind, "arguments", "of a test"));
  OK(TRITONSERVER_MetricNew(&metric, family, NULL, 0));
  LACKS("metric", TRITONSERVER_MetricNew(NULL, family, NULL, 0));
  LACKS("kind", TRITONSERVER_GetMetricFamilyKind(family, NULL));
  LACKS("kind", TRITONSERVER_GetMetricKind(metric, NULL));
  LACKS("value", TRITONSERVER_MetricValue(metric, NULL));
  OK(TRITONSERVER_MetricDelete(metric));
  OK(TRITONSERVER_MetricFamilyDelete(family));
}

static void TestServer(TRITONSERVER_Server* server) {
  TRITONSERVER_ServerOptions* options = NULL;
  TRITONSERVER_Server* none = NULL;
  TRITONSERVER_Message* message = NULL;
  bool flag = false;
  OK(TRITONSERVER_ServerOptionsNew(&options));
  LACKS("server", TRITONSERVER_ServerNew(NULL, options));
  LACKS("options", TRITONSERVER_ServerNew(&none, NULL));
  OK(TRITONSERVER_ServerOptionsDelete(options));
  LACKS("server", TRITONSERVER_ServerStop(NULL));
  LACKS("server", TRITONSERVER_ServerSetExitTimeout(NULL, 1));
  LACKS("server", TRITONSERVER_TridentServerSetExitTimeoutMs(NULL, 1));
  LACKS("server", TRITONSERVER_ServerIsLive(NULL, &flag));
  LACKS("live", TRITONSERVER_ServerIsLive(server, NULL));
  LACKS("server", TRITONSERVER_ServerIsReady(NULL, &flag));
  LACKS("ready", TRITONSERVER_ServerIsReady(server, NULL));
  LACKS("server", TRITONSERVER_ServerMetadata(NULL, &message));
  LACKS("server_metadata", TRITONSERVER_ServerMetadata(server, NULL));
  LACKS("server", TRITONSERVER_ServerRegisterModelRepository(NULL, "/", NULL, 0));
  LACKS("repository_path", TRITONSERVER_ServerRegisterModelRepository(server, NULL, NULL, 0));
  LACKS("server", TRITONSERVER_ServerUnregisterModelRepository(NULL, "/"));
  LACKS("repository_path", TRITONSERVER_ServerUnregisterModelRepository(server, NULL));
  LACKS("server", TRITONSERVER_ServerPollModelRepository(NULL));
  LACKS("server", TRITONSERVER_ServerModelIndex(NULL, 0, &message));
  LACKS("model_index", TRITONSERVER_ServerModelIndex(server, 0, NULL));
  LACKS("server", TRITONSERVER_TridentServerEndLoads(NULL));
  LACKS("server", TRITONSERVER_TridentServerCheckDevices(NULL));
  LACKS("text", TRITONSERVER_TridentReadModelConfig(NULL, 0, "config.pbtxt", &message));
  LACKS("file_name", TRITONSERVER_TridentReadModelConfig("", 0, NULL, &message));
  LACKS("model_config", TRITONSERVER_TridentReadModelConfig("", 0, "config.pbtxt", NULL));
  CHECK(none == NULL && message == NULL);
}

static void TestModelArguments(TRITONSERVER_Server* server) {
  TRITONSERVER_Message* message = NULL;
  bool flag = false;
  uint32_t flags = 0;
  LACKS("server", TRITONSERVER_ServerLoadModel(NULL, "single"));
  LACKS("model_name", TRITONSERVER_ServerLoadModel(server, NULL));
  LACKS("server", TRITONSERVER_ServerLoadModelWithParameters(NULL, "single", NULL, 0));
  LACKS("model_name", TRITONSERVER_ServerLoadModelWithParameters(server, NULL, NULL, 0));
  OK(TRITONSERVER_ServerLoadModelWithParameters(server, "single", NULL, 0));
  LACKS("server", TRITONSERVER_TridentServerLoadProvidedModel(NULL, "provided", "{}"));
  LACKS("model_name", TRITONSERVER_TridentServerLoadProvidedModel(server, NULL, "{}"));
  LACKS("config_json", TRITONSERVER_TridentServerLoadProvidedModel(server, "provided", NULL));
  LACKS("server", TRITONSERVER_ServerUnloadModel(NULL, "single"));
  LACKS("model_name", TRITONSERVER_ServerUnloadModel(server, NULL));
  LACKS("server", TRITONSERVER_ServerUnloadModelAndDependents(NULL, "single"));
  LACKS("model_name", TRITONSERVER_ServerUnloadModelAndDependents(server, NULL));
  LACKS("server", TRITONSERVER_TridentServerUnloadModelAndWait(NULL, "single", false, 1));
  LACKS("model_name", TRITONSERVER_TridentServerUnloadModelAndWait(server, NULL, false, 1));
  LACKS("server", TRITONSERVER_ServerModelIsReady(NULL, "single", -1, &flag));
  LACKS("model_name", TRITONSERVER_ServerModelIsReady(server, NULL, -1, &flag));
  LACKS("ready", TRITONSERVER_ServerModelIsReady(server, "single", -1, NULL));
  LACKS("server", TRITONSERVER_ServerModelBatchProperties(NULL, "single", -1, &flags, NULL));
  LACKS("model_name", TRITONSERVER_ServerModelBatchProperties(server, NULL, -1, &flags, NULL));
  LACKS("flags", TRITONSERVER_ServerModelBatchProperties(server, "single", -1, NULL, NULL));
  LACKS("server", TRITONSERVER_ServerModelTransactionProperties(NULL, "single", -1, &flags, NULL));
  LACKS("txn_flags",
        TRITONSERVER_ServerModelTransactionProperties(server, "single", -1, NULL, NULL));
  LACKS("server", TRITONSERVER_ServerModelMetadata(NULL, "single", -1, &message));
  LACKS("model_metadata", TRITONSERVER_ServerModelMetadata(server, "single", -1, NULL));
  LACKS("server", TRITONSERVER_ServerModelStatistics(NULL, "single", -1, &message));
  LACKS("model_name", TRITONSERVER_ServerModelStatistics(server, NULL, -1, &message));
  LACKS("server", TRITONSERVER_ServerModelConfig(NULL, "single", -1, 1, &message));
  LACKS("model_config", TRITONSERVER_ServerModelConfig(server, "single", -1, 1, NULL));
  CHECK(message == NULL);
}

static void TestSubmission(TRITONSERVER_Server* server) {
  TRITONSERVER_InferenceRequest* request = NULL;
  TRITONSERVER_Error* error = NULL;
  bool flag = true;
  Outcome outcome;
  InitOutcome(&outcome);
  LACKS("inference_request", TRITONSERVER_InferenceRequestNew(NULL, server, "single", -1));
  LACKS("server", TRITONSERVER_InferenceRequestNew(&request, NULL, "single", -1));
  LACKS("model_name", TRITONSERVER_InferenceRequestNew(&request, server, NULL, -1));
  CHECK(request == NULL);
  request = NewEchoRequest(server, "single", kData, NULL, &outcome);
  LACKS("server", TRITONSERVER_ServerInferAsync(NULL, request, NULL));
  LACKS("inference_request", TRITONSERVER_ServerInferAsync(server, NULL, NULL));
  LACKS("server", TRITONSERVER_TridentServerInferInline(NULL, request, 0, &flag));
  LACKS("request", TRITONSERVER_TridentServerInferInline(server, NULL, 0, &flag));
  LACKS("ran_inline", TRITONSERVER_TridentServerInferInline(server, request, 0, NULL));
  BAD(TRITONSERVER_TridentServerInferAsyncMany(NULL, &request, 1, 0, &error));
  LACKS("server", error);
  BAD(TRITONSERVER_TridentServerInferAsyncMany(server, NULL, 1, 0, &error));
  BAD(TRITONSERVER_TridentServerInferAsyncMany(server, &request, 1, 0, NULL));
  CHECK(outcome.released == 0);  // none of it has taken the request
  GOOD(TRITONSERVER_TridentServerInferAsyncMany(server, &request, 1, 0, &error));
  if (OK(error)) WaitFor(&outcome);
  CHECK(HasEcho(Answer(&outcome), kData, 1));
  ClearOutcome(&outcome);
  OK(TRITONSERVER_InferenceRequestDelete(request));
}

static void TestResponse(TRITONSERVER_Server* server) {
  Outcome outcome;
  InitOutcome(&outcome);
  TRITONSERVER_InferenceRequest* request = NewEchoRequest(server, "single", kData, NULL, &outcome);
  if (OK(TRITONSERVER_ServerInferAsync(server, request, NULL))) WaitFor(&outcome);
  TRITONSERVER_InferenceResponse* response = Answer(&outcome);
  const char* text = NULL;
  int64_t id = 0;
  uint32_t count = 0;
  const int64_t* shape = NULL;
  uint64_t rank = 0;
  const void* base = NULL;
  size_t size = 0;
  void* userp = NULL;
  TRITONSERVER_DataType datatype;
  TRITONSERVER_MemoryType memory;
  TRITONSERVER_ParameterType type;
  LACKS("inference_response", TRITONSERVER_InferenceResponseError(NULL));
  LACKS("inference_response", TRITONSERVER_InferenceResponseModel(NULL, &text, &id));
  LACKS("model_name", TRITONSERVER_InferenceResponseModel(response, NULL, &id));
  LACKS("model_version", TRITONSERVER_InferenceResponseModel(response, &text, NULL));
  LACKS("inference_response", TRITONSERVER_InferenceResponseId(NULL, &text));
  LACKS("request_id", TRITONSERVER_InferenceResponseId(response, NULL));
  LACKS("inference_response", TRITONSERVER_InferenceResponseParameterCount(NULL, &count));
  LACKS("count", TRITONSERVER_InferenceResponseParameterCount(response, NULL));
  LACKS("inference_response",
        TRITONSERVER_InferenceResponseParameter(NULL, 0, &text, &type, &base));
  LACKS("name", TRITONSERVER_InferenceResponseParameter(response, 0, NULL, &type, &base));
  LACKS("type", TRITONSERVER_InferenceResponseParameter(response, 0, &text, NULL, &base));
  LACKS("vvalue", TRITONSERVER_InferenceResponseParameter(response, 0, &text, &type, NULL));
  LACKS("inference_response", TRITONSERVER_InferenceResponseOutputCount(NULL, &count));
  LACKS("count", TRITONSERVER_InferenceResponseOutputCount(response, NULL));
  LACKS("inference_response",
        TRITONSERVER_InferenceResponseOutput(NULL, 0, &text, &datatype, &shape, &rank, &base, &size,
                                             &memory, &id, &userp));
  LACKS("userp", TRITONSERVER_InferenceResponseOutput(response, 0, &text, &datatype, &shape, &rank,
                                                      &base, &size, &memory, &id, NULL));
  LACKS("inference_response",
        TRITONSERVER_InferenceResponseOutputClassificationLabel(NULL, 0, 0, &text));
  LACKS("label", TRITONSERVER_InferenceResponseOutputClassificationLabel(response, 0, 0, NULL));
  ClearOutcome(&outcome);
  OK(TRITONSERVER_InferenceRequestDelete(request));
}

void TestArguments(void) {
  TestVersions();
  TestDeletions();
  TestMessagesAndLog();
  TestBufferAttributes();
  TestAllocators();
  TRITONSERVER_Server* server = StartServer("single", true, 30);
  TestMetricArguments(server);
  TestServer(server);
  TestModelArguments(server);
  TestSubmission(server);
  TestResponse(server);
  OK(TRITONSERVER_TridentServerSetExitTimeoutMs(server, 30000));
  OK(TRITONSERVER_TridentServerCheckDevices(server));
  OK(TRITONSERVER_TridentServerEndLoads(server));
  FAILS(TRITONSERVER_ServerLoadModel(server, "batched"), TRITONSERVER_ERROR_UNAVAILABLE, "");
  OK(TRITONSERVER_ServerDelete(server));
}
