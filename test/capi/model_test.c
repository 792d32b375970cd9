// Models: what can be asked of them, loading, overriding, reloading and unloading.

#include <stdio.h>
#include <string.h>

#include "support.h"
#include "trident/extension.h"

static const int32_t kData[4] = {3, 1, 4, 1};

static TRITONSERVER_Message* Index(TRITONSERVER_Server* server, uint32_t flags) {
  TRITONSERVER_Message* message = NULL;
  OK(TRITONSERVER_ServerModelIndex(server, flags, &message));
  return message;
}

static TRITONSERVER_Message* Statistics(TRITONSERVER_Server* server, const char* model) {
  TRITONSERVER_Message* message = NULL;
  OK(TRITONSERVER_ServerModelStatistics(server, model, -1, &message));
  return message;
}

static TRITONSERVER_Message* Config(TRITONSERVER_Server* server, const char* model) {
  TRITONSERVER_Message* message = NULL;
  OK(TRITONSERVER_ServerModelConfig(server, model, -1, 1, &message));
  return message;
}

static void TestDocuments(TRITONSERVER_Server* server) {
  TRITONSERVER_Message* message = NULL;
  bool ready = false;
  uint32_t flags = 0;
  void* details = &flags;
  OK(TRITONSERVER_ServerModelIsReady(server, "batched", 1, &ready));
  CHECK(ready);
  FAILS(TRITONSERVER_ServerModelIsReady(server, "nobody", -1, &ready), TRITONSERVER_ERROR_NOT_FOUND,
        "nobody");
  OK(TRITONSERVER_ServerModelBatchProperties(server, "batched", -1, &flags, &details));
  CHECK(flags == TRITONSERVER_BATCH_FIRST_DIM && details == NULL);
  OK(TRITONSERVER_ServerModelTransactionProperties(server, "batched", -1, &flags, NULL));
  CHECK(flags == TRITONSERVER_TXN_ONE_TO_ONE);
  OK(TRITONSERVER_ServerModelMetadata(server, "batched", -1, &message));
  CHECK(MessageHas(message,
                   "{\"name\":\"batched\",\"versions\":[\"1\"],\"platform\":\"echo\","
                   "\"inputs\":[{\"name\":\"INPUT0\",\"datatype\":\"INT32\","
                   "\"shape\":[-1,4]}"));
  CHECK(MessageHas(Config(server, "batched"), "\"max_batch_size\":8"));
  CHECK(MessageHas(Config(server, "batched"), "\"backend\":\"echo\""));
  FAILS(TRITONSERVER_ServerModelConfig(server, "batched", -1, 2, &message),
        TRITONSERVER_ERROR_INVALID_ARG, "configuration version 2");
  FAILS(TRITONSERVER_ServerModelMetadata(server, "nobody", -1, &message),
        TRITONSERVER_ERROR_NOT_FOUND, "nobody");
  FAILS(TRITONSERVER_ServerModelStatistics(server, "nobody", -1, &message),
        TRITONSERVER_ERROR_INVALID_ARG, "nobody");
}

static void TestStatistics(TRITONSERVER_Server* server) {
  Outcome outcome;
  InitOutcome(&outcome);
  int32_t data[4] = {3, 1, 4, INT32_MIN};
  TRITONSERVER_InferenceRequest* request = NewEchoRequest(server, "batched", data, NULL, &outcome);
  CHECK(MessageHas(Statistics(server, "batched"), "\"inference_count\":0,\"execution_count\":0"));
  for (int i = 0; i < 3; ++i) {  // one that fails, two that don't
    OK(TRITONSERVER_ServerInferAsync(server, request, NULL));
    WaitFor(&outcome);
    ClearOutcome(&outcome);
    data[3] = 1;
  }
  CHECK(MessageHas(Statistics(server, "batched"), "\"inference_count\":2,\"execution_count\":3"));
  CHECK(MessageHas(Statistics(server, "batched"), "\"success\":{\"count\":2,"));
  CHECK(MessageHas(Statistics(server, "batched"), "\"fail\":{\"count\":1,"));
  CHECK(MessageHas(Statistics(server, "batched"), "\"batch_size\":1"));
  CHECK(MessageHas(Statistics(server, "batched"), "\"copy_stats\":{\"count\":3,\"byte_size\":48}"));
  CHECK(MessageHas(Statistics(server, "batched"), "\"memory_usage\":[{\"type\":\"CPU\",\"id\":0,"));
  CHECK(MessageHas(Statistics(server, ""), "\"name\":\"batched\""));
  OK(TRITONSERVER_InferenceRequestDelete(request));
}

