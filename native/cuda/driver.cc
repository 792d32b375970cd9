#include "cuda/driver.h"

#include <atomic>
#include <cstdlib>
#include <memory>

#include "base/dynamic_library.h"

namespace trident::cuda {
namespace {

struct Loaded {
  DriverApi api;
  DriverReport report;
};

Status FindFunctions(const DynamicLibrary& library, DriverApi* api) {
  std::string missing;
#define TRIDENT_CUDA_FIND(name, parameters)                                          \
  api->name = reinterpret_cast<CuResult(*) parameters>(library.FindOptional(#name)); \
  if (api->name == nullptr) missing += (missing.empty() ? "" : ", ") + std::string(#name);
  TRIDENT_CUDA_FUNCTIONS(TRIDENT_CUDA_FIND)
#undef TRIDENT_CUDA_FIND
  if (missing.empty()) return Status::Ok();
  return Unsupported("the CUDA driver library '", library.path(), "' is too old: it lacks ",
                     missing);
}

// Does not go through ToStatus, which needs a driver that works.
Status RefusedToStart(const DriverApi& api, const DriverReport& report, CuResult result) {
  const char* text = nullptr;
  if (api.cuGetErrorString(result, &text) != kSuccess) text = nullptr;
  return Unsupported("the CUDA driver '", report.library, "' can't be used: cuInit answered ",
                     result, text == nullptr ? "" : ", ", text == nullptr ? "" : text);
}

Status Load(DriverApi* api, DriverReport* report) {
  const char* named = getenv(kLibraryVariable);
  report->library = named != nullptr && *named != '\0' ? named : "libcuda.so.1";
  auto library = DynamicLibrary::Open(report->library);
  if (!library.ok()) {
    return Unsupported("there is no CUDA driver library '", report->library,
                       "': ", library.status().message());
  }
  TRIDENT_RETURN_IF_ERROR(FindFunctions(**library, api));
  (void)api->cuDriverGetVersion(&report->version);
  const CuResult result = api->cuInit(0);  // fails where there is no device
  return result == kSuccess ? Status::Ok() : RefusedToStart(*api, *report, result);
}

std::atomic<bool> is_loaded{false};

// Lives as long as the process, as what the driver gives does.
const Loaded& TheDriver() {
  static const Loaded* const loaded = [] {
    auto* driver = new Loaded;
    driver->report.status = Load(&driver->api, &driver->report);
    is_loaded.store(driver->report.status.ok(), std::memory_order_release);
    return driver;
  }();
  return *loaded;
}

StatusCode CodeOf(CuResult result) {
  switch (result) {
    case kOutOfMemory:
    case kDeviceUnavailable:
      return StatusCode::kUnavailable;
    case kInvalidValue:
    case kInvalidDevice:
    case kInvalidHandle:
    case kNotFound:
      return StatusCode::kInvalidArg;
    case kNotSupported:
    case kPeerAccessUnsupported:
    case kNotPermitted:
      return StatusCode::kUnsupported;
    default:
      return IsLost(result) ? StatusCode::kUnavailable : StatusCode::kInternal;
  }
}

}  // namespace

Result<const DriverApi*> Driver() {
  const Loaded& driver = TheDriver();
  if (!driver.report.status.ok()) return driver.report.status;
  return &driver.api;
}

const DriverReport& ReportDriver() { return TheDriver().report; }

bool DriverIsLoaded() { return is_loaded.load(std::memory_order_acquire); }

Status ToStatus(CuResult result, const std::string& doing) {
  if (result == kSuccess) return Status::Ok();
  const DriverApi& api = TheDriver().api;
  const char* name = nullptr;
  const char* text = nullptr;
  if (api.cuGetErrorName(result, &name) != kSuccess) name = nullptr;
  if (api.cuGetErrorString(result, &text) != kSuccess) text = nullptr;
  return Error(CodeOf(result), "can't ", doing, ": ", name == nullptr ? "CUDA error" : name, " (",
               result, ")", text == nullptr ? "" : ", ", text == nullptr ? "" : text,
               IsLost(result) ? "; the device is lost to this process" : "");
}

bool IsLost(CuResult result) {
  switch (result) {
    case kEccUncorrectable:
    case kNvlinkUncorrectable:
    case kContained:
    case kIllegalAddress:
    case kLaunchTimeout:
    case kContextIsDestroyed:
    case kAssert:
    case kHardwareStackError:
    case kIllegalInstruction:
    case kMisalignedAddress:
    case kInvalidAddressSpace:
    case kInvalidPc:
    case kLaunchFailed:
    case kTensorMemoryLeak:
    case kMpsClientTerminated:
    case kExternalDevice:
      return true;
    default:
      return false;
  }
}

}  // namespace trident::cuda
