#include "metrics/cpu_usage.h"

#include <fstream>
#include <sstream>

namespace trident {
namespace {

std::string Contents(const char* path) {
  std::ostringstream text;
  text << std::ifstream(path).rdbuf();
  return text.str();
}

uint64_t Since(uint64_t before, uint64_t now) { return now > before ? now - before : 0; }

}  // namespace

std::optional<CpuTimes> ParseCpuTimes(const std::string& stat) {
  std::istringstream in(stat);
  std::string name;
  uint64_t user = 0, nice = 0, system = 0, idle = 0, io_wait = 0, irq = 0, soft_irq = 0, stolen = 0;
  in >> name >> user >> nice >> system >> idle >> io_wait >> irq >> soft_irq >> stolen;
  if (!in || name != "cpu") return std::nullopt;
  return CpuTimes{user + nice + system + irq + soft_irq + stolen, idle + io_wait};
}

std::optional<MemoryUse> ParseMemoryUse(const std::string& meminfo) {
  std::istringstream in(meminfo);
  std::optional<uint64_t> total, available;  // in KiB
  for (std::string line; std::getline(in, line);) {
    std::istringstream fields(line);
    std::string name;
    uint64_t value = 0;
    if (!(fields >> name >> value)) continue;
    if (name == "MemTotal:") total = value;
    if (name == "MemAvailable:") available = value;
  }
  if (!total || !available || *available > *total) return std::nullopt;
  return MemoryUse{*total * 1024, (*total - *available) * 1024};
}

CpuUsage::CpuUsage(uint64_t interval_ns)
    : interval_ns_(interval_ns), times_(ParseCpuTimes(Contents("/proc/stat"))) {}

CpuUsage::Reading CpuUsage::Read(uint64_t now_ns) {
  MutexLock lock(mutex_);
  if (read_at_ns_ && now_ns < *read_at_ns_ + interval_ns_) return reading_;
  read_at_ns_ = now_ns;
  const std::optional<CpuTimes> times = ParseCpuTimes(Contents("/proc/stat"));
  if (times && times_) {
    const uint64_t busy = Since(times_->busy, times->busy);
    const uint64_t all = busy + Since(times_->idle, times->idle);
    // Two readings within a tick of the kernel's clock: nothing new.
    if (all > 0) {
      reading_.utilization = static_cast<double>(busy) / static_cast<double>(all);
    } else if (!reading_.utilization) {
      reading_.utilization = 0;
    }
  }
  times_ = times;
  reading_.memory = ParseMemoryUse(Contents("/proc/meminfo"));
  return reading_;
}

}  // namespace trident