// Refused reports take a place but leave no row.
static void TestResponseStatistics(TRITONSERVER_Server* server) {
  Outcome outcome;
  InitOutcome(&outcome);
  int32_t data[4] = {3, 1, 4, INT32_MIN};
  TRITONSERVER_InferenceRequest* request =
      NewEchoRequest(server, "batched", data, "factory", &outcome);
  CHECK(MessageHas(Statistics(server, "batched"), "\"response_stats\":{}"));
  for (int i = 0; i < 2; ++i) {  // one that fails, one that doesn't
    OK(TRITONSERVER_ServerInferAsync(server, request, NULL));
    WaitFor(&outcome);
    ClearOutcome(&outcome);
    data[3] = 1;
  }
  CHECK(MessageHas(Statistics(server, "batched"),
                   "\"response_stats\":{\"0\":{\"compute_infer\":{\"count\":2,"));
  CHECK(MessageHas(Statistics(server, "batched"), ",\"compute_output\":{\"count\":2,"));
  CHECK(
      MessageHas(Statistics(server, "batched"),
                 "\"empty_response\":{\"count\":0,\"ns\":0},\"cancel\":{\"count\":0,\"ns\":0}}}"));
  CHECK(MessageLacks(Statistics(server, "batched"), "\"1\":{"));
  // The two that name neither instance nor factory, and the one whose end is before its start.
  OK(TRITONSERVER_InferenceRequestSetStringParameter(request, "mode", ""));
  OK(TRITONSERVER_ServerInferAsync(server, request, NULL));
  WaitFor(&outcome);
  CHECK(IntParameter(Answer(&outcome), "refusals") == 2 * 3);
  ClearOutcome(&outcome);
  OK(TRITONSERVER_InferenceRequestDelete(request));
}

static void TestLoadAndUnload(TRITONSERVER_Server* server) {
  CHECK(MessageHas(Index(server, 0), "{\"name\":\"single\"}"));
  CHECK(MessageLacks(Index(server, TRITONSERVER_INDEX_FLAG_READY), "\"single\""));
  FAILS(TRITONSERVER_ServerLoadModel(server, "nobody"), TRITONSERVER_ERROR_INTERNAL, "nobody");
  FAILS(TRITONSERVER_ServerLoadModel(server, ""), TRITONSERVER_ERROR_INVALID_ARG, "");
  FAILS(TRITONSERVER_ServerLoadModel(server, "../single"), TRITONSERVER_ERROR_INVALID_ARG,
        "../single");
  OK(TRITONSERVER_ServerLoadModel(server, "single"));
  CHECK(MessageHas(Index(server, TRITONSERVER_INDEX_FLAG_READY),
                   "{\"name\":\"single\",\"version\":\"1\",\"state\":\"READY\""));
  CHECK(ServesData(server, "single", "single version 1"));

  // A request outlives its model's unload, and serves again once the model is back.
  Outcome outcome;
  InitOutcome(&outcome);
  TRITONSERVER_InferenceRequest* request =
      NewEchoRequest(server, "single", kData, "hold", &outcome);
  OK(TRITONSERVER_ServerInferAsync(server, request, NULL));
  WaitUntilHeld(&outcome);
  FAILS(TRITONSERVER_TridentServerUnloadModelAndWait(server, "single", false, 1),
        TRITONSERVER_ERROR_UNAVAILABLE, "single");
  CHECK(MessageHas(Index(server, 0), "\"state\":\"UNLOADING\""));
  TRITONSERVER_InferenceRequest* refused = NULL;
  FAILS(TRITONSERVER_InferenceRequestNew(&refused, server, "single", 1),
        TRITONSERVER_ERROR_UNAVAILABLE, "not at ready state");
  OK(TRITONSERVER_InferenceRequestCancel(request));
  WaitFor(&outcome);
  OK(TRITONSERVER_TridentServerUnloadModelAndWait(server, "single", false, 30000));
  CHECK(MessageHas(Index(server, 0), "\"state\":\"UNAVAILABLE\",\"reason\":\"unloaded\""));
  ClearOutcome(&outcome);
  OK(TRITONSERVER_InferenceRequestSetStringParameter(request, "mode", ""));
  FAILS(TRITONSERVER_ServerInferAsync(server, request, NULL), TRITONSERVER_ERROR_NOT_FOUND,
        "single");
  OK(TRITONSERVER_ServerLoadModel(server, "single"));
  OK(TRITONSERVER_ServerInferAsync(server, request, NULL));
  WaitFor(&outcome);
  CHECK(HasEcho(Answer(&outcome), kData, 1));
  ClearOutcome(&outcome);
  OK(TRITONSERVER_InferenceRequestDelete(request));
  OK(TRITONSERVER_ServerUnloadModelAndDependents(server, "single"));
  OK(TRITONSERVER_ServerUnloadModel(server, "nobody"));
}

