// Finds and loads the addon, and says once what it can do.
import { existsSync } from 'node:fs'
import { createRequire } from 'node:module'
import { dirname, join, resolve } from 'node:path'
import { TridentError } from './errors.js'
import type { NativeFunctionCallbacks, NativeFunctions } from './function-binding.js'
import moduleDir from './module-dir.cjs'

/** [kind, ...values]; what the C API calls TRITONSERVER_ServerOptionsSet... */
export type NativeSetting =
  | ['id' | 'repository' | 'privateRepository' | 'startup' | 'backendDirectory', string]
  | ['cacheDirectory' | 'configName' | 'repositoryAgentDirectory', string]
  | ['control', 'none' | 'explicit' | 'poll']
  | ['strictConfig' | 'strictReadiness' | 'exitOnError' | 'namespacing' | 'limitRate', boolean]
  | ['metrics' | 'cpuMetrics' | 'gpuMetrics', boolean]
  | ['logError' | 'logWarn' | 'logInfo' | 'logIso8601', boolean]
  | ['logFile', string]
  | ['metricsIntervalMs', number]
  | ['metricsConfig', setting: string, value: string]
  | ['exitTimeoutMs' | 'pollSettleMs' | 'inlineBudgetNs', number]
  | ['loadThreads' | 'loadRetries' | 'logVerbose' | 'spinUs', number]
  | ['backendConfig', backend: string, setting: string, value: string]
  | ['cache', name: string, json: string]
  | ['rateResource', name: string, count: number, device: number]
  | ['pinnedPoolBytes' | 'minComputeCapability', number]
  | ['cudaPoolBytes' | 'gpuLoadLimit', device: number, value: number]
  | ['peerAccess', boolean]
  | ['hostPolicy', policy: string, setting: 'numa-node' | 'cpu-cores', value: string]
  | ['logCallback']

/** What has an answer in JSON. */
export type NativeQuestion =
  | 'server'
  | 'index'
  | 'readyIndex'
  | 'metadata'
  | 'config'
  | 'statistics'

/** What a request can say beyond its tensors. */
export type NativeOption =
  | ['id', string]
  | ['priority', bigint]
  | ['flags', number]
  | ['correlation', bigint | string]
  | ['parameter', string, string | number | bigint | boolean]

/** [name, datatype id, shape, byte size, offset in the slab or -1] */
export type NativeInput = [string, number, readonly number[], number, number]
/** As an input, and whether it stays on the device; a null shape is not known before the run. */
export type NativeOutput = [string, number, readonly number[] | null, number, number, boolean]
/** Memory of a device. The number is the receiver's to give back with `forgetMemory`. */
export type NativeDeviceMemory = [
  memory: number,
  byteSize: number,
  pointer: bigint,
  deviceId: number,
]
/**
 * [datatype id, shape, byte size, the bytes unless they are where they were asked to be]; of an
 * output that stays on the device the memory that has the bytes from its start on.
 */
export type NativeResult = [number, number[], number, (ArrayBuffer | NativeDeviceMemory)?]

export type NativeParameter = string | number | bigint | boolean
/** A response of a stream: its outputs and the names and values of its parameters, or an error. */
export type NativeResponse =
  | [outputs: [name: string, ...NativeResult][], parameters: NativeParameter[]]
  | [code: number, message: string]

/**
 * Values of SlotOutcome, and the answers of inferSync after a timeout, and where the request waits
 * for a thread that only the event loop can end.
 */
export const asPlanned = 0
export const readOutputs = 1
export const failed = 2
export const timedOut = 3
export const lost = 4

/** A trace; the moments are activity, time and context by turns. */
export type NativeTrace = [
  id: number,
  parentId: number,
  model: string,
  version: number,
  requestId: string,
  moments: (number | bigint | string)[],
  tensors: [
    activity: number,
    name: string,
    datatype: number,
    shape: number[],
    buffer?: ArrayBuffer,
  ][],
]

export interface NativeCallbacks extends NativeFunctionCallbacks {
  /** `count` pairs of slot and outcome lie in the completions array. */
  completions(count: number): void
  /** The stream of this slot, in which `takeResponse` found nothing, has a response. */
  ready(slot: number): void
  /** code -1 is success, and the text its answer, if it has one; else the text is the message. */
  task(task: number, code: number, text: string): void
  log(
    server: number,
    level: number,
    message: string,
    file: string,
    line: number,
    timestampUs: number,
  ): void
  /** `state` is a TRITONSERVER_TridentModelState; version -1 is the model as a whole. */
  modelEvent(
    server: number,
    model: string,
    version: number,
    state: number,
    reason: string,
    completed: number,
    total: number,
  ): void
  deviceEvent(server: number, device: number, reason: string): void
  /** The request of this slot, which has just crossed, has this trace. */
  traced(slot: number, trace: number): void
  /** By the counts of its rules no request to this server is traced any more. */
  tracingOver(server: number): void
  /**
   * Traces of a request and on its behalf, in the order they began, that are over; `destination` is
   * that of the rule they were made by.
   */
  traces(server: number, destination: number, traces: NativeTrace[]): void
  /** There is more to tell than one turn of the event loop is for: `tellMore` does, in the next. */
  more(): void
  /** Makes the error that a call throws. */
  error(code: number, message: string): Error
}

