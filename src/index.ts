export type {
  BatchSlot,
  NoTensors,
  SlotRegionTensors,
  SlotTensor,
  SlotTensors,
} from './batch-slot.js'
export { BatchSlots, type BatchSlotsLayout } from './batch-slots.js'
export type { LogRecord } from './bridge.js'
export { type ChromeTraceEvent, chromeTrace } from './chrome-trace.js'
export { createServer } from './create-server.js'
export { type CudaDevice, type CudaReport, cudaReport } from './cuda.js'
export type { CudaExchange } from './cuda-exchange.js'
export {
  type CudaAllocateOptions,
  type CudaCopyOptions,
  CudaMemory,
  type CudaOpenOptions,
  type CudaPointerOptions,
} from './cuda-memory.js'
export type { CudaTensor } from './cuda-tensor.js'
export { type ArrayOf, type Datatype, datatypes, type TypedArray } from './datatypes.js'
export type { TensorSpec } from './descriptor.js'
export { type ErrorCode, errorCodes, TridentError } from './errors.js'
export { batch, requests } from './function-models/batch.js'
export type { BindConfig, FunctionInput, FunctionTensor } from './function-models/bind.js'
export { fillOptionals, firstValue, groupByValues, padTo } from './function-models/helpers.js'
export type { PadRule, PadValue } from './function-models/padding.js'
export { sample } from './function-models/sample.js'
export type {
  BatchContext,
  FunctionContext,
  InstanceContext,
  ModelRequest,
  OutputValue,
  RequestContext,
  RequestInfo,
} from './function-models/types.js'
export type { LogFormat, LogLevel, LogSettings, LogSettingsUpdate } from './log-settings.js'
export type {
  Counter,
  Gauge,
  Histogram,
  MetricFamily,
  MetricFamilyOptions,
  MetricKind,
  MetricLabels,
} from './metrics.js'
export type { Model } from './model.js'
export type {
  AcceleratorConfig,
  BatchInputConfig,
  BatchOutputConfig,
  ConfigDatatype,
  DeadlineBatchingConfig,
  DynamicBatchingConfig,
  EnsembleConfig,
  InstanceGroupConfig,
  Int64,
  ModelConfig,
  ModelConfigInput,
  ModelConfigOutput,
  ModelConfigTensor,
  ModelWarmupConfig,
  OptimizationConfig,
  QueuePolicyConfig,
  SequenceBatchingConfig,
  SequenceControlConfig,
  SequenceStateConfig,
} from './model-config.js'
export type * from './model-types.js'
export { type OpenTelemetryTracer, openTelemetryTracing } from './open-telemetry.js'
export type { InferOptions, SequenceOptions } from './options.js'
export type { Prepared, PreparedOutputs, PrepareOptions } from './prepared.js'
export type { RegionTensor, RegionTensorOptions } from './region-tensor.js'
export { parametersOf } from './results.js'
export type { NewSequenceOptions, Sequence, SequenceRequestOptions } from './sequence.js'
export type { Server } from './server.js'
export type {
  CudaOptions,
  DeviceEvent,
  HostPolicy,
  MetricsOptions,
  ModelEvent,
  RateLimiterOptions,
  ServerOptions,
} from './server-options.js'
export type {
  CudaSharedMemoryRegion,
  CudaSharedMemoryStatus,
  DurationStatistic,
  LoadModelOptions,
  ModelIndexEntry,
  ModelMetadata,
  ModelStatistics,
  RegisterOptions,
  ServerMetadata,
  SystemSharedMemoryRegion,
  SystemSharedMemoryStatus,
  TensorMetadata,
} from './server-types.js'
export {
  SharedMemory,
  type SharedMemoryCreateOptions,
  type SharedMemoryOpenOptions,
} from './shared-memory.js'
export type { ResponseStream, StreamPart } from './stream.js'
export type { StreamOptions, StreamOutputs } from './stream-options.js'
export { type Shape, Tensor } from './tensor.js'
export type { TraceActivity, TraceRecord, TraceTensor, TraceTimestamp } from './trace-record.js'
export type { TraceLevel, TraceSettings, TraceSettingsUpdate } from './trace-settings.js'
export type { TraceStatus, TracingOptions } from './tracing.js'
export type {
  BatchFunction,
  FunctionInputs,
  FunctionOutputs,
  FunctionsFor,
  ModelFunction,
  RequestsFunction,
  SampleFunction,
  TypedConfig,
  TypeOfConfig,
} from './typed-functions.js'
export type {
  Inputs,
  InputValue,
  ModelTypeOf,
  Outputs,
  OutputTarget,
  Result,
} from './typed-models.js'
