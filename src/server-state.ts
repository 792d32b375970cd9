// The part of a server that requests refer to. Apart from the Server object, so that a Server
// nobody refers to any more can be collected, and closed, while requests are still under way.
import type { Bridge } from './bridge.js'
import { Failure, TridentError, toError } from './errors.js'
import { serverHost } from './function-models/server-host.js'
import {
  type LogSettings,
  type LogSettingsUpdate,
  logDetail,
  readLogSettings,
  updatedLogSettings,
} from './log-settings.js'
import type { MetricFamily } from './metrics.js'
import { ModelState } from './model-state.js'
import type { CopyCount, Plan } from './plan.js'
import { linkModel, newPrivateRepository, removePrivateRepository } from './private-repository.js'
import type { ModelEvent } from './server-options.js'
import type { Tracing } from './tracing.js'

export class ServerState {
  readonly bridge: Bridge
  /** Milliseconds that close() gives to requests under way. */
  readonly exitTimeout: number
  readonly explicit: boolean
  log: LogSettings = readLogSettings({})
  readonly tracing: Tracing
  id = -1
  /** Where the models are that come from elsewhere. */
  #privateRepository: string | null
  /** Those whose description was read and still holds. */
  readonly #models = new Map<string, ModelState>()
  readonly #described = new Set<ModelState>()
  /** Loads and unloads under way: the core must outlive them. */
  readonly #tasks = new Set<Promise<string>>()
  /** By model name, the end of the latest load from a path: they take turns. */
  readonly #linking = new Map<string, Promise<void>>()
  readonly #copies = new Map<string, CopyCount>()
  readonly #plans = new Set<Plan>()
  /** By name. */
  readonly #families = new Map<string, MetricFamily>()
  #closing: Promise<void> | null = null
  #pollTimer: NodeJS.Timeout | undefined
  #whenIdle: (() => void) | null = null

  constructor(
    bridge: Bridge,
    exitTimeout: number,
    explicit: boolean,
    privateRepository: string | null,
    tracing: Tracing,
  ) {
    this.bridge = bridge
    this.exitTimeout = exitTimeout
    this.explicit = explicit
    this.tracing = tracing
    this.#privateRepository = privateRepository
  }

  get closed(): boolean {
    return this.#closing !== null
  }

