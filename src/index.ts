export type { LogRecord } from './bridge.js'
export type { ModelConfig, ModelConfigTensor } from './config.js'
export { createServer, type LogLevel, type ServerOptions } from './create-server.js'
export { type ArrayOf, type Datatype, datatypes, type TypedArray } from './datatypes.js'
export type { TensorSpec } from './descriptor.js'
export { type ErrorCode, errorCodes, TridentError } from './errors.js'
export type { Model } from './model.js'
export type { InferOptions, SequenceOptions } from './options.js'
export type { Prepared, PrepareOptions } from './prepared.js'
export type { RegionTensor, RegionTensorOptions } from './region-tensor.js'
export type { Inputs, InputValue, Outputs, OutputTarget, Result } from './request.js'
export type {
  DurationStatistic,
  LoadModelOptions,
  ModelIndexEntry,
  ModelMetadata,
  ModelStatistics,
  Server,
  ServerMetadata,
  SystemSharedMemoryRegion,
  SystemSharedMemoryStatus,
  TensorMetadata,
} from './server.js'
export {
  SharedMemory,
  type SharedMemoryCreateOptions,
  type SharedMemoryOpenOptions,
} from './shared-memory.js'
export { Tensor } from './tensor.js'
