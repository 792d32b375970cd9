// Servers: their life, several at once, and what outlives them.

#include <stdio.h>
#include <string.h>

#include "support.h"

static const int32_t kData[4] = {3, 1, 4, 1};

static void TestLife(void) {
  TRITONSERVER_Server* server = StartServer("*", true, 30);
  TRITONSERVER_Message* message = NULL;
  bool yes = false;
  OK(TRITONSERVER_ServerIsLive(server, &yes));
  CHECK(yes);
  yes = false;
  OK(TRITONSERVER_ServerIsReady(server, &yes));
  CHECK(yes);
  OK(TRITONSERVER_ServerMetadata(server, &message));
  CHECK(MessageHas(message, "\"name\":\"triton\""));
  OK(TRITONSERVER_ServerMetadata(server, &message));
  CHECK(
      MessageHas(message, "\"extensions\":[\"classification\",\"sequence\",\"model_repository\""));
  FAILS(TRITONSERVER_ServerPollModelRepository(server), TRITONSERVER_ERROR_UNAVAILABLE, "polling");

  OK(TRITONSERVER_ServerStop(server));
  FAILS(TRITONSERVER_ServerIsLive(server, &yes), TRITONSERVER_ERROR_UNAVAILABLE, "exiting");
  FAILS(TRITONSERVER_ServerMetadata(server, &message), TRITONSERVER_ERROR_UNAVAILABLE, "not ready");
  FAILS(TRITONSERVER_ServerLoadModel(server, "single"), TRITONSERVER_ERROR_UNAVAILABLE,
        "not ready");
  TRITONSERVER_InferenceRequest* request = NULL;
  FAILS(TRITONSERVER_InferenceRequestNew(&request, server, "single", -1),
        TRITONSERVER_ERROR_NOT_FOUND, "single");
  OK(TRITONSERVER_ServerStop(server));
  OK(TRITONSERVER_ServerDelete(server));
}

static void TestFailedStart(void) {
  TRITONSERVER_ServerOptions* options = NULL;
  TRITONSERVER_Server* server = NULL;
  OK(TRITONSERVER_ServerOptionsNew(&options));
  OK(TRITONSERVER_ServerOptionsSetModelRepositoryPath(options, g_models));
  OK(TRITONSERVER_ServerOptionsSetBackendDirectory(options, "/nowhere"));
  OK(TRITONSERVER_ServerOptionsSetModelControlMode(options, TRITONSERVER_MODEL_CONTROL_EXPLICIT));
  OK(TRITONSERVER_ServerOptionsSetStartupModel(options, "single"));
  OK(TRITONSERVER_ServerOptionsSetLogError(options, false));
  TRITONSERVER_Error* error = TRITONSERVER_ServerNew(&server, options);
  CHECK(error != NULL && server == NULL);
  CHECK(error != NULL && strstr(TRITONSERVER_ErrorMessage(error), "single") != NULL);
  TRITONSERVER_ErrorDelete(error);
  OK(TRITONSERVER_ServerOptionsSetExitOnError(options, false));
  OK(TRITONSERVER_ServerNew(&server, options));
  bool ready = true;
  OK(TRITONSERVER_ServerIsReady(server, &ready));
  CHECK(!ready);
  OK(TRITONSERVER_ServerDelete(server));
  OK(TRITONSERVER_ServerOptionsDelete(options));
}

// Two servers with the same models, at work at once; one goes, the other stays.
static void TestTwoAtOnce(void) {
  TRITONSERVER_Server* servers[2] = {StartServer("single", true, 30),
                                     StartServer("single", true, 30)};
  Outcome outcomes[2];
  TRITONSERVER_InferenceRequest* requests[2];
  for (int i = 0; i < 2; ++i) {
    InitOutcome(&outcomes[i]);
    requests[i] = NewEchoRequest(servers[i], "single", kData, "hold", &outcomes[i]);
    OK(TRITONSERVER_ServerInferAsync(servers[i], requests[i], NULL));
    WaitUntilHeld(&outcomes[i]);
  }
  for (int i = 0; i < 2; ++i) {
    OK(TRITONSERVER_InferenceRequestCancel(requests[i]));
    WaitFor(&outcomes[i]);
    CHECK(AnsweredWith(&outcomes[i], TRITONSERVER_ERROR_CANCELLED, "echo"));
    ClearOutcome(&outcomes[i]);
    OK(TRITONSERVER_InferenceRequestDelete(requests[i]));
    OK(TRITONSERVER_ServerDelete(servers[i]));
  }
}

