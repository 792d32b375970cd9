#define _POSIX_C_SOURCE 200809L

#include "checks.h"

#include <pthread.h>
#include <stdio.h>
#include <string.h>

typedef struct {
  const char* name;
  bool good, bad;
} Function;

// Everything is guarded by the mutex: plug-ins check on threads of the server.
static pthread_mutex_t g_mutex = PTHREAD_MUTEX_INITIALIZER;
static int g_passed, g_failed;
static Function g_functions[] = {
#define FUNCTION(name) {#name, false, false},
#include "declared_functions.inc"
#undef FUNCTION
};
enum { kFunctions = sizeof(g_functions) / sizeof(g_functions[0]) };

// What the server has not got yet: functions that begin like this. A row that excuses none fails.
static struct {
  const char* prefix;
  bool excuses;
} g_absent[] = {
    {"TRITONSERVER_InferenceTrace", false}, {"TRITONBACKEND_RequestTrace", false},
    {"TRITONREPOAGENT_Model", false},       {"TRITONREPOAGENT_State", false},
    {"TRITONREPOAGENT_SetState", false},
};
enum { kAbsent = sizeof(g_absent) / sizeof(g_absent[0]) };

// Checks ------------------------------------------------------------------------------------------

bool Check(bool passed, const char* file, int line, const char* what) {
  pthread_mutex_lock(&g_mutex);
  ++*(passed ? &g_passed : &g_failed);
  pthread_mutex_unlock(&g_mutex);
  if (!passed) fprintf(stderr, "%s:%d: failed: %s\n", file, line, what);
  return passed;
}

bool CheckOk(TRITONSERVER_Error* error, const char* file, int line, const char* what) {
  Record(what, true);
  const bool passed = Check(error == NULL, file, line, what);
  if (!passed) {
    fprintf(stderr, "  %s: %s\n", TRITONSERVER_ErrorCodeString(error),
            TRITONSERVER_ErrorMessage(error));
  }
  TRITONSERVER_ErrorDelete(error);
  return passed;
}

bool CheckFails(TRITONSERVER_Error* error, TRITONSERVER_Error_Code code, const char* text,
                const char* file, int line, const char* what) {
  Record(what, false);
  const bool passed = Check(error != NULL && TRITONSERVER_ErrorCode(error) == code &&
                                strstr(TRITONSERVER_ErrorMessage(error), text) != NULL,
                            file, line, what);
  if (!passed) {
    fprintf(stderr, "  expected code %d and '%s', got %s: %s\n", (int)code, text,
            error == NULL ? "success" : TRITONSERVER_ErrorCodeString(error),
            error == NULL ? "" : TRITONSERVER_ErrorMessage(error));
  }
  TRITONSERVER_ErrorDelete(error);
  return passed;
}

int Summary(void) {
  printf("%d passed, %d failed\n", g_passed, g_failed);
  return g_failed == 0 && g_passed > 0 ? 0 : 1;
}

// Record ------------------------------------------------------------------------------------------

static Function* Find(const char* name, size_t length) {
  for (int i = 0; i < kFunctions; ++i) {
    const char* known = g_functions[i].name;
    if (strncmp(known, name, length) == 0 && known[length] == '\0') return &g_functions[i];
  }
  return NULL;
}

void Record(const char* call, bool good) {
  if (strncmp(call, "TRITON", strlen("TRITON")) != 0) return;  // a helper's, or a stored error
  Function* function = Find(call, strcspn(call, "("));
  if (function == NULL) {
    Check(false, __FILE__, __LINE__, call);
    fprintf(stderr, "  is declared nowhere\n");
    return;
  }
  pthread_mutex_lock(&g_mutex);
  *(good ? &function->good : &function->bad) = true;
  pthread_mutex_unlock(&g_mutex);
}

static bool IsAbsent(const char* name) {
  for (int i = 0; i < kAbsent; ++i) {
    if (strncmp(name, g_absent[i].prefix, strlen(g_absent[i].prefix)) != 0) continue;
    g_absent[i].excuses = true;
    return true;
  }
  return false;
}

void CheckEveryFunctionWasCalled(void) {
  int absent = 0;
  for (int i = 0; i < kFunctions; ++i) {
    const Function* function = &g_functions[i];
    const bool called = function->good && function->bad;
    if (!called && IsAbsent(function->name)) {
      printf("not there yet: %s\n", function->name);
      ++absent;
    } else if (!Check(called, __FILE__, __LINE__, function->name)) {
      fprintf(stderr, "  never called with %s arguments\n", function->good ? "bad" : "good");
    }
  }
  for (int i = 0; i < kAbsent; ++i) {
    Check(g_absent[i].excuses, __FILE__, __LINE__, g_absent[i].prefix);
  }
  printf("%d functions, %d of them not there yet\n", kFunctions, absent);
}
