// The traces of one server: which requests have one, and where what they tell goes.
import type { NativeTrace } from './binding.js'
import type { Bridge } from './bridge.js'
import { typeName } from './datatypes.js'
import { tell } from './tell.js'
import { TraceFile } from './trace-file.js'
import { type TraceRecord, toTraceRecord } from './trace-record.js'
import {
  type TraceRules,
  type TraceSettings,
  TraceSettingsTable,
  type TraceSettingsUpdate,
} from './trace-settings.js'

/** The options of a server that concern traces. */
export interface TracingOptions {
  /**
   * Which requests are traced, from the start; `server.trace()` changes it. None unless given.
   */
  trace?: TraceSettingsUpdate
  /**
   * Receives the traces of each request when it and all its responses are over: its own first, then
   * those of the steps of an ensemble.
   */
  onTrace?: (record: TraceRecord) => void
  /**
   * While requests are traced, called for each when the application makes it. What it returns is
   * the `context` of the records: the span, say, or the store, that is active there.
   */
  traceContext?: () => unknown
}

/** What holds for a model, and what has come of it. */
export interface TraceStatus extends TraceSettings {
  /**
   * How often, of all models, something was not kept: too much waited for this thread, or for a
   * file to be written.
   */
  dropped: number
}

const levelBits = { OFF: 0, TIMESTAMPS: 4, TENSORS: 8 }

export class Tracing {
  readonly #bridge: Bridge
  readonly #onTrace: TracingOptions['onTrace']
  readonly #traceContext: TracingOptions['traceContext']
  readonly #settings: TraceSettingsTable
  readonly #files = new Map<string, TraceFile>()
  /** By number, as rules name them: where traces go. */
  readonly #destinations: Pick<TraceSettings, 'file' | 'logFrequency'>[] = []
  #server = -1

  constructor(bridge: Bridge, options: TracingOptions) {
    for (const what of ['onTrace', 'traceContext'] as const) {
      if (options[what] === undefined || typeof options[what] === 'function') continue
      throw new TypeError(`${what} is a function, got ${typeName(options[what])}`)
    }
    this.#bridge = bridge
    this.#onTrace = options.onTrace
    this.#traceContext = options.traceContext
    this.#settings = new TraceSettingsTable(
      options.trace ?? {},
      options.onTrace !== undefined,
      this.#rules(),
    )
  }

  start(server: number): void {
    this.#server = server
    this.#settings.start()
    this.#wantContexts()
  }

  /** @param model '' is all without settings of their own */
  update(model: string, update: TraceSettingsUpdate): void {
    this.#settings.update(model, update)
    this.#wantContexts()
  }

  /** The model has settings of its own. */
  has(model: string): boolean {
    return this.#settings.has(model)
  }

  status(model: string): TraceStatus {
    let dropped = this.#bridge.native.tracesDropped(this.#server)
    for (const file of this.#files.values()) dropped += file.dropped
    return { ...this.#settings.of(model), dropped }
  }

  /** Nothing is traced any more, until settings change. */
  over(): void {
    this.#wantContexts()
  }

  /** Traces that are over: of a request, and of what was done on its behalf. */
  deliver(destination: number, traces: readonly NativeTrace[]): void {
    const [root] = traces
    if (root === undefined) return
    const context = this.#bridge.traceContexts.take(root[0])
    const records = traces.map((trace) => toTraceRecord(trace, context))
    const { file, logFrequency } = this.#destinations[destination]!
    if (file !== undefined) this.#fileAt(file).write(records, logFrequency)
    for (const record of records) tell(() => this.#onTrace?.(record))
  }

  /** When nothing is traced any more: completes the files. */
  async close(): Promise<void> {
    this.#bridge.traceContexts.want(this.#server, null)
    await Promise.all([...this.#files.values()].map((file) => file.close()))
  }

  #rules(): TraceRules {
    const { native } = this.#bridge
    return {
      set: (model, settings) => {
        const { level, rate, count } = settings
        const bits = level.reduce((sum, one) => sum + levelBits[one], 0)
        const destination = this.#destinationOf(settings)
        native.setTraceRule(this.#server, model, bits, rate, count, destination)
      },
      remove: (model) => native.removeTraceRule(this.#server, model),
      left: (model) => native.tracesLeft(this.#server, model),
    }
  }

  #wantContexts(): void {
    const capture = this.#settings.on ? (this.#traceContext ?? null) : null
    this.#bridge.traceContexts.want(this.#server, capture)
  }

  #destinationOf({ file, logFrequency }: TraceSettings): number {
    const known = this.#destinations.findIndex(
      (one) => one.file === file && one.logFrequency === logFrequency,
    )
    if (known >= 0) return known
    return this.#destinations.push({ ...(file !== undefined && { file }), logFrequency }) - 1
  }

  #fileAt(path: string): TraceFile {
    let file = this.#files.get(path)
    if (file === undefined) {
      file = new TraceFile(path)
      this.#files.set(path, file)
    }
    return file
  }
}
