#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "base/datatype.h"
#include "base/shape.h"

namespace trident {

// A model's configuration as plain data: one struct per message of config.pbtxt, one member per
// field, spelled and numbered as Triton users know them. A message field is optional<> so that
// "absent" and "present but empty" differ; members of a oneof are optional<> too, and the readers
// set at most one of them. Fields that are not Triton's are optional<> as well, so that only the
// configurations that have them show them. The rows that give each member its name are in
// schema_table.cc.
//
// Value types: copy, compare and move freely; publish as shared_ptr<const ModelConfig>.
// *Externally synchronised by whoever owns the value.*

// Tensors ----------------------------------------------------------------------------------------

enum class TensorFormat : int { kNone = 0, kNhwc = 1, kNchw = 2 };

struct TensorReshape {
  Shape shape;
  bool operator==(const TensorReshape&) const = default;
};

struct ModelInput {
  std::string name;
  DataType data_type = DataType::kInvalid;
  TensorFormat format = TensorFormat::kNone;
  Shape dims;  // without the batch dimension; -1 = any
  std::optional<TensorReshape> reshape;
  bool is_shape_tensor = false;
  bool allow_ragged_batch = false;
  bool optional = false;
  bool is_non_linear_format_io = false;
  bool operator==(const ModelInput&) const = default;
};

struct ModelOutput {
  std::string name;
  DataType data_type = DataType::kInvalid;
  Shape dims;  // without the batch dimension; -1 = any
  std::optional<TensorReshape> reshape;
  std::string label_filename;
  bool is_shape_tensor = false;
  bool is_non_linear_format_io = false;
  bool operator==(const ModelOutput&) const = default;
};

enum class BatchInputKind : int {
  kElementCount = 0,
  kAccumulatedElementCount = 1,
  kAccumulatedElementCountWithZero = 2,
  kMaxElementCountAsShape = 3,
  kItemShape = 4,
  kItemShapeFlatten = 5,
};

struct BatchInput {
  BatchInputKind kind = BatchInputKind::kElementCount;
  std::vector<std::string> target_name;
  DataType data_type = DataType::kInvalid;
  std::vector<std::string> source_input;
  bool operator==(const BatchInput&) const = default;
};

enum class BatchOutputKind : int { kScatterWithInputShape = 0 };

struct BatchOutput {
  std::vector<std::string> target_name;
  BatchOutputKind kind = BatchOutputKind::kScatterWithInputShape;
  std::vector<std::string> source_input;
  bool operator==(const BatchOutput&) const = default;
};

// Instances --------------------------------------------------------------------------------------

struct RateLimiterResource {
  std::string name;
  bool global = false;
  uint32_t count = 0;
  bool operator==(const RateLimiterResource&) const = default;
};

struct RateLimiter {
  std::vector<RateLimiterResource> resources;
  uint32_t priority = 0;  // 0 means 1
  bool operator==(const RateLimiter&) const = default;
};

// Numbered as in config.pbtxt; TRITONSERVER_instancegroupkind_enum numbers CPU and GPU the other
// way round.
enum class InstanceGroupKind : int { kAuto = 0, kGpu = 1, kCpu = 2, kModel = 3 };

enum class SecondaryDeviceKind : int { kNvdla = 0 };

struct SecondaryDevice {
  SecondaryDeviceKind kind = SecondaryDeviceKind::kNvdla;
  int64_t device_id = 0;
  bool operator==(const SecondaryDevice&) const = default;
};

struct InstanceGroup {
  std::string name;
  InstanceGroupKind kind = InstanceGroupKind::kAuto;
  int32_t count = 0;  // 0 until normalised
  std::optional<RateLimiter> rate_limiter;
  std::vector<int32_t> gpus;
  std::vector<SecondaryDevice> secondary_devices;
  std::vector<std::string> profile;
  bool passive = false;
  std::string host_policy;
  bool operator==(const InstanceGroup&) const = default;
};

// Version policy ---------------------------------------------------------------------------------

struct VersionPolicyLatest {
  uint32_t num_versions = 0;
  bool operator==(const VersionPolicyLatest&) const = default;
};
struct VersionPolicyAll {
  bool operator==(const VersionPolicyAll&) const = default;
};
struct VersionPolicySpecific {
  std::vector<int64_t> versions;
  bool operator==(const VersionPolicySpecific&) const = default;
};

struct ModelVersionPolicy {  // oneof
  std::optional<VersionPolicyLatest> latest;
  std::optional<VersionPolicyAll> all;
  std::optional<VersionPolicySpecific> specific;
  bool operator==(const ModelVersionPolicy&) const = default;
};

// Optimization -----------------------------------------------------------------------------------

struct OptimizationGraph {
  int32_t level = 0;
  bool operator==(const OptimizationGraph&) const = default;
};

enum class ModelPriority : int { kDefault = 0, kMax = 1, kMin = 2 };

struct CudaGraphShape {
  Shape dim;
  bool operator==(const CudaGraphShape&) const = default;
};

struct CudaGraphLowerBound {
  int32_t batch_size = 0;
  std::map<std::string, CudaGraphShape> input;
  bool operator==(const CudaGraphLowerBound&) const = default;
};

struct CudaGraphSpec {
  int32_t batch_size = 0;
  std::map<std::string, CudaGraphShape> input;
  std::optional<CudaGraphLowerBound> graph_lower_bound;
  bool operator==(const CudaGraphSpec&) const = default;
};

struct OptimizationCuda {
  bool graphs = false;
  bool busy_wait_events = false;
  std::vector<CudaGraphSpec> graph_spec;
  bool output_copy_stream = false;
  bool operator==(const OptimizationCuda&) const = default;
};

struct ExecutionAccelerator {
  std::string name;
  std::map<std::string, std::string> parameters;
  bool operator==(const ExecutionAccelerator&) const = default;
};

struct ExecutionAccelerators {
  std::vector<ExecutionAccelerator> gpu_execution_accelerator;
  std::vector<ExecutionAccelerator> cpu_execution_accelerator;
  bool operator==(const ExecutionAccelerators&) const = default;
};

struct PinnedMemoryBuffer {
  bool enable = false;
  bool operator==(const PinnedMemoryBuffer&) const = default;
};

struct ModelOptimizationPolicy {
  std::optional<OptimizationGraph> graph;
  ModelPriority priority = ModelPriority::kDefault;
  std::optional<OptimizationCuda> cuda;
  std::optional<ExecutionAccelerators> execution_accelerators;
  std::optional<PinnedMemoryBuffer> input_pinned_memory;
  std::optional<PinnedMemoryBuffer> output_pinned_memory;
  uint32_t gather_kernel_buffer_threshold = 0;
  bool eager_batching = false;
  bool operator==(const ModelOptimizationPolicy&) const = default;
};

// Dynamic batching -------------------------------------------------------------------------------

enum class TimeoutAction : int { kReject = 0, kDelay = 1 };

struct QueuePolicy {
  TimeoutAction timeout_action = TimeoutAction::kReject;
  uint64_t default_timeout_microseconds = 0;  // 0 = none
  bool allow_timeout_override = false;
  uint32_t max_queue_size = 0;  // 0 = unlimited
  bool operator==(const QueuePolicy&) const = default;
};

// Not Triton's: batching by deadlines. Present: on.
struct ModelDeadlineBatching {
  uint64_t slo_microseconds =
      0;  // from submission to answer, of a request that says nothing; 0 = none
  bool adaptive_queue_delay =
      false;  // wait for the next arrival where that pays, instead of a time
  bool operator==(const ModelDeadlineBatching&) const = default;
};

struct ModelDynamicBatching {
  std::vector<int32_t> preferred_batch_size;
  uint64_t max_queue_delay_microseconds = 0;
  bool preserve_ordering = false;
  uint64_t priority_levels = 0;  // 0 = off; 1 is the highest level
  uint64_t default_priority_level = 0;
  std::optional<QueuePolicy> default_queue_policy;
  std::map<uint64_t, QueuePolicy> priority_queue_policy;
  std::optional<ModelDeadlineBatching> deadline;
  bool operator==(const ModelDynamicBatching&) const = default;
};

// Sequence batching ------------------------------------------------------------------------------

enum class SequenceControlKind : int { kStart = 0, kReady = 1, kEnd = 2, kCorrid = 3 };

struct SequenceControl {
  SequenceControlKind kind = SequenceControlKind::kStart;
  std::vector<int32_t> int32_false_true;
  std::vector<float> fp32_false_true;
  std::vector<bool> bool_false_true;
  DataType data_type = DataType::kInvalid;  // correlation id only
  bool operator==(const SequenceControl&) const = default;
};

struct SequenceControlInput {
  std::string name;
  std::vector<SequenceControl> control;
  bool operator==(const SequenceControlInput&) const = default;
};

struct SequenceInitialState {
  DataType data_type = DataType::kInvalid;
  Shape dims;
  std::optional<bool> zero_data;         // oneof state_data
  std::optional<std::string> data_file;  // oneof state_data
  std::string name;
  bool operator==(const SequenceInitialState&) const = default;
};

struct SequenceState {
  std::string input_name;
  std::string output_name;
  DataType data_type = DataType::kInvalid;
  Shape dims;
  std::vector<SequenceInitialState> initial_state;
  bool use_same_buffer_for_input_output = false;
  bool use_growable_memory = false;
  bool operator==(const SequenceState&) const = default;
};

struct SequenceStrategyDirect {
  uint64_t max_queue_delay_microseconds = 0;
  float minimum_slot_utilization = 0;
  bool operator==(const SequenceStrategyDirect&) const = default;
};

struct SequenceStrategyOldest {
  int32_t max_candidate_sequences = 0;
  std::vector<int32_t> preferred_batch_size;
  uint64_t max_queue_delay_microseconds = 0;
  bool preserve_ordering = false;
  bool operator==(const SequenceStrategyOldest&) const = default;
};

struct ModelSequenceBatching {
  std::optional<SequenceStrategyDirect> direct;  // oneof strategy_choice
  std::optional<SequenceStrategyOldest> oldest;  // oneof strategy_choice
  uint64_t max_sequence_idle_microseconds = 0;
  std::vector<SequenceControlInput> control_input;
  std::vector<SequenceState> state;
  bool iterative_sequence = false;
  bool operator==(const ModelSequenceBatching&) const = default;
};

// Ensembles and warm-up --------------------------------------------------------------------------

struct EnsembleStep {
  std::string model_name;
  int64_t model_version = 0;                      // -1 = latest
  std::map<std::string, std::string> input_map;   // model input -> ensemble tensor
  std::map<std::string, std::string> output_map;  // model output -> ensemble tensor
  std::string model_namespace;
  bool operator==(const EnsembleStep&) const = default;
};

struct ModelEnsembling {
  std::vector<EnsembleStep> step;
  uint32_t max_inflight_requests = 0;  // 0 = unlimited
  bool operator==(const ModelEnsembling&) const = default;
};

struct WarmupInput {
  DataType data_type = DataType::kInvalid;
  Shape dims;
  std::optional<bool> zero_data;               // oneof input_data_type
  std::optional<bool> random_data;             // oneof input_data_type
  std::optional<std::string> input_data_file;  // oneof input_data_type
  bool operator==(const WarmupInput&) const = default;
};

struct ModelWarmup {
  std::string name;
  uint32_t batch_size = 0;
  std::map<std::string, WarmupInput> inputs;
  uint32_t count = 0;  // 0 means 1
  bool operator==(const ModelWarmup&) const = default;
};

// The rest ---------------------------------------------------------------------------------------

struct ModelParameter {
  std::string string_value;
  bool operator==(const ModelParameter&) const = default;
};

struct ModelOperations {
  std::vector<std::string> op_library_filename;
  bool operator==(const ModelOperations&) const = default;
};

struct ModelTransactionPolicy {
  bool decoupled = false;
  bool operator==(const ModelTransactionPolicy&) const = default;
};

struct RepositoryAgent {
  std::string name;
  std::map<std::string, std::string> parameters;
  bool operator==(const RepositoryAgent&) const = default;
};

struct ModelRepositoryAgents {
  std::vector<RepositoryAgent> agents;
  bool operator==(const ModelRepositoryAgents&) const = default;
};

struct ModelResponseCache {
  bool enable = false;
  bool operator==(const ModelResponseCache&) const = default;
};

struct MetricIdentifier {
  std::string family;
  bool operator==(const MetricIdentifier&) const = default;
};

struct HistogramOptions {
  std::vector<double> buckets;
  bool operator==(const HistogramOptions&) const = default;
};

struct MetricControl {
  std::optional<MetricIdentifier> metric_identifier;
  std::optional<HistogramOptions> histogram_options;  // oneof metric_options
  bool operator==(const MetricControl&) const = default;
};

struct ModelMetrics {
  std::vector<MetricControl> metric_control;
  bool operator==(const ModelMetrics&) const = default;
};

struct ModelConfig {
  std::string name;
  std::string platform;
  std::string backend;
  std::string runtime;
  std::optional<ModelVersionPolicy> version_policy;
  int32_t max_batch_size = 0;  // 0 = tensors carry no batch dimension
  std::vector<ModelInput> input;
  std::vector<ModelOutput> output;
  std::vector<BatchInput> batch_input;
  std::vector<BatchOutput> batch_output;
  std::optional<ModelOptimizationPolicy> optimization;
  std::optional<ModelDynamicBatching> dynamic_batching;    // oneof scheduling_choice
  std::optional<ModelSequenceBatching> sequence_batching;  // oneof scheduling_choice
  std::optional<ModelEnsembling> ensemble_scheduling;      // oneof scheduling_choice
  std::vector<InstanceGroup> instance_group;
  std::string default_model_filename;
  std::map<std::string, std::string> cc_model_filenames;
  std::map<std::string, std::string> metric_tags;
  std::map<std::string, ModelParameter> parameters;
  std::vector<ModelWarmup> model_warmup;
  std::optional<ModelOperations> model_operations;
  std::optional<ModelTransactionPolicy> model_transaction_policy;
  std::optional<ModelRepositoryAgents> model_repository_agents;
  std::optional<ModelResponseCache> response_cache;
  std::optional<ModelMetrics> model_metrics;
  // Not Triton's
  std::optional<std::string> execution;  // "main": on the server's own JavaScript thread
  std::optional<std::string> isolation;  // "process": instances are child processes
  std::optional<uint64_t> execution_timeout_microseconds;
  bool operator==(const ModelConfig&) const = default;

  bool IsDecoupled() const {
    return model_transaction_policy && model_transaction_policy->decoupled;
  }
  bool IsIsolated() const { return isolation == "process"; }
  bool HasScheduler() const { return dynamic_batching || sequence_batching || ensemble_scheduling; }
};

}  // namespace trident
