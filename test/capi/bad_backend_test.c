// Backends that fail, throw or forget themselves, and files that are no backends: a typed error,
// and the server goes on.

#include <dlfcn.h>
#include <stdio.h>
#include <string.h>

#include "support.h"
#include "trident/extension.h"

static const TRITONSERVER_Error_Code kInternal = TRITONSERVER_ERROR_INTERNAL;
static const TRITONSERVER_Error_Code kUnavailable = TRITONSERVER_ERROR_UNAVAILABLE;
static const int32_t kData[4] = {3, 1, 4, 1};

// A server whose backend "bad" is in this mode.
static TRITONSERVER_Server* Start(const char* mode) {
  TRITONSERVER_ServerOptions* options = NULL;
  TRITONSERVER_Server* server = NULL;
  OK(TRITONSERVER_ServerOptionsNew(&options));
  OK(TRITONSERVER_ServerOptionsSetModelRepositoryPath(options, g_models));
  OK(TRITONSERVER_ServerOptionsSetBackendDirectory(options, g_backends));
  OK(TRITONSERVER_ServerOptionsSetModelControlMode(options, TRITONSERVER_MODEL_CONTROL_EXPLICIT));
  OK(TRITONSERVER_ServerOptionsSetStartupModel(options, "single"));
  OK(TRITONSERVER_ServerOptionsSetBackendConfig(options, "bad", "mode", mode));
  OK(TRITONSERVER_ServerOptionsSetLogError(options, false));
  OK(TRITONSERVER_ServerNew(&server, options));
  OK(TRITONSERVER_ServerOptionsDelete(options));
  return server;
}

static void Echo(TRITONSERVER_Server* server) {
  Outcome outcome;
  InitOutcome(&outcome);
  TRITONSERVER_InferenceRequest* request = NewEchoRequest(server, "single", kData, NULL, &outcome);
  if (OK(TRITONSERVER_ServerInferAsync(server, request, NULL))) WaitFor(&outcome);
  CHECK(HasEcho(Answer(&outcome), kData, 1));
  ClearOutcome(&outcome);
  OK(TRITONSERVER_InferenceRequestDelete(request));
}

// `model` does not load, for a reason that is told; all else works as before.
static void CheckRefused(TRITONSERVER_Server* server, const char* model,
                         TRITONSERVER_Error_Code code, const char* reason) {
  TRITONSERVER_Message* index = NULL;
  FAILS(TRITONSERVER_ServerLoadModel(server, model), code, reason);
  OK(TRITONSERVER_ServerModelIndex(server, 0, &index));
  CHECK(MessageHas(index, reason));
  Echo(server);
}

static void TestFailedLoads(void) {
  const struct {
    const char* mode;
    TRITONSERVER_Error_Code code;
    const char* reason;
  } cases[] = {
      {"Initialize throws", kInternal, "bad: Initialize"},
      {"Initialize nameless", kInternal, "it threw an exception"},
      {"Initialize fails", kUnavailable, "bad: not today"},
      {"Initialize newer", TRITONSERVER_ERROR_UNSUPPORTED, "bad: old server"},
      {"ModelInitialize throws", kInternal, "it threw an exception: bad: ModelInitialize"},
      {"ModelInitialize nameless", kInternal, "it threw an exception"},
      {"ModelInitialize fails", kUnavailable, "bad: not today"},
      {"ModelInstanceInitialize throws", kInternal,
       "it threw an exception: bad: ModelInstanceInitialize"},
      {"ModelInstanceInitialize nameless", kInternal, "it threw an exception"},
      {"ModelInstanceInitialize fails", kUnavailable, "bad: not today"},
      {"ModelBatcherInitialize throws", kInternal, "it threw an exception: bad: ModelBatcher"},
      {"ModelBatcherInitialize fails", kUnavailable, "bad: not today"},
  };
  for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); ++i) {
    TRITONSERVER_Server* server = Start(cases[i].mode);
    CheckRefused(server, "bad", cases[i].code, cases[i].reason);
    CheckRefused(server, "bad", cases[i].code, cases[i].reason);  // nothing is left of the first
    OK(TRITONSERVER_ServerDelete(server));
  }
}

