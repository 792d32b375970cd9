#include "server/device_watch.h"

#include <utility>

namespace trident {

void DeviceWatch::OnDeviceLost(const cuda::Device& device, const Status& why) {
  TRIDENT_LOG(*logger_, LogLevel::kError, "device ", device.id(), " (", device.name(), ", ",
              device.uuid(), ") is lost until the process is started anew: ", why.message());
  if (!host_) return;
  {
    MutexLock lock(mutex_);
    untold_.push_back({.device_id = device.id(), .reason = why.message()});
    if (std::exchange(telling_, true)) return;
  }
  while (const std::optional<DeviceEvent> event = NextUntold()) host_(*event);
}

std::optional<DeviceEvent> DeviceWatch::NextUntold() {
  MutexLock lock(mutex_);
  if (!ended_ && !untold_.empty()) {
    std::optional<DeviceEvent> event(std::move(untold_.front()));
    untold_.pop_front();
    return event;
  }
  telling_ = false;
  told_.NotifyAll();
  return std::nullopt;
}

void DeviceWatch::End() {
  MutexLock lock(mutex_);
  ended_ = true;
  while (telling_) told_.Wait(mutex_);
}

}  // namespace trident
