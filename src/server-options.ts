// What createServer takes.
import type { LogRecord } from './bridge.js'
import type { LogFormat, LogLevel } from './log-settings.js'
import type { TracingOptions } from './tracing.js'

export interface RateLimiterOptions {
  /**
   * 'executionCount': an instance waits until the resources that its model's configuration names
   * are free; those with the fewest executions, weighed by priority, go first. 'off' unless given.
   */
  mode?: 'off' | 'executionCount'
  /**
   * How much there is of resources; of those not named, as much as the most demanding instance
   * needs. Of one device, or of each.
   */
  resources?: readonly { name: string; count: number; device?: number }[]
}

export interface HostPolicy {
  numaNode?: number
  /** From which to which: '0-3' or '0-3,8-11'. */
  cpuCores?: string
}

/** What `server.metrics()` tells beside counts of requests and executions. */
export interface MetricsOptions {
  /** How busy the machine's processors and memory are; on unless given. */
  cpu?: boolean
  /** The same of its GPUs, where NVIDIA's driver is installed; on unless given. */
  gpu?: boolean
  /** Milliseconds for which what was read of the machine holds; 2,000 unless given. */
  interval?: number
  /** Latencies of each model, summed up: counters. On unless given. */
  latencyCounters?: boolean
  /**
   * Quantiles of these latencies over the last minutes: summaries. `true`: 0.5, 0.9, 0.95, 0.99 and
   * 0.999; else those given, from 0 to 1. They take about 60 kB a model,
   * and up to 60 kB more where durations differ widely. Off unless given.
   */
  latencySummaries?: boolean | readonly number[]
  /**
   * The times to the first response: a histogram, with the buckets of the model's `modelMetrics` or
   * 100, 500, 2,000 and 5,000 milliseconds. Off unless given.
   */
  latencyHistograms?: boolean
}

/** What happened to one version of a model. */
export interface ModelEvent {
  readonly model: string
  /** Not there when the model as a whole could not be read. */
  readonly version?: number
  /**
   * 'UNAVAILABLE': a load has failed; when the version's former load stays in service, 'READY'
   * follows. 'UNLOADING': no new requests, those under way go on.
   */
  readonly state: 'LOADING' | 'READY' | 'UNAVAILABLE' | 'UNLOADING' | 'UNLOADED'
  /** Why; empty when there is nothing to say. */
  readonly reason: string
  /** Of several models that are loaded together, how many are done, well or not, and how many. */
  readonly completed: number
  readonly total: number
}

/** Of devices and their memory, by number of the device where it is said. */
export interface CudaOptions {
  /** Instances are on devices of this compute capability or a higher one; 7.5 unless given. */
  minComputeCapability?: number
  /**
   * Bytes of a device's memory for what backends ask for and what lies between the steps of
   * ensembles, allocated as one block when it is first needed; 64 MiB unless given.
   */
  memoryPoolByteSize?: Readonly<Record<number, number>>
  /**
   * Which fraction of a device's memory may be in use, by this process and all others, once an
   * instance is loaded: beyond that the load fails. 1 unless given.
   */
  modelLoadLimit?: Readonly<Record<number, number>>
  /** Devices with instances use each other's memory without the host's, where they can; on unless given. */
  peerAccess?: boolean
}

/**
 * A GPU is lost: an error has made it unusable for this process, for good, and only a new process can
 * use it again. Models go on with their instances elsewhere; those without any answer UNAVAILABLE.
 */
export interface DeviceEvent {
  readonly deviceId: number
  /** The driver's words. */
  readonly reason: string
}

