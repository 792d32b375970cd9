#include "cuda/memory.h"

#include <vector>

namespace trident::cuda {
Result<std::unique_ptr<DeviceMemory>> DeviceMemory::Allocate(Device* device, uint64_t byte_size) {
  const ScopedDevice scope(device);
  TRIDENT_RETURN_IF_ERROR(scope.status());
  const ScopedRelaxedCapture relaxed(device->api());
  DevicePointer pointer = 0;
  TRIDENT_RETURN_IF_ERROR(
      ToStatus(device->api().cuMemAlloc_v2(&pointer, byte_size),
               StrCat("allocate ", byte_size, " bytes on device ", device->id())));
  return std::unique_ptr<DeviceMemory>(new DeviceMemory(device, pointer, byte_size, false));
}

Result<std::unique_ptr<DeviceMemory>> DeviceMemory::Open(Device* device, const IpcHandle& handle) {
  const ScopedDevice scope(device);
  TRIDENT_RETURN_IF_ERROR(scope.status());
  const ScopedRelaxedCapture relaxed(device->api());
  const std::string doing = StrCat("open a CUDA memory handle on device ", device->id());
  DevicePointer pointer = 0;
  const CuResult result =
      device->api().cuIpcOpenMemHandle_v2(&pointer, handle, kIpcLazyEnablePeerAccess);
  if (result == kInvalidContext || result == kMapFailed || result == kInvalidHandle) {
    return InvalidArg(ToStatus(result, doing).message(),
                      "; a handle can be opened while its owner, another process, has the memory");
  }
  TRIDENT_RETURN_IF_ERROR(ToStatus(result, doing));
  Result<AddressRange> range = FindRange(device, reinterpret_cast<void*>(pointer));
  if (!range.ok()) {
    (void)device->api().cuIpcCloseMemHandle(pointer);
    return range.status();
  }
  const uint64_t before = pointer - Address(range->base);
  return std::unique_ptr<DeviceMemory>(
      new DeviceMemory(device, pointer, range->byte_size - before, true));
}

DeviceMemory::~DeviceMemory() {
  const ScopedDevice scope(device_);
  if (!scope.status().ok()) return;
  const DriverApi& api = device_->api();
  const ScopedRelaxedCapture relaxed(api);
  (void)(opened_ ? api.cuIpcCloseMemHandle(pointer_) : api.cuMemFree_v2(pointer_));
}

Result<std::unique_ptr<PinnedMemory>> PinnedMemory::Allocate(uint64_t byte_size, Device* first) {
  TRIDENT_ASSIGN_OR_RETURN(const auto all, Device::All());
  std::vector<Device*> devices(all.begin(), all.end());
  if (first != nullptr) devices.insert(devices.begin(), first);
  Status failed = Unsupported("there is no device to pin memory for");
  for (Device* const device : devices) {
    const ScopedDevice scope(device);
    failed = scope.status();
    if (!failed.ok()) continue;
    const ScopedRelaxedCapture relaxed(device->api());
    void* data = nullptr;
    const CuResult result = device->api().cuMemHostAlloc(&data, byte_size, kHostAllocPortable);
    if (result == kSuccess) {
      return std::unique_ptr<PinnedMemory>(new PinnedMemory(device, data, byte_size));
    }
    failed = ToStatus(result, StrCat("allocate ", byte_size, " bytes of pinned memory"));
    if (!IsLost(result)) break;  // the others can still be served
  }
  return failed;
}

PinnedMemory::~PinnedMemory() {
  const ScopedDevice scope(device_);
  if (!scope.status().ok()) return;
  const ScopedRelaxedCapture relaxed(device_->api());
  (void)device_->api().cuMemFreeHost(data_);
}

Result<AddressRange> FindRange(Device* device, const void* pointer) {
  const ScopedDevice scope(device);
  TRIDENT_RETURN_IF_ERROR(scope.status());
  const DriverApi& api = device->api();
  unsigned type = 0;
  CuResult result = api.cuPointerGetAttribute(&type, kPointerMemoryType, Address(pointer));
  if (result == kInvalidValue || (result == kSuccess && type != kMemoryTypeDevice)) {
    return InvalidArg("address ", pointer, " is not memory of a CUDA device");
  }
  const std::string doing = StrCat("look address ", pointer, " up");
  TRIDENT_RETURN_IF_ERROR(ToStatus(result, doing));
  int owner = 0;
  TRIDENT_RETURN_IF_ERROR(
      ToStatus(api.cuPointerGetAttribute(&owner, kPointerDeviceOrdinal, Address(pointer)), doing));
  if (owner != device->id()) {
    return InvalidArg("address ", pointer, " is memory of device ", owner, ", not of device ",
                      device->id());
  }
  DevicePointer base = 0;
  size_t byte_size = 0;
  TRIDENT_RETURN_IF_ERROR(
      ToStatus(api.cuMemGetAddressRange_v2(&base, &byte_size, Address(pointer)), doing));
  return AddressRange{reinterpret_cast<void*>(base), byte_size};
}

Result<IpcHandle> Export(Device* device, const void* pointer) {
  const ScopedDevice scope(device);
  TRIDENT_RETURN_IF_ERROR(scope.status());
  IpcHandle handle{};
  TRIDENT_RETURN_IF_ERROR(ToStatus(device->api().cuIpcGetMemHandle(&handle, Address(pointer)),
                                   StrCat("export memory of device ", device->id())));
  return handle;
}

}  // namespace trident::cuda
