#include "model/make_scheduler.h"

#include <algorithm>

#include "base/checked.h"
#include "scheduler/queue_scheduler.h"

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

BatchPolicy PolicyOf(const ModelConfig& config) {
  BatchPolicy policy;
  policy.max_batch_size = static_cast<uint32_t>(std::max(1, config.max_batch_size));
  if (!config.dynamic_batching) return policy;
  const ModelDynamicBatching& batching = *config.dynamic_batching;
  policy.dynamic = true;
  policy.preferred.assign(batching.preferred_batch_size.begin(),
                          batching.preferred_batch_size.end());
  std::sort(policy.preferred.begin(), policy.preferred.end());
  if (!CheckedMultiply(batching.max_queue_delay_microseconds, 1000, &policy.max_queue_delay_ns)) {
    policy.max_queue_delay_ns = kNever;
  }
  if (batching.default_queue_policy) {
    policy.max_queue_size = batching.default_queue_policy->max_queue_size;
  }
  return policy;
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
    signature.compare_inputs = signature.compare_inputs || spec.variable || spec.optional;
    signature.inputs.push_back(std::move(spec));
  }
  for (const ModelOutput& output : config.output) signature.outputs.push_back(SpecOf(output));
  return signature;
}

Result<std::unique_ptr<Scheduler>> MakeScheduler(const ModelConfig& config,
                                                 const SchedulerContext& context) {
  return std::unique_ptr<Scheduler>(std::make_unique<QueueScheduler>(context, PolicyOf(config)));
}

}  // namespace trident
