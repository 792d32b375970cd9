// Servers whose host makes the batches.

#include <stdio.h>
#include <string.h>

#include "support.h"
#include "trident/extension.h"

static const int32_t kData[2][4] = {{3, 1, 4, 1}, {5, 9, 2, 6}};

// How often a backend has reported what.
typedef struct {
  int successes, failures, batches, responses, copies;
  uint64_t items, bytes;
  void* response_userp;  // of the last report of a request or response
  bool in_order;         // the times of reports of requests
} Reports;

static void OnReport(const TRITONSERVER_TridentReport* report, void* userp) {
  Reports* reports = userp;
  const uint64_t* times = report->times_ns;
  switch (report->kind) {
    case TRITONSERVER_TRIDENT_REPORT_REQUEST:
      ++*(report->success ? &reports->successes : &reports->failures);
      reports->response_userp = report->response_userp;
      reports->in_order &= times[0] <= times[1] && times[1] <= times[2] && times[2] <= times[3];
      break;
    case TRITONSERVER_TRIDENT_REPORT_BATCH:
      ++reports->batches;
      reports->items += report->count;
      break;
    case TRITONSERVER_TRIDENT_REPORT_RESPONSE:
      ++reports->responses;
      reports->response_userp = report->response_userp;
      break;
    case TRITONSERVER_TRIDENT_REPORT_COPIES:
      ++reports->copies;
      reports->bytes += report->byte_size;
      break;
  }
}

static TRITONSERVER_Server* StartHosted(Reports* reports) {
  TRITONSERVER_ServerOptions* options = NULL;
  TRITONSERVER_Server* server = NULL;
  memset(reports, 0, sizeof(*reports));
  reports->in_order = true;
  OK(TRITONSERVER_ServerOptionsNew(&options));
  OK(TRITONSERVER_ServerOptionsSetBackendDirectory(options, g_backends));
  OK(TRITONSERVER_ServerOptionsSetModelControlMode(options, TRITONSERVER_MODEL_CONTROL_EXPLICIT));
  LACKS("options", TRITONSERVER_TridentServerOptionsSetBatchHost(NULL, OnReport, reports));
  OK(TRITONSERVER_TridentServerOptionsSetBatchHost(options, OnReport, reports));
  OK(TRITONSERVER_ServerNew(&server, options));
  OK(TRITONSERVER_ServerOptionsDelete(options));
  return server;
}

// Version 7 of a model whose files are those of the model "hosted".
static void LoadHosted(TRITONSERVER_Server* server, const char* name, const char* more) {
  char config[1024], directory[256];
  snprintf(directory, sizeof(directory), "%s/hosted", g_models);
  snprintf(config, sizeof(config),
           "{\"backend\": \"echo\", \"max_batch_size\": 8,"
           " \"input\": [{\"name\": \"INPUT0\", \"data_type\": \"TYPE_INT32\", \"dims\": [4]}],"
           " \"output\": [{\"name\": \"OUTPUT0\", \"data_type\": \"TYPE_INT32\", \"dims\": [4]}],"
           " \"instance_group\": [{\"kind\": \"KIND_CPU\"}],"
           " \"model_repository_agents\": {\"agents\": [{\"name\": \"nobody\"}]}%s}",
           more);
  LACKS("directory", TRITONSERVER_TridentServerLoadHostedModel(server, name, 7, NULL, config));
  FAILS(TRITONSERVER_TridentServerLoadHostedModel(server, name, 0, directory, config),
        TRITONSERVER_ERROR_INVALID_ARG, "version 0");
  OK(TRITONSERVER_TridentServerLoadHostedModel(server, name, 7, directory, config));
}

