import { join, resolve } from 'node:path'
import type { NativeSetting } from './binding.js'
import { type Bridge, getBridge, type LogRecord } from './bridge.js'
import { checkKeys } from './check-keys.js'
import { typeName } from './datatypes.js'
import { TridentError, toError } from './errors.js'
import { findOnnxRuntime } from './onnxruntime.js'
import { maxTimeoutMs, readFlag, readObject, readPath, readText } from './options.js'
import { newPrivateRepository } from './private-repository.js'
import { readSize } from './region-tensor.js'
import { Server } from './server.js'
import { ServerState } from './server-state.js'

export type LogLevel = 'silent' | 'error' | 'warn' | 'info' | 'verbose'

const logLevels: readonly LogLevel[] = ['silent', 'error', 'warn', 'info', 'verbose']

export interface ServerOptions {
  /**
   * Model repositories: directories with one directory per model. Without any, the server starts
   * empty, with model control 'explicit', for models given by path or as files.
   */
  modelRepository?: string | readonly string[]
  /**
   * 'none': all models are loaded at start and stay. 'explicit': those of `startupModels`, then
   * what `loadModel` and `unloadModel` say. 'none' unless given.
   */
  modelControl?: 'none' | 'explicit' | 'poll'
  /** Loaded at start in 'explicit' mode; '*' alone means all. */
  startupModels?: readonly string[]
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
  /** Threads that load models; 4 unless given. */
  loadThreads?: number
  /** The name in `metadata()`; 'triton' unless given. */
  serverId?: string
  /** 'warn' unless given. */
  logLevel?: LogLevel
  /** Receives log records; without it they go to stderr. */
  onLog?: (record: LogRecord) => void
  sharedMemory?: {
    /**
     * Keys of shared-memory objects that may be registered although this process did not create
     * them: exact, or 'prefix*'. None unless given.
     */
    allow: readonly string[]
  }
  /**
   * Milliseconds. A lone asynchronous request may be executed on the JavaScript thread when such
   * requests were measured to take less (99 of 100): for small models that is many times faster
   * than waking a thread. 0.1 unless given; 0 is never.
   */
  inlineBudget?: number
  /** Path of the native addon, when it is not where the package has it. First use decides. */
  nativeBinding?: string
}

const optionNames = Object.keys({
  modelRepository: 0,
  modelControl: 0,
  startupModels: 0,
  strictModelConfig: 0,
  strictReadiness: 0,
  exitOnError: 0,
  exitTimeout: 0,
  backendDirectory: 0,
  backendConfig: 0,
  loadThreads: 0,
  serverId: 0,
  logLevel: 0,
  onLog: 0,
  sharedMemory: 0,
  inlineBudget: 0,
  nativeBinding: 0,
} satisfies Record<keyof ServerOptions, 0>)

/**
 * Starts a server and loads its first models.
 *
 * @throws TridentError with the reason: a repository that does not exist, a model that can't be
 *   loaded (unless `exitOnError` is off), a missing native addon. TypeError, RangeError: an option
 *   of the wrong type.
 */
export async function createServer(options: ServerOptions = {}): Promise<Server> {
  readObject(options, 'what createServer takes')
  checkKeys(options, optionNames, 'createServer')
  const settings = readSettings(options)
  const exitTimeout = readSize(options.exitTimeout ?? 30_000, 'exitTimeout')
  if (exitTimeout > maxTimeoutMs) {
    throw new RangeError(`exitTimeout is at most ${maxTimeoutMs} milliseconds, got ${exitTimeout}`)
  }
  const allowed = readAllowed(options)
  const backends = backendSettings(options)
  const directory = options.backendDirectory
  if (directory !== undefined) readPath(directory, 'backendDirectory')
  if (options.nativeBinding !== undefined) readPath(options.nativeBinding, 'nativeBinding')
  const bridge = getBridge(options.nativeBinding)
  settings.push(
    // The core gets a moment even when nobody is to wait for requests: it has models to unload.
    ['exitTimeout', Math.max(1, Math.ceil(exitTimeout / 1000))],
    ['backendDirectory', resolve(directory ?? join(bridge.binding.directory, 'backends'))],
    ...backends,
  )
  const explicit = controlMode(options) === 'explicit'
  // The core wants a repository to start with.
  const privateRepository = options.modelRepository === undefined ? newPrivateRepository() : null
  if (privateRepository) settings.push(['privateRepository', privateRepository])
  const state = new ServerState(bridge, exitTimeout, explicit, privateRepository)
  try {
    await start(bridge, state, settings, allowed, options.onLog)
  } catch (reason) {
    await state.close().catch(() => {})
    throw toError(reason)
  }
  return new Server(state)
}

