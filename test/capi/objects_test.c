// The small objects: errors, names, attributes, parameters, messages.

#include <string.h>

#include "support.h"
#include "trident/extension.h"
#include "triton/core/tritonbackend.h"
#include "triton/core/tritoncache.h"
#include "triton/core/tritonrepoagent.h"

static void TestVersions(void) {
  uint32_t major = 9, minor = 9;
  OK(TRITONSERVER_ApiVersion(&major, &minor));
  CHECK(major == TRITONSERVER_API_VERSION_MAJOR && minor == TRITONSERVER_API_VERSION_MINOR);
  OK(TRITONBACKEND_ApiVersion(&major, &minor));
  CHECK(major == TRITONBACKEND_API_VERSION_MAJOR && minor == TRITONBACKEND_API_VERSION_MINOR);
  OK(TRITONCACHE_ApiVersion(&major, &minor));
  CHECK(major == TRITONCACHE_API_VERSION_MAJOR && minor == TRITONCACHE_API_VERSION_MINOR);
  OK(TRITONREPOAGENT_ApiVersion(&major, &minor));
  CHECK(major == TRITONREPOAGENT_API_VERSION_MAJOR && minor == TRITONREPOAGENT_API_VERSION_MINOR);
}

static void TestErrors(void) {
  char text[] = "what happened";
  TRITONSERVER_Error* error = GOOD(TRITONSERVER_ErrorNew(TRITONSERVER_ERROR_NOT_FOUND, text));
  text[0] = 'X';  // the error has its own copy
  CHECK(GOOD(TRITONSERVER_ErrorCode(error)) == TRITONSERVER_ERROR_NOT_FOUND);
  CHECK(strcmp(GOOD(TRITONSERVER_ErrorCodeString(error)), "Not found") == 0);
  CHECK(strcmp(GOOD(TRITONSERVER_ErrorMessage(error)), "what happened") == 0);
  GOOD(TRITONSERVER_ErrorDelete(error));
  error = BAD(TRITONSERVER_ErrorNew((TRITONSERVER_Error_Code)77, NULL));
  CHECK(TRITONSERVER_ErrorCode(error) == TRITONSERVER_ERROR_UNKNOWN);
  CHECK(strcmp(TRITONSERVER_ErrorMessage(error), "") == 0);
  TRITONSERVER_ErrorDelete(error);
  CHECK(BAD(TRITONSERVER_ErrorCode(NULL)) == TRITONSERVER_ERROR_UNKNOWN);
  CHECK(BAD(TRITONSERVER_ErrorCodeString(NULL)) != NULL);
  CHECK(strcmp(BAD(TRITONSERVER_ErrorMessage(NULL)), "") == 0);
}

// `good` has this name, and `bad`, a value outside of the enumeration, has `none`.
#define NAMES(good, name, bad, none)      \
  do {                                    \
    CHECK(strcmp(GOOD(good), name) == 0); \
    CHECK(strcmp(BAD(bad), none) == 0);   \
  } while (0)

static void TestNames(void) {
  NAMES(TRITONSERVER_DataTypeString(TRITONSERVER_TYPE_BF16), "BF16",
        TRITONSERVER_DataTypeString((TRITONSERVER_DataType)99), "<invalid>");
  NAMES(TRITONSERVER_MemoryTypeString(TRITONSERVER_MEMORY_CPU_PINNED), "CPU_PINNED",
        TRITONSERVER_MemoryTypeString((TRITONSERVER_MemoryType)99), "<invalid>");
  NAMES(TRITONSERVER_ParameterTypeString(TRITONSERVER_PARAMETER_DOUBLE), "DOUBLE",
        TRITONSERVER_ParameterTypeString((TRITONSERVER_ParameterType)99), "<invalid>");
  NAMES(TRITONSERVER_InstanceGroupKindString(TRITONSERVER_INSTANCEGROUPKIND_GPU), "GPU",
        TRITONSERVER_InstanceGroupKindString((TRITONSERVER_InstanceGroupKind)99), "<invalid>");
  NAMES(TRITONREPOAGENT_ActionTypeString(TRITONREPOAGENT_ACTION_LOAD_FAIL),
        "TRITONREPOAGENT_ACTION_LOAD_FAIL",
        TRITONREPOAGENT_ActionTypeString((TRITONREPOAGENT_ActionType)99), "<invalid>");
  NAMES(TRITONREPOAGENT_ArtifactTypeString(TRITONREPOAGENT_ARTIFACT_FILESYSTEM),
        "TRITONREPOAGENT_ARTIFACT_FILESYSTEM",
        TRITONREPOAGENT_ArtifactTypeString((TRITONREPOAGENT_ArtifactType)99), "<invalid>");
  NAMES(TRITONSERVER_InferenceTraceLevelString(TRITONSERVER_TRACE_LEVEL_TENSORS), "TENSORS",
        TRITONSERVER_InferenceTraceLevelString((TRITONSERVER_InferenceTraceLevel)99), "<unknown>");
  NAMES(TRITONSERVER_InferenceTraceActivityString(TRITONSERVER_TRACE_QUEUE_START), "QUEUE_START",
        TRITONSERVER_InferenceTraceActivityString((TRITONSERVER_InferenceTraceActivity)99),
        "<unknown>");
  CHECK(strcmp(TRITONSERVER_DataTypeString(TRITONSERVER_TYPE_INVALID), "<invalid>") == 0);
  CHECK(GOOD(TRITONSERVER_StringToDataType("BYTES")) == TRITONSERVER_TYPE_BYTES);
  CHECK(BAD(TRITONSERVER_StringToDataType("bytes")) == TRITONSERVER_TYPE_INVALID);
  CHECK(BAD(TRITONSERVER_StringToDataType(NULL)) == TRITONSERVER_TYPE_INVALID);
  CHECK(GOOD(TRITONSERVER_DataTypeByteSize(TRITONSERVER_TYPE_FP16)) == 2);
  CHECK(GOOD(TRITONSERVER_DataTypeByteSize(TRITONSERVER_TYPE_BYTES)) == 0);
  CHECK(BAD(TRITONSERVER_DataTypeByteSize((TRITONSERVER_DataType)99)) == 0);
}