  checkOpen(): void {
    if (this.#closing !== null) throw new TridentError('UNAVAILABLE', 'the server is closed')
  }

  /** @throws UNAVAILABLE when the model control mode does not allow loading */
  privateRepository(): string {
    if (!this.explicit) {
      throw new TridentError(
        'UNAVAILABLE',
        "a model can be loaded from a path only when the model control mode is 'explicit'",
      )
    }
    if (this.#privateRepository === null) {
      const path = newPrivateRepository()
      this.#privateRepository = path
      this.bridge.native.registerRepository(this.id, path)
    }
    return this.#privateRepository
  }

  /** One poll after the other; the core's log tells of those that fail. */
  pollEvery(intervalMs: number): void {
    this.#pollTimer = setTimeout(async () => {
      await this.poll().catch(() => {})
      if (!this.closed) this.pollEvery(intervalMs)
    }, intervalMs).unref()
  }

  poll(): Promise<void> {
    return this.run((task) => this.bridge.native.pollRepository(task, this.id))
  }

  /** What is known of a model that was loaded anew or has gone does not hold any more. */
  modelChanged({ model, state }: ModelEvent): void {
    if (state !== 'READY' && state !== 'UNLOADED') return
    this.invalidate(model)
    const [, name] = model.split('::', 2) // where models have namespaces
    if (name !== undefined) this.invalidate(name)
  }

  updateLog(update: LogSettingsUpdate): void {
    const log = updatedLogSettings(this.log, update)
    const { error, warn, info, verbose, iso8601 } = logDetail(log)
    this.bridge.native.setLogSettings(this.id, error, warn, info, verbose, iso8601)
    this.log = log
  }

  /** Runs a load, an unload or the like, which close() waits for. */
  async run(start: (task: number) => void): Promise<void> {
    await this.ask(start)
  }

  /** The same for what has an answer. */
  async ask(start: (task: number) => void): Promise<string> {
    const task = this.bridge.run(start)
    this.#tasks.add(task)
    try {
      return await task
    } finally {
      this.#tasks.delete(task)
      this.#checkIdle()
    }
  }

  /**
   * Runs `load` with a link to `path` as the model `name` of the private repository. Only a load
   * that succeeds changes what the repository has under that name.
   */
  loadFrom(path: string, name: string, load: () => Promise<void>): Promise<void> {
    const turn = (this.#linking.get(name) ?? Promise.resolve()).then(async () => {
      this.checkOpen()
      const undo = linkModel(this.privateRepository(), name, path)
      try {
        await load()
      } catch (reason) {
        undo()
        throw reason
      }
    })
    const ended = turn
      .catch(() => {})
      .then(() => {
        if (this.#linking.get(name) === ended) this.#linking.delete(name)
      })
    this.#linking.set(name, ended)
    return turn
  }

  model(name: string, version: number): ModelState {
    return this.#models.get(modelKey(name, version)) ?? new ModelState(this, name, version)
  }

  /** The state has read what it says about its model, and is to hear when that changes. */
  remember(state: ModelState): void {
    this.#described.add(state)
    const key = modelKey(state.name, state.version)
    if (!this.#models.has(key)) this.#models.set(key, state)
  }

  /** @param name null is all models */
  invalidate(name: string | null): void {
    for (const state of this.#described) {
      if (name !== null && state.name !== name) continue
      this.#described.delete(state)
      this.#models.delete(modelKey(state.name, state.version))
      state.invalidate()
    }
  }

  /** The copies of tensor bytes made so far for a model version. */
  copiesSoFar(model: string, version: number): Readonly<CopyCount> {
    return this.#copies.get(modelKey(model, version)) ?? { count: 0, bytes: 0 }
  }

  /** The model's statistics begin anew. */
  forgetCopies(model: string): void {
    for (const key of this.#copies.keys()) {
      if (key.slice(key.indexOf(':') + 1) === model) this.#copies.delete(key)
    }
  }

  /** Where a plan counts its copies. */
  copiesOf(model: string, version: number): CopyCount {
    const key = modelKey(model, version)
    let copies = this.#copies.get(key)
    if (copies === undefined) {
      copies = { count: 0, bytes: 0 }
      this.#copies.set(key, copies)
    }
    return copies
  }

  /** @param model null is all models */
  abandonStreams(model: string | null, reason: unknown): void {
    for (const plan of [...this.#plans]) {
      if (model === null || plan.model.model === model) plan.abandonStreams(reason)
    }
  }

  rememberPlan(plan: Plan): void {
    this.#plans.add(plan)
  }

  forgetPlan(plan: Plan): void {
    this.#plans.delete(plan)
    this.#checkIdle()
  }

  family(name: string): MetricFamily | undefined {
    return this.#families.get(name)
  }

  rememberFamily(family: MetricFamily): void {
    this.#families.set(family.name, family)
  }

  forgetFamily(family: MetricFamily): void {
    this.#families.delete(family.name)
  }

  get #idle(): boolean {
    return this.#plans.size === 0 && this.#tasks.size === 0
  }

  #checkIdle(): void {
    if (this.#idle) this.#whenIdle?.()
  }

  /** Ends the server: waits for what is under way, then cancels it, then stops the core. */
  close(): Promise<void> {
    this.#closing ??= this.#close()
    return this.#closing
  }

  async #close(): Promise<void> {
    clearTimeout(this.#pollTimer)
    this.invalidate(null)
    for (const plan of this.#plans) plan.close()
    for (const family of [...this.#families.values()]) family.delete()
    const stop = async (): Promise<void> => {
      try {
        if (this.id >= 0) {
          await this.bridge.run((task) => this.bridge.native.serverDelete(task, this.id))
        }
      } finally {
        await serverHost(this.bridge).ended(this.id)
        await this.tracing.close()
        this.bridge.observers.delete(this.id)
        if (this.#privateRepository !== null) removePrivateRepository(this.#privateRepository)
      }
    }
    if (!(await this.#drained(this.exitTimeout))) {
      const reason = new Failure('UNAVAILABLE', 'the server is closed')
      for (const plan of [...this.#plans]) plan.abandon(reason)
      if (this.#tasks.size > 0) this.bridge.native.endLoads(this.id)
      // What waits in queues ends now, and functions with their threads. What else executes can't be
      // stopped: the core goes after it.
      void serverHost(this.bridge).endThreads(this.id)
      if (!(await this.#drained(graceMs))) {
        this.#whenIdle = () => {
          this.#whenIdle = null
          stop().catch(warnOfFailure)
        }
        throw new TridentError(
          'UNAVAILABLE',
          `the server did not stop within ${this.exitTimeout} ms: some requests still execute ` +
            `or models still load; it ends when they do`,
        )
      }
    }
    try {
      await stop()
    } catch (reason) {
      throw toError(reason)
    }
  }

  /** Resolves to true once nothing is under way, or to false after `timeoutMs`. */
  #drained(timeoutMs: number): Promise<boolean> {
    if (this.#idle) return Promise.resolve(true)
    return new Promise((resolve) => {
      const timer = setTimeout(() => {
        this.#whenIdle = null
        resolve(false)
      }, timeoutMs)
      this.#whenIdle = () => {
        this.#whenIdle = null
        clearTimeout(timer)
        resolve(true)
      }
    })
  }
}

function modelKey(name: string, version: number): string {
  return `${version}:${name}`
}

/** For a server that ends when nobody waits for it. */
export function warnOfFailure(reason: unknown): void {
  const { message } = toError(reason) as Error
  process.emitWarning(`a Trident server did not end as it should: ${message}`, 'TridentWarning')
}

/** For cancelled requests to come back from their queues. */
const graceMs = 100
