// The JS half of the bridge: one per environment and copy of this package. Collects what one turn
// of the event loop submits, hands it to the addon in one call, and settles what comes back.
import {
  asPlanned,
  type Binding,
  failed,
  loadBinding,
  type NativeBridge,
  type NativeTrace,
} from './binding.js'
import { errorCodes, Failure, TridentError } from './errors.js'
import { type FunctionHost, functionCallbacks } from './function-binding.js'
import type { Group } from './group.js'
import type { DeviceEvent, ModelEvent } from './server-options.js'
import { tell } from './tell.js'
import { TraceContexts } from './trace-contexts.js'

/** A request, as far as the bridge is concerned. */
export interface Completion {
  readonly id: number
  readonly server: number
  readonly group: Group
  /** Called once per submission. */
  complete(outcome: number): void
  /** A response of a stream has arrived. */
  readable(): void
}

/** A record of a server's log. */
export interface LogRecord {
  readonly level: 'info' | 'warn' | 'error' | 'verbose'
  readonly message: string
  /** Source file and line that wrote it. */
  readonly file: string
  readonly line: number
  readonly time: Date
}

/** Whoever is told what a server does. */
export interface Observer {
  readonly log?: ((record: LogRecord) => void) | undefined
  readonly modelEvent?: (event: ModelEvent) => void
  readonly deviceEvent?: ((event: DeviceEvent) => void) | undefined
  readonly traces?: (destination: number, traces: readonly NativeTrace[]) => void
  readonly tracingOver?: () => void
}

/** Positions equal the numbers of TRITONSERVER_TridentModelState. */
const modelStates = ['LOADING', 'READY', 'UNAVAILABLE', 'UNLOADING', 'UNLOADED'] as const

const logLevels = ['info', 'warn', 'error', 'verbose'] as const

/** How many requests cross in one call at most; more go in several. */
const listCapacity = 512
/**
 * Short batches that may run on this thread between two turns of the event loop. A loop of
 * `await infer()` over such requests never leaves the microtask queue by itself; after these many
 * it waits for the next turn, so that timers and I/O get theirs. One turn costs about as much as a
 * tenth of a tiny request.
 */
const inlineRunsPerTurn = 16

export class Bridge {
  readonly native: NativeBridge
  readonly binding: Binding
  /** By server. */
  readonly observers = new Map<number, Observer>()
  readonly traceContexts = new TraceContexts()
  /** Why this environment is about to end, when somebody knows more than its exit code. */
  whyItEnds = ''
  readonly #submissions = new Int32Array(listCapacity)
  readonly #completions = new Int32Array(2 * listCapacity)
  readonly #slots: (Completion | undefined)[] = []
  readonly #tasks = new Map<
    number,
    { resolve(answer: string): void; reject(reason: Failure): void }
  >()
  readonly #sharedMemory = new WeakMap<SharedArrayBuffer, number>()
  readonly #collected: FinalizationRegistry<number>
  #functionHost: FunctionHost | undefined
  #nextTask = 1
  #count = 0
  #crossing = 0
  #settlements = 0
  #inlineRuns = 0
  #standsStill = false

