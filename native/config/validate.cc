#include "config/validate.h"

#include <algorithm>

#include "config/known_backends.h"
#include "config/validate_parts.h"
#include "metrics/histogram.h"
#include "metrics/names.h"

namespace trident {
namespace {

Status ValidatePlatform(const ModelConfig& config) {
  if (config.platform.empty() && config.backend.empty()) {
    return InvalidArg("must specify 'platform' or 'backend'");
  }
  if (config.platform == kEnsemblePlatform) {
    return config.backend.empty()
               ? Status::Ok()
               : InvalidArg("an ensemble has 'platform' \"ensemble\" and no 'backend', got \"",
                            config.backend, "\"");
  }
  if (config.backend.empty()) {
    return InvalidArg("unexpected 'platform' \"", config.platform, "\" without 'backend'");
  }
  // A backend with platforms of its own takes only those; any other takes what its user likes.
  bool has_own = false;
  bool match = config.platform.empty();
  for (const KnownBackend& known : kKnownBackends) {
    if (known.backend != config.backend || known.platform.empty()) continue;
    has_own = true;
    match = match || known.platform == config.platform;
  }
  if (!has_own || match) return Status::Ok();
  return InvalidArg("unexpected 'platform' and 'backend' pair \"", config.platform, "\", \"",
                    config.backend, "\"");
}

Status ValidateVersionPolicy(const ModelConfig& config) {
  const auto& policy = config.version_policy;
  if (!policy || (!policy->latest && !policy->all && !policy->specific)) {
    return InvalidArg("must specify 'version_policy'");
  }
  return Status::Ok();
}

Status ValidateSchedulingChoice(const ModelConfig& config) {
  const int chosen = (config.dynamic_batching ? 1 : 0) + (config.sequence_batching ? 1 : 0) +
                     (config.ensemble_scheduling ? 1 : 0);
  if (chosen > 1) {
    return InvalidArg(
        "only one of 'dynamic_batching', 'sequence_batching' and 'ensemble_scheduling' is allowed");
  }
  if (config.dynamic_batching) {
    return ValidateDynamicBatching(*config.dynamic_batching, config.max_batch_size);
  }
  if (config.sequence_batching) return ValidateSequenceBatching(config);
  if (config.ensemble_scheduling) return ValidateEnsemble(config);
  if (config.platform == kEnsemblePlatform) {
    return InvalidArg("'ensemble_scheduling' must be set, as 'platform' is \"ensemble\"");
  }
  return Status::Ok();
}

Status ValidateCache(const ModelConfig& config) {
  if (!config.response_cache || !config.response_cache->enable) return Status::Ok();
  const char* obstacle = config.sequence_batching ? "'sequence_batching'"
                         : config.IsDecoupled()   ? "a 'decoupled' transaction policy"
                                                  : nullptr;
  if (obstacle == nullptr) return Status::Ok();
  return InvalidArg("'response_cache' does not work with ", obstacle,
                    "; please disable the response cache");
}

Status ValidateMetrics(const ModelConfig& config) {
  for (const auto& [tag, value] : config.metric_tags) {
    if (!IsLabelName("_" + tag)) {
      return InvalidArg("'metric_tags' has '", tag,
                        "', which can't be a label of metrics: its name "
                        "would be '_",
                        tag, "'");
    }
  }
  if (!config.model_metrics) return Status::Ok();
  for (const MetricControl& control : config.model_metrics->metric_control) {
    if (!control.metric_identifier) {
      return InvalidArg("'metric_control' must specify 'metric_identifier'");
    }
    const std::string& family = control.metric_identifier->family;
    if (family.empty()) return InvalidArg("'metric_identifier' must specify 'family'");
    if (!control.histogram_options) {
      return InvalidArg("'metric_control' of '", family, "' must specify 'histogram_options'");
    }
    const std::vector<double>& buckets = control.histogram_options->buckets;
    if (buckets.empty()) {
      return InvalidArg("'histogram_options' of '", family, "' must specify 'buckets'");
    }
    if (!Histogram::CheckBounds(buckets).ok()) {
      return InvalidArg("'buckets' of '", family, "' must be numbers in ascending order");
    }
  }
  return Status::Ok();
}

// Timers of JavaScript count milliseconds in 31 bits.
constexpr uint64_t kMaxExecutionTimeoutUs = uint64_t{0x7fffffff} * 1000;

Status ValidateExecution(const ModelConfig& config) {
  const bool javascript = config.backend == kJavaScriptBackend;
  if (config.execution) {
    if (*config.execution != "main") {
      return InvalidArg("'execution' must be \"main\" or not be set, got \"", *config.execution,
                        "\"");
    }
    if (!javascript) {
      return InvalidArg("'execution' is for models of backend \"", kJavaScriptBackend,
                        "\", which run on JavaScript threads");
    }
  }
  if (config.isolation) {
    if (*config.isolation != "process") {
      return InvalidArg("'isolation' must be \"process\" or not be set, got \"", *config.isolation,
                        "\"");
    }
    if (config.ensemble_scheduling) {
      return InvalidArg(
          "'isolation' is not allowed with 'ensemble_scheduling': an ensemble has no ",
          "instances; isolate the models of its steps");
    }
  }
  const uint64_t timeout_us = config.execution_timeout_microseconds.value_or(0);
  if (timeout_us > kMaxExecutionTimeoutUs) {
    return InvalidArg("'execution_timeout_microseconds' must be at most ", kMaxExecutionTimeoutUs,
                      ", got ", timeout_us);
  }
  if (timeout_us != 0 && !javascript && !config.isolation) {
    return InvalidArg(
        "'execution_timeout_microseconds' needs 'isolation' \"process\" or backend \"",
        kJavaScriptBackend, "\": no other execution can be given up");
  }
  return Status::Ok();
}

Status ValidateParts(const ModelConfig& config) {
  TRIDENT_RETURN_IF_ERROR(ValidatePlatform(config));
  if (config.max_batch_size < 0) {
    return InvalidArg("'max_batch_size' must not be negative, got ", config.max_batch_size);
  }
  TRIDENT_RETURN_IF_ERROR(ValidateVersionPolicy(config));
  TRIDENT_RETURN_IF_ERROR(ValidateSchedulingChoice(config));
  TRIDENT_RETURN_IF_ERROR(ValidateCache(config));
  TRIDENT_RETURN_IF_ERROR(ValidateMetrics(config));
  return ValidateExecution(config);
}

bool IsDelay(const QueuePolicy& policy) {
  return policy.default_timeout_microseconds != 0 && policy.timeout_action == TimeoutAction::kDelay;
}

Status ValidatePriorities(const ModelDynamicBatching& batching) {
  const uint64_t levels = batching.priority_levels;
  if (levels == 0) return Status::Ok();
  if (batching.default_priority_level == 0 || batching.default_priority_level > levels) {
    return InvalidArg("'default_priority_level' must be in range [1, ", levels, "], got ",
                      batching.default_priority_level);
  }
  for (const auto& [level, policy] : batching.priority_queue_policy) {
    if (level == 0 || level > levels) {
      return InvalidArg("'priority_queue_policy' must have levels in range [1, ", levels, "], got ",
                        level);
    }
  }
  return Status::Ok();
}

bool AnyDelay(const ModelDynamicBatching& batching) {
  return (batching.default_queue_policy && IsDelay(*batching.default_queue_policy)) ||
         std::any_of(batching.priority_queue_policy.begin(), batching.priority_queue_policy.end(),
                     [](const auto& level) { return IsDelay(level.second); });
}

Status ValidatePreserveOrdering(const ModelDynamicBatching& batching) {
  if (!batching.preserve_ordering) return Status::Ok();
  if (batching.priority_levels > 1) {
    return InvalidArg("only one priority level is allowed with 'preserve_ordering', got ",
                      batching.priority_levels);
  }
  if (!AnyDelay(batching)) return Status::Ok();
  return InvalidArg(
      "a queue policy with 'timeout_action' DELAY is not allowed with "
      "'preserve_ordering'");
}

// What would break the promise: an answer that waits for others after its execution, and a request
// that waits on when its time is over.
Status ValidateDeadline(const ModelDynamicBatching& batching) {
  if (!batching.deadline) return Status::Ok();
  if (batching.preserve_ordering) {
    return InvalidArg(
        "'preserve_ordering' is not allowed with 'deadline': a response that is held back for the "
        "order would miss the deadline its batch has met");
  }
  if (!AnyDelay(batching)) return Status::Ok();
  return InvalidArg(
      "a queue policy with 'timeout_action' DELAY is not allowed with 'deadline': a request that "
      "is late is refused");
}

}  // namespace

Status ValidatePreferredSizes(const char* field, const std::vector<int32_t>& sizes,
                              int32_t max_batch_size) {
  for (int32_t size : sizes) {
    if (size <= 0) return InvalidArg("'", field, "' must be positive, got ", size);
    if (size > max_batch_size) {
      return InvalidArg("'", field, "' must be at most 'max_batch_size' ", max_batch_size, ", got ",
                        size);
    }
  }
  return Status::Ok();
}

Status ValidateDynamicBatching(const ModelDynamicBatching& batching, int32_t max_batch_size) {
  TRIDENT_RETURN_IF_ERROR(ValidatePreferredSizes("dynamic_batching.preferred_batch_size",
                                                 batching.preferred_batch_size, max_batch_size));
  TRIDENT_RETURN_IF_ERROR(ValidatePriorities(batching));
  TRIDENT_RETURN_IF_ERROR(ValidatePreserveOrdering(batching));
  return ValidateDeadline(batching);
}

Status Validate(const ModelConfig& config) {
  if (config.name.empty()) return InvalidArg("model configuration must specify 'name'");
  return ValidateParts(config).WithPrefix("model '" + config.name + "': ");
}

}  // namespace trident
