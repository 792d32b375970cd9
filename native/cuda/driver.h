#pragma once

#include <string>

#include "base/status.h"
#include "cuda/driver_api.h"

namespace trident::cuda {

// Names the driver library, where it is not the system's libcuda.so.1. Read at the first use.
inline constexpr char kLibraryVariable[] = "TRIDENT_CUDA_LIBRARY";

// What came of looking for the driver, for people.
struct DriverReport {
  std::string library;  // the name or path that was looked for
  int version = 0;      // 1000 * major + 10 * minor of the CUDA version it offers; 0: not known
  Status status;        // OK, or what is missing
};

// The process's CUDA driver. The first call loads and initialises it, which takes milliseconds;
// every call gives the same answer. UNSUPPORTED, and what is missing, where there is no library, a
// symbol is missing, or the driver has no device. Thread-safe.
Result<const DriverApi*> Driver();
const DriverReport& ReportDriver();
// Whether one of the above has found a driver; looks for none.
bool DriverIsLoaded();

// OK, or what a call of the driver answered, behind `doing`: "copy 64 bytes to device 0".
// UNAVAILABLE: out of memory, or the device is lost (IsLost). INVALID_ARG: the driver does not know
// what it was given. UNSUPPORTED: the device can't. INTERNAL: the rest.
Status ToStatus(CuResult result, const std::string& doing);

// True for errors after which every call for the device fails in this process.
bool IsLost(CuResult result);

}  // namespace trident::cuda