export interface ServerOptions extends TracingOptions {
  /**
   * Model repositories: directories with one directory per model. Without any, the server starts
   * empty, with model control 'explicit', for models given by path or as files.
   */
  modelRepository?: string | readonly string[]
  /**
   * 'none': all models are loaded at start and stay. 'poll': as well, and then what is new, changed
   * or gone in the repositories is loaded anew or unloaded. 'explicit': those of `startupModels`,
   * then what `loadModel` and `unloadModel` say. 'none' unless given.
   */
  modelControl?: 'none' | 'explicit' | 'poll'
  /** Milliseconds from one poll to the next in 'poll' mode; 15,000 unless given. */
  pollInterval?: number
  /**
   * Milliseconds for which a model's files must not have changed before a poll loads them, so that
   * none is loaded half-written; 250 unless given.
   */
  pollSettleTime?: number
  /** Loaded at start in 'explicit' mode; '*' alone means all. */
  startupModels?: readonly string[]
  /**
   * Models of the same name may be in several repositories. Where a name alone is ambiguous, it is
   * '<repository path>::<name>'.
   */
  modelNamespacing?: boolean
  /** configs/<name>.pbtxt in a model's directory goes before its config.pbtxt. */
  modelConfigName?: string
  /** Refuse models whose config.pbtxt is missing or partial; off unless given. */
  strictModelConfig?: boolean
  /** `ready()` needs all models to be ready; on unless given. */
  strictReadiness?: boolean
  /** Fail when a model can't be loaded at start; on unless given. Otherwise `index()` says why. */
  exitOnError?: boolean
  /** Milliseconds that `close()` waits for requests under way; 30,000 unless given. */
  exitTimeout?: number
  /** Where the backends are: <directory>/<name>/libtriton_<name>.so. Ours unless given. */
  backendDirectory?: string
  /**
   * Settings by backend, for example `{ onnxruntime: { library: '/path/libonnxruntime.so.1' } }`.
   * Unless given, ONNX Runtime is the one of the application's onnxruntime-node package.
   */
  backendConfig?: Readonly<Record<string, Readonly<Record<string, string | number | boolean>>>>
  /**
   * Where the repository agents are that `modelRepositoryAgents` of a configuration names:
   * <directory>/<name>/libtritonrepoagent_<name>.so. Ours unless given: `checksum`.
   */
  repositoryAgentDirectory?: string
  /** Threads that load models; 4 unless given. */
  loadThreads?: number
  /** How often a load is tried again when it fails; never unless given. */
  loadRetries?: number
  /**
   * Keeps responses, so that a request like an earlier one is not executed: for models whose
   * configuration says `responseCache: { enable: true }`. `local` keeps at most `size` bytes in this
   * process; any other name is that of a plug-in in `cacheDirectory`, with the settings it takes, as
   * is `local` where that directory has one.
   */
  cache?: { local: { size: number } } | Readonly<Record<string, Readonly<Record<string, unknown>>>>
  /**
   * Where cache plug-ins are: <directory>/<name>/libtritoncache_<name>.so. A plug-in is asked on the
   * thread that makes the request, the JavaScript thread: one that waits, as for a network, holds up
   * the event loop with each request of a model that uses the cache.
   */
  cacheDirectory?: string
  /** `false`: nothing is measured; `metrics()` has the application's own metrics only. */
  metrics?: boolean | MetricsOptions
  /** What instances of models have to share; unlimited unless given. */
  rateLimiter?: RateLimiterOptions
  /** How instances use the devices that NVIDIA's driver shows, where there is one. */
  cuda?: CudaOptions
  /**
   * Bytes that backends get pinned memory from, which devices copy from and to at full speed;
   * allocated as one block when one asks for the first. 256 MiB unless given.
   */
  pinnedMemoryPoolByteSize?: number
  /** By name: where the threads of instances with this `hostPolicy` run. */
  hostPolicies?: Readonly<Record<string, HostPolicy>>
  /** The name in `metadata()`; 'triton' unless given. */
  serverId?: string
  /** 'warn' unless given. */
  logLevel?: LogLevel
  /** How much of what is verbose the level 'verbose' has; 1 unless given. */
  logVerboseLevel?: number
  /** How lines of the log begin, as Triton's; 'default' unless given. */
  logFormat?: LogFormat
  /** Log records are appended to it; without it they go to stderr. */
  logFile?: string
  /** Receives log records; they then go nowhere else. */
  onLog?: (record: LogRecord) => void
  /**
   * Is told, in order, when a version of a model is being loaded, is ready, can't be loaded, or is
   * unloaded: also at start, and when a poll finds changes.
   */
  onModelState?: (event: ModelEvent) => void
  /** Is told, once of each, when a GPU is lost; not of those lost before the server was created. */
  onDeviceEvent?: (event: DeviceEvent) => void
  sharedMemory?: {
    /**
     * Keys of shared-memory objects that may be registered although this process did not create
     * them: exact, or 'prefix*'. None unless given.
     */
    allow: readonly string[]
  }
  /**
   * Milliseconds. An asynchronous request, or the batch that those of one turn make, may be
   * executed on the JavaScript thread when executions of this batch size were measured to take less
   * (99 of 100): for small models that is many times faster than waking a thread. At most 16 such
   * batches run between two turns of the event loop; when requests of one turn are for several
   * models, one model's run here and the others' elsewhere. What a queue delay keeps waiting for
   * others does not run here. 0.1 unless given; 0 is never.
   */
  inlineBudget?: number
  /**
   * Microseconds. A thread that has executed a batch and finds no other looks for one this long
   * before it sleeps: a request that comes meanwhile need not wait for a thread to wake, at the
   * price of a busy core. 0, never, unless given.
   */
  spinMicroseconds?: number
  /** Path of the native addon, when it is not where the package has it. First use decides. */
  nativeBinding?: string
}

/** Every option of a server. */
export const serverOptionNames = Object.keys({
  modelRepository: 0,
  modelControl: 0,
  pollInterval: 0,
  pollSettleTime: 0,
  startupModels: 0,
  modelNamespacing: 0,
  modelConfigName: 0,
  strictModelConfig: 0,
  strictReadiness: 0,
  exitOnError: 0,
  exitTimeout: 0,
  backendDirectory: 0,
  backendConfig: 0,
  repositoryAgentDirectory: 0,
  loadThreads: 0,
  loadRetries: 0,
  cache: 0,
  cacheDirectory: 0,
  metrics: 0,
  rateLimiter: 0,
  cuda: 0,
  pinnedMemoryPoolByteSize: 0,
  hostPolicies: 0,
  serverId: 0,
  logLevel: 0,
  logVerboseLevel: 0,
  logFormat: 0,
  logFile: 0,
  onLog: 0,
  onModelState: 0,
  onDeviceEvent: 0,
  trace: 0,
  onTrace: 0,
  traceContext: 0,
  sharedMemory: 0,
  inlineBudget: 0,
  spinMicroseconds: 0,
  nativeBinding: 0,
} satisfies Record<keyof ServerOptions, 0>)

/** Every option of its devices. */
export const cudaOptionNames = Object.keys({
  minComputeCapability: 0,
  memoryPoolByteSize: 0,
  modelLoadLimit: 0,
  peerAccess: 0,
} satisfies Record<keyof CudaOptions, 0>)

/** Every option of its metrics. */
export const metricsOptionNames = Object.keys({
  cpu: 0,
  gpu: 0,
  interval: 0,
  latencyCounters: 0,
  latencySummaries: 0,
  latencyHistograms: 0,
} satisfies Record<keyof MetricsOptions, 0>)
