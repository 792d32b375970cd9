#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "base/mutex.h"

namespace trident {

// Time the processors have spent since the machine started, in whatever unit.
struct CpuTimes {
  uint64_t busy = 0, idle = 0;
};

struct MemoryUse {
  uint64_t total_bytes = 0, used_bytes = 0;
};

// What /proc/stat and /proc/meminfo say; nothing when that is not in the text.
std::optional<CpuTimes> ParseCpuTimes(const std::string& stat);
std::optional<MemoryUse> ParseMemoryUse(const std::string& meminfo);

// How busy the machine is. It is asked when somebody wants to know, and not twice within an
// interval. Thread-safe.
class CpuUsage {
 public:
  struct Reading {
    std::optional<double> utilization;  // since the reading before, from 0 to 1
    std::optional<MemoryUse> memory;
  };

  explicit CpuUsage(uint64_t interval_ns);
  Reading Read(uint64_t now_ns);

 private:
  const uint64_t interval_ns_;
  Mutex mutex_;
  std::optional<CpuTimes> times_ GUARDED_BY(mutex_);
  std::optional<uint64_t> read_at_ns_ GUARDED_BY(mutex_);
  Reading reading_ GUARDED_BY(mutex_);
};

}  // namespace trident
