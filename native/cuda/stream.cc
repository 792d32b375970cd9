#include "cuda/stream.h"

namespace trident::cuda {
namespace {

std::string Name(Place place) {
  return place.on_device() ? StrCat("device ", place.device_id) : std::string("the host");
}

Result<CuContext> ContextOf(Place place) {
  TRIDENT_ASSIGN_OR_RETURN(Device* const device, Device::Find(place.device_id));
  return device->Context();
}

}  // namespace

Result<std::unique_ptr<Stream>> Stream::Create(Device* device) {
  const ScopedDevice scope(device);
  TRIDENT_RETURN_IF_ERROR(scope.status());
  CuStream handle = nullptr;
  TRIDENT_RETURN_IF_ERROR(ToStatus(device->api().cuStreamCreate(&handle, kStreamNonBlocking),
                                   StrCat("make a stream of device ", device->id())));
  return std::unique_ptr<Stream>(new Stream(device, handle));
}

Stream::~Stream() {
  const ScopedDevice scope(device_);
  if (!scope.status().ok()) return;
  (void)device_->api().cuStreamSynchronize(handle_);
  (void)device_->api().cuStreamDestroy_v2(handle_);
}

Status Stream::Copy(void* to, Place to_place, const void* from, Place from_place,
                    uint64_t byte_size) {
  if (byte_size == 0) return Status::Ok();
  const ScopedDevice scope(device_);
  TRIDENT_RETURN_IF_ERROR(scope.status());
  const DriverApi& api = device_->api();
  CuResult result = kSuccess;
  if (!to_place.on_device()) {
    result = api.cuMemcpyDtoHAsync_v2(to, Address(from), byte_size, handle_);
  } else if (!from_place.on_device()) {
    result = api.cuMemcpyHtoDAsync_v2(Address(to), from, byte_size, handle_);
  } else if (to_place == from_place) {
    result = api.cuMemcpyDtoDAsync_v2(Address(to), Address(from), byte_size, handle_);
  } else {
    TRIDENT_ASSIGN_OR_RETURN(const CuContext to_context, ContextOf(to_place));
    TRIDENT_ASSIGN_OR_RETURN(const CuContext from_context, ContextOf(from_place));
    result = api.cuMemcpyPeerAsync(Address(to), to_context, Address(from), from_context, byte_size,
                                   handle_);
  }
  if (result == kSuccess) return Status::Ok();
  return ToStatus(
      result, StrCat("copy ", byte_size, " bytes from ", Name(from_place), " to ", Name(to_place)));
}

Status Stream::Fill(void* to, uint8_t value, uint64_t byte_size) {
  if (byte_size == 0) return Status::Ok();
  const ScopedDevice scope(device_);
  TRIDENT_RETURN_IF_ERROR(scope.status());
  return ToStatus(device_->api().cuMemsetD8Async(Address(to), value, byte_size, handle_),
                  StrCat("fill ", byte_size, " bytes of device ", device_->id()));
}

Status Stream::Synchronize() {
  const ScopedDevice scope(device_);
  TRIDENT_RETURN_IF_ERROR(scope.status());
  const CuResult result = device_->api().cuStreamSynchronize(handle_);
  if (result == kSuccess) return Status::Ok();
  return ToStatus(result, StrCat("finish the work of a stream of device ", device_->id()));
}

}  // namespace trident::cuda
