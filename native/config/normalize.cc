#include "config/normalize.h"

#include <algorithm>

namespace trident {
namespace {

constexpr uint64_t kDefaultSequenceIdleMicroseconds = 1'000'000;

bool Holds(const std::vector<int32_t>& list, int32_t value) {
  return std::find(list.begin(), list.end(), value) != list.end();
}

std::vector<int32_t> UsableOf(const std::vector<int32_t>& gpus,
                              const std::vector<int32_t>& usable) {
  std::vector<int32_t> result;
  for (int32_t gpu : gpus) {
    if (Holds(usable, gpu)) result.push_back(gpu);
  }
  return result;
}

void NormalizeVersionPolicy(ModelConfig* config) {
  if (!config->version_policy) config->version_policy.emplace();
  ModelVersionPolicy& policy = *config->version_policy;
  if (!policy.latest && !policy.all && !policy.specific) policy.latest.emplace();
  if (policy.latest && policy.latest->num_versions == 0) policy.latest->num_versions = 1;
}

// A default that is written out is not shown, as it is not when it is left out.
void NormalizeExecution(ModelConfig* config) {
  if (config->execution == "") config->execution.reset();
  if (config->isolation == "") config->isolation.reset();
  if (config->execution_timeout_microseconds == 0u) config->execution_timeout_microseconds.reset();
}

void NormalizePreferred(int32_t max_batch_size, std::vector<int32_t>* preferred) {
  if (preferred->empty() && max_batch_size > 0) preferred->push_back(max_batch_size);
}

// The group of a configuration that gives none: the backend's first preference that this machine
// can meet.
InstanceGroup ImplicitGroup(const std::string& model_name,
                            const std::vector<InstanceGroup>& preferred,
                            const std::vector<int32_t>& usable_gpus) {
  InstanceGroup group;
  group.name = model_name;
  for (const InstanceGroup& wish : preferred) {
    if (wish.kind == InstanceGroupKind::kGpu) {
      if (usable_gpus.empty()) continue;
      group.gpus = UsableOf(wish.gpus, usable_gpus);
    } else if (wish.kind == InstanceGroupKind::kAuto) {
      group.gpus = wish.gpus;
    }
    group.kind = wish.kind;
    group.count = wish.count;
    break;
  }
  return group;
}

bool IsForGpus(const InstanceGroup& group) {
  return group.kind == InstanceGroupKind::kGpu || group.kind == InstanceGroupKind::kAuto;
}

// Whether a backend with these preferences wants to be on the CPU unless it is told otherwise.
bool AvoidsGpus(const std::vector<InstanceGroup>& preferred) {
  return std::any_of(preferred.begin(), preferred.end(),
                     [](const auto& wish) { return wish.kind == InstanceGroupKind::kCpu; }) &&
         std::none_of(preferred.begin(), preferred.end(), IsForGpus);
}

// KIND_AUTO means GPU where every listed GPU, or any when none is listed, can be used, and the
// backend does not avoid them; else CPU, where the list has no meaning.
void ResolveKind(const std::vector<InstanceGroup>& preferred,
                 const std::vector<int32_t>& usable_gpus, InstanceGroup* group) {
  if (group->kind != InstanceGroupKind::kAuto) return;
  const bool all_usable = UsableOf(group->gpus, usable_gpus).size() == group->gpus.size();
  if (!AvoidsGpus(preferred) && !usable_gpus.empty() && all_usable) {
    group->kind = InstanceGroupKind::kGpu;
  } else {
    group->kind = InstanceGroupKind::kCpu;
    group->gpus.clear();
  }
}

void ApplyPreference(const std::vector<InstanceGroup>& preferred,
                     const std::vector<int32_t>& usable_gpus, InstanceGroup* group) {
  for (const InstanceGroup& wish : preferred) {
    if (wish.kind != group->kind) continue;
    if (group->kind == InstanceGroupKind::kGpu && group->gpus.empty() && !wish.gpus.empty()) {
      group->gpus = UsableOf(wish.gpus, usable_gpus);
      if (group->gpus.empty()) continue;
    }
    if (group->count < 1) group->count = wish.count;
  }
}

// Frameworks that leave cores idle with a single CPU instance run two.
int32_t DefaultCount(const InstanceGroup& group, const std::string& backend) {
  const bool two = backend == "onnxruntime" || backend == "tensorflow";
  return two && group.kind == InstanceGroupKind::kCpu ? 2 : 1;
}

void NormalizeGroup(const ModelConfig& config, const std::vector<InstanceGroup>& preferred,
                    const std::vector<int32_t>& usable_gpus, size_t index, InstanceGroup* group) {
  if (group->name.empty()) group->name = config.name + "_" + std::to_string(index);
  ResolveKind(preferred, usable_gpus, group);
  ApplyPreference(preferred, usable_gpus, group);
  if (group->count < 1) group->count = DefaultCount(*group, config.backend);
  if (group->kind == InstanceGroupKind::kGpu && group->gpus.empty()) group->gpus = usable_gpus;
  if (group->host_policy.empty()) {
    // A GPU group may span devices, each with a policy of its own, so it stays open.
    if (group->kind == InstanceGroupKind::kCpu) group->host_policy = "cpu";
    if (group->kind == InstanceGroupKind::kModel) group->host_policy = "model";
  }
}

}  // namespace

void Normalize(ModelConfig* config) {
  NormalizeVersionPolicy(config);
  NormalizeExecution(config);
  if (config->dynamic_batching) {
    NormalizePreferred(config->max_batch_size, &config->dynamic_batching->preferred_batch_size);
  }
  if (config->sequence_batching) {
    ModelSequenceBatching& sequence = *config->sequence_batching;
    if (sequence.max_sequence_idle_microseconds == 0) {
      sequence.max_sequence_idle_microseconds = kDefaultSequenceIdleMicroseconds;
    }
    if (sequence.oldest) {
      NormalizePreferred(config->max_batch_size, &sequence.oldest->preferred_batch_size);
    }
  }
  if (!config->ensemble_scheduling) {
    if (!config->optimization) config->optimization.emplace();
    ModelOptimizationPolicy& optimization = *config->optimization;
    if (!optimization.input_pinned_memory) optimization.input_pinned_memory = {true};
    if (!optimization.output_pinned_memory) optimization.output_pinned_memory = {true};
  }
}

bool MayUseGpus(const std::vector<InstanceGroup>& preferred, const ModelConfig& config) {
  if (config.ensemble_scheduling) return false;
  const auto may = [avoids = AvoidsGpus(preferred)](const InstanceGroup& group) {
    return group.kind == InstanceGroupKind::kGpu ||
           (group.kind == InstanceGroupKind::kAuto && !avoids);
  };
  const std::vector<InstanceGroup>& groups = config.instance_group;
  if (!groups.empty()) return std::any_of(groups.begin(), groups.end(), may);
  return preferred.empty() || IsForGpus(preferred.front());
}

void NormalizeInstanceGroups(const std::vector<InstanceGroup>& preferred,
                             const std::vector<int32_t>& usable_gpus, ModelConfig* config) {
  if (config->ensemble_scheduling) return;
  if (config->instance_group.empty()) {
    config->instance_group.push_back(ImplicitGroup(config->name, preferred, usable_gpus));
  }
  for (size_t i = 0; i < config->instance_group.size(); ++i) {
    NormalizeGroup(*config, preferred, usable_gpus, i, &config->instance_group[i]);
  }
}

}  // namespace trident