static void TestProvidedModel(TRITONSERVER_Server* server) {
  static const char kProvided[] =
      "{\"backend\": \"echo\", \"max_batch_size\": 8,"
      " \"input\": [{\"name\": \"INPUT0\", \"data_type\": \"TYPE_INT32\", \"dims\": [4]}],"
      " \"output\": [{\"name\": \"OUTPUT0\", \"data_type\": \"TYPE_INT32\", \"dims\": [4]}]}";
  FAILS(TRITONSERVER_TridentServerLoadProvidedModel(server, "single", kProvided),
        TRITONSERVER_ERROR_ALREADY_EXISTS, "a model repository has it");
  OK(TRITONSERVER_TridentServerLoadProvidedModel(server, "provided", kProvided));
  CHECK(MessageHas(Index(server, TRITONSERVER_INDEX_FLAG_READY),
                   "{\"name\":\"provided\",\"version\":\"1\",\"state\":\"READY\""));
  CHECK(ServesData(server, "provided", ""));
  OK(TRITONSERVER_TridentServerUnloadModelAndWait(server, "provided", false, 30000));
}

static const char kOverride[] =
    "{\"name\":\"over\",\"backend\":\"echo\",\"max_batch_size\":3,"
    "\"input\":[{\"name\":\"INPUT0\",\"data_type\":\"TYPE_INT32\",\"dims\":[4]}],"
    "\"output\":[{\"name\":\"OUTPUT0\",\"data_type\":\"TYPE_INT32\",\"dims\":[\"4\"]}]}";

static TRITONSERVER_Error* LoadWith(TRITONSERVER_Server* server, TRITONSERVER_Parameter* first,
                                    TRITONSERVER_Parameter* second) {
  const TRITONSERVER_Parameter* parameters[] = {first, second};
  return TRITONSERVER_ServerLoadModelWithParameters(server, "over", parameters,
                                                    second == NULL ? 1 : 2);
}