// Two requests of one batch, and a place that is filled.
static void TestABatch(TRITONSERVER_Server* server, Reports* reports) {
  Outcome outcomes[3];
  TRITONSERVER_InferenceRequest* requests[3];
  for (int i = 0; i < 3; ++i) {
    InitOutcome(&outcomes[i]);
    requests[i] = NewEchoRequest(server, "hosted", kData[i % 2], NULL, &outcomes[i]);
  }
  TRITONSERVER_InferenceRequest* const place = requests[2];
  OK(TRITONSERVER_InferenceRequestDelete(place));
  OK(TRITONSERVER_InferenceRequestNew(&requests[2], server, "hosted", -1));
  OK(TRITONSERVER_InferenceRequestSetReleaseCallback(requests[2], DeleteOnRelease, &outcomes[2]));
  const int64_t shape[] = {1, 4};
  OK(TRITONSERVER_InferenceRequestAddInput(requests[2], "INPUT0", TRITONSERVER_TYPE_INT32, shape,
                                           2));
  OK(TRITONSERVER_InferenceRequestAppendInputData(requests[2], "INPUT0", kData[0], sizeof(kData[0]),
                                                  TRITONSERVER_MEMORY_CPU, 0));
  // What the model does not list goes to its backend as it is.
  OK(TRITONSERVER_InferenceRequestAddInput(requests[0], "CONTROL", TRITONSERVER_TYPE_INT32, shape,
                                           2));
  OK(TRITONSERVER_InferenceRequestAppendInputData(requests[0], "CONTROL", kData[1],
                                                  sizeof(kData[1]), TRITONSERVER_MEMORY_CPU, 0));
  OK(TRITONSERVER_TridentServerExecuteBatch(server, requests, 3));
  for (int i = 0; i < 2; ++i) {
    WaitFor(&outcomes[i]);
    TRITONSERVER_InferenceResponse* response = Answer(&outcomes[i]);
    CHECK(HasEcho(response, kData[i], 1));
    CHECK(IntParameter(response, "requests") == 3);
    CHECK(strcmp(ResponseParameter(response, "data"), "hosted") == 0);
    ClearOutcome(&outcomes[i]);
    OK(TRITONSERVER_InferenceRequestDelete(requests[i]));
  }
  CHECK(WaitForCounts(&outcomes[2], 0, 1, 0));
  CHECK(outcomes[2].finals == 0);
  CHECK(reports->successes == 2 && reports->failures == 0 && reports->in_order);
  CHECK(reports->batches == 1 && reports->items == 3);
  CHECK(reports->copies == 2 && reports->bytes == 2 * sizeof(kData[0]));
}

static void TestFailures(TRITONSERVER_Server* server, Reports* reports) {
  Outcome outcome;
  InitOutcome(&outcome);
  TRITONSERVER_InferenceRequest* request =
      NewEchoRequest(server, "hosted", kData[0], "fail", &outcome);
  reports->failures = 0;
  OK(TRITONSERVER_TridentServerExecuteBatch(server, &request, 1));
  WaitFor(&outcome);
  CHECK(AnsweredWith(&outcome, TRITONSERVER_ERROR_UNAVAILABLE, "echo: the batch failed"));
  CHECK(reports->failures == 1 && reports->response_userp == &outcome);
  ClearOutcome(&outcome);

  OK(TRITONSERVER_InferenceRequestSetStringParameter(request, "mode", "factory"));
  OK(TRITONSERVER_TridentServerExecuteBatch(server, &request, 1));
  WaitForCounts(&outcome, 1, 1, 1);
  CHECK(reports->responses == 1 && reports->response_userp == &outcome);
  ClearOutcome(&outcome);
  OK(TRITONSERVER_InferenceRequestDelete(request));
}

static void TestStates(TRITONSERVER_Server* server) {
  Outcome outcome;
  InitOutcome(&outcome);
  TRITONSERVER_InferenceRequest* request =
      NewEchoRequest(server, "stateful", kData[1], "state", &outcome);
  uint32_t count = 9;
  const char* name = NULL;
  TRITONSERVER_DataType datatype;
  const int64_t* shape = NULL;
  uint64_t rank = 0;
  const void* base = NULL;
  size_t size = 0;
  OK(TRITONSERVER_TridentInferenceRequestWrittenStateCount(request, &count));
  CHECK(count == 0);
  OK(TRITONSERVER_TridentServerExecuteBatch(server, &request, 1));
  WaitFor(&outcome);
  CHECK(HasEcho(Answer(&outcome), kData[1], 1));
  ClearOutcome(&outcome);
  OK(TRITONSERVER_TridentInferenceRequestWrittenStateCount(request, &count));
  CHECK(count == 1);
  OK(TRITONSERVER_TridentInferenceRequestWrittenState(request, 0, &name, &datatype, &shape, &rank,
                                                      &base, &size));
  CHECK(strcmp(name, "STATE_OUT") == 0 && datatype == TRITONSERVER_TYPE_INT32);
  CHECK(rank == 2 && shape[0] == 1 && shape[1] == 4);
  CHECK(size == sizeof(kData[1]) && memcmp(base, kData[1], size) == 0);
  FAILS(TRITONSERVER_TridentInferenceRequestWrittenState(request, 1, &name, &datatype, &shape,
                                                         &rank, &base, &size),
        TRITONSERVER_ERROR_INVALID_ARG, "out of bounds");
  LACKS("request", TRITONSERVER_TridentInferenceRequestWrittenStateCount(NULL, &count));
  LACKS("count", TRITONSERVER_TridentInferenceRequestWrittenStateCount(request, NULL));
  LACKS("base", TRITONSERVER_TridentInferenceRequestWrittenState(request, 0, &name, &datatype,
                                                                 &shape, &rank, NULL, &size));
  OK(TRITONSERVER_InferenceRequestDelete(request));
}

