// Reads what createServer takes, into what the addon passes on to the core.
import { resolve } from 'node:path'
import type { NativeSetting } from './binding.js'
import { checkKeys } from './check-keys.js'
import { typeName } from './datatypes.js'
import { TridentError } from './errors.js'
import { findOnnxRuntime } from './onnxruntime.js'
import { maxTimeoutMs, readFlag, readObject, readPath, readText } from './options.js'
import { readSize } from './region-tensor.js'
import {
  type CudaOptions,
  cudaOptionNames,
  type MetricsOptions,
  metricsOptionNames,
  type RateLimiterOptions,
  type ServerOptions,
} from './server-options.js'

export function controlMode(options: ServerOptions): NonNullable<ServerOptions['modelControl']> {
  const mode = options.modelControl ?? (options.modelRepository === undefined ? 'explicit' : 'none')
  if (mode === 'none' || mode === 'explicit' || mode === 'poll') return mode
  throw new TypeError(`modelControl is 'none', 'explicit' or 'poll', got ${String(mode)}`)
}

/** The interval of polls, or null when there are none. */
export function readPollInterval(options: ServerOptions): number | null {
  const interval = readDuration(options.pollInterval ?? 15_000, 'pollInterval')
  if (interval === 0) throw new RangeError('pollInterval is at least 1 millisecond, got 0')
  return controlMode(options) === 'poll' ? interval : null
}

/** Milliseconds, as many as a timer can wait. */
export function readDuration(value: unknown, what: string): number {
  const milliseconds = readSize(value, what)
  if (milliseconds <= maxTimeoutMs) return milliseconds
  throw new RangeError(`${what} is at most ${maxTimeoutMs} milliseconds, got ${milliseconds}`)
}

/** All that can be read without the addon. */
export function readSettings(options: ServerOptions): NativeSetting[] {
  return [
    ...modelSettings(options),
    ...executionSettings(options),
    ...observerSettings(options),
    ...metricsSettings(options.metrics ?? true),
    ...backendSettings(options),
  ]
}

function modelSettings(options: ServerOptions): NativeSetting[] {
  const mode = controlMode(options)
  const settings: NativeSetting[] = [['control', mode]]
  const repositories =
    typeof options.modelRepository === 'string'
      ? [options.modelRepository]
      : (options.modelRepository ?? [])
  for (const path of readStrings(repositories, 'modelRepository')) {
    settings.push(['repository', resolve(readPath(path, 'modelRepository'))])
  }
  if (mode !== 'explicit' && repositories.length === 0) {
    throw new TridentError('INVALID_ARG', `model control '${mode}' needs a modelRepository`)
  }
  for (const name of readStrings(options.startupModels ?? [], 'startupModels')) {
    settings.push(['startup', name])
  }
  settings.push(
    ['strictConfig', readFlag(options.strictModelConfig, false, 'strictModelConfig')],
    ['strictReadiness', readFlag(options.strictReadiness, true, 'strictReadiness')],
    ['exitOnError', readFlag(options.exitOnError, true, 'exitOnError')],
    ['namespacing', readFlag(options.modelNamespacing, false, 'modelNamespacing')],
  )
  if (options.modelConfigName !== undefined) {
    settings.push(['configName', readText(options.modelConfigName, 'modelConfigName')])
  }
  if (options.pollSettleTime !== undefined) {
    settings.push(['pollSettleMs', readDuration(options.pollSettleTime, 'pollSettleTime')])
  }
  if (options.loadThreads !== undefined) {
    settings.push(['loadThreads', readCount(options.loadThreads, 'loadThreads')])
  }
  if (options.loadRetries !== undefined) {
    settings.push(['loadRetries', readCount(options.loadRetries, 'loadRetries')])
  }
  return settings
}

function executionSettings(options: ServerOptions): NativeSetting[] {
  return [
    ['inlineBudgetNs', Math.round(readNumber(options.inlineBudget ?? 0.1, 'inlineBudget') * 1e6)],
    ['spinUs', readCount(options.spinMicroseconds ?? 0, 'spinMicroseconds')],
    ...cacheSettings(options),
    ...rateSettings(options.rateLimiter),
    ...memorySettings(options),
    ...hostPolicySettings(options.hostPolicies),
  ]
}