// A server that can't stop in time says so and can be asked again. Its request and the response,
// the client's own by then, live on after it.
static void TestBusyServer(void) {
  TRITONSERVER_Server* server = StartServer("single", true, 0);
  Outcome outcome;
  InitOutcome(&outcome);
  TRITONSERVER_InferenceRequest* request =
      NewEchoRequest(server, "single", kData, "hold", &outcome);
  OK(TRITONSERVER_ServerInferAsync(server, request, NULL));
  WaitUntilHeld(&outcome);
  FAILS(TRITONSERVER_ServerDelete(server), TRITONSERVER_ERROR_INTERNAL, "timeout");
  OK(TRITONSERVER_InferenceRequestCancel(request));
  WaitFor(&outcome);
  OK(TRITONSERVER_ServerSetExitTimeout(server, 30));
  OK(TRITONSERVER_ServerDelete(server));
  CHECK(AnsweredWith(&outcome, TRITONSERVER_ERROR_CANCELLED, "echo"));
  const char* model = NULL;
  int64_t version = 0;
  OK(TRITONSERVER_InferenceResponseModel(outcome.responses[0], &model, &version));
  CHECK(strcmp(model, "single") == 0 && version == 1);
  ClearOutcome(&outcome);
  OK(TRITONSERVER_InferenceRequestDelete(request));
}

static void TestRepositories(void) {
  char other[1024];
  WriteFile("elsewhere/real/1/data.txt", "renamed");
  WriteFile("elsewhere/real/config.pbtxt",
            "backend: \"echo\" max_batch_size: 8\n"
            "input { name: \"INPUT0\" data_type: TYPE_INT32 dims: 4 }\n"
            "output { name: \"OUTPUT0\" data_type: TYPE_INT32 dims: 4 }\n");
  snprintf(other, sizeof(other), "%s/elsewhere", g_models);
  TRITONSERVER_Server* server = StartServer(NULL, true, 30);
  TRITONSERVER_Parameter* mapping =
      TRITONSERVER_ParameterNew("real", TRITONSERVER_PARAMETER_STRING, "alias");
  const int64_t number = 1;
  TRITONSERVER_Parameter* wrong =
      TRITONSERVER_ParameterNew("real", TRITONSERVER_PARAMETER_INT, &number);
  const TRITONSERVER_Parameter* mappings[] = {mapping};
  const TRITONSERVER_Parameter* wrongs[] = {wrong};
  FAILS(TRITONSERVER_ServerRegisterModelRepository(server, other, NULL, 1),
        TRITONSERVER_ERROR_INVALID_ARG, "model mappings are not provided");
  FAILS(TRITONSERVER_ServerRegisterModelRepository(server, other, wrongs, 1),
        TRITONSERVER_ERROR_INVALID_ARG, "must be a string");
  OK(TRITONSERVER_ServerRegisterModelRepository(server, other, mappings, 1));
  FAILS(TRITONSERVER_ServerRegisterModelRepository(server, other, mappings, 1),
        TRITONSERVER_ERROR_ALREADY_EXISTS, "elsewhere");
  OK(TRITONSERVER_ServerLoadModel(server, "alias"));
  Outcome outcome;
  InitOutcome(&outcome);
  TRITONSERVER_InferenceRequest* request = NewEchoRequest(server, "alias", kData, NULL, &outcome);
  OK(TRITONSERVER_ServerInferAsync(server, request, NULL));
  WaitFor(&outcome);
  const char* data = ResponseParameter(Answer(&outcome), "data");
  CHECK(data != NULL && strcmp(data, "renamed") == 0);
  ClearOutcome(&outcome);
  OK(TRITONSERVER_InferenceRequestDelete(request));
  OK(TRITONSERVER_ServerUnregisterModelRepository(server, other));
  FAILS(TRITONSERVER_ServerUnregisterModelRepository(server, other), TRITONSERVER_ERROR_INVALID_ARG,
        "elsewhere");
  OK(TRITONSERVER_ServerDelete(server));
  TRITONSERVER_ParameterDelete(mapping);
  TRITONSERVER_ParameterDelete(wrong);
}

void TestServers(void) {
  TestLife();
  TestFailedStart();
  TestTwoAtOnce();
  TestBusyServer();
  TestRepositories();
}
