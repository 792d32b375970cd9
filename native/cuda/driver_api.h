#pragma once

#include <cstddef>
#include <cstdint>

namespace trident::cuda {

// What Trident uses of NVIDIA's CUDA driver library, declared here so that nothing of CUDA's
// toolkit is needed to build. Types and values are those of the driver's ABI for 64-bit Linux,
// which it keeps for good: what changed has got another symbol (`_v2`).

using CuResult = int;
using CuDevice = int;
using DevicePointer = uint64_t;
using CuContext = struct CuContextHandle*;
using CuStream = struct CuStreamHandle*;

inline DevicePointer Address(const void* data) { return reinterpret_cast<DevicePointer>(data); }

struct CuUuid {
  unsigned char bytes[16];
};
struct IpcHandle {
  unsigned char bytes[64];
};

enum : CuResult {
  kSuccess = 0,
  kInvalidValue = 1,
  kOutOfMemory = 2,
  kNotInitialized = 3,
  kDeviceUnavailable = 46,
  kNoDevice = 100,
  kInvalidDevice = 101,
  kInvalidContext = 201,
  kMapFailed = 205,
  kEccUncorrectable = 214,
  kPeerAccessUnsupported = 217,
  kNvlinkUncorrectable = 220,
  kContained = 226,
  kInvalidHandle = 400,
  kNotFound = 500,
  kNotReady = 600,
  kIllegalAddress = 700,
  kLaunchTimeout = 702,
  kPeerAccessAlreadyEnabled = 704,
  kContextIsDestroyed = 709,
  kAssert = 710,
  kHardwareStackError = 714,
  kIllegalInstruction = 715,
  kMisalignedAddress = 716,
  kInvalidAddressSpace = 717,
  kInvalidPc = 718,
  kLaunchFailed = 719,
  kTensorMemoryLeak = 721,
  kNotPermitted = 800,
  kNotSupported = 801,
  kSystemDriverMismatch = 803,
  kMpsClientTerminated = 810,
  kCaptureUnsupported = 900,
  kExternalDevice = 911,
  kUnknown = 999,
};

// CUdevice_attribute
inline constexpr int kComputeCapabilityMajor = 75;
inline constexpr int kComputeCapabilityMinor = 76;
// CUpointer_attribute
inline constexpr int kPointerMemoryType = 2;
inline constexpr int kPointerDeviceOrdinal = 9;
// CUmemorytype
inline constexpr unsigned kMemoryTypeDevice = 2;
// CUstreamCaptureMode
inline constexpr int kCaptureModeRelaxed = 2;
// Flags
inline constexpr unsigned kStreamNonBlocking = 1;
inline constexpr unsigned kHostAllocPortable = 1;
inline constexpr unsigned kIpcLazyEnablePeerAccess = 1;

// Every function Trident calls: the symbol and its parameters.
#define TRIDENT_CUDA_FUNCTIONS(F)                                                                \
  F(cuInit, (unsigned flags))                                                                    \
  F(cuDriverGetVersion, (int* version))                                                          \
  F(cuGetErrorName, (CuResult error, const char** name))                                         \
  F(cuGetErrorString, (CuResult error, const char** text))                                       \
  F(cuDeviceGetCount, (int* count))                                                              \
  F(cuDeviceGet, (CuDevice * device, int ordinal))                                               \
  F(cuDeviceGetName, (char* name, int size, CuDevice device))                                    \
  F(cuDeviceGetUuid, (CuUuid * uuid, CuDevice device))                                           \
  F(cuDeviceTotalMem_v2, (size_t * bytes, CuDevice device))                                      \
  F(cuDeviceGetAttribute, (int* value, int attribute, CuDevice device))                          \
  F(cuDeviceCanAccessPeer, (int* can, CuDevice device, CuDevice peer))                           \
  F(cuDevicePrimaryCtxRetain, (CuContext * context, CuDevice device))                            \
  F(cuDevicePrimaryCtxGetState, (CuDevice device, unsigned* flags, int* active))                 \
  F(cuCtxGetCurrent, (CuContext * context))                                                      \
  F(cuCtxPushCurrent_v2, (CuContext context))                                                    \
  F(cuCtxPopCurrent_v2, (CuContext * context))                                                   \
  F(cuThreadExchangeStreamCaptureMode, (int* mode))                                              \
  F(cuCtxEnablePeerAccess, (CuContext peer, unsigned flags))                                     \
  F(cuMemGetInfo_v2, (size_t * free, size_t * total))                                            \
  F(cuMemAlloc_v2, (DevicePointer * pointer, size_t bytes))                                      \
  F(cuMemFree_v2, (DevicePointer pointer))                                                       \
  F(cuMemHostAlloc, (void** pointer, size_t bytes, unsigned flags))                              \
  F(cuMemFreeHost, (void* pointer))                                                              \
  F(cuMemGetAddressRange_v2, (DevicePointer * base, size_t * bytes, DevicePointer inside))       \
  F(cuPointerGetAttribute, (void* value, int attribute, DevicePointer pointer))                  \
  F(cuMemcpyHtoDAsync_v2, (DevicePointer to, const void* from, size_t bytes, CuStream stream))   \
  F(cuMemcpyDtoHAsync_v2, (void* to, DevicePointer from, size_t bytes, CuStream stream))         \
  F(cuMemcpyDtoDAsync_v2, (DevicePointer to, DevicePointer from, size_t bytes, CuStream stream)) \
  F(cuMemcpyPeerAsync, (DevicePointer to, CuContext to_context, DevicePointer from,              \
                        CuContext from_context, size_t bytes, CuStream stream))                  \
  F(cuMemsetD8Async, (DevicePointer to, unsigned char value, size_t bytes, CuStream stream))     \
  F(cuStreamCreate, (CuStream * stream, unsigned flags))                                         \
  F(cuStreamDestroy_v2, (CuStream stream))                                                       \
  F(cuStreamSynchronize, (CuStream stream))                                                      \
  F(cuStreamQuery, (CuStream stream))                                                            \
  F(cuIpcGetMemHandle, (IpcHandle * handle, DevicePointer pointer))                              \
  F(cuIpcOpenMemHandle_v2, (DevicePointer * pointer, IpcHandle handle, unsigned flags))          \
  F(cuIpcCloseMemHandle, (DevicePointer pointer))

// The functions, by their symbols.
struct DriverApi {
#define TRIDENT_CUDA_MEMBER(name, parameters) CuResult(*name) parameters = nullptr;
  TRIDENT_CUDA_FUNCTIONS(TRIDENT_CUDA_MEMBER)
#undef TRIDENT_CUDA_MEMBER
};

}  // namespace trident::cuda
