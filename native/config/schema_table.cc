#include "config/member_access.h"
#include "config/model_config.h"

// The one table: a field of model configuration is a member of its struct and a row here.
// Declaration order is JSON order.

namespace trident {
namespace member_access {

// Tensors ----------------------------------------------------------------------------------------

template <>
MessageSchema Describe<TensorReshape>() {
  return {"ModelTensorReshape", {Row<&TensorReshape::shape>("shape")}};
}

template <>
MessageSchema Describe<ModelInput>() {
  return {
      "ModelInput",
      {Row<&ModelInput::name>("name"), Row<&ModelInput::data_type>("data_type"),
       Row<&ModelInput::format>("format"), Row<&ModelInput::dims>("dims"),
       Row<&ModelInput::reshape>("reshape"), Row<&ModelInput::is_shape_tensor>("is_shape_tensor"),
       Row<&ModelInput::allow_ragged_batch>("allow_ragged_batch"),
       Row<&ModelInput::optional>("optional"),
       Row<&ModelInput::is_non_linear_format_io>("is_non_linear_format_io")}};
}

template <>
MessageSchema Describe<ModelOutput>() {
  return {"ModelOutput",
          {Row<&ModelOutput::name>("name"), Row<&ModelOutput::data_type>("data_type"),
           Row<&ModelOutput::dims>("dims"), Row<&ModelOutput::reshape>("reshape"),
           Row<&ModelOutput::label_filename>("label_filename"),
           Row<&ModelOutput::is_shape_tensor>("is_shape_tensor"),
           Row<&ModelOutput::is_non_linear_format_io>("is_non_linear_format_io")}};
}

template <>
MessageSchema Describe<BatchInput>() {
  return {
      "BatchInput",
      {Row<&BatchInput::kind>("kind"), Row<&BatchInput::target_name>("target_name"),
       Row<&BatchInput::data_type>("data_type"), Row<&BatchInput::source_input>("source_input")}};
}

template <>
MessageSchema Describe<BatchOutput>() {
  return {"BatchOutput",
          {Row<&BatchOutput::target_name>("target_name"), Row<&BatchOutput::kind>("kind"),
           Row<&BatchOutput::source_input>("source_input")}};
}

// Instances --------------------------------------------------------------------------------------

template <>
MessageSchema Describe<RateLimiterResource>() {
  return {"ModelRateLimiter.Resource",
          {Row<&RateLimiterResource::name>("name"), Row<&RateLimiterResource::global>("global"),
           Row<&RateLimiterResource::count>("count")}};
}

template <>
MessageSchema Describe<RateLimiter>() {
  return {"ModelRateLimiter",
          {Row<&RateLimiter::resources>("resources"), Row<&RateLimiter::priority>("priority")}};
}

template <>
MessageSchema Describe<SecondaryDevice>() {
  return {"ModelInstanceGroup.SecondaryDevice",
          {Row<&SecondaryDevice::kind>("kind"), Row<&SecondaryDevice::device_id>("device_id")}};
}

template <>
MessageSchema Describe<InstanceGroup>() {
  return {"ModelInstanceGroup",
          {Row<&InstanceGroup::name>("name"), Row<&InstanceGroup::kind>("kind"),
           Row<&InstanceGroup::count>("count"), Row<&InstanceGroup::rate_limiter>("rate_limiter"),
           Row<&InstanceGroup::gpus>("gpus"),
           Row<&InstanceGroup::secondary_devices>("secondary_devices"),
           Row<&InstanceGroup::profile>("profile"), Row<&InstanceGroup::passive>("passive"),
           Row<&InstanceGroup::host_policy>("host_policy")}};
}

// Version policy ---------------------------------------------------------------------------------

template <>
MessageSchema Describe<VersionPolicyLatest>() {
  return {"ModelVersionPolicy.Latest", {Row<&VersionPolicyLatest::num_versions>("num_versions")}};
}

template <>
MessageSchema Describe<VersionPolicyAll>() {
  return {"ModelVersionPolicy.All", {}};
}

template <>
MessageSchema Describe<VersionPolicySpecific>() {
  return {"ModelVersionPolicy.Specific", {Row<&VersionPolicySpecific::versions>("versions")}};
}

template <>
MessageSchema Describe<ModelVersionPolicy>() {
  return {"ModelVersionPolicy",
          {Row<&ModelVersionPolicy::latest>("latest", "policy_choice"),
           Row<&ModelVersionPolicy::all>("all", "policy_choice"),
           Row<&ModelVersionPolicy::specific>("specific", "policy_choice")}};
}

// Optimization -----------------------------------------------------------------------------------

template <>
MessageSchema Describe<OptimizationGraph>() {
  return {"ModelOptimizationPolicy.Graph", {Row<&OptimizationGraph::level>("level")}};
}

template <>
MessageSchema Describe<CudaGraphShape>() {
  return {"ModelOptimizationPolicy.Cuda.GraphSpec.Shape", {Row<&CudaGraphShape::dim>("dim")}};
}

template <>
MessageSchema Describe<CudaGraphLowerBound>() {
  return {"ModelOptimizationPolicy.Cuda.GraphSpec.LowerBound",
          {Row<&CudaGraphLowerBound::batch_size>("batch_size"),
           Row<&CudaGraphLowerBound::input>("input")}};
}

template <>
MessageSchema Describe<CudaGraphSpec>() {
  return {"ModelOptimizationPolicy.Cuda.GraphSpec",
          {Row<&CudaGraphSpec::batch_size>("batch_size"), Row<&CudaGraphSpec::input>("input"),
           Row<&CudaGraphSpec::graph_lower_bound>("graph_lower_bound")}};
}

template <>
MessageSchema Describe<OptimizationCuda>() {
  return {"ModelOptimizationPolicy.Cuda",
          {Row<&OptimizationCuda::graphs>("graphs"),
           Row<&OptimizationCuda::busy_wait_events>("busy_wait_events"),
           Row<&OptimizationCuda::graph_spec>("graph_spec"),
           Row<&OptimizationCuda::output_copy_stream>("output_copy_stream")}};
}

template <>
MessageSchema Describe<ExecutionAccelerator>() {
  return {"ModelOptimizationPolicy.ExecutionAccelerators.Accelerator",
          {Row<&ExecutionAccelerator::name>("name"),
           Row<&ExecutionAccelerator::parameters>("parameters")}};
}

template <>
MessageSchema Describe<ExecutionAccelerators>() {
  using A = ExecutionAccelerators;
  return {"ModelOptimizationPolicy.ExecutionAccelerators",
          {Row<&A::gpu_execution_accelerator>("gpu_execution_accelerator"),
           Row<&A::cpu_execution_accelerator>("cpu_execution_accelerator")}};
}

template <>
MessageSchema Describe<PinnedMemoryBuffer>() {
  return {"ModelOptimizationPolicy.PinnedMemoryBuffer",
          {Row<&PinnedMemoryBuffer::enable>("enable")}};
}

template <>
MessageSchema Describe<ModelOptimizationPolicy>() {
  using P = ModelOptimizationPolicy;
  return {"ModelOptimizationPolicy",
          {Row<&P::graph>("graph"), Row<&P::priority>("priority"), Row<&P::cuda>("cuda"),
           Row<&P::execution_accelerators>("execution_accelerators"),
           Row<&P::input_pinned_memory>("input_pinned_memory"),
           Row<&P::output_pinned_memory>("output_pinned_memory"),
           Row<&P::gather_kernel_buffer_threshold>("gather_kernel_buffer_threshold"),
           Row<&P::eager_batching>("eager_batching")}};
}

// Dynamic batching -------------------------------------------------------------------------------

template <>
MessageSchema Describe<QueuePolicy>() {
  return {"ModelQueuePolicy",
          {Row<&QueuePolicy::timeout_action>("timeout_action"),
           Row<&QueuePolicy::default_timeout_microseconds>("default_timeout_microseconds"),
           Row<&QueuePolicy::allow_timeout_override>("allow_timeout_override"),
           Row<&QueuePolicy::max_queue_size>("max_queue_size")}};
}

template <>
MessageSchema Describe<ModelDeadlineBatching>() {
  return {"ModelDeadlineBatching",
          {Row<&ModelDeadlineBatching::slo_microseconds>("slo_microseconds"),
           Row<&ModelDeadlineBatching::adaptive_queue_delay>("adaptive_queue_delay")}};
}

template <>
MessageSchema Describe<ModelDynamicBatching>() {
  using B = ModelDynamicBatching;
  return {
      "ModelDynamicBatching",
      {Row<&B::preferred_batch_size>("preferred_batch_size"),
       Row<&B::max_queue_delay_microseconds>("max_queue_delay_microseconds"),
       Row<&B::preserve_ordering>("preserve_ordering"), Row<&B::priority_levels>("priority_levels"),
       Row<&B::default_priority_level>("default_priority_level"),
       Row<&B::default_queue_policy>("default_queue_policy"),
       Row<&B::priority_queue_policy>("priority_queue_policy"), Row<&B::deadline>("deadline")}};
}

// Sequence batching ------------------------------------------------------------------------------

template <>
MessageSchema Describe<SequenceControl>() {
  return {"ModelSequenceBatching.Control",
          {Row<&SequenceControl::kind>("kind"),
           Row<&SequenceControl::int32_false_true>("int32_false_true"),
           Row<&SequenceControl::fp32_false_true>("fp32_false_true"),
           Row<&SequenceControl::bool_false_true>("bool_false_true"),
           Row<&SequenceControl::data_type>("data_type")}};
}

template <>
MessageSchema Describe<SequenceControlInput>() {
  return {
      "ModelSequenceBatching.ControlInput",
      {Row<&SequenceControlInput::name>("name"), Row<&SequenceControlInput::control>("control")}};
}

template <>
MessageSchema Describe<SequenceInitialState>() {
  using S = SequenceInitialState;
  return {"ModelSequenceBatching.InitialState",
          {Row<&S::data_type>("data_type"), Row<&S::dims>("dims"),
           Row<&S::zero_data>("zero_data", "state_data"),
           Row<&S::data_file>("data_file", "state_data"), Row<&S::name>("name")}};
}

template <>
MessageSchema Describe<SequenceState>() {
  using S = SequenceState;
  return {"ModelSequenceBatching.State",
          {Row<&S::input_name>("input_name"), Row<&S::output_name>("output_name"),
           Row<&S::data_type>("data_type"), Row<&S::dims>("dims"),
           Row<&S::initial_state>("initial_state"),
           Row<&S::use_same_buffer_for_input_output>("use_same_buffer_for_input_output"),
           Row<&S::use_growable_memory>("use_growable_memory")}};
}

template <>
MessageSchema Describe<SequenceStrategyDirect>() {
  using S = SequenceStrategyDirect;
  return {"ModelSequenceBatching.StrategyDirect",
          {Row<&S::max_queue_delay_microseconds>("max_queue_delay_microseconds"),
           Row<&S::minimum_slot_utilization>("minimum_slot_utilization")}};
}

template <>
MessageSchema Describe<SequenceStrategyOldest>() {
  using S = SequenceStrategyOldest;
  return {"ModelSequenceBatching.StrategyOldest",
          {Row<&S::max_candidate_sequences>("max_candidate_sequences"),
           Row<&S::preferred_batch_size>("preferred_batch_size"),
           Row<&S::max_queue_delay_microseconds>("max_queue_delay_microseconds"),
           Row<&S::preserve_ordering>("preserve_ordering")}};
}

template <>
MessageSchema Describe<ModelSequenceBatching>() {
  using B = ModelSequenceBatching;
  return {
      "ModelSequenceBatching",
      {Row<&B::direct>("direct", "strategy_choice"), Row<&B::oldest>("oldest", "strategy_choice"),
       Row<&B::max_sequence_idle_microseconds>("max_sequence_idle_microseconds"),
       Row<&B::control_input>("control_input"), Row<&B::state>("state"),
       Row<&B::iterative_sequence>("iterative_sequence")}};
}

// Ensembles and warm-up --------------------------------------------------------------------------

template <>
MessageSchema Describe<EnsembleStep>() {
  return {"ModelEnsembling.Step",
          {Row<&EnsembleStep::model_name>("model_name"),
           Row<&EnsembleStep::model_version>("model_version"),
           Row<&EnsembleStep::input_map>("input_map"), Row<&EnsembleStep::output_map>("output_map"),
           Row<&EnsembleStep::model_namespace>("model_namespace")}};
}

template <>
MessageSchema Describe<ModelEnsembling>() {
  return {"ModelEnsembling",
          {Row<&ModelEnsembling::step>("step"),
           Row<&ModelEnsembling::max_inflight_requests>("max_inflight_requests")}};
}

template <>
MessageSchema Describe<WarmupInput>() {
  return {"ModelWarmup.Input",
          {Row<&WarmupInput::data_type>("data_type"), Row<&WarmupInput::dims>("dims"),
           Row<&WarmupInput::zero_data>("zero_data", "input_data_type"),
           Row<&WarmupInput::random_data>("random_data", "input_data_type"),
           Row<&WarmupInput::input_data_file>("input_data_file", "input_data_type")}};
}

template <>
MessageSchema Describe<ModelWarmup>() {
  return {"ModelWarmup",
          {Row<&ModelWarmup::name>("name"), Row<&ModelWarmup::batch_size>("batch_size"),
           Row<&ModelWarmup::inputs>("inputs"), Row<&ModelWarmup::count>("count")}};
}

// The rest ---------------------------------------------------------------------------------------

template <>
MessageSchema Describe<ModelParameter>() {
  return {"ModelParameter", {Row<&ModelParameter::string_value>("string_value")}};
}

template <>
MessageSchema Describe<ModelOperations>() {
  return {"ModelOperations", {Row<&ModelOperations::op_library_filename>("op_library_filename")}};
}

template <>
MessageSchema Describe<ModelTransactionPolicy>() {
  return {"ModelTransactionPolicy", {Row<&ModelTransactionPolicy::decoupled>("decoupled")}};
}

template <>
MessageSchema Describe<RepositoryAgent>() {
  return {"ModelRepositoryAgents.Agent",
          {Row<&RepositoryAgent::name>("name"), Row<&RepositoryAgent::parameters>("parameters")}};
}

template <>
MessageSchema Describe<ModelRepositoryAgents>() {
  return {"ModelRepositoryAgents", {Row<&ModelRepositoryAgents::agents>("agents")}};
}

template <>
MessageSchema Describe<ModelResponseCache>() {
  return {"ModelResponseCache", {Row<&ModelResponseCache::enable>("enable")}};
}

template <>
MessageSchema Describe<MetricIdentifier>() {
  return {"ModelMetrics.MetricControl.MetricIdentifier",
          {Row<&MetricIdentifier::family>("family")}};
}

template <>
MessageSchema Describe<HistogramOptions>() {
  return {"ModelMetrics.MetricControl.HistogramOptions",
          {Row<&HistogramOptions::buckets>("buckets")}};
}

template <>
MessageSchema Describe<MetricControl>() {
  return {"ModelMetrics.MetricControl",
          {Row<&MetricControl::metric_identifier>("metric_identifier"),
           Row<&MetricControl::histogram_options>("histogram_options", "metric_options")}};
}

template <>
MessageSchema Describe<ModelMetrics>() {
  return {"ModelMetrics", {Row<&ModelMetrics::metric_control>("metric_control")}};
}

template <>
MessageSchema Describe<ModelConfig>() {
  using C = ModelConfig;
  return {"ModelConfig",
          {Row<&C::name>("name"),
           Row<&C::platform>("platform"),
           Row<&C::backend>("backend"),
           Row<&C::runtime>("runtime"),
           Row<&C::version_policy>("version_policy"),
           Row<&C::max_batch_size>("max_batch_size"),
           Row<&C::input>("input"),
           Row<&C::output>("output"),
           Row<&C::batch_input>("batch_input"),
           Row<&C::batch_output>("batch_output"),
           Row<&C::optimization>("optimization"),
           Row<&C::dynamic_batching>("dynamic_batching", "scheduling_choice"),
           Row<&C::sequence_batching>("sequence_batching", "scheduling_choice"),
           Row<&C::ensemble_scheduling>("ensemble_scheduling", "scheduling_choice"),
           Row<&C::instance_group>("instance_group"),
           Row<&C::default_model_filename>("default_model_filename"),
           Row<&C::cc_model_filenames>("cc_model_filenames"),
           Row<&C::metric_tags>("metric_tags"),
           Row<&C::parameters>("parameters"),
           Row<&C::model_warmup>("model_warmup"),
           Row<&C::model_operations>("model_operations"),
           Row<&C::model_transaction_policy>("model_transaction_policy"),
           Row<&C::model_repository_agents>("model_repository_agents"),
           Row<&C::response_cache>("response_cache"),
           Row<&C::model_metrics>("model_metrics"),
           Row<&C::execution>("execution"),
           Row<&C::isolation>("isolation"),
           Row<&C::execution_timeout_microseconds>("execution_timeout_microseconds")}};
}

}  // namespace member_access

const MessageSchema& ModelConfigSchema() { return member_access::SchemaOf<ModelConfig>(); }

}  // namespace trident
