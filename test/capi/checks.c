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

// Checks ------------------------------------------------------------------------------------------

bool Check(bool passed, const char* file, int line, const char* what) {
  pthread_mutex_lock(&g_mutex);
  ++*(passed ? &g_passed : &g_failed);
  pthread_mutex_unlock(&g_mutex);
  if (!passed) fprintf(stderr, "%s:%d: failed: %s\n", file, line, what);
  return passed;
}

bool CheckOk(TRITONSERVER_Error* error, const char* file, int line, const char* what) {
  RecordCall(what, true);
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
  RecordCall(what, false);
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

void RecordCall(const char* call, bool good) {
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

void CheckEveryFunctionWasCalled(void) {
  for (int i = 0; i < kFunctions; ++i) {
    const Function* function = &g_functions[i];
    if (!Check(function->good && function->bad, __FILE__, __LINE__, function->name)) {
      fprintf(stderr, "  never called with %s arguments\n", function->good ? "bad" : "good");
    }
  }
  printf("%d functions\n", kFunctions);
}