static void TestBufferAttributes(void) {
  TRITONSERVER_BufferAttributes* attributes = NULL;
  TRITONSERVER_MemoryType type = TRITONSERVER_MEMORY_GPU;
  int64_t id = 9;
  size_t size = 9;
  void* handle = &id;
  OK(TRITONSERVER_BufferAttributesNew(&attributes));
  OK(TRITONSERVER_BufferAttributesMemoryType(attributes, &type));
  OK(TRITONSERVER_BufferAttributesMemoryTypeId(attributes, &id));
  OK(TRITONSERVER_BufferAttributesByteSize(attributes, &size));
  OK(TRITONSERVER_BufferAttributesCudaIpcHandle(attributes, &handle));
  CHECK(type == TRITONSERVER_MEMORY_CPU && id == 0 && size == 0 && handle == NULL);
  OK(TRITONSERVER_BufferAttributesSetMemoryType(attributes, TRITONSERVER_MEMORY_CPU_PINNED));
  OK(TRITONSERVER_BufferAttributesSetMemoryTypeId(attributes, -4));
  OK(TRITONSERVER_BufferAttributesSetByteSize(attributes, 1234));
  OK(TRITONSERVER_BufferAttributesSetCudaIpcHandle(attributes, &size));
  OK(TRITONSERVER_BufferAttributesMemoryType(attributes, &type));
  OK(TRITONSERVER_BufferAttributesMemoryTypeId(attributes, &id));
  OK(TRITONSERVER_BufferAttributesCudaIpcHandle(attributes, &handle));
  CHECK(handle == &size);
  OK(TRITONSERVER_BufferAttributesByteSize(attributes, &size));
  CHECK(type == TRITONSERVER_MEMORY_CPU_PINNED && id == -4 && size == 1234);
  OK(TRITONSERVER_BufferAttributesDelete(attributes));
}

static void TestParametersAndMessages(void) {
  const int64_t number = 7;
  TRITONSERVER_Parameter* parameter =
      GOOD(TRITONSERVER_ParameterNew("n", TRITONSERVER_PARAMETER_INT, &number));
  CHECK(parameter != NULL);
  GOOD(TRITONSERVER_ParameterDelete(parameter));
  CHECK(BAD(TRITONSERVER_ParameterNew("n", TRITONSERVER_PARAMETER_BYTES, &number)) == NULL);
  CHECK(BAD(TRITONSERVER_ParameterNew("n", (TRITONSERVER_ParameterType)99, &number)) == NULL);
  CHECK(BAD(TRITONSERVER_ParameterNew(NULL, TRITONSERVER_PARAMETER_INT, &number)) == NULL);
  CHECK(BAD(TRITONSERVER_ParameterNew("n", TRITONSERVER_PARAMETER_INT, NULL)) == NULL);
  CHECK(BAD(TRITONSERVER_ParameterBytesNew("n", NULL, 1)) == NULL);
  CHECK(BAD(TRITONSERVER_ParameterBytesNew(NULL, &number, 1)) == NULL);
  parameter = GOOD(TRITONSERVER_ParameterBytesNew("n", &number, sizeof(number)));
  CHECK(parameter != NULL);
  TRITONSERVER_ParameterDelete(parameter);

  TRITONSERVER_Message* message = NULL;
  const char* base = NULL;
  size_t size = 0;
  OK(TRITONSERVER_MessageNewFromSerializedJson(&message, "{\"a\":1}trailing", 7));
  OK(TRITONSERVER_MessageSerializeToJson(message, &base, &size));
  CHECK(size == 7 && memcmp(base, "{\"a\":1}", 7) == 0);
  OK(TRITONSERVER_MessageDelete(message));
}

