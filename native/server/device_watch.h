#pragma once

#include <deque>
#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "base/log.h"
#include "base/mutex.h"
#include "cuda/health.h"

namespace trident {

// A device of the process is lost.
struct DeviceEvent {
  int device_id = 0;
  std::string reason;
};

// Hears of every device that is lost, one call at a time, on a thread that found one. It may find
// others: it hears of those when it has returned.
using DeviceEventListener = std::function<void(const DeviceEvent& event)>;

// A server's ear for lost devices: logs, and tells the server's host. Thread-safe.
class DeviceWatch : public cuda::DeviceListener {
 public:
  // `host` may be empty.
  DeviceWatch(DeviceEventListener host, std::shared_ptr<Logger> logger)
      : host_(std::move(host)), logger_(std::move(logger)) {}

  void OnDeviceLost(const cuda::Device& device, const Status& why) override;
  // The host is told nothing any more once this returns. Not from a call of the host.
  void End();

 private:
  // For the thread that tells; the end of that when there is none.
  std::optional<DeviceEvent> NextUntold();

  const DeviceEventListener host_;
  const std::shared_ptr<Logger> logger_;
  Mutex mutex_;
  CondVar told_;
  std::deque<DeviceEvent> untold_ GUARDED_BY(mutex_);
  bool telling_ GUARDED_BY(mutex_) = false;  // some thread is, until there is nothing untold
  bool ended_ GUARDED_BY(mutex_) = false;
};

}  // namespace trident
