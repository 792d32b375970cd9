// The part of a server that requests refer to. Apart from the Server object, so that a Server
// nobody refers to any more can be collected, and closed, while requests are still under way.
import type { Bridge } from './bridge.js'
import { Failure, TridentError, toError } from './errors.js'
import { ModelState } from './model-state.js'
import type { CopyCount, Plan } from './plan.js'
import { newPrivateRepository, removePrivateRepository } from './private-repository.js'

export class ServerState {
  readonly bridge: Bridge
  /** Milliseconds that close() gives to requests under way. */
  readonly exitTimeout: number
  readonly explicit: boolean
  id = -1
  /** Where the models are that come from elsewhere. */
  #privateRepository: string | null
  readonly #models = new Map<string, ModelState>()
  readonly #copies = new Map<string, CopyCount>()
  readonly #plans = new Set<Plan>()
  #closing: Promise<void> | null = null
  #whenIdle: (() => void) | null = null

  constructor(
    bridge: Bridge,
    exitTimeout: number,
    explicit: boolean,
    privateRepository: string | null,
  ) {
    this.bridge = bridge
    this.exitTimeout = exitTimeout
    this.explicit = explicit
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

  model(name: string, version: number): ModelState {
    const key = `${version}:${name}`
    let state = this.#models.get(key)
    if (state === undefined) {
      state = new ModelState(this, name, version)
      this.#models.set(key, state)
    }
    return state
  }

  /** @param name null is all models */
  invalidate(name: string | null): void {
    for (const state of this.#models.values()) {
      if (name === null || state.name === name) state.invalidate()
    }
  }

  copiesOf(model: string, version: number): CopyCount {
    const key = `${version}:${model}`
    let copies = this.#copies.get(key)
    if (copies === undefined) {
      copies = { count: 0, bytes: 0 }
      this.#copies.set(key, copies)
    }
    return copies
  }

  rememberPlan(plan: Plan): void {
    this.#plans.add(plan)
  }

  forgetPlan(plan: Plan): void {
    this.#plans.delete(plan)
    if (this.#plans.size === 0) this.#whenIdle?.()
  }

  /** Ends the server: waits for what is under way, then cancels it, then stops the core. */
  close(): Promise<void> {
    this.#closing ??= this.#close()
    return this.#closing
  }

  async #close(): Promise<void> {
    this.invalidate(null)
    for (const plan of this.#plans) plan.close()
    const stop = async (): Promise<void> => {
      try {
        if (this.id >= 0) {
          await this.bridge.run((task) => this.bridge.native.serverDelete(task, this.id))
        }
      } finally {
        this.bridge.logHandlers.delete(this.id)
        if (this.#privateRepository !== null) removePrivateRepository(this.#privateRepository)
      }
    }
    if (!(await this.#drained(this.exitTimeout))) {
      const reason = new Failure('UNAVAILABLE', 'the server is closed')
      for (const plan of [...this.#plans]) plan.abandon(reason)
      // What waits in queues ends now. What executes can't be stopped: the core goes after it.
      if (!(await this.#drained(graceMs))) {
        this.#whenIdle = () => void stop().catch(() => {})
        throw new TridentError(
          'UNAVAILABLE',
          `the server did not stop within ${this.exitTimeout} ms: some requests still execute; ` +
            `it ends when they do`,
        )
      }
    }
    try {
      await stop()
    } catch (reason) {
      throw toError(reason)
    }
  }

  /** Resolves to true once no slot is left, or to false after `timeoutMs`. */
  #drained(timeoutMs: number): Promise<boolean> {
    if (this.#plans.size === 0) return Promise.resolve(true)
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

/** For cancelled requests to come back from their queues. */
const graceMs = 100
