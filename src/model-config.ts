// The fields of Triton's ModelConfig, as they are written in TypeScript.
import type { Datatype } from './datatypes.js'

/** 64-bit numbers come back as strings, and may be given as any of these. */
export type Int64 = number | string | bigint

export type ConfigDatatype = `TYPE_${Exclude<Datatype, 'BYTES'>}` | 'TYPE_STRING'

/** Fields in the spelling of config.pbtxt are taken as well. */
interface Fields {
  [field: string]: unknown
}

/**
 * A model configuration, with the fields of Triton's ModelConfig in camelCase: `maxBatchSize`,
 * `instanceGroup`, `dynamicBatching: { maxQueueDelayMicroseconds }`. Which of them do what is told
 * in Triton's documentation; those that this version refuses, in the error of the load.
 */
export interface ModelConfig extends Fields {
  name?: string
  /** Older than `backend`: 'onnxruntime_onnx', 'ensemble'. */
  platform?: string
  backend?: string
  /** The backend's library, when it is not libtriton_<backend>.so. */
  runtime?: string
  /** Which versions serve; the newest one unless given. */
  versionPolicy?: {
    latest?: { numVersions?: number }
    all?: Record<string, never>
    specific?: { versions?: Int64[] }
  }
  /** More than 0: the first dimension of every tensor is the batch. */
  maxBatchSize?: number
  input?: ModelConfigInput[]
  output?: ModelConfigOutput[]
  batchInput?: BatchInputConfig[]
  batchOutput?: BatchOutputConfig[]
  optimization?: OptimizationConfig
  /** At most one of these three; requests run as they come without. */
  dynamicBatching?: DynamicBatchingConfig
  sequenceBatching?: SequenceBatchingConfig
  ensembleScheduling?: EnsembleConfig
  instanceGroup?: InstanceGroupConfig[]
  defaultModelFilename?: string
  ccModelFilenames?: Record<string, string>
  metricTags?: Record<string, string>
  parameters?: Record<string, { stringValue: string }>
  modelWarmup?: ModelWarmupConfig[]
  modelOperations?: { opLibraryFilename?: string[] }
  /** decoupled: any number of responses per request, read with `stream()`. */
  modelTransactionPolicy?: { decoupled?: boolean }
  modelRepositoryAgents?: { agents?: { name: string; parameters?: Record<string, string> }[] }
  /** Needs a `cache` of the server as well. */
  responseCache?: { enable?: boolean }
  modelMetrics?: {
    metricControl?: {
      metricIdentifier?: { family: string }
      histogramOptions?: { buckets?: number[] }
    }[]
  }
  /**
   * 'main': a model of backend 'javascript' runs on the server's own thread; in worker threads, one
   * per instance, unless given. This field and the two below it are not Triton's.
   */
  execution?: 'main'
  /** 'process': each instance in a process of its own; a crash is that instance's alone. */
  isolation?: 'process'
  /**
   * How long an execution of backend 'javascript', or with `isolation`, may take before its requests
   * fail; 0 is forever.
   */
  executionTimeoutMicroseconds?: Int64
}

/** A tensor of a model. */
export interface ModelConfigTensor extends Fields {
  name: string
  dataType: ConfigDatatype
  /** Without the batch dimension; -1 is variable. */
  dims: Int64[]
  /** The form that the backend sees. */
  reshape?: { shape: Int64[] }
  isShapeTensor?: boolean
  isNonLinearFormatIo?: boolean
}

export interface ModelConfigInput extends ModelConfigTensor {
  format?: 'FORMAT_NONE' | 'FORMAT_NHWC' | 'FORMAT_NCHW'
  allowRaggedBatch?: boolean
  /** A request may leave it out. */
  optional?: boolean
}

export interface ModelConfigOutput extends ModelConfigTensor {
  labelFilename?: string
}

/** An input that the server makes for a batch. */
export interface BatchInputConfig extends Fields {
  kind?:
    | 'BATCH_ELEMENT_COUNT'
    | 'BATCH_ACCUMULATED_ELEMENT_COUNT'
    | 'BATCH_ACCUMULATED_ELEMENT_COUNT_WITH_ZERO'
    | 'BATCH_MAX_ELEMENT_COUNT_AS_SHAPE'
    | 'BATCH_ITEM_SHAPE'
    | 'BATCH_ITEM_SHAPE_FLATTEN'
  targetName: string[]
  dataType: ConfigDatatype
  sourceInput: string[]
}

export interface BatchOutputConfig extends Fields {
  targetName: string[]
  kind?: 'BATCH_SCATTER_WITH_INPUT_SHAPE'
  sourceInput: string[]
}

export interface InstanceGroupConfig extends Fields {
  name?: string
  /** 'KIND_AUTO', unless given: as the backend prefers; without a preference on the server's GPUs, if it has any. */
  kind?: 'KIND_AUTO' | 'KIND_GPU' | 'KIND_CPU' | 'KIND_MODEL'
  count?: number
  /** Heeded with the server's `rateLimiter`. */
  rateLimiter?: {
    resources?: { name: string; global?: boolean; count?: number }[]
    /** An instance of priority 2 gets half as many turns as one of priority 1. */
    priority?: number
  }
  /** Of kind 'KIND_GPU': `count` instances on each; all that the server may use unless given. */
  gpus?: number[]
  secondaryDevices?: { kind?: 'KIND_NVDLA'; deviceId?: Int64 }[]
  profile?: string[]
  /** Made, but never given a request. */
  passive?: boolean
  /** One of the server's `hostPolicies`; 'cpu', 'model' or 'gpu_<number>' unless given. */
  hostPolicy?: string
}