static void TestNoBackends(void) {
  WriteFile("text/1/libtriton_text.so", "not a library");
  WriteFile("text/config.pbtxt", "backend: \"text\"");
  WriteFile("incomplete/1/empty", "");
  WriteFile("incomplete/config.pbtxt", "backend: \"incomplete\"");
  WriteFile("absent/1/empty", "");
  WriteFile("absent/config.pbtxt", "backend: \"absent\"");
  TRITONSERVER_Server* server = Start("");
  CheckRefused(server, "text", TRITONSERVER_ERROR_NOT_FOUND, "unable to load shared library: ");
  CheckRefused(server, "incomplete", TRITONSERVER_ERROR_NOT_FOUND,
               "unable to find required entrypoint 'TRITONBACKEND_ModelInstanceExecute'");
  CheckRefused(server, "absent", TRITONSERVER_ERROR_INVALID_ARG,
               "unable to find backend library 'libtriton_absent.so'");
  OK(TRITONSERVER_ServerDelete(server));
}

enum { kTurns = 2, kBatch = 2 };

// `count` requests that run as one batch. They delete themselves when they are released, or are
// the caller's in `kept`, if that is not null.
static void Infer(TRITONSERVER_Server* server, Outcome* outcomes, uint32_t count,
                  TRITONSERVER_InferenceRequest** kept) {
  TRITONSERVER_InferenceRequest* requests[kBatch];
  TRITONSERVER_Error* errors[kBatch];
  for (uint32_t i = 0; i < count; ++i) {
    InitOutcome(&outcomes[i]);
    requests[i] = NewEchoRequest(server, "bad", kData, NULL, &outcomes[i]);
    if (kept != NULL) {
      kept[i] = requests[i];
    } else {
      OK(TRITONSERVER_InferenceRequestSetReleaseCallback(requests[i], DeleteOnRelease,
                                                         &outcomes[i]));
    }
  }
  TRITONSERVER_TridentServerInferAsyncMany(server, requests, count, 0, errors);
  for (uint32_t i = 0; i < count; ++i) {
    if (OK(errors[i])) WaitFor(&outcomes[i]);
    CHECK(outcomes[i].released == 1 && outcomes[i].response_count == 1);
  }
}

// Errors of entry points whose outcome changes nothing.
static void TestIgnoredFailures(void) {
  const char* const modes[] = {
      "",
      "GetBackendAttribute throws",
      "GetBackendAttribute fails",
      "ModelInstanceFinalize throws",
      "ModelInstanceFinalize fails",
      "ModelFinalize throws",
      "ModelFinalize nameless",
      "ModelFinalize fails",
      "ModelBatcherFinalize throws",
      "ModelBatchInitialize throws",
      "ModelBatchIncludeRequest throws",
      "ModelBatchIncludeRequest nameless",
      "ModelBatchFinalize throws",
      "Finalize throws",
      "Finalize nameless",
      "Finalize fails",
  };
  for (size_t i = 0; i < sizeof(modes) / sizeof(modes[0]); ++i) {
    TRITONSERVER_Server* server = Start(modes[i]);
    OK(TRITONSERVER_ServerLoadModel(server, "bad"));
    Outcome outcome;
    Infer(server, &outcome, 1, NULL);
    CHECK(Answer(&outcome) != NULL);
    ClearOutcome(&outcome);
    OK(TRITONSERVER_TridentServerUnloadModelAndWait(server, "bad", false, 30000));
    Echo(server);
    OK(TRITONSERVER_ServerDelete(server));
  }
}

