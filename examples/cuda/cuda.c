#include "cuda.h"

#include <dlfcn.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char kDriverName[] = "libcuda.so.1";
// Of the toolkits 13, 12 and 11.2 to 11.8; whichever is installed, the newest first.
static const char* const kCompilerNames[] = {"libnvrtc.so.13", "libnvrtc.so.12",
                                             "libnvrtc.so.11.2"};
enum { kCompilerNameCount = sizeof(kCompilerNames) / sizeof(kCompilerNames[0]) };

static TRITONSERVER_Error* Unsupported(const char* what, const char* why) {
  char message[512];
  snprintf(message, sizeof(message), "normalise: %s: %s", what, why);
  return TRITONSERVER_ErrorNew(TRITONSERVER_ERROR_UNSUPPORTED, message);
}

// The driver ------------------------------------------------------------------------------------

static pthread_once_t driver_once = PTHREAD_ONCE_INIT;
static Driver loaded_driver;
static char driver_problem[256];  // empty: there is none

static void FindDriver(void) {
  void* library = dlopen(kDriverName, RTLD_NOW | RTLD_LOCAL);
  if (library == NULL) {
    snprintf(driver_problem, sizeof(driver_problem), "%s", dlerror());
    return;
  }
#define DRIVER_FIND(name, parameters)                                                  \
  *(void**)&loaded_driver.name = dlsym(library, #name);                                \
  if (loaded_driver.name == NULL) {                                                    \
    snprintf(driver_problem, sizeof(driver_problem), "%s has no " #name, kDriverName); \
    return;                                                                            \
  }
  DRIVER_FUNCTIONS(DRIVER_FIND)
#undef DRIVER_FIND
  const int result = loaded_driver.cuInit(0);
  if (result != 0) snprintf(driver_problem, sizeof(driver_problem), "cuInit answers %d", result);
}

TRITONSERVER_Error* LoadDriver(const Driver** driver) {
  pthread_once(&driver_once, FindDriver);
  *driver = &loaded_driver;
  return driver_problem[0] == '\0' ? NULL : Unsupported("no CUDA driver", driver_problem);
}

TRITONSERVER_Error* Check(const Driver* driver, int result, const char* doing) {
  if (result == 0) return NULL;
  const char* text = NULL;
  driver->cuGetErrorString(result, &text);
  char message[512];
  snprintf(message, sizeof(message), "normalise: cannot %s: %s (CUDA error %d)", doing,
           text == NULL ? "unknown error" : text, result);
  const int out_of_memory = 2;
  return TRITONSERVER_ErrorNew(
      result == out_of_memory ? TRITONSERVER_ERROR_UNAVAILABLE : TRITONSERVER_ERROR_INTERNAL,
      message);
}

// The compiler ----------------------------------------------------------------------------------

typedef struct Program_st* Program;

#define COMPILER_FUNCTIONS(X)                                                             \
  X(nvrtcCreateProgram,                                                                   \
    (Program * program, const char* source, const char* name, int header_count,           \
     const char* const* headers, const char* const* include_names))                       \
  X(nvrtcDestroyProgram, (Program * program))                                             \
  X(nvrtcCompileProgram, (Program program, int option_count, const char* const* options)) \
  X(nvrtcGetProgramLogSize, (Program program, size_t * byte_size))                        \
  X(nvrtcGetProgramLog, (Program program, char* log))                                     \
  X(nvrtcGetPTXSize, (Program program, size_t * byte_size))                               \
  X(nvrtcGetPTX, (Program program, char* ptx))

typedef struct {
#define COMPILER_MEMBER(name, parameters) int(*name) parameters;
  COMPILER_FUNCTIONS(COMPILER_MEMBER)
#undef COMPILER_MEMBER
} Compiler;

// What it opens stays open, as the driver does.
static TRITONSERVER_Error* FindCompiler(Compiler* compiler) {
  void* library = NULL;
  char problems[400] = "";
  for (int i = 0; library == NULL && i < kCompilerNameCount; ++i) {
    library = dlopen(kCompilerNames[i], RTLD_NOW | RTLD_LOCAL);
    if (library != NULL) break;
    const size_t used = strlen(problems);
    snprintf(problems + used, sizeof(problems) - used, "%s%s", i == 0 ? "" : "; ", dlerror());
  }
  if (library == NULL) return Unsupported("NVRTC, which compiles the kernel, is missing", problems);
#define COMPILER_FIND(name, parameters)             \
  *(void**)&compiler->name = dlsym(library, #name); \
  if (compiler->name == NULL) return Unsupported("NVRTC lacks a function", #name);
  COMPILER_FUNCTIONS(COMPILER_FIND)
#undef COMPILER_FIND
  return NULL;
}

static TRITONSERVER_Error* CompilerError(const Compiler* compiler, Program program, int result) {
  char message[4096];
  int used = snprintf(message, sizeof(message), "normalise: NVRTC answers %d", result);
  size_t log_byte_size = 0;
  char* log = NULL;
  if (program != NULL && compiler->nvrtcGetProgramLogSize(program, &log_byte_size) == 0) {
    log = malloc(log_byte_size + 1);
  }
  if (log != NULL && compiler->nvrtcGetProgramLog(program, log) == 0) {
    log[log_byte_size] = '\0';
    snprintf(message + used, sizeof(message) - used, ": %s", log);
  }
  free(log);
  const int wrong_source = 6;
  return TRITONSERVER_ErrorNew(
      result == wrong_source ? TRITONSERVER_ERROR_INVALID_ARG : TRITONSERVER_ERROR_INTERNAL,
      message);
}

static int CompileProgram(const Compiler* compiler, Program program, int compute_capability,
                          char** ptx) {
  char architecture[64];
  snprintf(architecture, sizeof(architecture), "--gpu-architecture=compute_%d", compute_capability);
  const char* const options[] = {architecture};
  size_t byte_size = 0;
  int result = compiler->nvrtcCompileProgram(program, 1, options);
  if (result == 0) result = compiler->nvrtcGetPTXSize(program, &byte_size);
  if (result != 0) return result;
  const int out_of_memory = 1;
  *ptx = malloc(byte_size);
  if (*ptx == NULL) return out_of_memory;
  result = compiler->nvrtcGetPTX(program, *ptx);
  if (result != 0) free(*ptx);
  return result;
}

TRITONSERVER_Error* Compile(const char* source, int compute_capability, char** ptx) {
  Compiler compiler;
  TRY(FindCompiler(&compiler));
  Program program = NULL;
  int result = compiler.nvrtcCreateProgram(&program, source, "kernel.cu", 0, NULL, NULL);
  if (result == 0) result = CompileProgram(&compiler, program, compute_capability, ptx);
  TRITONSERVER_Error* error = result == 0 ? NULL : CompilerError(&compiler, program, result);
  if (program != NULL) compiler.nvrtcDestroyProgram(&program);
  return error;
}
