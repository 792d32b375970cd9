#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/mutex.h"

namespace trident {

// What the driver tells of one GPU. What it does not tell, as of a part of one, is not there.
struct GpuReading {
  std::string uuid;
  std::optional<double> utilization;  // from 0 to 1
  std::optional<uint64_t> memory_total_bytes, memory_used_bytes;
  std::optional<double> power_watts, power_limit_watts;
  std::optional<double> energy_joules;  // since the first reading
};

// The machine's GPUs, through the management library of NVIDIA's driver. It is loaded for the first
// reading; where it is not installed, there are none. They are not asked twice within an interval.
// Thread-safe.
class GpuUsage {
 public:
  explicit GpuUsage(uint64_t interval_ns, std::string library = "libnvidia-ml.so.1");
  ~GpuUsage();

  std::vector<GpuReading> Read(uint64_t now_ns);

 private:
  struct Library;
  struct Device;

  void FindDevices() REQUIRES(mutex_);

  const uint64_t interval_ns_;
  const std::string path_;
  Mutex mutex_;
  std::unique_ptr<Library> library_ GUARDED_BY(mutex_);  // null: not there
  std::vector<Device> devices_ GUARDED_BY(mutex_);
  std::optional<uint64_t> read_at_ns_ GUARDED_BY(mutex_);
  std::vector<GpuReading> readings_ GUARDED_BY(mutex_);
};

}  // namespace trident