static void TestNotReady(void) {
  const char* const modes[] = {"ModelInstanceReady throws", "ModelInstanceReady fails"};
  for (int i = 0; i < 2; ++i) {
    TRITONSERVER_Server* server = Start(modes[i]);
    bool ready = true;
    OK(TRITONSERVER_ServerLoadModel(server, "bad"));
    OK(TRITONSERVER_ServerModelIsReady(server, "bad", -1, &ready));
    CHECK(!ready);
    OK(TRITONSERVER_ServerDelete(server));
  }
}

// How often the host has refused the bad backend something.
static int Refusals(void) {
  char path[1024];
  snprintf(path, sizeof(path), "%s/bad/libtriton_bad.so", g_backends);
  void* library = dlopen(path, RTLD_NOW | RTLD_NOLOAD);
  if (!CHECK(library != NULL)) return -1;
  void* address = dlsym(library, "bad_refusals");
  int (*refusals)(void) = NULL;
  memcpy(&refusals, &address, sizeof(refusals));
  dlclose(library);
  return CHECK(refusals != NULL) ? refusals() : -1;
}

// Whatever becomes of an execution, each of its requests ends once.
static void TestExecutions(void) {
  const struct {
    const char *mode, *first, *second;  // errors of the answers, or null
  } cases[] = {
      {"ModelInstanceExecute throws", "it threw an exception: bad: ModelInstanceExecute",
       "it threw an exception: bad: ModelInstanceExecute"},
      {"ModelInstanceExecute nameless", "it threw an exception", "it threw an exception"},
      {"ModelInstanceExecute fails", "bad: not today", "bad: not today"},
      {"ModelInstanceExecute answered", NULL, NULL},
      {"ModelInstanceExecute released", NULL, NULL},
      {"ModelInstanceExecute first", NULL, "bad: too late"},
      {"ModelInstanceExecute thrown", NULL, NULL},
      {"ModelInstanceExecute again", NULL, NULL},
      {"ModelInstanceExecute late", NULL, NULL},
  };
  for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); ++i) {
    TRITONSERVER_Server* server = Start(cases[i].mode);
    OK(TRITONSERVER_ServerLoadModel(server, "bad"));
    const bool again = strstr(cases[i].mode, "again") != NULL;  // so they must still be there
    const bool internal = strstr(cases[i].mode, "throws") || strstr(cases[i].mode, "nameless");
    TRITONSERVER_InferenceRequest* kept[kTurns][kBatch];
    for (int turn = 0; turn < kTurns; ++turn) {  // the instance goes on
      Outcome outcomes[kBatch];
      Infer(server, outcomes, kBatch, again ? kept[turn] : NULL);
      const char* const errors[] = {cases[i].first, cases[i].second};
      for (int j = 0; j < kBatch; ++j) {
        if (errors[j] == NULL) {
          CHECK(Answer(&outcomes[j]) != NULL);
        } else {
          AnsweredWith(&outcomes[j], internal ? kInternal : kUnavailable, errors[j]);
        }
        ClearOutcome(&outcomes[j]);
      }
    }
    Echo(server);
    OK(TRITONSERVER_ServerDelete(server));
    for (int j = 0; again && j < kTurns * kBatch; ++j) {
      OK(TRITONSERVER_InferenceRequestDelete(kept[j / kBatch][j % kBatch]));
    }
  }
}

void TestBadBackends(void) {
  WriteFile("bad/1/empty", "");
  WriteFile("bad/config.pbtxt",
            "backend: \"bad\" max_batch_size: 2 dynamic_batching {}\n"
            "input { name: \"INPUT0\" data_type: TYPE_INT32 dims: 4 }\n"
            "output { name: \"OUTPUT0\" data_type: TYPE_INT32 dims: 4 }\n"
            "instance_group { count: 1 kind: KIND_CPU }\n");
  TestNoBackends();
  TestFailedLoads();
  TestIgnoredFailures();
  TestNotReady();
  TestExecutions();
  // An answer, a release and a factory too much of each of four requests.
  CHECK(Refusals() == 4 * 3);
}