  readonly #flush = (): void => this.flush()
  readonly #newTurn = (): void => {
    this.#inlineRuns = 0
  }

  constructor(binding: Binding) {
    this.binding = binding
    this.native = binding.module.createBridge(
      {
        completions: (count) => this.#settle(count),
        ready: (slot) => this.#slots[slot]?.readable(),
        task: (task, code, text) => this.#settleTask(task, code, text),
        log: (server, level, message, file, line, timestampUs) =>
          tell(() =>
            this.observers.get(server)?.log?.({
              level: logLevels[level] ?? 'info',
              message,
              file,
              line,
              time: new Date(timestampUs / 1000),
            }),
          ),
        modelEvent: (server, model, version, state, reason, completed, total) =>
          tell(() =>
            this.observers.get(server)?.modelEvent?.({
              model,
              ...(version >= 0 && { version }),
              state: modelStates[state] ?? 'UNAVAILABLE',
              reason,
              completed,
              total,
            }),
          ),
        deviceEvent: (server, deviceId, reason) =>
          tell(() => this.observers.get(server)?.deviceEvent?.({ deviceId, reason })),
        traced: (slot, trace) => this.traceContexts.traced(slot, trace),
        tracingOver: (server) => this.observers.get(server)?.tracingOver?.(),
        traces: (server, destination, traces) =>
          tell(() => this.observers.get(server)?.traces?.(destination, traces)),
        ...functionCallbacks(
          () => this.native,
          () => this.#functionHost,
        ),
        more: () => setImmediate(() => this.native.tellMore()),
        error: (code, message) => new TridentError(errorCodes[code] ?? 'UNKNOWN', message),
      },
      this.#submissions,
      this.#completions,
    )
    this.#collected = new FinalizationRegistry((memory) => this.native.forgetMemory(memory))
  }

  /** Who runs functions here; to be set before the first of them is loaded, or is made ready here. */
  set functionHost(host: FunctionHost) {
    // While they could still go on, and before workers, whose requests they may have, are waited for.
    if (this.#functionHost === undefined) {
      process.once('exit', (code) =>
        this.native.endInstances(this.whyItEnds || `exit code ${code}`),
      )
    }
    this.#functionHost = host
  }

  /**
   * Submits `request` at the end of this turn, after the microtasks that may submit more, or as
   * soon as its group finds that there are enough.
   */
  submit(request: Completion): void {
    this.#slots[request.id] = request
    this.#submissions[this.#count++] = request.id
    if (this.traceContexts.wanted) this.traceContexts.note(request)
    const enough = request.group.join(this.#crossing)
    if (this.#count === 1) {
      if (this.#inlineRuns < inlineRunsPerTurn) process.nextTick(this.#flush)
      else setImmediate(this.#flush)
    } else if (enough || this.#count === listCapacity) {
      this.flush()
    }
  }

  /** Runs `request` on this thread, or waits for the one that does; returns its outcome. */
  inferSync(request: Completion, timeoutMs: number): number {
    const noted = this.traceContexts.wanted
    if (noted) this.traceContexts.note(request)
    const stoodStill = this.#standsStill
    this.#standsStill = true
    try {
      return this.native.inferSync(request.id, timeoutMs)
    } finally {
      this.#standsStill = stoodStill
      if (noted) this.traceContexts.forget(request)
    }
  }

  /** This thread waits for a request: whatever runs meanwhile can't wait for a promise. */
  get standsStill(): boolean {
    return this.#standsStill
  }

  /** Takes back a request that has not crossed yet; false when it has. */
  withdraw(request: Completion): boolean {
    const at = this.#submissions.subarray(0, this.#count).indexOf(request.id)
    if (at < 0) return false
    this.#submissions.copyWithin(at, at + 1, this.#count)
    this.#count--
    request.group.withdraw()
    return true
  }

  /** Remembers a request that is under way without having been submitted here. */
  adopt(request: Completion): void {
    request.group.adopt()
    this.#slots[request.id] = request
  }

  flush(): void {
    const count = this.#count
    if (count === 0) return
    this.#count = 0
    this.#crossing++
    const mayInline = this.#inlineRuns < inlineRunsPerTurn
    const completed = this.native.submit(count, mayInline)
    if (this.traceContexts.wanted) this.traceContexts.forgetAll()
    if (completed === 0) return
    if (mayInline && this.#inlineRuns++ === 0) setImmediate(this.#newTurn)
    this.#settle(completed)
  }

  /** Runs a native call that ends with the task callback. Resolves to its answer, if it has one. */
  run(start: (task: number) => void): Promise<string> {
    return new Promise((resolve, reject) => {
      const task = this.#nextTask++
      this.#tasks.set(task, { resolve, reject })
      try {
        start(task)
      } catch (error) {
        this.#tasks.delete(task)
        throw error
      }
    })
  }

  /** The number of a SharedArrayBuffer's bytes; the caller keeps the buffer while it uses it. */
  sharedMemory(buffer: SharedArrayBuffer): number {
    let memory = this.#sharedMemory.get(buffer)
    if (memory === undefined) {
      memory = this.native.sharedArray(new Uint8Array(buffer))
      this.#sharedMemory.set(buffer, memory)
      this.#collected.register(buffer, memory)
    }
    return memory
  }

  #settle(count: number): void {
    const completions = this.#completions
    const settlement = this.#settlements++
    for (let i = 0; i < count; i++) {
      const request = this.#slots[completions[2 * i]!]!
      request.group.leave(settlement)
      request.complete(completions[2 * i + 1]!)
    }
  }

  #settleTask(task: number, code: number, text: string): void {
    const waiting = this.#tasks.get(task)
    this.#tasks.delete(task)
    if (code < 0) waiting?.resolve(text)
    else waiting?.reject(Failure.fromNative(code, text))
  }
}

let bridge: Bridge | undefined

/**
 * The bridge of this environment, started on first use.
 * @param nativeBinding the addon's path, when it is not to be found by itself; only the first use
 *   decides
 */
export function getBridge(nativeBinding?: string): Bridge {
  bridge ??= new Bridge(loadBinding(nativeBinding))
  return bridge
}

export { asPlanned, failed }
