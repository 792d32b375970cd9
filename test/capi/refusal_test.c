// What a request is refused for. None of it costs more than the request.

#include "support.h"

static const TRITONSERVER_Error_Code kInvalid = TRITONSERVER_ERROR_INVALID_ARG;
static const int32_t kData[4] = {3, 1, 4, 1};

// Each mistake: refused by InferAsync, and the request still the caller's.
static void TestRefusedTensors(TRITONSERVER_Server* server) {
  Outcome outcome;
  InitOutcome(&outcome);
  TRITONSERVER_InferenceRequest* request = NewRequest(server, "batched", &outcome);
  const int64_t good[] = {1, 4}, wide[] = {1, 5}, batch9[] = {9, 4}, negative[] = {-1, 4};
  const int64_t rank1[] = {4}, text_shape[] = {1, 1}, huge[] = {1, INT64_MAX};
  const struct {
    const char* name;
    TRITONSERVER_DataType datatype;
    const int64_t* shape;
    uint64_t rank;
    size_t bytes;
    const char* message;
  } cases[] = {
      {"INPUT0", TRITONSERVER_TYPE_FP32, good, 2, 16, "data-type is 'FP32'"},
      {"INPUT0", TRITONSERVER_TYPE_INVALID, good, 2, 16, "data-type is '<invalid>'"},
      {"INPUT0", TRITONSERVER_TYPE_INT32, wide, 2, 20, "Expected [-1,4], got [1,5]"},
      {"INPUT0", TRITONSERVER_TYPE_INT32, rank1, 1, 16, "got [4]"},
      {"INPUT0", TRITONSERVER_TYPE_INT32, good, 0, 16, "batch dimension"},
      {"INPUT0", TRITONSERVER_TYPE_INT32, negative, 2, 16, "got [-1,4]"},
      {"INPUT0", TRITONSERVER_TYPE_INT32, huge, 2, 16, "Expected [-1,4]"},
      {"INPUT0", TRITONSERVER_TYPE_INT32, batch9, 2, 144, "must be <= 8"},
      {"INPUT0", TRITONSERVER_TYPE_INT32, good, 2, 12, "Expected 16, got 12"},
      {"INPUT0", TRITONSERVER_TYPE_INT32, good, 2, 20, "Expected 16, got 20"},
      {"INPUT7", TRITONSERVER_TYPE_INT32, good, 2, 16, "unexpected inference input 'INPUT7'"},
      {"INPUT1", TRITONSERVER_TYPE_BYTES, text_shape, 2, 5, "missing required input(s) 'INPUT0'"},
  };
  static const char zeros[256];
  for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); ++i) {
    OK(TRITONSERVER_InferenceRequestAddInput(request, cases[i].name, cases[i].datatype,
                                             cases[i].shape, cases[i].rank));
    OK(TRITONSERVER_InferenceRequestAppendInputData(request, cases[i].name, zeros, cases[i].bytes,
                                                    TRITONSERVER_MEMORY_CPU, 0));
    FAILS(TRITONSERVER_ServerInferAsync(server, request, NULL), kInvalid, cases[i].message);
    OK(TRITONSERVER_InferenceRequestRemoveAllInputs(request));
  }
  FAILS(TRITONSERVER_ServerInferAsync(server, request, NULL), kInvalid, "missing required");
  CHECK(outcome.released == 0 && outcome.finals == 0);
  OK(TRITONSERVER_InferenceRequestDelete(request));
}

