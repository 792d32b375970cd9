#pragma once

#include <memory>

#include "base/status.h"
#include "cuda/device.h"

namespace trident::cuda {

// The devices that an error has made unusable for this process. That is for good: what the process
// has of a device is one context, which works again only in another process. Thread-safe.

// Hears of each device that is lost, once, on the thread that found it, which holds no lock of
// ours but, while an instance executes, its turn at its device. Thread-safe.
class DeviceListener {
 public:
  virtual ~DeviceListener() = default;
  virtual void OnDeviceLost(const Device& device, const Status& why) = 0;
};

// From now on until it is gone.
void ListenToDevices(std::weak_ptr<DeviceListener> listener);

// OK, or UNAVAILABLE with the driver's words where that device is known to be lost. Asks nobody.
Status HealthOf(int device_id);

// Asks the driver whether the device is lost, after a call for it has failed; if it is, all
// listeners have heard when this returns or another thread is telling them.
void CheckDevice(int device_id);
// All that this process has used; does not load the driver.
void CheckDevices();

}  // namespace trident::cuda
