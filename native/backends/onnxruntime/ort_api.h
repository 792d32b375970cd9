#pragma once

#include <cstddef>
#include <cstdint>
#include <string>

// ONNX Runtime's C API, as much of it as we use: its table of functions only ever grows at its end,
// so a function is known by its index. No header of ONNX Runtime is needed to build.
namespace trident::ort {

struct OrtStatus;
struct OrtEnv;
struct OrtSession;
struct OrtSessionOptions;
struct OrtRunOptions;
struct OrtValue;
struct OrtMemoryInfo;
struct OrtAllocator;
struct OrtTypeInfo;
struct OrtTensorInfo;
struct OrtKeyValuePairs;
struct OrtIoBinding;
struct OrtCudaOptions;

enum OrtErrorCode : int {
  kOrtOk = 0,
  kOrtFail = 1,
  kOrtInvalidArgument = 2,
  kOrtNoSuchFile = 3,
  kOrtNoModel = 4,
  kOrtEngineError = 5,
  kOrtRuntimeException = 6,
  kOrtInvalidProtobuf = 7,
  kOrtModelLoaded = 8,
  kOrtNotImplemented = 9,
  kOrtInvalidGraph = 10,
  kOrtEpFail = 11,
};

enum OrtElementType : int {
  kOrtUndefined = 0,
  kOrtFloat = 1,
  kOrtUint8 = 2,
  kOrtInt8 = 3,
  kOrtUint16 = 4,
  kOrtInt16 = 5,
  kOrtInt32 = 6,
  kOrtInt64 = 7,
  kOrtString = 8,
  kOrtBool = 9,
  kOrtFloat16 = 10,
  kOrtDouble = 11,
  kOrtUint32 = 12,
  kOrtUint64 = 13,
  kOrtBfloat16 = 16,
};

enum OrtValueType : int { kOrtTensor = 1 };
enum OrtLogLevel : int { kOrtLogVerbose, kOrtLogInfo, kOrtLogWarning, kOrtLogError, kOrtLogFatal };
enum OrtOptimization : int {
  kOrtDisableAll = 0,
  kOrtEnableBasic = 1,
  kOrtEnableExtended = 2,
  kOrtEnableAll = 99,
};
enum OrtAllocatorType : int { kOrtDeviceAllocator = 0, kOrtArenaAllocator = 1 };
enum OrtMemoryUse : int { kOrtDefaultMemory = 0 };

using OrtLogFunction = void (*)(void* param, OrtLogLevel level, const char* category,
                                const char* log_id, const char* code_location, const char* message);

// SLOT(index in OrtApi, result, name, arguments). A returned OrtStatus is null on success.
#define TRIDENT_ORT_SLOTS(SLOT)                                                                   \
  SLOT(0, OrtStatus*, CreateStatus, OrtErrorCode, const char*)                                    \
  SLOT(1, OrtErrorCode, GetErrorCode, const OrtStatus*)                                           \
  SLOT(2, const char*, GetErrorMessage, const OrtStatus*)                                         \
  SLOT(4, OrtStatus*, CreateEnvWithCustomLogger, OrtLogFunction, void*, OrtLogLevel, const char*, \
       OrtEnv**)                                                                                  \
  SLOT(7, OrtStatus*, CreateSession, const OrtEnv*, const char*, const OrtSessionOptions*,        \
       OrtSession**)                                                                              \
  SLOT(9, OrtStatus*, Run, OrtSession*, const OrtRunOptions*, const char* const*,                 \
       const OrtValue* const*, size_t, const char* const*, size_t, OrtValue**)                    \
  SLOT(10, OrtStatus*, CreateSessionOptions, OrtSessionOptions**)                                 \
  SLOT(13, OrtStatus*, SetSessionExecutionMode, OrtSessionOptions*, int)                          \
  SLOT(17, OrtStatus*, DisableMemPattern, OrtSessionOptions*)                                     \
  SLOT(19, OrtStatus*, DisableCpuMemArena, OrtSessionOptions*)                                    \
  SLOT(23, OrtStatus*, SetSessionGraphOptimizationLevel, OrtSessionOptions*, OrtOptimization)     \
  SLOT(24, OrtStatus*, SetIntraOpNumThreads, OrtSessionOptions*, int)                             \
  SLOT(25, OrtStatus*, SetInterOpNumThreads, OrtSessionOptions*, int)                             \
  SLOT(30, OrtStatus*, SessionGetInputCount, const OrtSession*, size_t*)                          \
  SLOT(31, OrtStatus*, SessionGetOutputCount, const OrtSession*, size_t*)                         \
  SLOT(32, OrtStatus*, SessionGetOverridableInitializerCount, const OrtSession*, size_t*)         \
  SLOT(33, OrtStatus*, SessionGetInputTypeInfo, const OrtSession*, size_t, OrtTypeInfo**)         \
  SLOT(34, OrtStatus*, SessionGetOutputTypeInfo, const OrtSession*, size_t, OrtTypeInfo**)        \
  SLOT(35, OrtStatus*, SessionGetOverridableInitializerTypeInfo, const OrtSession*, size_t,       \
       OrtTypeInfo**)                                                                             \
  SLOT(36, OrtStatus*, SessionGetInputName, const OrtSession*, size_t, OrtAllocator*, char**)     \
  SLOT(37, OrtStatus*, SessionGetOutputName, const OrtSession*, size_t, OrtAllocator*, char**)    \
  SLOT(38, OrtStatus*, SessionGetOverridableInitializerName, const OrtSession*, size_t,           \
       OrtAllocator*, char**)                                                                     \
  SLOT(39, OrtStatus*, CreateRunOptions, OrtRunOptions**)                                         \
  SLOT(48, OrtStatus*, CreateTensorAsOrtValue, OrtAllocator*, const int64_t*, size_t,             \
       OrtElementType, OrtValue**)                                                                \
  SLOT(49, OrtStatus*, CreateTensorWithDataAsOrtValue, const OrtMemoryInfo*, void*, size_t,       \
       const int64_t*, size_t, OrtElementType, OrtValue**)                                        \
  SLOT(51, OrtStatus*, GetTensorMutableData, OrtValue*, void**)                                   \
  SLOT(55, OrtStatus*, CastTypeInfoToTensorInfo, const OrtTypeInfo*, const OrtTensorInfo**)       \
  SLOT(56, OrtStatus*, GetOnnxTypeFromTypeInfo, const OrtTypeInfo*, OrtValueType*)                \
  SLOT(60, OrtStatus*, GetTensorElementType, const OrtTensorInfo*, OrtElementType*)               \
  SLOT(61, OrtStatus*, GetDimensionsCount, const OrtTensorInfo*, size_t*)                         \
  SLOT(62, OrtStatus*, GetDimensions, const OrtTensorInfo*, int64_t*, size_t)                     \
  SLOT(68, OrtStatus*, CreateMemoryInfo, const char*, OrtAllocatorType, int, OrtMemoryUse,        \
       OrtMemoryInfo**)                                                                           \
  SLOT(69, OrtStatus*, CreateCpuMemoryInfo, OrtAllocatorType, int, OrtMemoryInfo**)               \
  SLOT(71, OrtStatus*, MemoryInfoGetName, const OrtMemoryInfo*, const char**)                     \
  SLOT(76, OrtStatus*, AllocatorFree, OrtAllocator*, void*)                                       \
  SLOT(78, OrtStatus*, GetAllocatorWithDefaultOptions, OrtAllocator**)                            \
  SLOT(93, void, ReleaseStatus, OrtStatus*)                                                       \
  SLOT(94, void, ReleaseMemoryInfo, OrtMemoryInfo*)                                               \
  SLOT(95, void, ReleaseSession, OrtSession*)                                                     \
  SLOT(96, void, ReleaseValue, OrtValue*)                                                         \
  SLOT(97, void, ReleaseRunOptions, OrtRunOptions*)                                               \
  SLOT(98, void, ReleaseTypeInfo, OrtTypeInfo*)                                                   \
  SLOT(100, void, ReleaseSessionOptions, OrtSessionOptions*)                                      \
  SLOT(127, OrtStatus*, GetStringTensorElementLength, const OrtValue*, size_t, size_t*)           \
  SLOT(128, OrtStatus*, GetStringTensorElement, const OrtValue*, size_t, size_t, void*)           \
  SLOT(130, OrtStatus*, AddSessionConfigEntry, OrtSessionOptions*, const char*, const char*)      \
  SLOT(131, OrtStatus*, CreateAllocator, const OrtSession*, const OrtMemoryInfo*, OrtAllocator**) \
  SLOT(132, void, ReleaseAllocator, OrtAllocator*)                                                \
  SLOT(133, OrtStatus*, RunWithBinding, OrtSession*, const OrtRunOptions*, const OrtIoBinding*)   \
  SLOT(134, OrtStatus*, CreateIoBinding, OrtSession*, OrtIoBinding**)                             \
  SLOT(135, void, ReleaseIoBinding, OrtIoBinding*)                                                \
  SLOT(136, OrtStatus*, BindInput, OrtIoBinding*, const char*, const OrtValue*)                   \
  SLOT(137, OrtStatus*, BindOutput, OrtIoBinding*, const char*, const OrtValue*)                  \
  SLOT(138, OrtStatus*, BindOutputToDevice, OrtIoBinding*, const char*, const OrtMemoryInfo*)     \
  SLOT(140, OrtStatus*, GetBoundOutputValues, const OrtIoBinding*, OrtAllocator*, OrtValue***,    \
       size_t*)                                                                                   \
  SLOT(141, void, ClearBoundInputs, OrtIoBinding*)                                                \
  SLOT(142, void, ClearBoundOutputs, OrtIoBinding*)                                               \
  SLOT(165, OrtStatus*, AddRunConfigEntry, OrtRunOptions*, const char*, const char*)              \
  SLOT(204, OrtStatus*, SessionOptionsAppendExecutionProvider_CUDA_V2, OrtSessionOptions*,        \
       const OrtCudaOptions*)                                                                     \
  SLOT(205, OrtStatus*, CreateCUDAProviderOptions, OrtCudaOptions**)                              \
  SLOT(206, OrtStatus*, UpdateCUDAProviderOptions, OrtCudaOptions*, const char* const*,           \
       const char* const*, size_t)                                                                \
  SLOT(208, void, ReleaseCUDAProviderOptions, OrtCudaOptions*)                                    \
  SLOT(252, OrtStatus*, GetResizedStringTensorElementBuffer, OrtValue*, size_t, size_t, char**)   \
  SLOT(263, OrtStatus*, UpdateCUDAProviderOptionsWithValue, OrtCudaOptions*, const char*, void*)  \
  SLOT(297, const char*, GetKeyValue, const OrtKeyValuePairs*, const char*)                       \
  SLOT(300, void, ReleaseKeyValuePairs, OrtKeyValuePairs*)                                        \
  SLOT(319, OrtStatus*, AllocatorGetStats, const OrtAllocator*, OrtKeyValuePairs**)               \
  SLOT(380, OrtStatus*, SessionGetMemoryInfoForInputs, const OrtSession*, const OrtMemoryInfo**,  \
       size_t)                                                                                    \
  SLOT(381, OrtStatus*, SessionGetMemoryInfoForOutputs, const OrtSession*, const OrtMemoryInfo**, \
       size_t)                                                                                    \
  SLOT(390, bool, TensorTypeAndShape_HasShape, const OrtTensorInfo*)                              \
  SLOT(414, OrtStatus*, GetTensorElementTypeAndShapeDataReference, const OrtValue*,               \
       OrtElementType*, const int64_t**, size_t*)

// The functions of one loaded library. Immutable after LoadOrtApi.
struct OrtApi {
#define TRIDENT_ORT_MEMBER(index, result, name, ...) result (*name)(__VA_ARGS__) = nullptr;
  TRIDENT_ORT_SLOTS(TRIDENT_ORT_MEMBER)
#undef TRIDENT_ORT_MEMBER
};

// 1.28 is the first release that refuses external data outside of the model's directory on every
// way of loading, and memory addresses in model files.
inline constexpr int kOrtNeededMinor = 28;

enum class OrtLoad { kOk, kNotFound, kUnusable };

// Opens the library at the absolute path, for good, and fills in `api`. Otherwise `message` says
// what was wrong. Opening the same file again, here or in another addon of the process, yields the
// same library.
OrtLoad LoadOrtApi(const std::string& path, OrtApi* api, std::string* version,
                   std::string* message);

}  // namespace trident::ort