static void TestRefusedBuilding(TRITONSERVER_Server* server) {
  Outcome outcome;
  InitOutcome(&outcome);
  const int64_t shape[40] = {1, 4};
  TRITONSERVER_InferenceRequest* request = NewEchoRequest(server, "batched", kData, NULL, &outcome);
  FAILS(TRITONSERVER_InferenceRequestAddInput(request, "INPUT0", TRITONSERVER_TYPE_INT32, shape, 2),
        kInvalid, "input 'INPUT0' already exists in request");
  FAILS(TRITONSERVER_InferenceRequestAddInput(request, "X", TRITONSERVER_TYPE_INT32, shape, 40),
        kInvalid, "has rank 40");
  FAILS(TRITONSERVER_InferenceRequestAddInput(request, "X", TRITONSERVER_TYPE_INT32, NULL, 2),
        kInvalid, "argument 'shape' is null");
  FAILS(TRITONSERVER_InferenceRequestRemoveInput(request, "X"), kInvalid, "does not exist");
  FAILS(TRITONSERVER_InferenceRequestRemoveAllInputData(request, "X"), kInvalid, "does not exist");
  FAILS(TRITONSERVER_InferenceRequestAppendInputData(request, "X", kData, 4,
                                                     TRITONSERVER_MEMORY_CPU, 0),
        kInvalid, "does not exist");
  FAILS(TRITONSERVER_InferenceRequestAppendInputData(request, "INPUT0", NULL, 4,
                                                     TRITONSERVER_MEMORY_CPU, 0),
        kInvalid, "input 'INPUT0': its data is null");
  FAILS(TRITONSERVER_InferenceRequestAppendInputData(request, "INPUT0", kData, 4,
                                                     TRITONSERVER_MEMORY_GPU, 0),
        TRITONSERVER_ERROR_UNSUPPORTED, "GPU memory");
  FAILS(TRITONSERVER_InferenceRequestAppendInputData(request, "INPUT0", kData, 4,
                                                     (TRITONSERVER_MemoryType)8, 0),
        kInvalid, "unknown memory type 8");
  FAILS(TRITONSERVER_InferenceRequestAppendInputData(request, "INPUT0", kData, SIZE_MAX - 3,
                                                     TRITONSERVER_MEMORY_CPU, 0),
        kInvalid, "overflows");
  FAILS(TRITONSERVER_InferenceRequestAddRawInput(request, "raw"), kInvalid, "raw");
  OK(TRITONSERVER_InferenceRequestAddRequestedOutput(request, "OUTPUT9"));
  FAILS(TRITONSERVER_InferenceRequestAddRequestedOutput(request, "OUTPUT9"), kInvalid,
        "already exists");
  FAILS(TRITONSERVER_InferenceRequestRemoveRequestedOutput(request, "OUTPUT8"), kInvalid,
        "does not exist");
  FAILS(TRITONSERVER_ServerInferAsync(server, request, NULL), kInvalid,
        "unexpected inference output 'OUTPUT9'");
  OK(TRITONSERVER_InferenceRequestRemoveAllRequestedOutputs(request));
  if (OK(TRITONSERVER_ServerInferAsync(server, request, NULL))) WaitFor(&outcome);  // still works
  CHECK(HasEcho(Answer(&outcome), kData, 1));
  ClearOutcome(&outcome);
  OK(TRITONSERVER_InferenceRequestDelete(request));

  OK(TRITONSERVER_InferenceRequestNew(&request, server, "batched", -1));
  FAILS(TRITONSERVER_ServerInferAsync(server, request, NULL), kInvalid, "callback");
  OK(TRITONSERVER_InferenceRequestDelete(request));
}

static void TestUnknownModels(TRITONSERVER_Server* server) {
  TRITONSERVER_InferenceRequest* request = NULL;
  const TRITONSERVER_Error_Code not_found = TRITONSERVER_ERROR_NOT_FOUND;
  FAILS(TRITONSERVER_InferenceRequestNew(&request, server, "nobody", -1), not_found, "nobody");
  FAILS(TRITONSERVER_InferenceRequestNew(&request, server, "batched", 7), not_found, "7");
  FAILS(TRITONSERVER_InferenceRequestNew(&request, server, "batched", -2), not_found, "batched");
  FAILS(TRITONSERVER_InferenceRequestNew(&request, server, "", -1), not_found, "");
  CHECK(request == NULL);
}

void TestRefusals(void) {
  TRITONSERVER_Server* server = StartServer("batched", true, 30);
  TestRefusedTensors(server);
  TestRefusedBuilding(server);
  TestUnknownModels(server);
  OK(TRITONSERVER_ServerDelete(server));
}