static void TestConfigurations(void) {
  TRITONSERVER_Message* message = NULL;
  const char* base = NULL;
  size_t size = 0;
  const char* const text = "max_batch_size: 8 and more";
  OK(TRITONSERVER_TridentReadModelConfig(text, strlen("max_batch_size: 8"), "a.pbtxt", &message));
  OK(TRITONSERVER_MessageSerializeToJson(message, &base, &size));
  CHECK(strstr(base, "\"max_batch_size\":8,") != NULL);
  OK(TRITONSERVER_MessageDelete(message));
  message = NULL;
  FAILS(TRITONSERVER_TridentReadModelConfig(text, strlen(text), "a.pbtxt", &message),
        TRITONSERVER_ERROR_INVALID_ARG, "a.pbtxt:1:19: ");
  CHECK(message == NULL);
}

// What needs an instance and a factory is the echo backend's part.
static void TestResponseStatistics(void) {
  const TRITONSERVER_Error_Code invalid = TRITONSERVER_ERROR_INVALID_ARG;
  const char* const null = "argument 'response_statistics' is null";
  TRITONBACKEND_ModelInstanceResponseStatistics* report = NULL;
  TRITONSERVER_Error* error = TRITONSERVER_ErrorNew(TRITONSERVER_ERROR_CANCELLED, "enough");
  FAILS(TRITONBACKEND_ModelInstanceResponseStatisticsNew(NULL), invalid, null);
  OK(TRITONBACKEND_ModelInstanceResponseStatisticsNew(&report));
  OK(TRITONBACKEND_ModelInstanceResponseStatisticsSetModelInstance(report, NULL));
  OK(TRITONBACKEND_ModelInstanceResponseStatisticsSetResponseFactory(report, NULL));
  OK(TRITONBACKEND_ModelInstanceResponseStatisticsSetResponseStart(report, 1));
  OK(TRITONBACKEND_ModelInstanceResponseStatisticsSetComputeOutputStart(report, 2));
  OK(TRITONBACKEND_ModelInstanceResponseStatisticsSetResponseEnd(report, 3));
  OK(TRITONBACKEND_ModelInstanceResponseStatisticsSetError(report, error));
  OK(TRITONBACKEND_ModelInstanceResponseStatisticsSetError(report, NULL));
  FAILS(TRITONBACKEND_ModelInstanceReportResponseStatistics(report), invalid,
        "need a model instance and a response factory");
  OK(TRITONBACKEND_ModelInstanceResponseStatisticsDelete(report));
  OK(TRITONBACKEND_ModelInstanceResponseStatisticsDelete(NULL));
  FAILS(TRITONBACKEND_ModelInstanceResponseStatisticsSetModelInstance(NULL, NULL), invalid, null);
  FAILS(TRITONBACKEND_ModelInstanceResponseStatisticsSetResponseFactory(NULL, NULL), invalid, null);
  FAILS(TRITONBACKEND_ModelInstanceResponseStatisticsSetResponseStart(NULL, 1), invalid, null);
  FAILS(TRITONBACKEND_ModelInstanceResponseStatisticsSetComputeOutputStart(NULL, 1), invalid, null);
  FAILS(TRITONBACKEND_ModelInstanceResponseStatisticsSetResponseEnd(NULL, 1), invalid, null);
  FAILS(TRITONBACKEND_ModelInstanceResponseStatisticsSetError(NULL, error), invalid, null);
  FAILS(TRITONBACKEND_ModelInstanceReportResponseStatistics(NULL), invalid, null);
  TRITONSERVER_ErrorDelete(error);
}

static void TestMemoryManager(void) {
  void* buffer = NULL;
  OK(TRITONBACKEND_MemoryManagerAllocate(NULL, &buffer, TRITONSERVER_MEMORY_CPU, 0, 64));
  CHECK(buffer != NULL);
  memset(buffer, 1, 64);
  OK(TRITONBACKEND_MemoryManagerFree(NULL, buffer, TRITONSERVER_MEMORY_CPU, 0));
  FAILS(TRITONBACKEND_MemoryManagerAllocate(NULL, &buffer, TRITONSERVER_MEMORY_GPU, 0, 64),
        TRITONSERVER_ERROR_INVALID_ARG, "GPU");
  FAILS(TRITONBACKEND_MemoryManagerAllocate(NULL, &buffer, TRITONSERVER_MEMORY_CPU_PINNED, 0, 64),
        TRITONSERVER_ERROR_INVALID_ARG, "CPU_PINNED");
}

void TestObjects(void) {
  TestVersions();
  TestErrors();
  TestNames();
  TestBufferAttributes();
  TestParametersAndMessages();
  TestConfigurations();
  TestResponseStatistics();
  TestMemoryManager();
}