/**
 * The addon's methods. Servers, plans, slots and memory are numbers. A method whose first argument
 * is a task returns at once and ends with the task callback; the others throw what
 * `NativeCallbacks.error` makes.
 */
export interface NativeBridge extends NativeFunctions {
  serverNew(task: number, settings: NativeSetting[], allowedKeys: readonly string[]): number
  serverDelete(task: number, server: number): void
  loadModel(
    task: number,
    server: number,
    name: string,
    config: string | null,
    files: readonly (readonly [string, Uint8Array])[],
  ): void
  unloadModel(
    task: number,
    server: number,
    name: string,
    dependents: boolean,
    timeoutMs: number,
  ): void
  /** Removed, with what is in it, when the environment ends before the server. */
  registerRepository(server: number, path: string): void
  addRepository(
    task: number,
    server: number,
    path: string,
    names: readonly (readonly [directory: string, model: string])[],
  ): void
  removeRepository(task: number, server: number, path: string): void
  /** Loads and polls under way end at their next step, and none begins any more. */
  endLoads(server: number): void
  pollRepository(task: number, server: number): void
  setLogSettings(
    server: number,
    error: boolean,
    warn: boolean,
    info: boolean,
    verbose: number,
    iso8601: boolean,
  ): void
  describe(server: number, what: NativeQuestion, model: string, version: number): string
  /** The JSON of a config.pbtxt, as it is written; the file's name is for errors. */
  readConfig(text: string, fileName: string): string
  isTrue(
    server: number,
    what: 'live' | 'ready' | 'modelReady',
    model: string,
    version: number,
  ): boolean

  metrics(task: number, server: number): void
  /** `kind` is a TRITONSERVER_MetricKind. */
  metricFamilyNew(kind: number, name: string, description: string): number
  /** Its metrics must have been deleted. */
  metricFamilyDelete(family: number): void
  metricNew(
    family: number,
    labels: readonly (readonly [name: string, value: string])[],
    buckets: readonly number[] | null,
  ): number
  metricDelete(metric: number): void
  metricIncrement(metric: number, by: number): void
  metricSet(metric: number, value: number): void
  metricObserve(metric: number, value: number): void
  metricValue(metric: number): number

  /**
   * Of each `rate`-th request to `model` the next `count` are traced; -1 is no limit. '' is all
   * models without a rule of their own. `level` is a sum of TRITONSERVER_InferenceTraceLevel.
   */
  setTraceRule(
    server: number,
    model: string,
    level: number,
    rate: number,
    count: number,
    destination: number,
  ): void
  removeTraceRule(server: number, model: string): void
  /** What the count of a rule has come down to. */
  tracesLeft(server: number, model: string): number
  tracesDropped(server: number): number

  createPlan(
    server: number,
    model: string,
    version: number,
    inputs: NativeInput[],
    outputs: NativeOutput[],
    namesOutputs: boolean,
  ): number
  destroyPlan(plan: number): void
  /** Bytes to skip from the start of `array` to an address that suits vector instructions. */
  alignment(array: Uint8Array): number
  createSlot(plan: number, slab: Uint8Array): number
  destroySlot(slot: number): void
  bindArray(slot: number, isOutput: boolean, index: number, array: ArrayBufferView): void
  bindMemory(
    slot: number,
    isOutput: boolean,
    index: number,
    memory: number | string,
    offset: number,
    byteSize: number,
  ): void
  resizeInput(slot: number, index: number, byteSize: number): void
  unbind(slot: number): void
  setTimeout(slot: number, microseconds: number): void
  setDeadline(slot: number, microseconds: number): void
  setOptions(slot: number, options: NativeOption[]): void
  /** Submits the first `count` slots of the submissions array; returns how many have completed. */
  submit(count: number, mayInline: boolean): number
  inferSync(slot: number, timeoutMs: number): number
  cancel(slot: number): void
  /** Calls back with what there was no time for. */
  tellMore(): void
  takeError(slot: number): [code: number, message: string]
  /** Of each output; after them, if there are any, the response's parameters. */
  readOutputs(slot: number): (NativeResult | NativeParameter[] | null)[]

