#include "cuda/device.h"

#include <cstdio>
#include <memory>
#include <vector>

namespace trident::cuda {
namespace {

std::string UuidText(const CuUuid& uuid) {
  std::string text = "GPU-";
  for (int i = 0; i < 16; ++i) {
    if (i == 4 || i == 6 || i == 8 || i == 10) text += '-';
    char digits[3];
    snprintf(digits, sizeof(digits), "%02x", uuid.bytes[i]);
    text += digits;
  }
  return text;
}

}  // namespace

struct DeviceList {
  Status status;
  std::vector<Device*> devices;

  static const DeviceList& Get() {
    static const DeviceList* const list = [] {
      auto* made = new DeviceList;
      made->status = made->Fill();
      return made;
    }();
    return *list;
  }

  Status Fill() {
    TRIDENT_ASSIGN_OR_RETURN(const DriverApi* const api, Driver());
    int count = 0;
    TRIDENT_RETURN_IF_ERROR(ToStatus(api->cuDeviceGetCount(&count), "count the devices"));
    for (int i = 0; i < count; ++i) {
      CuDevice handle = 0;
      TRIDENT_RETURN_IF_ERROR(ToStatus(api->cuDeviceGet(&handle, i), StrCat("find device ", i)));
      auto device = std::unique_ptr<Device>(new Device(api, handle, i));
      TRIDENT_RETURN_IF_ERROR(Device::Describe(device.get()));
      devices.push_back(device.release());
    }
    return Status::Ok();
  }
};

Status Device::Describe(Device* device) {
  const DriverApi& api = device->api();
  const CuDevice handle = device->handle_;
  char name[256] = "";
  CuUuid uuid{};
  size_t bytes = 0;
  CuResult result = api.cuDeviceGetName(name, sizeof(name), handle);
  if (result == kSuccess) result = api.cuDeviceGetUuid(&uuid, handle);
  if (result == kSuccess) result = api.cuDeviceTotalMem_v2(&bytes, handle);
  if (result == kSuccess) {
    result = api.cuDeviceGetAttribute(&device->compute_major_, kComputeCapabilityMajor, handle);
  }
  if (result == kSuccess) {
    result = api.cuDeviceGetAttribute(&device->compute_minor_, kComputeCapabilityMinor, handle);
  }
  device->name_ = name;
  device->uuid_ = UuidText(uuid);
  device->memory_bytes_ = bytes;
  return ToStatus(result, StrCat("describe device ", device->id_));
}

Result<std::span<Device* const>> Device::All() {
  const DeviceList& list = DeviceList::Get();
  if (!list.status.ok()) return list.status;
  return std::span<Device* const>(list.devices);
}

Result<Device*> Device::Find(int64_t id) {
  TRIDENT_ASSIGN_OR_RETURN(const auto devices, All());
  if (id >= 0 && static_cast<uint64_t>(id) < devices.size()) return devices[id];
  return InvalidArg("there is no device ", id, "; this process sees ", devices.size());
}

Result<CuContext> Device::Context() {
  CuContext context = nullptr;
  TRIDENT_RETURN_IF_ERROR(ToStatus(Retain(&context), StrCat("make a context of device ", id_)));
  return context;
}

CuResult Device::Retain(CuContext* context) {
  *context = context_.load(std::memory_order_acquire);
  if (*context != nullptr) return kSuccess;
  MutexLock lock(mutex_);
  *context = context_.load(std::memory_order_relaxed);
  if (*context != nullptr) return kSuccess;
  const CuResult result = api_->cuDevicePrimaryCtxRetain(context, handle_);
  if (result == kSuccess) context_.store(*context, std::memory_order_release);
  return result;
}

Result<uint64_t> Device::FreeBytes() {
  const ScopedDevice scope(this);
  TRIDENT_RETURN_IF_ERROR(scope.status());
  size_t free = 0;
  size_t total = 0;
  TRIDENT_RETURN_IF_ERROR(ToStatus(api_->cuMemGetInfo_v2(&free, &total),
                                   StrCat("ask for the free memory of device ", id_)));
  return static_cast<uint64_t>(free);
}

Status Device::Probe() {
  CuResult result = kSuccess;
  if (context_.load(std::memory_order_acquire) == nullptr) {
    unsigned flags = 0;
    int active = 0;
    result = api_->cuDevicePrimaryCtxGetState(handle_, &flags, &active);
    if (result == kSuccess && active == 0) return Status::Ok();
  }
  CuContext context = nullptr;
  if (result == kSuccess) result = Retain(&context);
  if (result == kSuccess) result = api_->cuCtxPushCurrent_v2(context);
  if (result == kSuccess) {
    const ScopedRelaxedCapture relaxed(*api_);
    result = api_->cuStreamQuery(nullptr);
    CuContext popped = nullptr;
    api_->cuCtxPopCurrent_v2(&popped);
  }
  // Another failure says nothing of the next call.
  return IsLost(result) ? ToStatus(result, StrCat("use device ", id_)) : Status::Ok();
}

Status Device::EnablePeerAccess(Device* peer) {
  TRIDENT_ASSIGN_OR_RETURN(const CuContext context, peer->Context());
  const ScopedDevice scope(this);
  TRIDENT_RETURN_IF_ERROR(scope.status());
  int can = 0;
  const std::string doing = StrCat("let device ", id_, " use memory of device ", peer->id_);
  TRIDENT_RETURN_IF_ERROR(
      ToStatus(api_->cuDeviceCanAccessPeer(&can, handle_, peer->handle_), doing));
  if (can == 0) return Status::Ok();
  const CuResult result = api_->cuCtxEnablePeerAccess(context, 0);
  return result == kPeerAccessAlreadyEnabled ? Status::Ok() : ToStatus(result, doing);
}

ScopedDevice::ScopedDevice(Device* device) : api_(device->api()) {
  Result<CuContext> context = device->Context();
  status_ = context.ok() ? ToStatus(api_.cuCtxPushCurrent_v2(*context),
                                    StrCat("enter the context of device ", device->id()))
                         : context.status();
}

ScopedDevice::~ScopedDevice() {
  CuContext ignored = nullptr;
  if (status_.ok()) (void)api_.cuCtxPopCurrent_v2(&ignored);
}

ScopedRelaxedCapture::ScopedRelaxedCapture(const DriverApi& api) : api_(api) {
  (void)api_.cuThreadExchangeStreamCaptureMode(&mode_);
}

ScopedRelaxedCapture::~ScopedRelaxedCapture() {
  (void)api_.cuThreadExchangeStreamCaptureMode(&mode_);
}

}  // namespace trident::cuda
