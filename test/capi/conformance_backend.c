// A backend that calls every function the core offers to backends, with good and with bad arguments
// and of objects in the wrong state, and checks what they say. What it checks counts in the process
// that loads it. Its one output is the echo of its first input.

#include "conformance_backend.h"

#include <string.h>

// The backend ------------------------------------------------------------------------------------

static void CheckMemoryManager(TRITONBACKEND_Backend* backend) {
  TRITONBACKEND_MemoryManager* manager = NULL;
  void* buffer = NULL;
  OK(TRITONBACKEND_BackendMemoryManager(backend, &manager));
  LACKS("backend", TRITONBACKEND_BackendMemoryManager(NULL, &manager));
  LACKS("manager", TRITONBACKEND_BackendMemoryManager(backend, NULL));
  LACKS("buffer",
        TRITONBACKEND_MemoryManagerAllocate(manager, NULL, TRITONSERVER_MEMORY_CPU, 0, 8));
  FAILS(TRITONBACKEND_MemoryManagerAllocate(manager, &buffer, TRITONSERVER_MEMORY_GPU, 0, 8),
        TRITONSERVER_ERROR_UNSUPPORTED, "no CUDA driver");
  FAILS(TRITONBACKEND_MemoryManagerFree(manager, NULL, TRITONSERVER_MEMORY_GPU, 0),
        TRITONSERVER_ERROR_UNSUPPORTED, "no CUDA driver");
  FAILS(TRITONBACKEND_MemoryManagerAllocate(manager, &buffer, TRITONSERVER_MEMORY_CPU_PINNED, 0, 8),
        TRITONSERVER_ERROR_UNSUPPORTED, "no CUDA driver");
  FAILS(TRITONBACKEND_MemoryManagerFree(manager, &buffer, TRITONSERVER_MEMORY_CPU_PINNED, 0),
        TRITONSERVER_ERROR_INVALID_ARG, "pinned memory pool");
  OK(TRITONBACKEND_MemoryManagerAllocate(manager, &buffer, TRITONSERVER_MEMORY_CPU, 0, 8));
  if (CHECK(buffer != NULL)) memset(buffer, 1, 8);
  OK(TRITONBACKEND_MemoryManagerFree(manager, buffer, TRITONSERVER_MEMORY_CPU, 0));
}

TRITONSERVER_Error* TRITONBACKEND_Initialize(TRITONBACKEND_Backend* backend) {
  const char* text = NULL;
  TRITONSERVER_Message* config = NULL;
  TRITONBACKEND_ExecutionPolicy policy = TRITONBACKEND_EXECUTION_DEVICE_BLOCKING;
  TRITONBACKEND_ArtifactType type = (TRITONBACKEND_ArtifactType)9;
  void* state = backend;
  OK(TRITONBACKEND_BackendName(backend, &text));
  CHECK(text != NULL && strcmp(text, "tensorrt") == 0);
  LACKS("backend", TRITONBACKEND_BackendName(NULL, &text));
  LACKS("name", TRITONBACKEND_BackendName(backend, NULL));
  OK(TRITONBACKEND_BackendConfig(backend, &config));  // stays the backend's
  size_t size = 0;
  OK(TRITONSERVER_MessageSerializeToJson(config, &text, &size));
  CHECK(size > 0 && strstr(text, "\"cmdline\"") != NULL);
  LACKS("backend", TRITONBACKEND_BackendConfig(NULL, &config));
  LACKS("backend_config", TRITONBACKEND_BackendConfig(backend, NULL));
  OK(TRITONBACKEND_BackendExecutionPolicy(backend, &policy));
  CHECK(policy == TRITONBACKEND_EXECUTION_BLOCKING);
  LACKS("backend", TRITONBACKEND_BackendExecutionPolicy(NULL, &policy));
  LACKS("policy", TRITONBACKEND_BackendExecutionPolicy(backend, NULL));
  FAILS(TRITONBACKEND_BackendSetExecutionPolicy(backend, (TRITONBACKEND_ExecutionPolicy)7),
        kInvalid, "'7'");
  LACKS("backend", TRITONBACKEND_BackendSetExecutionPolicy(NULL, TRITONBACKEND_EXECUTION_BLOCKING));
  OK(TRITONBACKEND_BackendSetExecutionPolicy(backend, TRITONBACKEND_EXECUTION_BLOCKING));
  OK(TRITONBACKEND_BackendArtifacts(backend, &type, &text));
  CHECK(type == TRITONBACKEND_ARTIFACT_FILESYSTEM && strlen(text) > 0);
  LACKS("backend", TRITONBACKEND_BackendArtifacts(NULL, &type, &text));
  LACKS("artifact_type", TRITONBACKEND_BackendArtifacts(backend, NULL, &text));
  LACKS("location", TRITONBACKEND_BackendArtifacts(backend, &type, NULL));
  CheckMemoryManager(backend);
  OK(TRITONBACKEND_BackendState(backend, &state));
  CHECK(state == NULL);
  LACKS("backend", TRITONBACKEND_BackendState(NULL, &state));
  LACKS("state", TRITONBACKEND_BackendState(backend, NULL));
  LACKS("backend", TRITONBACKEND_BackendSetState(NULL, &state));
  OK(TRITONBACKEND_BackendSetState(backend, backend));
  return NULL;
}

