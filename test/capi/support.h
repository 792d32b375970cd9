// What the parts of the test client share: a temporary model repository, a server, and a request
// whose outcome can be waited for.

#ifndef TRIDENT_TEST_CAPI_SUPPORT_H_
#define TRIDENT_TEST_CAPI_SUPPORT_H_

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

#include "checks.h"
#include "triton/core/tritonserver.h"

// Consumes `message`: true when its text contains `text`; prints the text when not.
bool MessageHas(TRITONSERVER_Message* message, const char* text);
bool MessageLacks(TRITONSERVER_Message* message, const char* text);

// Repository --------------------------------------------------------------------------------------

extern const char* g_backends;  // the directory of the backends
extern const char* g_caches;    // the directory of the caches
extern const char* g_agents;    // the directory of the repository agents
extern const char* g_models;    // the repository, made by MakeRepository

void MakeRepository(void);
void RemoveRepository(void);
// Writes <repository>/<path>, and the directories above it.
void WriteFile(const char* path, const char* text);
// An echo model that batches up to 8; `extra` is appended to its config.pbtxt.
void WriteEchoModel(const char* name, const char* version, const char* extra);

// Sets `function`, a pointer to one, to that of this name in a plug-in that has been loaded:
// <directory>/<plugin>/lib<kind>_<plugin>.so.
void FindFunction(const char* directory, const char* kind, const char* plugin, const char* name,
                  void* function);

// A server over the repository in explicit mode, with `startup` (may be null) loaded.
TRITONSERVER_Server* StartServer(const char* startup, bool strict_config, unsigned exit_timeout);

// Requests ----------------------------------------------------------------------------------------

// What the allocator functions of one request saw.
typedef struct {
  int starts, allocations, releases, attributes, queries;
} Allocations;

enum { kMaxResponses = 4 };

// What became of a request. Guarded by `mutex`.
typedef struct {
  pthread_mutex_t mutex;
  pthread_cond_t changed;
  int released, finals, null_responses, response_count;
  uint32_t release_flags;
  bool released_before_final;
  pthread_t thread;  // of the last callback
  TRITONSERVER_InferenceResponse* responses[kMaxResponses];
  Allocations allocations;
} Outcome;

void InitOutcome(Outcome* outcome);
// Until there are so many of each; a CHECK fails after 30 seconds.
bool WaitForCounts(Outcome* outcome, int finals, int released, int null_responses);
// Until the request is released and its final response is here.
bool WaitFor(Outcome* outcome);
// Until the backend holds the request (mode "hold").
bool WaitUntilHeld(Outcome* outcome);
// Deletes the responses; the outcome is as new.
void ClearOutcome(Outcome* outcome);

// The allocator of all requests: malloc, and the counts of the request's Outcome.
TRITONSERVER_ResponseAllocator* Allocator(void);
void DeleteAllocator(void);

// A request for `model` with both callbacks set.
TRITONSERVER_InferenceRequest* NewRequest(TRITONSERVER_Server* server, const char* model,
                                          Outcome* outcome);
// The same with INPUT0 INT32 [1,4] over `data`, and the parameter "mode" when it is not null.
TRITONSERVER_InferenceRequest* NewEchoRequest(TRITONSERVER_Server* server, const char* model,
                                              const int32_t data[4], const char* mode,
                                              Outcome* outcome);

// A release callback that deletes the request; `userp` is its outcome.
void DeleteOnRelease(TRITONSERVER_InferenceRequest* request, uint32_t flags, void* userp);

// The only response, checked to be one and final, without error.
TRITONSERVER_InferenceResponse* Answer(Outcome* outcome);
// Checks that the only response is an error of this code whose message contains `text`.
bool AnsweredWith(Outcome* outcome, TRITONSERVER_Error_Code code, const char* text);
// Checks OUTPUT0 against `data`.
bool HasEcho(TRITONSERVER_InferenceResponse* response, const int32_t* data, int64_t items);
// A response's parameter, or null.
const void* ResponseParameter(TRITONSERVER_InferenceResponse* response, const char* name);
int64_t IntParameter(TRITONSERVER_InferenceResponse* response, const char* name);  // or -1

// `model` answers, and its backend has read `data` from its data.txt; prints what it has read when
// not.
bool ServesData(TRITONSERVER_Server* server, const char* model, const char* data);

// The parts of the test program.
void TestObjects(void);
void TestOptions(void);
void TestRequests(void);
void TestRefusals(void);
void TestModels(void);
void TestCaches(void);
void TestAgents(void);
void TestServers(void);
void TestMetrics(void);
void TestArguments(void);
void TestRequestArguments(void);
void TestSetters(void);
void TestPolling(void);
void TestConformance(void);
void TestBadBackends(void);
void TestTraces(void);
void TestBatchHosts(void);

#endif
