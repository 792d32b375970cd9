// What the example needs of CUDA: functions of the driver, found at run time, and a kernel compiled
// by NVRTC. Their declarations are our own, so that no toolkit is needed to build.
#ifndef EXAMPLES_CUDA_CUDA_H_
#define EXAMPLES_CUDA_CUDA_H_

#include <stddef.h>
#include <stdint.h>

#include "triton/core/tritonserver.h"

// Hands an error to the caller.
#define TRY(call)                            \
  do {                                       \
    TRITONSERVER_Error* try_error = (call);  \
    if (try_error != NULL) return try_error; \
  } while (0)

typedef uint64_t DevicePointer;
typedef struct CUctx_st* Context;
typedef struct CUstream_st* Stream;
typedef struct CUmod_st* Module;
typedef struct CUfunc_st* Kernel;

// X(name, parameters)
#define DRIVER_FUNCTIONS(X)                                                                        \
  X(cuInit, (unsigned flags))                                                                      \
  X(cuGetErrorString, (int error, const char** text))                                              \
  X(cuDeviceGet, (int* device, int ordinal))                                                       \
  X(cuDeviceGetAttribute, (int* value, int attribute, int device))                                 \
  X(cuDevicePrimaryCtxRetain, (Context * context, int device))                                     \
  X(cuDevicePrimaryCtxRelease_v2, (int device))                                                    \
  X(cuCtxPushCurrent_v2, (Context context))                                                        \
  X(cuCtxPopCurrent_v2, (Context * context))                                                       \
  X(cuModuleLoadData, (Module * module, const void* image))                                        \
  X(cuModuleUnload, (Module module))                                                               \
  X(cuModuleGetFunction, (Kernel * kernel, Module module, const char* name))                       \
  X(cuMemAlloc_v2, (DevicePointer * pointer, size_t byte_size))                                    \
  X(cuMemFree_v2, (DevicePointer pointer))                                                         \
  X(cuMemcpyHtoDAsync_v2, (DevicePointer to, const void* from, size_t byte_size, Stream stream))   \
  X(cuMemcpyDtoHAsync_v2, (void* to, DevicePointer from, size_t byte_size, Stream stream))         \
  X(cuMemcpyDtoDAsync_v2, (DevicePointer to, DevicePointer from, size_t byte_size, Stream stream)) \
  X(cuStreamCreate, (Stream * stream, unsigned flags))                                             \
  X(cuStreamSynchronize, (Stream stream))                                                          \
  X(cuStreamDestroy_v2, (Stream stream))                                                           \
  X(cuLaunchKernel, (Kernel kernel, unsigned grid_x, unsigned grid_y, unsigned grid_z,             \
                     unsigned block_x, unsigned block_y, unsigned block_z, unsigned shared,        \
                     Stream stream, void** arguments, void** extra))

typedef struct {
#define DRIVER_MEMBER(name, parameters) int(*name) parameters;
  DRIVER_FUNCTIONS(DRIVER_MEMBER)
#undef DRIVER_MEMBER
} Driver;

// The driver, loaded and initialised by the first call; it stays until the process ends.
// UNSUPPORTED: this machine has none.
TRITONSERVER_Error* LoadDriver(const Driver** driver);

// An error unless `result`, of a function of the driver, is success; `doing` says what was done.
TRITONSERVER_Error* Check(const Driver* driver, int result, const char* doing);

// Compiles CUDA C++ for a device of that compute capability, 90 for 9.0. `*ptx` is the caller's to
// free. UNSUPPORTED: NVRTC is not installed. INVALID_ARG: the source is wrong; the message has the
// compiler's words.
TRITONSERVER_Error* Compile(const char* source, int compute_capability, char** ptx);

#endif