TRITONSERVER_Error* TRITONBACKEND_Finalize(TRITONBACKEND_Backend* backend) {
  void* state = NULL;
  OK(TRITONBACKEND_BackendState(backend, &state));
  CHECK(state == backend);
  return NULL;
}

TRITONSERVER_Error* TRITONBACKEND_GetBackendAttribute(TRITONBACKEND_Backend* backend,
                                                      TRITONBACKEND_BackendAttribute* attributes) {
  (void)backend;
  const TRITONSERVER_InstanceGroupKind cpu = TRITONSERVER_INSTANCEGROUPKIND_CPU;
  OK(TRITONBACKEND_BackendAttributeAddPreferredInstanceGroup(attributes, cpu, 1, NULL, 0));
  LACKS("backend_attributes",
        TRITONBACKEND_BackendAttributeAddPreferredInstanceGroup(NULL, cpu, 1, NULL, 0));
  FAILS(TRITONBACKEND_BackendAttributeAddPreferredInstanceGroup(
            attributes, (TRITONSERVER_InstanceGroupKind)9, 1, NULL, 0),
        kInvalid, "unknown instance group kind '9'");
  FAILS(
      TRITONBACKEND_BackendAttributeAddPreferredInstanceGroup(attributes, cpu, UINT64_MAX, NULL, 0),
      kInvalid, "too large");
  OK(TRITONBACKEND_BackendAttributeSetParallelModelInstanceLoading(attributes, true));
  LACKS("backend_attributes",
        TRITONBACKEND_BackendAttributeSetParallelModelInstanceLoading(NULL, true));
  return NULL;
}

// Models -----------------------------------------------------------------------------------------

static void CheckConfig(TRITONBACKEND_Model* model) {
  TRITONSERVER_Message* config = NULL;
  const char* text = NULL;
  size_t size = 0;
  bool flag = false;
  OK(TRITONBACKEND_ModelAutoCompleteConfig(model, &flag));
  CHECK(flag);
  LACKS("model", TRITONBACKEND_ModelAutoCompleteConfig(NULL, &flag));
  LACKS("auto_complete_config", TRITONBACKEND_ModelAutoCompleteConfig(model, NULL));
  FAILS(TRITONBACKEND_ModelConfig(model, 2, &config), kInvalid, "version 2");
  LACKS("model", TRITONBACKEND_ModelConfig(NULL, 1, &config));
  LACKS("model_config", TRITONBACKEND_ModelConfig(model, 1, NULL));
  CHECK(config == NULL);
  OK(TRITONBACKEND_ModelConfig(model, 1, &config));  // the caller's
  OK(TRITONSERVER_MessageSerializeToJson(config, &text, &size));
  CHECK(size > 0 && strstr(text, "\"name\":\"conformance\"") != NULL);
  FAILS(TRITONBACKEND_ModelSetConfig(model, 2, config), kInvalid, "version 2");
  LACKS("model", TRITONBACKEND_ModelSetConfig(NULL, 1, config));
  LACKS("model_config", TRITONBACKEND_ModelSetConfig(model, 1, NULL));
  OK(TRITONBACKEND_ModelSetConfig(model, 1, config));
  OK(TRITONSERVER_MessageDelete(config));
  OK(TRITONSERVER_MessageNewFromSerializedJson(&config, "{]", 2));
  FAILS(TRITONBACKEND_ModelSetConfig(model, 1, config), kInvalid, "");
  OK(TRITONSERVER_MessageDelete(config));
}

