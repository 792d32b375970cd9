#include "cuda/health.h"

#include <atomic>
#include <map>
#include <vector>

namespace trident::cuda {
namespace {

struct Record {
  std::atomic<bool> any_lost{false};
  Mutex mutex;
  std::map<int, Status> lost GUARDED_BY(mutex);
  std::vector<std::weak_ptr<DeviceListener>> listeners GUARDED_BY(mutex);

  // For the process.
  static Record& Get() {
    static auto* const record = new Record;
    return *record;
  }
};

void Tell(const Device& device, const Status& why) {
  Record& record = Record::Get();
  std::vector<std::shared_ptr<DeviceListener>> listeners;
  {
    MutexLock lock(record.mutex);
    if (!record.lost.emplace(device.id(), why).second) return;
    record.any_lost.store(true, std::memory_order_release);
    // The last to come first: who hears of it from a server finds its models as they are now.
    for (auto one = record.listeners.rbegin(); one != record.listeners.rend(); ++one) {
      if (auto there = one->lock()) listeners.push_back(std::move(there));
    }
  }
  for (const auto& listener : listeners) listener->OnDeviceLost(device, why);
}

void Check(Device* device) {
  if (!HealthOf(device->id()).ok()) return;
  if (const Status status = device->Probe(); !status.ok()) Tell(*device, status);
}

}  // namespace

void ListenToDevices(std::weak_ptr<DeviceListener> listener) {
  Record& record = Record::Get();
  MutexLock lock(record.mutex);
  std::erase_if(record.listeners, [](const auto& one) { return one.expired(); });
  record.listeners.push_back(std::move(listener));
}

Status HealthOf(int device_id) {
  Record& record = Record::Get();
  if (!record.any_lost.load(std::memory_order_acquire)) return Status::Ok();
  MutexLock lock(record.mutex);
  const auto found = record.lost.find(device_id);
  return found == record.lost.end() ? Status::Ok() : found->second;
}

void CheckDevice(int device_id) {
  if (const auto device = Device::Find(device_id); device.ok()) Check(*device);
}

void CheckDevices() {
  if (!DriverIsLoaded()) return;
  const auto devices = Device::All();
  if (!devices.ok()) return;
  for (Device* const device : *devices) Check(device);
}

}  // namespace trident::cuda