static void TestOverrides(TRITONSERVER_Server* server) {
  TRITONSERVER_Parameter* config =
      TRITONSERVER_ParameterNew("config", TRITONSERVER_PARAMETER_STRING, kOverride);
  TRITONSERVER_Parameter* bad =
      TRITONSERVER_ParameterNew("config", TRITONSERVER_PARAMETER_STRING, "{\"inptu\":[]}");
  TRITONSERVER_Parameter* file =
      TRITONSERVER_ParameterBytesNew("file:1/data.txt", "from memory", 11);
  TRITONSERVER_Parameter* escape = TRITONSERVER_ParameterBytesNew("file:../../x", "evil", 4);
  TRITONSERVER_Parameter* unknown =
      TRITONSERVER_ParameterNew("colour", TRITONSERVER_PARAMETER_STRING, "red");

  OK(TRITONSERVER_ServerLoadModel(server, "over"));
  CHECK(MessageHas(Config(server, "over"), "\"max_batch_size\":8"));
  CHECK(ServesData(server, "over", "over version 1"));
  OK(LoadWith(server, config, NULL));
  CHECK(MessageHas(Config(server, "over"), "\"max_batch_size\":3"));
  CHECK(ServesData(server, "over", "over version 1"));
  OK(LoadWith(server, config, file));
  CHECK(ServesData(server, "over", "from memory"));

  // What fails leaves the model as it was.
  const TRITONSERVER_Error_Code invalid = TRITONSERVER_ERROR_INVALID_ARG;
  FAILS(LoadWith(server, file, NULL), invalid, "config");
  FAILS(LoadWith(server, config, escape), invalid, "'../../x'");
  FAILS(LoadWith(server, config, unknown), invalid, "colour");
  FAILS(LoadWith(server, bad, NULL), invalid, "inptu");
  FAILS(LoadWith(server, NULL, NULL), invalid, "null");
  FAILS(TRITONSERVER_ServerLoadModelWithParameters(server, "over", NULL, 1), invalid,
        "load parameters are not provided");
  CHECK(ServesData(server, "over", "from memory"));

  // Without overrides the directory counts again.
  OK(TRITONSERVER_ServerLoadModel(server, "over"));
  CHECK(MessageHas(Config(server, "over"), "\"max_batch_size\":8"));
  CHECK(ServesData(server, "over", "over version 1"));
  TRITONSERVER_ParameterDelete(config);
  TRITONSERVER_ParameterDelete(bad);
  TRITONSERVER_ParameterDelete(file);
  TRITONSERVER_ParameterDelete(escape);
  TRITONSERVER_ParameterDelete(unknown);
}

// A request for version -1 follows the newest version.
static void TestNewVersion(TRITONSERVER_Server* server) {
  Outcome outcome;
  InitOutcome(&outcome);
  OK(TRITONSERVER_ServerLoadModel(server, "over"));
  TRITONSERVER_InferenceRequest* request = NewEchoRequest(server, "over", kData, NULL, &outcome);
  WriteFile("over/2/data.txt", "the second");
  OK(TRITONSERVER_ServerLoadModel(server, "over"));
  OK(TRITONSERVER_ServerInferAsync(server, request, NULL));
  WaitFor(&outcome);
  const char* data = ResponseParameter(Answer(&outcome), "data");
  CHECK(data != NULL && strcmp(data, "the second") == 0);
  ClearOutcome(&outcome);
  OK(TRITONSERVER_InferenceRequestDelete(request));
}

// No configuration at all: the backend knows what it needs.
static void TestAutoComplete(void) {
  WriteFile("auto.echo/1/data.txt", "auto");
  TRITONSERVER_Server* strict = StartServer(NULL, true, 30);
  FAILS(TRITONSERVER_ServerLoadModel(strict, "auto.echo"), TRITONSERVER_ERROR_NOT_FOUND,
        "auto.echo");
  OK(TRITONSERVER_ServerDelete(strict));
  TRITONSERVER_Server* server = StartServer("auto.echo", false, 30);
  CHECK(MessageHas(Config(server, "auto.echo"), "\"max_batch_size\":4"));
  CHECK(ServesData(server, "auto.echo", "auto"));
  OK(TRITONSERVER_ServerDelete(server));
}

void TestModels(void) {
  TRITONSERVER_Server* server = StartServer("batched", true, 30);
  TestDocuments(server);
  TestStatistics(server);
  TestResponseStatistics(server);
  TestLoadAndUnload(server);
  TestProvidedModel(server);
  TestOverrides(server);
  TestNewVersion(server);
  OK(TRITONSERVER_ServerDelete(server));
  TestAutoComplete();
}