async function start(
  bridge: Bridge,
  state: ServerState,
  settings: NativeSetting[],
  allowed: readonly string[],
  onLog: ((record: LogRecord) => void) | undefined,
): Promise<void> {
  let id = -1
  const started = bridge.run((task) => {
    id = bridge.native.serverNew(task, settings, allowed)
    if (onLog) bridge.logHandlers.set(id, onLog)
  })
  try {
    await started
  } catch (reason) {
    bridge.logHandlers.delete(id)
    throw reason
  }
  state.id = id
}

function controlMode(options: ServerOptions): 'none' | 'explicit' {
  const mode = options.modelControl ?? (options.modelRepository === undefined ? 'explicit' : 'none')
  if (mode === 'none' || mode === 'explicit') return mode
  if (mode === 'poll') {
    throw new TridentError(
      'UNSUPPORTED',
      "model control 'poll' is not available yet: use 'explicit'",
    )
  }
  throw new TypeError(`modelControl is 'none' or 'explicit', got ${String(mode)}`)
}

function readSettings(options: ServerOptions): NativeSetting[] {
  const mode = controlMode(options)
  const settings: NativeSetting[] = [['control', mode]]
  const repositories =
    typeof options.modelRepository === 'string'
      ? [options.modelRepository]
      : (options.modelRepository ?? [])
  for (const path of readStrings(repositories, 'modelRepository')) {
    settings.push(['repository', resolve(readPath(path, 'modelRepository'))])
  }
  if (mode === 'none' && repositories.length === 0) {
    throw new TridentError('INVALID_ARG', "model control 'none' needs a modelRepository")
  }
  for (const name of readStrings(options.startupModels ?? [], 'startupModels')) {
    settings.push(['startup', name])
  }
  settings.push(
    ['strictConfig', readFlag(options.strictModelConfig, false, 'strictModelConfig')],
    ['strictReadiness', readFlag(options.strictReadiness, true, 'strictReadiness')],
    ['exitOnError', readFlag(options.exitOnError, true, 'exitOnError')],
    ['inlineBudgetNs', Math.round(readNumber(options.inlineBudget ?? 0.1, 'inlineBudget') * 1e6)],
    ['logLevel', readLogLevel(options.logLevel ?? 'warn')],
  )
  if (options.loadThreads !== undefined) {
    settings.push(['loadThreads', readSize(options.loadThreads, 'loadThreads')])
  }
  if (options.serverId !== undefined) {
    settings.push(['id', readText(options.serverId, 'serverId')])
  }
  if (options.onLog !== undefined) {
    if (typeof options.onLog !== 'function') {
      throw new TypeError(`onLog is a function, got ${typeName(options.onLog)}`)
    }
    settings.push(['logCallback'])
  }
  return settings
}

function backendSettings(options: ServerOptions): NativeSetting[] {
  const settings: NativeSetting[] = []
  const config = options.backendConfig ?? {}
  readObject(config, 'backendConfig')
  for (const [backend, values] of Object.entries(config)) {
    readObject(values, `backendConfig.${backend}`)
    for (const [name, value] of Object.entries(values)) {
      if (!['string', 'number', 'boolean'].includes(typeof value)) {
        throw new TypeError(
          `backendConfig.${backend}.${name} is a string, number or boolean, got ${typeName(value)}`,
        )
      }
      settings.push([
        'backendConfig',
        readText(backend, 'a backend name'),
        readText(name, 'a backend setting'),
        readText(String(value), `backendConfig.${backend}.${name}`),
      ])
    }
  }
  if (config.onnxruntime?.library === undefined) {
    const library = findOnnxRuntime()
    if (library) settings.push(['backendConfig', 'onnxruntime', 'library', library])
  }
  return settings
}

function readAllowed(options: ServerOptions): readonly string[] {
  if (options.sharedMemory === undefined) return []
  readObject(options.sharedMemory, 'sharedMemory')
  checkKeys(options.sharedMemory, ['allow'], 'sharedMemory')
  return readStrings(options.sharedMemory.allow ?? [], 'sharedMemory.allow')
}

function readStrings(values: readonly string[], what: string): readonly string[] {
  if (!Array.isArray(values)) {
    throw new TypeError(`${what} is an array of strings, got ${typeName(values)}`)
  }
  return values.map((value) => readText(value, `an element of ${what}`))
}

function readNumber(value: number, what: string): number {
  if (typeof value !== 'number') throw new TypeError(`${what} is a number, got ${typeName(value)}`)
  if (Number.isFinite(value) && value >= 0) return value
  throw new RangeError(`${what} is a number not below 0, got ${value}`)
}

function readLogLevel(level: LogLevel): number {
  const index = logLevels.indexOf(level)
  if (index >= 0) return index
  throw new TypeError(`logLevel is one of ${logLevels.join(', ')}, got ${String(level)}`)
}