// Nothing is executed, and every request can be used again.
static void TestRefusedBatches(TRITONSERVER_Server* server) {
  Outcome outcome;
  InitOutcome(&outcome);
  TRITONSERVER_InferenceRequest* request =
      NewEchoRequest(server, "hosted", kData[0], NULL, &outcome);
  TRITONSERVER_InferenceRequest* other =
      NewEchoRequest(server, "stateful", kData[0], NULL, &outcome);
  TRITONSERVER_InferenceRequest* batch[2] = {request, request};
  LACKS("server", TRITONSERVER_TridentServerExecuteBatch(NULL, batch, 1));
  LACKS("requests", TRITONSERVER_TridentServerExecuteBatch(server, NULL, 1));
  FAILS(TRITONSERVER_TridentServerExecuteBatch(server, batch, 0), TRITONSERVER_ERROR_INVALID_ARG,
        "must have a request");
  FAILS(TRITONSERVER_TridentServerExecuteBatch(server, batch, 2), TRITONSERVER_ERROR_INVALID_ARG,
        "twice");
  batch[1] = other;
  FAILS(TRITONSERVER_TridentServerExecuteBatch(server, batch, 2), TRITONSERVER_ERROR_INVALID_ARG,
        "one version of one model");
  batch[1] = NULL;
  FAILS(TRITONSERVER_TridentServerExecuteBatch(server, batch, 2), TRITONSERVER_ERROR_INVALID_ARG,
        "request 1");
  OK(TRITONSERVER_InferenceRequestAddRequestedOutput(request, "nope"));
  FAILS(TRITONSERVER_TridentServerExecuteBatch(server, batch, 1), TRITONSERVER_ERROR_INVALID_ARG,
        "nope");
  OK(TRITONSERVER_InferenceRequestRemoveAllRequestedOutputs(request));
  OK(TRITONSERVER_InferenceRequestRemoveAllInputData(request, "INPUT0"));
  FAILS(TRITONSERVER_TridentServerExecuteBatch(server, batch, 1), TRITONSERVER_ERROR_INVALID_ARG,
        "has 0 bytes; expected 16");
  const int64_t shape[] = {1, 3};
  OK(TRITONSERVER_InferenceRequestRemoveAllInputs(request));
  OK(TRITONSERVER_InferenceRequestAddInput(request, "INPUT0", TRITONSERVER_TYPE_INT32, shape, 2));
  FAILS(TRITONSERVER_TridentServerExecuteBatch(server, batch, 1), TRITONSERVER_ERROR_INVALID_ARG,
        "[1,3]");
  FAILS(TRITONSERVER_ServerInferAsync(server, other, NULL), TRITONSERVER_ERROR_UNSUPPORTED,
        "batches of its host");

  OK(TRITONSERVER_TridentServerUnloadModelAndWait(server, "stateful", false, 30000));
  FAILS(TRITONSERVER_TridentServerExecuteBatch(server, &other, 1), TRITONSERVER_ERROR_UNAVAILABLE,
        "unloaded");
  CHECK(outcome.response_count == 0 && outcome.released == 0);
  OK(TRITONSERVER_InferenceRequestDelete(request));
  OK(TRITONSERVER_InferenceRequestDelete(other));

  TRITONSERVER_Server* scheduling = StartServer("hosted", true, 30);
  FAILS(TRITONSERVER_TridentServerLoadHostedModel(scheduling, "hosted", 1, "", "{}"),
        TRITONSERVER_ERROR_UNSUPPORTED, "no batch host");
  request = NewEchoRequest(scheduling, "hosted", kData[0], NULL, &outcome);
  FAILS(TRITONSERVER_TridentServerExecuteBatch(scheduling, &request, 1),
        TRITONSERVER_ERROR_UNSUPPORTED, "no batch host");
  OK(TRITONSERVER_InferenceRequestDelete(request));
  OK(TRITONSERVER_ServerDelete(scheduling));
}

void TestBatchHosts(void) {
  WriteEchoModel("hosted", "1", "");
  WriteFile("hosted/7/data.txt", "hosted");
  Reports reports;
  TRITONSERVER_Server* server = StartHosted(&reports);
  // Files for who makes the batches: neither is read here.
  char golden[256];
  snprintf(golden, sizeof(golden), "%s/hosted/golden/no-sample.json", g_models);
  WriteFile("hosted/golden/no-sample.json", "{");
  LoadHosted(server, "hosted",
             ", \"model_warmup\": [{\"name\": \"w\", \"batch_size\": 1, \"inputs\": {\"INPUT0\":"
             " {\"data_type\": \"TYPE_INT32\", \"dims\": [4], \"input_data_file\": \"none\"}}}]");
  CHECK(remove(golden) == 0);
  LoadHosted(server, "stateful",
             ", \"sequence_batching\": {\"state\": [{\"input_name\": \"STATE_IN\","
             " \"output_name\": \"STATE_OUT\", \"data_type\": \"TYPE_INT32\", \"dims\": [4]}]}");
  TestABatch(server, &reports);
  TestFailures(server, &reports);
  TestStates(server);
  TestRefusedBatches(server);
  OK(TRITONSERVER_ServerDelete(server));
}