static void CheckMemoryUsage(TRITONBACKEND_Model* model, TRITONBACKEND_ModelInstance* instance) {
  TRITONSERVER_BufferAttributes* usage[2] = {NULL, NULL};
  OK(TRITONSERVER_BufferAttributesNew(&usage[0]));
  if (model != NULL) {
    OK(TRITONBACKEND_ModelReportMemoryUsage(model, usage, 1));
    LACKS("model", TRITONBACKEND_ModelReportMemoryUsage(NULL, usage, 1));
    FAILS(TRITONBACKEND_ModelReportMemoryUsage(model, NULL, 1), kInvalid, "is null");
    FAILS(TRITONBACKEND_ModelReportMemoryUsage(model, usage, 2), kInvalid, "row 1");
    OK(TRITONBACKEND_ModelReportMemoryUsage(model, NULL, 0));
  } else {
    OK(TRITONBACKEND_ModelInstanceReportMemoryUsage(instance, usage, 1));
    LACKS("instance", TRITONBACKEND_ModelInstanceReportMemoryUsage(NULL, usage, 1));
    FAILS(TRITONBACKEND_ModelInstanceReportMemoryUsage(instance, NULL, 1), kInvalid, "is null");
    FAILS(TRITONBACKEND_ModelInstanceReportMemoryUsage(instance, usage, 2), kInvalid, "row 1");
    OK(TRITONBACKEND_ModelInstanceReportMemoryUsage(instance, NULL, 0));
  }
  OK(TRITONSERVER_BufferAttributesDelete(usage[0]));
}

TRITONSERVER_Error* TRITONBACKEND_ModelInitialize(TRITONBACKEND_Model* model) {
  const char* text = NULL;
  uint64_t version = 0;
  TRITONBACKEND_ArtifactType type = (TRITONBACKEND_ArtifactType)9;
  TRITONSERVER_Server* server = NULL;
  TRITONBACKEND_Backend* backend = NULL;
  void* state = model;
  bool live = false;
  OK(TRITONBACKEND_ModelName(model, &text));
  CHECK(text != NULL && strcmp(text, "conformance") == 0);
  LACKS("model", TRITONBACKEND_ModelName(NULL, &text));
  LACKS("name", TRITONBACKEND_ModelName(model, NULL));
  OK(TRITONBACKEND_ModelVersion(model, &version));
  CHECK(version == 3);
  LACKS("model", TRITONBACKEND_ModelVersion(NULL, &version));
  LACKS("version", TRITONBACKEND_ModelVersion(model, NULL));
  OK(TRITONBACKEND_ModelRepository(model, &type, &text));
  CHECK(type == TRITONBACKEND_ARTIFACT_FILESYSTEM && strstr(text, "conformance") != NULL);
  LACKS("model", TRITONBACKEND_ModelRepository(NULL, &type, &text));
  LACKS("artifact_type", TRITONBACKEND_ModelRepository(model, NULL, &text));
  LACKS("location", TRITONBACKEND_ModelRepository(model, &type, NULL));
  CheckConfig(model);
  OK(TRITONBACKEND_ModelServer(model, &server));
  OK(TRITONSERVER_ServerIsLive(server, &live));
  LACKS("model", TRITONBACKEND_ModelServer(NULL, &server));
  LACKS("server", TRITONBACKEND_ModelServer(model, NULL));
  OK(TRITONBACKEND_ModelBackend(model, &backend));
  OK(TRITONBACKEND_BackendState(backend, &state));
  CHECK(state == backend);
  LACKS("model", TRITONBACKEND_ModelBackend(NULL, &backend));
  LACKS("backend", TRITONBACKEND_ModelBackend(model, NULL));
  CheckMemoryUsage(model, NULL);
  OK(TRITONBACKEND_ModelState(model, &state));
  CHECK(state == NULL);
  LACKS("model", TRITONBACKEND_ModelState(NULL, &state));
  LACKS("state", TRITONBACKEND_ModelState(model, NULL));
  LACKS("model", TRITONBACKEND_ModelSetState(NULL, model));
  OK(TRITONBACKEND_ModelSetState(model, model));
  return NULL;
}