  /** Makes an idle slot one whose responses are taken one by one; for one submission. */
  openStream(slot: number, limit: number, stallMs: number): void
  closeStream(slot: number): void
  takeResponse(slot: number): NativeResponse | null

  regionCreate(key: string, byteSize: number): [memory: number, byteSize: number]
  regionOpen(
    key: string,
    offset: number,
    byteSize: number,
    readOnly: boolean,
  ): [memory: number, byteSize: number]
  regionRead(memory: number, offset: number, array: ArrayBufferView): void
  regionWrite(memory: number, offset: number, array: ArrayBufferView): void
  regionUnlink(memory: number): void
  regionView(memory: number): ArrayBuffer
  sharedArray(array: Uint8Array): number
  forgetMemory(memory: number): void
  registerRegion(server: number, name: string, key: string, offset: number, byteSize: number): void
  unregisterRegion(server: number, name: string | null): void
  regionStatus(
    server: number,
    name: string | null,
  ): [name: string, key: string, offset: number, byteSize: number][]

  /** `version` is 1000 * major + 10 * minor, or 0; `problem` is null when there are devices. */
  cudaReport(): [
    library: string,
    version: number,
    problem: string | null,
    devices: [
      id: number,
      name: string,
      uuid: string,
      computeMajor: number,
      computeMinor: number,
      memoryBytes: number,
    ][],
  ]
  cudaAllocate(deviceId: number, byteSize: number): NativeDeviceMemory
  /** `byteSize` 0 is up to the end. */
  cudaOpen(
    rawHandle: Uint8Array,
    deviceId: number,
    offset: number,
    byteSize: number,
  ): NativeDeviceMemory
  cudaWrap(pointer: bigint, deviceId: number, byteSize: number): NativeDeviceMemory
  cudaHandle(memory: number): ArrayBuffer
  /** Has read an ordinary array when it returns; a SharedArrayBuffer's when the task has ended. */
  cudaWrite(task: number, memory: number, offset: number, array: ArrayBufferView): void
  cudaRead(task: number, memory: number, offset: number, array: ArrayBufferView): void
  cudaCopy(
    task: number,
    from: number,
    fromOffset: number,
    to: number,
    toOffset: number,
    byteSize: number,
  ): void
  registerCudaRegion(
    server: number,
    name: string,
    rawHandle: Uint8Array,
    deviceId: number,
    byteSize: number,
  ): void
  unregisterCudaRegion(server: number, name: string | null): void
  cudaRegionStatus(
    server: number,
    name: string | null,
  ): [name: string, deviceId: number, byteSize: number][]
}

interface NativeModule {
  createBridge(
    callbacks: NativeCallbacks,
    submissions: Int32Array,
    completions: Int32Array,
  ): NativeBridge
}

export interface Binding {
  readonly module: NativeModule
  readonly path: string
  /** Where the addon lies; our backends and repository agents are beside it. */
  readonly directory: string
}

const requireFrom = createRequire(join(moduleDir, 'index.js'))

/** The package that carries the addon for this platform, spelled out so that bundlers see it. */
function platformPackage(): string | null {
  switch (`${process.platform}-${process.arch}`) {
    case 'linux-x64':
      return resolvePackage(() => requireFrom.resolve('trident-linux-x64-gnu'))
    case 'linux-arm64':
      return resolvePackage(() => requireFrom.resolve('trident-linux-arm64-gnu'))
    default:
      return null
  }
}

function resolvePackage(find: () => string): string | null {
  try {
    return find()
  } catch {
    return null
  }
}

function candidates(override: string | undefined): string[] {
  const named = override ?? process.env.TRIDENT_NATIVE_BINDING
  if (named) return [resolve(named)]
  const found = platformPackage()
  // From dist/esm, dist/cjs and src.
  const built = ['../..', '..'].map((up) => join(moduleDir, up, 'build/Release/out/trident.node'))
  return [...(found ? [found] : []), ...built]
}

/** Loads the addon from `override`, the platform's package or this repository's build. */
export function loadBinding(override?: string): Binding {
  const paths = candidates(override)
  const path = paths.find((candidate) => existsSync(candidate))
  if (!path) {
    throw new TridentError(
      'UNAVAILABLE',
      `no native addon for ${process.platform}-${process.arch}; looked for ${paths.join(', ')}. ` +
        "Install the platform's package (npm install without --omit=optional), or build it: " +
        'npm run build',
    )
  }
  try {
    return { module: requireFrom(path) as NativeModule, path, directory: dirname(path) }
  } catch (cause) {
    throw new TridentError('UNAVAILABLE', `the native addon ${path} can't be loaded`, { cause })
  }
}
