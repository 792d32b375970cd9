#include "devices.h"

#include <stdlib.h>

#include <deque>
#include <utility>

#include "cuda/driver.h"
#include "entry_points.h"

namespace trident::cuda::fake {
namespace {

std::atomic<bool> initialised{false};
// Without memory of the heap's, which a forked child, where the thread is none, would leak.
constexpr size_t kMostNested = 16;
thread_local FakeDevice* current_devices[kMostNested];
thread_local size_t current_count = 0;
thread_local int capture_mode = 0;  // CU_STREAM_CAPTURE_MODE_GLOBAL

std::string Setting(const char* name, const char* otherwise) {
  const char* value = getenv(name);
  return value == nullptr || *value == '\0' ? otherwise : value;
}

// Never destroyed: threads of streams outlive main().
std::deque<FakeDevice>& Devices() {
  static std::deque<FakeDevice>* const devices = [] {
    auto* made = new std::deque<FakeDevice>;
    const int count = atoi(Setting("FAKE_CUDA_DEVICES", "2").c_str());
    const uint64_t bytes =
        strtoull(Setting("FAKE_CUDA_MEMORY_BYTES", "1073741824").c_str(), nullptr, 10);
    std::string left = Setting("FAKE_CUDA_COMPUTE", "9.0");
    int major = 0;
    int minor = 0;
    for (int i = 0; i < count; ++i) {
      if (sscanf(left.c_str(), "%d.%d", &major, &minor) != 2 && i == 0) abort();
      made->emplace_back(i, major, minor, bytes);
      const size_t comma = left.find(',');
      left = comma == std::string::npos ? "" : left.substr(comma + 1);
    }
    return made;
  }();
  return *devices;
}

}  // namespace

bool FakeDevice::Take(uint64_t bytes) {
  uint64_t used = used_.load();
  do {
    if (bytes > memory_bytes_ - used) return false;
  } while (!used_.compare_exchange_weak(used, used + bytes));
  return true;
}

CuResult FakeDevice::Lost() {
  const CuResult wanted = ResultOf(Row::lose);
  if (wanted != kSuccess && (BytesOf(Row::lose) >> ordinal_ & 1) != 0) Lose(wanted);
  return lost_.load();
}

void FakeDevice::Lose(CuResult result) {
  CuResult before = kSuccess;
  lost_.compare_exchange_strong(before, result);
}

bool FakeDevice::Release() {
  int retained = retained_.load();
  do {
    if (retained == 0) return false;
  } while (!retained_.compare_exchange_weak(retained, retained - 1));
  return true;
}

bool FakeDevice::EnablePeer(int ordinal) {
  MutexLock lock(mutex_);
  return peers_.insert(ordinal).second;
}

int DeviceCount() { return static_cast<int>(Devices().size()); }

bool PeersReachEachOther() {
  static const bool reach = Setting("FAKE_CUDA_PEER", "1") != "0";
  return reach;
}

FakeDevice* DeviceAt(int ordinal) {
  return ordinal >= 0 && ordinal < DeviceCount() ? &Devices()[ordinal] : nullptr;
}

FakeDevice* DeviceOf(CuContext context) {
  for (FakeDevice& device : Devices()) {
    if (device.context() == context) return &device;
  }
  return nullptr;
}

FakeDevice* CurrentDevice() {
  return current_count == 0 ? nullptr : current_devices[current_count - 1];
}

Call::Call(Row function, Needs needs) : result_(Check(function, needs)) {}

CuResult Call::Check(Row function, Needs needs) {
  Count(function, 1, 0);
  device_ = CurrentDevice();
  const CuResult wanted = Fault(function);
  if (wanted != kSuccess) {
    if (IsLost(wanted) && device_ != nullptr) device_->Lose(wanted);
    return wanted;
  }
  if (!initialised) return kNotInitialized;
  if (needs == kDriver) return kSuccess;
  if (device_ == nullptr) return kInvalidContext;
  if (!device_->alive()) return kContextIsDestroyed;
  if (needs == kNoCapture && ResultOf(Row::capture) != 0 && capture_mode != kCaptureModeRelaxed) {
    return kCaptureUnsupported;
  }
  const CuResult lost = device_->Lost();
  lost_ = lost != kSuccess;
  return lost;
}

extern "C" {

CuResult cuInit(unsigned flags) {
  Count(Row::cuInit, 1, 0);
  if (const CuResult wanted = Fault(Row::cuInit)) return wanted;
  if (flags != 0) return kInvalidValue;
  if (DeviceCount() == 0) return kNoDevice;
  initialised = true;
  return kSuccess;
}

CuResult cuDriverGetVersion(int* version) {
  Count(Row::cuDriverGetVersion, 1, 0);
  if (const CuResult wanted = Fault(Row::cuDriverGetVersion)) return wanted;
  *version = 12040;
  return kSuccess;
}

CuResult cuDeviceGetCount(int* count) {
  const Call call(Row::cuDeviceGetCount, Call::kDriver);
  if (call.failed()) return call.result();
  *count = DeviceCount();
  return kSuccess;
}

CuResult cuDeviceGet(CuDevice* device, int ordinal) {
  const Call call(Row::cuDeviceGet, Call::kDriver);
  if (call.failed()) return call.result();
  if (DeviceAt(ordinal) == nullptr) return kInvalidDevice;
  *device = ordinal;
  return kSuccess;
}

CuResult cuDeviceGetName(char* name, int size, CuDevice device) {
  const Call call(Row::cuDeviceGetName, Call::kDriver);
  if (call.failed()) return call.result();
  if (DeviceAt(device) == nullptr) return kInvalidDevice;
  snprintf(name, size, "Fake GPU %d", device);
  return kSuccess;
}

CuResult cuDeviceGetUuid(CuUuid* uuid, CuDevice device) {
  const Call call(Row::cuDeviceGetUuid, Call::kDriver);
  if (call.failed()) return call.result();
  if (DeviceAt(device) == nullptr) return kInvalidDevice;
  for (int i = 0; i < 16; ++i) uuid->bytes[i] = static_cast<unsigned char>(0xf0 + i);
  uuid->bytes[15] = static_cast<unsigned char>(device);
  return kSuccess;
}

CuResult cuDeviceTotalMem_v2(size_t* bytes, CuDevice device) {
  const Call call(Row::cuDeviceTotalMem_v2, Call::kDriver);
  if (call.failed()) return call.result();
  const FakeDevice* found = DeviceAt(device);
  if (found == nullptr) return kInvalidDevice;
  *bytes = found->memory_bytes();
  return kSuccess;
}

CuResult cuDeviceGetAttribute(int* value, int attribute, CuDevice device) {
  const Call call(Row::cuDeviceGetAttribute, Call::kDriver);
  if (call.failed()) return call.result();
  const FakeDevice* found = DeviceAt(device);
  if (found == nullptr) return kInvalidDevice;
  switch (attribute) {
    case kComputeCapabilityMajor:
      *value = found->major();
      return kSuccess;
    case kComputeCapabilityMinor:
      *value = found->minor();
      return kSuccess;
    default:
      return kInvalidValue;
  }
}

CuResult cuDeviceCanAccessPeer(int* can, CuDevice device, CuDevice peer) {
  const Call call(Row::cuDeviceCanAccessPeer, Call::kDriver);
  if (call.failed()) return call.result();
  if (DeviceAt(device) == nullptr || DeviceAt(peer) == nullptr) return kInvalidDevice;
  *can = device != peer && PeersReachEachOther() ? 1 : 0;
  return kSuccess;
}

CuResult cuDevicePrimaryCtxRetain(CuContext* context, CuDevice device) {
  const Call call(Row::cuDevicePrimaryCtxRetain, Call::kDriver);
  if (call.failed()) return call.result();
  FakeDevice* found = DeviceAt(device);
  if (found == nullptr) return kInvalidDevice;
  found->Retain();
  Count(Row::contexts, 1, 0);
  *context = found->context();
  return kSuccess;
}

CuResult cuDevicePrimaryCtxGetState(CuDevice device, unsigned* flags, int* active) {
  const Call call(Row::cuDevicePrimaryCtxGetState, Call::kDriver);
  if (call.failed()) return call.result();
  FakeDevice* found = DeviceAt(device);
  if (found == nullptr) return kInvalidDevice;
  *flags = 0;
  *active = found->alive() ? 1 : 0;
  return kSuccess;
}

CuResult cuThreadExchangeStreamCaptureMode(int* mode) {
  const Call call(Row::cuThreadExchangeStreamCaptureMode, Call::kDriver);
  if (call.failed()) return call.result();
  if (*mode < 0 || *mode > kCaptureModeRelaxed) return kInvalidValue;
  std::swap(*mode, capture_mode);
  return kSuccess;
}

CuResult cuCtxGetCurrent(CuContext* context) {
  const Call call(Row::cuCtxGetCurrent, Call::kDriver);
  if (call.failed()) return call.result();
  FakeDevice* current = CurrentDevice();
  *context = current == nullptr ? nullptr : current->context();
  return kSuccess;
}

CuResult cuCtxPushCurrent_v2(CuContext context) {
  const Call call(Row::cuCtxPushCurrent_v2, Call::kDriver);
  if (call.failed()) return call.result();
  FakeDevice* device = DeviceOf(context);
  if (device == nullptr || !device->alive()) return kInvalidContext;
  if (current_count == kMostNested) return kOutOfMemory;
  current_devices[current_count++] = device;
  return kSuccess;
}

CuResult cuCtxPopCurrent_v2(CuContext* context) {
  const Call call(Row::cuCtxPopCurrent_v2, Call::kDriver);
  if (call.failed()) return call.result();
  if (current_count == 0) return kInvalidContext;
  *context = current_devices[--current_count]->context();
  return kSuccess;
}

CuResult cuCtxEnablePeerAccess(CuContext peer, unsigned flags) {
  const Call call(Row::cuCtxEnablePeerAccess);
  if (call.failed()) return call.result();
  const FakeDevice* other = DeviceOf(peer);
  if (flags != 0) return kInvalidValue;
  if (other == nullptr || other == &call.device()) return kInvalidContext;
  if (!PeersReachEachOther()) return kPeerAccessUnsupported;
  return call.device().EnablePeer(other->ordinal()) ? kSuccess : kPeerAccessAlreadyEnabled;
}

CuResult cuMemGetInfo_v2(size_t* free, size_t* total) {
  const Call call(Row::cuMemGetInfo_v2);
  if (call.failed()) return call.result();
  *free = call.device().free_bytes();
  *total = call.device().memory_bytes();
  return kSuccess;
}

}  // extern "C"

}  // namespace trident::cuda::fake