// Instances --------------------------------------------------------------------------------------

static void CheckDevices(TRITONBACKEND_ModelInstance* instance) {
  const char* text = NULL;
  uint32_t count = 9;
  int64_t id = 9;
  OK(TRITONBACKEND_ModelInstanceProfileCount(instance, &count));
  CHECK(count == 1);
  LACKS("instance", TRITONBACKEND_ModelInstanceProfileCount(NULL, &count));
  LACKS("count", TRITONBACKEND_ModelInstanceProfileCount(instance, NULL));
  OK(TRITONBACKEND_ModelInstanceProfileName(instance, 0, &text));
  CHECK(text != NULL && strcmp(text, "5") == 0);
  FAILS(TRITONBACKEND_ModelInstanceProfileName(instance, 1, &text), kInvalid,
        "out of bounds index 1");
  LACKS("instance", TRITONBACKEND_ModelInstanceProfileName(NULL, 0, &text));
  LACKS("profile_name", TRITONBACKEND_ModelInstanceProfileName(instance, 0, NULL));
  OK(TRITONBACKEND_ModelInstanceSecondaryDeviceCount(instance, &count));
  CHECK(count == 1);
  LACKS("instance", TRITONBACKEND_ModelInstanceSecondaryDeviceCount(NULL, &count));
  LACKS("count", TRITONBACKEND_ModelInstanceSecondaryDeviceCount(instance, NULL));
  OK(TRITONBACKEND_ModelInstanceSecondaryDeviceProperties(instance, 0, &text, &id));
  CHECK(strcmp(text, "KIND_NVDLA") == 0 && id == 2);
  FAILS(TRITONBACKEND_ModelInstanceSecondaryDeviceProperties(instance, 1, &text, &id), kInvalid,
        "out of bounds index 1");
  LACKS("instance", TRITONBACKEND_ModelInstanceSecondaryDeviceProperties(NULL, 0, &text, &id));
  LACKS("kind", TRITONBACKEND_ModelInstanceSecondaryDeviceProperties(instance, 0, NULL, &id));
  LACKS("id", TRITONBACKEND_ModelInstanceSecondaryDeviceProperties(instance, 0, &text, NULL));
}