function cacheSettings({ cache, cacheDirectory }: ServerOptions): NativeSetting[] {
  const settings: NativeSetting[] = []
  if (cacheDirectory !== undefined) {
    settings.push(['cacheDirectory', resolve(readPath(cacheDirectory, 'cacheDirectory'))])
  }
  if (cache === undefined) return settings
  // Without a directory there are no plug-ins: another name is a slip.
  const caches: Record<string, unknown> = { ...readObject(cache, 'cache') }
  if (cacheDirectory === undefined) checkKeys(caches, ['local'], 'cache')
  const [name = 'local', ...more] = Object.keys(caches)
  if (more.length > 0) throw new TypeError(`cache names one cache, got ${1 + more.length}`)
  const config: { size?: unknown } = readObject(caches[name], `cache.${name}`)
  if (name === 'local') {
    checkKeys(config, ['size'], 'cache.local')
    readSize(config.size, 'cache.local.size')
  }
  settings.push(['cache', name, JSON.stringify(config)])
  return settings
}

function rateSettings(limiter: RateLimiterOptions | undefined): NativeSetting[] {
  if (limiter === undefined) return []
  checkKeys(readObject(limiter, 'rateLimiter'), ['mode', 'resources'], 'rateLimiter')
  const { mode = 'off', resources = [] } = limiter
  if (mode !== 'off' && mode !== 'executionCount') {
    throw new TypeError(`rateLimiter.mode is 'off' or 'executionCount', got ${String(mode)}`)
  }
  if (!Array.isArray(resources)) {
    throw new TypeError(`rateLimiter.resources is an array, got ${typeName(resources)}`)
  }
  const settings: NativeSetting[] = [['limitRate', mode === 'executionCount']]
  for (const resource of resources) {
    checkKeys(readObject(resource, 'a resource'), ['name', 'count', 'device'], 'a resource')
    const name = readText(resource.name, 'the name of a resource')
    const device = resource.device === undefined ? -1 : readCount(resource.device, 'device')
    settings.push(['rateResource', name, readCount(resource.count, `resource '${name}'`), device])
  }
  return settings
}

function memorySettings({ cuda, pinnedMemoryPoolByteSize }: ServerOptions): NativeSetting[] {
  const settings: NativeSetting[] = cuda === undefined ? [] : cudaSettings(cuda)
  if (pinnedMemoryPoolByteSize !== undefined) {
    const size = readSize(pinnedMemoryPoolByteSize, 'pinnedMemoryPoolByteSize')
    settings.push(['pinnedPoolBytes', size])
  }
  return settings
}

function cudaSettings(cuda: CudaOptions): NativeSetting[] {
  checkKeys(readObject(cuda, 'cuda'), cudaOptionNames, 'cuda')
  const settings: NativeSetting[] = [
    ['peerAccess', readFlag(cuda.peerAccess, true, 'cuda.peerAccess')],
  ]
  if (cuda.minComputeCapability !== undefined) {
    const least = readNumber(cuda.minComputeCapability, 'cuda.minComputeCapability')
    settings.push(['minComputeCapability', least])
  }
  for (const [device, size, what] of byDevice(cuda.memoryPoolByteSize, 'cuda.memoryPoolByteSize')) {
    settings.push(['cudaPoolBytes', device, readSize(size, what)])
  }
  for (const [device, limit, what] of byDevice(cuda.modelLoadLimit, 'cuda.modelLoadLimit')) {
    settings.push(['gpuLoadLimit', device, readFraction(limit, what)])
  }
  return settings
}

function byDevice(values: Readonly<Record<number, unknown>> | undefined, what: string) {
  if (values === undefined) return []
  return Object.entries(readObject(values, what)).map(([device, value]) => {
    const name = `${what}[${device}]`
    if (!/^\d+$/.test(device)) {
      throw new TypeError(`the keys of ${what} are numbers of devices, got '${device}'`)
    }
    return [readCount(Number(device), `the device of ${name}`), value, name] as const
  })
}