export interface AcceleratorConfig extends Fields {
  name: string
  parameters?: Record<string, string>
}

export interface OptimizationConfig extends Fields {
  graph?: { level?: number }
  priority?: 'PRIORITY_DEFAULT' | 'PRIORITY_MAX' | 'PRIORITY_MIN'
  cuda?: {
    graphs?: boolean
    busyWaitEvents?: boolean
    graphSpec?: {
      batchSize?: number
      input?: Record<string, { dim: Int64[] }>
      graphLowerBound?: { batchSize?: number; input?: Record<string, { dim: Int64[] }> }
    }[]
    outputCopyStream?: boolean
  }
  executionAccelerators?: {
    gpuExecutionAccelerator?: AcceleratorConfig[]
    cpuExecutionAccelerator?: AcceleratorConfig[]
  }
  inputPinnedMemory?: { enable?: boolean }
  outputPinnedMemory?: { enable?: boolean }
  gatherKernelBufferThreshold?: number
  eagerBatching?: boolean
}

export interface QueuePolicyConfig extends Fields {
  /** What happens to a request whose time is up: it fails, or waits behind all others. */
  timeoutAction?: 'REJECT' | 'DELAY'
  /** 0 is none. */
  defaultTimeoutMicroseconds?: Int64
  /** Requests may ask for less. */
  allowTimeoutOverride?: boolean
  /** 0 is any number. */
  maxQueueSize?: number
}

/** Batching by deadlines, from measured durations. Not Triton's: its servers refuse the field. */
export interface DeadlineBatchingConfig extends Fields {
  /** The deadline of a request that brings none, from submission to answer; 0 is none. */
  sloMicroseconds?: Int64
  /** A free instance waits for the next request where that pays. */
  adaptiveQueueDelay?: boolean
}

export interface DynamicBatchingConfig extends Fields {
  preferredBatchSize?: number[]
  /** How long a partial batch waits for more. */
  maxQueueDelayMicroseconds?: Int64
  /** Responses come in the order of their requests. */
  preserveOrdering?: boolean
  /** 1 is the highest level; 0 levels: no priorities. */
  priorityLevels?: Int64
  defaultPriorityLevel?: Int64
  defaultQueuePolicy?: QueuePolicyConfig
  /** By level. */
  priorityQueuePolicy?: Record<string, QueuePolicyConfig>
  /** Present: requests that can't be answered by their deadline are refused at once. */
  deadline?: DeadlineBatchingConfig
}

/** A tensor that tells the backend about the sequence of a request. */
export interface SequenceControlConfig extends Fields {
  kind?:
    | 'CONTROL_SEQUENCE_START'
    | 'CONTROL_SEQUENCE_READY'
    | 'CONTROL_SEQUENCE_END'
    | 'CONTROL_SEQUENCE_CORRID'
  /** The values for no and yes; of one type. */
  int32FalseTrue?: number[]
  fp32FalseTrue?: number[]
  boolFalseTrue?: boolean[]
  /** Of the correlation id. */
  dataType?: ConfigDatatype
}

/** A tensor that the server keeps from one request of a sequence to the next. */
export interface SequenceStateConfig extends Fields {
  inputName: string
  outputName: string
  dataType: ConfigDatatype
  dims: Int64[]
  /** One at most; zeros without. */
  initialState?: {
    name: string
    dataType: ConfigDatatype
    dims: Int64[]
    zeroData?: boolean
    /** In the model's directory initial_state. */
    dataFile?: string
  }[]
  useSameBufferForInputOutput?: boolean
  useGrowableMemory?: boolean
}

export interface SequenceBatchingConfig extends Fields {
  /** A sequence keeps its slot of the batch; the strategy unless one is given. */
  direct?: { maxQueueDelayMicroseconds?: Int64; minimumSlotUtilization?: number }
  /** Batches of the requests that came first. */
  oldest?: {
    maxCandidateSequences?: number
    preferredBatchSize?: number[]
    maxQueueDelayMicroseconds?: Int64
    preserveOrdering?: boolean
  }
  /** After which a sequence loses its slot; a second unless given. */
  maxSequenceIdleMicroseconds?: Int64
  controlInput?: { name: string; control: SequenceControlConfig[] }[]
  state?: SequenceStateConfig[]
  /** The backend may have a request scheduled again. */
  iterativeSequence?: boolean
}

export interface EnsembleConfig extends Fields {
  step?: {
    modelName: string
    /** -1 is the newest. */
    modelVersion?: Int64
    /** The step's input by name: the ensemble's tensor that it is. */
    inputMap?: Record<string, string>
    outputMap?: Record<string, string>
    modelNamespace?: string
  }[]
  /** How many requests of the ensemble a step has under way; 0 is any number. */
  maxInflightRequests?: number
}

export interface ModelWarmupConfig extends Fields {
  name: string
  batchSize?: number
  inputs?: Record<
    string,
    {
      dataType: ConfigDatatype
      dims: Int64[]
      zeroData?: boolean
      randomData?: boolean
      /** In the model's directory warmup. */
      inputDataFile?: string
    }
  >
  /** How often; once unless given. */
  count?: number
}