TRITONSERVER_Error* TRITONBACKEND_ModelInstanceInitialize(TRITONBACKEND_ModelInstance* instance) {
  const char* text = NULL;
  TRITONSERVER_InstanceGroupKind kind = TRITONSERVER_INSTANCEGROUPKIND_AUTO;
  int32_t device = 9;
  TRITONSERVER_Message* policy = NULL;
  bool passive = true;
  TRITONBACKEND_Model* model = NULL;
  void* state = instance;
  OK(TRITONBACKEND_ModelInstanceName(instance, &text));
  CHECK(text != NULL && strncmp(text, "conformance", strlen("conformance")) == 0);
  LACKS("instance", TRITONBACKEND_ModelInstanceName(NULL, &text));
  LACKS("name", TRITONBACKEND_ModelInstanceName(instance, NULL));
  OK(TRITONBACKEND_ModelInstanceKind(instance, &kind));
  CHECK(kind == TRITONSERVER_INSTANCEGROUPKIND_CPU);
  LACKS("instance", TRITONBACKEND_ModelInstanceKind(NULL, &kind));
  LACKS("kind", TRITONBACKEND_ModelInstanceKind(instance, NULL));
  OK(TRITONBACKEND_ModelInstanceDeviceId(instance, &device));
  CHECK(device == 0);
  LACKS("instance", TRITONBACKEND_ModelInstanceDeviceId(NULL, &device));
  LACKS("device_id", TRITONBACKEND_ModelInstanceDeviceId(instance, NULL));
  OK(TRITONBACKEND_ModelInstanceHostPolicy(instance, &policy));  // stays the instance's
  size_t size = 0;
  OK(TRITONSERVER_MessageSerializeToJson(policy, &text, &size));
  CHECK(size > 0 && strstr(text, "cpu") != NULL);
  LACKS("instance", TRITONBACKEND_ModelInstanceHostPolicy(NULL, &policy));
  LACKS("host_policy", TRITONBACKEND_ModelInstanceHostPolicy(instance, NULL));
  OK(TRITONBACKEND_ModelInstanceIsPassive(instance, &passive));
  CHECK(!passive);
  LACKS("instance", TRITONBACKEND_ModelInstanceIsPassive(NULL, &passive));
  LACKS("is_passive", TRITONBACKEND_ModelInstanceIsPassive(instance, NULL));
  CheckDevices(instance);
  OK(TRITONBACKEND_ModelInstanceModel(instance, &model));
  OK(TRITONBACKEND_ModelState(model, &state));
  CHECK(state == model);
  LACKS("instance", TRITONBACKEND_ModelInstanceModel(NULL, &model));
  LACKS("model", TRITONBACKEND_ModelInstanceModel(instance, NULL));
  CheckMemoryUsage(NULL, instance);
  OK(TRITONBACKEND_TridentModelInstanceReportCopies(instance, 0, 0));
  LACKS("instance", TRITONBACKEND_TridentModelInstanceReportCopies(NULL, 0, 0));
  OK(TRITONBACKEND_ModelInstanceState(instance, &state));
  CHECK(state == NULL);
  LACKS("instance", TRITONBACKEND_ModelInstanceState(NULL, &state));
  LACKS("state", TRITONBACKEND_ModelInstanceState(instance, NULL));
  LACKS("instance", TRITONBACKEND_ModelInstanceSetState(NULL, instance));
  OK(TRITONBACKEND_ModelInstanceSetState(instance, instance));
  return NULL;
}

// The configuration is settled once the model is initialised.
TRITONSERVER_Error* TRITONBACKEND_ModelInstanceFinalize(TRITONBACKEND_ModelInstance* instance) {
  TRITONBACKEND_Model* model = NULL;
  TRITONSERVER_Message* config = NULL;
  OK(TRITONBACKEND_ModelInstanceModel(instance, &model));
  OK(TRITONBACKEND_ModelConfig(model, 1, &config));
  FAILS(TRITONBACKEND_ModelSetConfig(model, 1, config), TRITONSERVER_ERROR_UNSUPPORTED,
        "while the model initializes");
  OK(TRITONSERVER_MessageDelete(config));
  return NULL;
}

TRITONSERVER_Error* TRITONBACKEND_ModelInstanceExecute(TRITONBACKEND_ModelInstance* instance,
                                                       TRITONBACKEND_Request** requests,
                                                       uint32_t request_count) {
  LACKS("instance", TRITONBACKEND_ModelInstanceReportBatchStatistics(NULL, 1, 1, 2, 3, 4));
  OK(TRITONBACKEND_ModelInstanceReportBatchStatistics(instance, request_count, 1, 2, 3, 4));
  FAILS(TRITONBACKEND_TridentModelInstanceEndExecution(instance), TRITONSERVER_ERROR_INVALID_ARG,
        "no deferred execution");
  LACKS("instance", TRITONBACKEND_TridentModelInstanceEndExecution(NULL));
  LACKS("instance", TRITONBACKEND_TridentModelInstanceDeferExecution(NULL));
  OK(TRITONBACKEND_TridentModelInstanceDeferExecution(instance));
  FAILS(TRITONBACKEND_TridentModelInstanceDeferExecution(instance), TRITONSERVER_ERROR_INVALID_ARG,
        "already");
  for (uint32_t i = 0; i < request_count; ++i) ServeWithChecks(instance, requests[i]);
  OK(TRITONBACKEND_TridentModelInstanceEndExecution(instance));
  return NULL;
}
