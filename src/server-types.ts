// What a server takes and answers.
import type { Datatype } from './datatypes.js'
import type { ModelConfig } from './model-config.js'

/** What `loadModel` takes beside a plain name. */
export interface LoadModelOptions<N extends string = string> {
  name: N
  /** Returns this version's Model instead of the one the version policy chooses. */
  version?: number
  /** Replaces the model's config.pbtxt for this load. */
  config?: ModelConfig
  /**
   * The model's files, by path within the model's directory: `{ '1/model.onnx': bytes }`. Nothing
   * is read from disk then.
   */
  files?: Readonly<Record<string, Uint8Array>>
  /** A model's directory, or its model file, outside the server's repositories. */
  path?: string
}

export interface RegisterOptions {
  /** Names of models by directory, where they are not the same. */
  modelNames?: Readonly<Record<string, string>>
}

export interface ServerMetadata {
  name: string
  version: string
  extensions: string[]
}

/** One version of a model, or a model that has none loaded. */
export interface ModelIndexEntry {
  name: string
  version?: string
  state?: 'UNKNOWN' | 'READY' | 'UNAVAILABLE' | 'LOADING' | 'UNLOADING'
  reason?: string
}

export interface TensorMetadata {
  name: string
  datatype: Datatype
  shape: number[]
}

export interface ModelMetadata {
  name: string
  versions: string[]
  platform: string
  inputs: TensorMetadata[]
  outputs: TensorMetadata[]
}

/** How often, and nanoseconds in total. */
export interface DurationStatistic {
  count: number
  ns: number
}

/** Triton's statistics of one model version, and the copies of tensor bytes made for it. */
export interface ModelStatistics {
  name: string
  version: string
  /** Milliseconds since the epoch. */
  last_inference: number
  /** Inferences: batch items. */
  inference_count: number
  /** Executions of the backend: batches. */
  execution_count: number
  inference_stats: Record<
    | 'success'
    | 'fail'
    | 'queue'
    | 'compute_input'
    | 'compute_infer'
    | 'compute_output'
    | 'cache_hit'
    | 'cache_miss',
    DurationStatistic
  >
  /** By the index of a response in the answer to its request; of backends that report it. */
  response_stats: Record<
    string,
    Record<
      'compute_infer' | 'compute_output' | 'success' | 'fail' | 'empty_response' | 'cancel',
      DurationStatistic
    >
  >
  batch_stats: {
    batch_size: number
    compute_input: DurationStatistic
    compute_infer: DurationStatistic
    compute_output: DurationStatistic
  }[]
  memory_usage: { type: string; id: number; byte_size: number }[]
  /** Copies of tensor bytes, by the backend (those within GPU memory apart) and between JavaScript and native memory. */
  copy_stats: { count: number; byte_size: number }
  [field: string]: unknown
}

export interface SystemSharedMemoryRegion {
  /** The object's name, as for shm_open. */
  key: string
  byteSize: number
  /** Bytes from the start of the object; 0 unless given. */
  offset?: number
}

export interface SystemSharedMemoryStatus {
  name: string
  key: string
  offset: number
  byteSize: number
}

export interface CudaSharedMemoryRegion {
  /** The exporter's `ipcHandle`, or what `cudaIpcGetMemHandle` gave: 64 bytes, or their base64. */
  rawHandle: Uint8Array | string
  /** The device that the memory is on. */
  deviceId: number
  /** From the start of the exporter's allocation. */
  byteSize: number
}

export interface CudaSharedMemoryStatus {
  name: string
  deviceId: number
  byteSize: number
}
