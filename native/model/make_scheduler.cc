#include "model/make_scheduler.h"

#include <algorithm>

#include "base/checked.h"
#include "scheduler/queue_scheduler.h"
#include "scheduler/sequence_direct.h"
#include "scheduler/sequence_oldest.h"

namespace trident {
namespace {

template <typename Tensor>
TensorSpec SpecOf(const Tensor& tensor) {
  TensorSpec spec;
  spec.name = tensor.name;
  spec.datatype = tensor.data_type;
  spec.dims = tensor.dims;
  spec.variable = HasWildcard(tensor.dims);
  if (tensor.reshape) spec.reshape = tensor.reshape->shape;
  return spec;
}

// No number of microseconds is too large: what does not fit is for ever.
uint64_t NsOf(uint64_t us) {
  uint64_t ns = 0;
  return CheckedMultiply(us, 1000, &ns) ? ns : kNever;
}

BatchPolicy PolicyOf(const ModelConfig& config) {
  BatchPolicy policy;
  policy.max_batch_size = static_cast<uint32_t>(std::max(1, config.max_batch_size));
  if (!config.dynamic_batching) return policy;
  const ModelDynamicBatching& batching = *config.dynamic_batching;
  policy.dynamic = true;
  policy.preferred.assign(batching.preferred_batch_size.begin(),
                          batching.preferred_batch_size.end());
  std::sort(policy.preferred.begin(), policy.preferred.end());
  policy.max_queue_delay_ns = NsOf(batching.max_queue_delay_microseconds);
  policy.adaptive_delay = batching.deadline && batching.deadline->adaptive_queue_delay;
  return policy;
}

LevelPolicy LevelPolicyOf(const QueuePolicy& config) {
  LevelPolicy policy;
  policy.timeout_ns = NsOf(config.default_timeout_microseconds);
  policy.allow_timeout_override = config.allow_timeout_override;
  policy.delay = config.timeout_action == TimeoutAction::kDelay && policy.timeout_ns != 0;
  policy.max_size = config.max_queue_size;
  return policy;
}

QueuePolicies QueuePoliciesOf(const ModelConfig& config) {
  QueuePolicies policies;
  if (!config.dynamic_batching) return policies;
  const ModelDynamicBatching& batching = *config.dynamic_batching;
  policies.deadlines = batching.deadline.has_value();
  if (policies.deadlines) policies.slo_ns = NsOf(batching.deadline->slo_microseconds);
  policies.levels = batching.priority_levels;
  policies.default_level = batching.default_priority_level;
  if (batching.default_queue_policy) {
    policies.default_policy = LevelPolicyOf(*batching.default_queue_policy);
  }
  // Without priorities there are no levels to have policies of their own.
  if (policies.levels == 0) return policies;
  for (const auto& [level, policy] : batching.priority_queue_policy) {
    policies.by_level[level] = LevelPolicyOf(policy);
  }
  return policies;
}

}  // namespace

ModelSignature SignatureOf(const ModelConfig& config, int64_t version) {
  ModelSignature signature;
  signature.name = config.name;
  signature.version = version;
  signature.max_batch_size = static_cast<uint32_t>(config.max_batch_size);
  signature.decoupled = config.IsDecoupled();
  signature.reschedulable =
      config.sequence_batching && config.sequence_batching->iterative_sequence;
  for (const ModelInput& input : config.input) {
    TensorSpec spec = SpecOf(input);
    spec.optional = input.optional;
    spec.ragged = input.allow_ragged_batch;
    spec.shape_tensor = input.is_shape_tensor;
    signature.compare_inputs = signature.compare_inputs || (spec.variable && !spec.ragged) ||
                               spec.optional || spec.shape_tensor;
    signature.inputs.push_back(std::move(spec));
  }
  for (const ModelOutput& output : config.output) signature.outputs.push_back(SpecOf(output));
  return signature;
}

std::shared_ptr<ResponseOrder> MakeResponseOrder(const ModelConfig& config) {
  const bool ordered = config.dynamic_batching && config.dynamic_batching->preserve_ordering;
  return ordered ? std::make_shared<ResponseOrder>() : nullptr;
}

Result<std::unique_ptr<Scheduler>> MakeScheduler(const ModelConfig& config,
                                                 const SchedulerContext& context,
                                                 const std::string& model_directory,
                                                 BatchStrategy* strategy) {
  if (config.sequence_batching) {
    TRIDENT_ASSIGN_OR_RETURN(SequencePolicy policy, MakeSequencePolicy(config, model_directory));
    if (config.sequence_batching->oldest) {
      return std::unique_ptr<Scheduler>(
          std::make_unique<OldestSequenceScheduler>(context, std::move(policy)));
    }
    return std::unique_ptr<Scheduler>(
        std::make_unique<DirectSequenceScheduler>(context, std::move(policy)));
  }
  if (strategy != nullptr && config.dynamic_batching && config.dynamic_batching->deadline) {
    return InvalidArg("model '", config.name, "': 'dynamic_batching.deadline' does not go with a ",
                      "custom batching strategy, which says itself what makes a batch");
  }
  SchedulerContext queue_context = context;
  if (queue_context.order == nullptr) queue_context.order = MakeResponseOrder(config);
  return std::unique_ptr<Scheduler>(std::make_unique<QueueScheduler>(
      queue_context, PolicyOf(config), QueuePoliciesOf(config), strategy));
}

}  // namespace trident