function hostPolicySettings(policies: ServerOptions['hostPolicies']): NativeSetting[] {
  if (policies === undefined) return []
  readObject(policies, 'hostPolicies')
  const settings: NativeSetting[] = []
  for (const [name, policy] of Object.entries(policies)) {
    const what = `hostPolicies.${name}`
    checkKeys(readObject(policy, what), ['numaNode', 'cpuCores'], what)
    readText(name, 'the name of a host policy')
    if (policy.numaNode !== undefined) {
      const node = readCount(policy.numaNode, `${what}.numaNode`)
      settings.push(['hostPolicy', name, 'numa-node', String(node)])
    }
    if (policy.cpuCores !== undefined) {
      const cores = readText(policy.cpuCores, `${what}.cpuCores`)
      settings.push(['hostPolicy', name, 'cpu-cores', cores])
    }
  }
  return settings
}

function observerSettings(options: ServerOptions): NativeSetting[] {
  const settings: NativeSetting[] = []
  if (options.serverId !== undefined) {
    settings.push(['id', readText(options.serverId, 'serverId')])
  }
  for (const what of ['onLog', 'onModelState', 'onDeviceEvent'] as const) {
    if (options[what] === undefined || typeof options[what] === 'function') continue
    throw new TypeError(`${what} is a function, got ${typeName(options[what])}`)
  }
  if (options.onLog !== undefined) settings.push(['logCallback'])
  return settings
}

function metricsSettings(metrics: boolean | MetricsOptions): NativeSetting[] {
  if (typeof metrics === 'boolean') return [['metrics', metrics]]
  checkKeys(readObject(metrics, 'metrics'), metricsOptionNames, 'metrics')
  const settings: NativeSetting[] = [
    ['cpuMetrics', readFlag(metrics.cpu, true, 'metrics.cpu')],
    ['gpuMetrics', readFlag(metrics.gpu, true, 'metrics.gpu')],
    ['metricsIntervalMs', readDuration(metrics.interval ?? 2000, 'metrics.interval')],
  ]
  const latencies = (setting: string, value: unknown, what: string, fallback: boolean): void => {
    settings.push(['metricsConfig', setting, String(readFlag(value, fallback, what))])
  }
  const summaries = metrics.latencySummaries
  const quantiles = Array.isArray(summaries)
    ? summaries.map((value) => readFraction(value, 'a quantile'))
    : null
  if (quantiles?.length === 0) throw new RangeError('metrics.latencySummaries has no quantile')
  latencies('counter_latencies', metrics.latencyCounters, 'metrics.latencyCounters', true)
  latencies('summary_latencies', quantiles !== null || summaries, 'metrics.latencySummaries', false)
  latencies('histogram_latencies', metrics.latencyHistograms, 'metrics.latencyHistograms', false)
  if (quantiles !== null) {
    // Triton wants an error with each, which here is always the same.
    const text = quantiles.map((quantile) => `${quantile}:0`).join(',')
    settings.push(['metricsConfig', 'summary_quantiles', text])
  }
  return settings
}

function readFraction(value: unknown, what: string): number {
  if (typeof value !== 'number') {
    throw new TypeError(`${what} is a number, got ${typeName(value)}`)
  }
  if (value >= 0 && value <= 1) return value
  throw new RangeError(`${what} is a number from 0 to 1, got ${value}`)
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

export function readAllowed(options: ServerOptions): readonly string[] {
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

/** What fits a C int. */
export function readCount(value: unknown, what: string): number {
  const count = readSize(value, what)
  if (count < 2 ** 31) return count
  throw new RangeError(`${what} is at most ${2 ** 31 - 1}, got ${count}`)
}

function readNumber(value: number, what: string): number {
  if (typeof value !== 'number') throw new TypeError(`${what} is a number, got ${typeName(value)}`)
  if (Number.isFinite(value) && value >= 0) return value
  throw new RangeError(`${what} is a number not below 0, got ${value}`)
}
