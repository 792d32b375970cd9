#include "metrics/gpu_usage.h"

#include <utility>

#include "base/dynamic_library.h"

namespace trident {
namespace {

// What NVML's functions take and return; the names of its fields are its own.
using NvmlDevice = void*;
using NvmlResult = int;  // 0: success
struct NvmlUtilization {
  unsigned gpu, memory;  // percent
};
struct NvmlMemory {
  unsigned long long total, free, used;  // bytes
};
constexpr unsigned kUuidSize = 96;

template <typename Function>
bool Find(const DynamicLibrary& library, const char* symbol, Function** function) {
  *function = reinterpret_cast<Function*>(library.FindOptional(symbol));
  return *function != nullptr;
}

double Thousandths(unsigned long long value) { return static_cast<double>(value) / 1000; }

}  // namespace

struct GpuUsage::Library {
  NvmlResult (*init)();
  NvmlResult (*shutdown)();
  NvmlResult (*count)(unsigned*);
  NvmlResult (*by_index)(unsigned, NvmlDevice*);
  NvmlResult (*uuid)(NvmlDevice, char*, unsigned);
  NvmlResult (*utilization)(NvmlDevice, NvmlUtilization*);
  NvmlResult (*memory)(NvmlDevice, NvmlMemory*);
  NvmlResult (*power)(NvmlDevice, unsigned*);             // milliwatts
  NvmlResult (*power_limit)(NvmlDevice, unsigned*);       // milliwatts
  NvmlResult (*energy)(NvmlDevice, unsigned long long*);  // millijoules

  // Null when it can't be loaded, lacks a function or finds no driver.
  static std::unique_ptr<Library> Load(const std::string& path) {
    const auto file = DynamicLibrary::Open(path);
    if (!file.ok()) return nullptr;
    auto library = std::make_unique<Library>();
    const DynamicLibrary& nvml = *file.value();
    const bool complete = Find(nvml, "nvmlInit_v2", &library->init) &&
                          Find(nvml, "nvmlShutdown", &library->shutdown) &&
                          Find(nvml, "nvmlDeviceGetCount_v2", &library->count) &&
                          Find(nvml, "nvmlDeviceGetHandleByIndex_v2", &library->by_index) &&
                          Find(nvml, "nvmlDeviceGetUUID", &library->uuid) &&
                          Find(nvml, "nvmlDeviceGetUtilizationRates", &library->utilization) &&
                          Find(nvml, "nvmlDeviceGetMemoryInfo", &library->memory) &&
                          Find(nvml, "nvmlDeviceGetPowerUsage", &library->power) &&
                          Find(nvml, "nvmlDeviceGetEnforcedPowerLimit", &library->power_limit) &&
                          Find(nvml, "nvmlDeviceGetTotalEnergyConsumption", &library->energy);
    if (!complete || library->init() != 0) return nullptr;
    return library;
  }
};

struct GpuUsage::Device {
  NvmlDevice handle;
  std::string uuid;
  std::optional<unsigned long long> first_energy_mj;

  GpuReading Read(const Library& library) const {
    GpuReading reading{uuid};
    NvmlUtilization utilization;
    if (library.utilization(handle, &utilization) == 0) {
      reading.utilization = utilization.gpu / 100.0;
    }
    NvmlMemory memory;
    if (library.memory(handle, &memory) == 0) {
      reading.memory_total_bytes = memory.total;
      reading.memory_used_bytes = memory.used;
    }
    unsigned milliwatts = 0;
    if (library.power(handle, &milliwatts) == 0) reading.power_watts = Thousandths(milliwatts);
    if (library.power_limit(handle, &milliwatts) == 0) {
      reading.power_limit_watts = Thousandths(milliwatts);
    }
    unsigned long long energy_mj = 0;
    if (first_energy_mj && library.energy(handle, &energy_mj) == 0) {
      reading.energy_joules = Thousandths(energy_mj - *first_energy_mj);
    }
    return reading;
  }
};

GpuUsage::GpuUsage(uint64_t interval_ns, std::string library)
    : interval_ns_(interval_ns), path_(std::move(library)) {}

GpuUsage::~GpuUsage() {
  if (library_ != nullptr) library_->shutdown();
}

void GpuUsage::FindDevices() {
  library_ = Library::Load(path_);
  unsigned count = 0;
  if (library_ == nullptr || library_->count(&count) != 0) return;
  for (unsigned i = 0; i < count; ++i) {
    Device device{};
    char uuid[kUuidSize] = "";
    if (library_->by_index(i, &device.handle) != 0) continue;
    if (library_->uuid(device.handle, uuid, sizeof(uuid)) != 0) continue;
    device.uuid = uuid;
    unsigned long long energy_mj = 0;
    if (library_->energy(device.handle, &energy_mj) == 0) device.first_energy_mj = energy_mj;
    devices_.push_back(std::move(device));
  }
}

std::vector<GpuReading> GpuUsage::Read(uint64_t now_ns) {
  MutexLock lock(mutex_);
  if (!read_at_ns_) FindDevices();
  if (read_at_ns_ && now_ns < *read_at_ns_ + interval_ns_) return readings_;
  read_at_ns_ = now_ns;
  readings_.clear();
  for (const Device& device : devices_) readings_.push_back(device.Read(*library_));
  return readings_;
}

}  // namespace trident
