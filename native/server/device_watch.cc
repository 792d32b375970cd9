#include "server/device_watch.h"

namespace trident {

void DeviceWatch::OnDeviceLost(const cuda::Device& device, const Status& why) {
  TRIDENT_LOG(*logger_, LogLevel::kError, "device ", device.id(), " (", device.name(), ", ",
              device.uuid(), ") is lost until the process is started anew: ", why.message());
  if (!host_) return;
  {
    MutexLock lock(mutex_);
    while (telling_) told_.Wait(mutex_);
    if (ended_) return;
    telling_ = true;
  }
  host_({.device_id = device.id(), .reason = why.message()});
  MutexLock lock(mutex_);
  telling_ = false;
  told_.NotifyAll();
}

void DeviceWatch::End() {
  MutexLock lock(mutex_);
  ended_ = true;
  while (telling_) told_.Wait(mutex_);
}

}  // namespace trident
