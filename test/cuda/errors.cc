#include "devices.h"
#include "entry_points.h"

namespace trident::cuda::fake {
namespace {

struct ErrorText {
  CuResult error;
  const char* name;
  const char* text;
};

constexpr ErrorText kErrors[] = {
    {kSuccess, "CUDA_SUCCESS", "no error"},
    {kInvalidValue, "CUDA_ERROR_INVALID_VALUE", "invalid argument"},
    {kOutOfMemory, "CUDA_ERROR_OUT_OF_MEMORY", "out of memory"},
    {kNotInitialized, "CUDA_ERROR_NOT_INITIALIZED", "initialization error"},
    {kNoDevice, "CUDA_ERROR_NO_DEVICE", "no CUDA-capable device is detected"},
    {kInvalidDevice, "CUDA_ERROR_INVALID_DEVICE", "invalid device ordinal"},
    {kInvalidContext, "CUDA_ERROR_INVALID_CONTEXT", "invalid device context"},
    {kMapFailed, "CUDA_ERROR_MAP_FAILED", "mapping of buffer object failed"},
    {kEccUncorrectable, "CUDA_ERROR_ECC_UNCORRECTABLE", "uncorrectable ECC error encountered"},
    {kInvalidHandle, "CUDA_ERROR_INVALID_HANDLE", "invalid resource handle"},
    {kNotFound, "CUDA_ERROR_NOT_FOUND", "named symbol not found"},
    {kNotReady, "CUDA_ERROR_NOT_READY", "device not ready"},
    {kIllegalAddress, "CUDA_ERROR_ILLEGAL_ADDRESS", "an illegal memory access was encountered"},
    {kLaunchFailed, "CUDA_ERROR_LAUNCH_FAILED", "unspecified launch failure"},
    {kNotSupported, "CUDA_ERROR_NOT_SUPPORTED", "operation not supported"},
    {kSystemDriverMismatch, "CUDA_ERROR_SYSTEM_DRIVER_MISMATCH",
     "system has unsupported display driver / cuda driver combination"},
    {kUnknown, "CUDA_ERROR_UNKNOWN", "unknown error"},
};

CuResult Find(Row function, CuResult error, const char* ErrorText::*part, const char** found) {
  Count(function, 1, 0);
  *found = nullptr;
  if (const CuResult wanted = Fault(function)) return wanted;
  for (const ErrorText& known : kErrors) {
    if (known.error == error) *found = known.*part;
  }
  return *found == nullptr ? kInvalidValue : kSuccess;
}

}  // namespace

extern "C" {

CuResult cuGetErrorName(CuResult error, const char** name) {
  return Find(Row::cuGetErrorName, error, &ErrorText::name, name);
}

CuResult cuGetErrorString(CuResult error, const char** text) {
  return Find(Row::cuGetErrorString, error, &ErrorText::text, text);
}

}  // extern "C"

}  // namespace trident::cuda::fake
