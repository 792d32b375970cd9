#include "model/gpus.h"

#include <algorithm>
#include <set>

#include "config/normalize.h"
#include "cuda/health.h"

namespace trident {

Gpus::Gpus(Options options, std::shared_ptr<Logger> logger)
    : options_(std::move(options)), logger_(std::move(logger)) {}

UsableGpus Gpus::Find() const {
  UsableGpus usable;
  const auto devices = cuda::Device::All();
  if (!devices.ok()) {
    usable.why_none = devices.status();
    return usable;
  }
  std::string too_old;
  for (const cuda::Device* device : *devices) {
    const double capability = (10 * device->compute_major() + device->compute_minor()) / 10.0;
    if (capability >= options_.min_compute_capability) {
      usable.ids.push_back(device->id());
    } else {
      too_old += StrCat(too_old.empty() ? "" : ", ", device->id(), " has ", capability);
    }
  }
  if (!usable.ids.empty()) return usable;
  usable.why_none = InvalidArg("the minimum compute capability is ",
                               options_.min_compute_capability, "; of the devices ", too_old);
  return usable;
}

Status Gpus::ResolveGroups(const std::vector<InstanceGroup>& preferred, ModelConfig* config) const {
  const UsableGpus usable = MayUseGpus(preferred, *config) ? Find() : UsableGpus();
  std::vector<int32_t> working = usable.ids;
  std::erase_if(working, [](int32_t id) { return !cuda::HealthOf(id).ok(); });
  // Without any, what is loaded says why.
  NormalizeInstanceGroups(preferred, working.empty() ? usable.ids : working, config);
  return ValidateInstanceGroups(*config, usable);
}

Result<cuda::Device*> Gpus::Enter(int32_t id) {
  TRIDENT_ASSIGN_OR_RETURN(cuda::Device* const device, cuda::Device::Find(id));
  if (!options_.peer_access) return device;
  MutexLock lock(mutex_);
  if (std::find(entered_.begin(), entered_.end(), device) != entered_.end()) return device;
  entered_.reserve(entered_.size() + 1);
  for (cuda::Device* const other : entered_) {
    Status status = device->EnablePeerAccess(other);
    if (status.ok()) status = other->EnablePeerAccess(device);
    if (!status.ok()) TRIDENT_LOG(*logger_, LogLevel::kWarn, status.message());
  }
  entered_.push_back(device);
  return device;
}

Status Gpus::CheckLoadLimit(const std::string& instance, cuda::Device* device) const {
  const auto limit = options_.load_limits.find(device->id());
  if (limit == options_.load_limits.end()) return Status::Ok();
  TRIDENT_ASSIGN_OR_RETURN(const uint64_t free_bytes, device->FreeBytes());
  const auto total = static_cast<double>(device->memory_bytes());
  if (total - static_cast<double>(free_bytes) <= total * limit->second) return Status::Ok();
  return Unavailable("can not create model '", instance, "': memory limit set for GPU ",
                     device->id(), " has exceeded, model loading is rejected.");
}

std::string GpuUuidOf(const ModelConfig& config) {
  std::set<int32_t> gpus;
  for (const InstanceGroup& group : config.instance_group) {
    if (group.kind != InstanceGroupKind::kGpu) return "";
    gpus.insert(group.gpus.begin(), group.gpus.end());
  }
  if (gpus.size() != 1) return "";
  const auto device = cuda::Device::Find(*gpus.begin());
  return device.ok() ? (*device)->uuid() : "";
}

}  // namespace trident
