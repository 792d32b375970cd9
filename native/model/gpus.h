#pragma once

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "base/log.h"
#include "base/mutex.h"
#include "base/status.h"
#include "config/model_config.h"
#include "config/validate.h"
#include "cuda/device.h"

namespace trident {

// The GPUs that the instances of one server may be on. CUDA's driver is looked for when a model may
// need one, not before: where there is one, it takes a tenth of a second, memory and threads.
// Thread-safe.
class Gpus {
 public:
  struct Options {
    double min_compute_capability = 0;
    bool peer_access = true;            // of one device to the memory of another
    std::map<int, double> load_limits;  // which fraction of a device's memory may be in use
  };
  Gpus(Options options, std::shared_ptr<Logger> logger);

  // Resolves the instance groups of `config` (NormalizeInstanceGroups) and validates them. Groups
  // that list no GPUs get none that is lost, as long as others work. Without any usable GPU the
  // error of a KIND_GPU group says what is missing.
  Status ResolveGroups(const std::vector<InstanceGroup>& preferred, ModelConfig* config) const;

  // The device of a new instance, and those of earlier ones can now use each other's memory, where
  // machine and options allow.
  Result<cuda::Device*> Enter(int32_t id);

  // UNAVAILABLE when more of the device's memory is in use, by whomever, than the options allow
  // once `instance` is there.
  Status CheckLoadLimit(const std::string& instance, cuda::Device* device) const;

 private:
  UsableGpus Find() const;

  const Options options_;
  const std::shared_ptr<Logger> logger_;
  Mutex mutex_;
  std::vector<cuda::Device*> entered_ GUARDED_BY(mutex_);
};

// The UUID of the GPU that all instances of a resolved configuration are on; empty when that is not
// one.
std::string GpuUuidOf(const ModelConfig& config);

}  // namespace trident
