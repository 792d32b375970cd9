// Metrics of the application's own, beside those of a server.
import { checkKeys } from './check-keys.js'
import { typeName } from './datatypes.js'
import { readObject, readText } from './options.js'
import type { ServerState } from './server-state.js'

/** What a metric is. In this order: the numbers of TRITONSERVER_MetricKind. */
const kinds = ['counter', 'gauge', 'histogram'] as const
export type MetricKind = (typeof kinds)[number]

export type MetricLabels = Readonly<Record<string, string>>

export interface MetricFamilyOptions<K extends MetricKind = MetricKind> {
  /** Letters, digits, `_` and `:`. */
  name: string
  /** For whoever reads the text. */
  description: string
  kind: K
  /** Of histograms: the bounds of their buckets, ascending. Infinity is always one. */
  buckets?: K extends 'histogram' ? readonly number[] : never
}

/** What all metrics of the application have. */
class Metric {
  readonly labels: MetricLabels
  /** @internal */
  readonly state: ServerState
  /** @internal */
  readonly id: number
  readonly #forget: () => void

  /** @internal */
  constructor(state: ServerState, id: number, labels: MetricLabels, forget: () => void) {
    this.state = state
    this.id = id
    this.labels = labels
    this.#forget = forget
  }

  /** Takes the metric out of the text. Its methods throw UNAVAILABLE from now on. */
  delete(): void {
    this.state.bridge.native.metricDelete(this.id)
    this.#forget()
  }
}

/** A number that goes up. Made by a family of kind 'counter'. */
export class Counter extends Metric {
  /** @throws TridentError INVALID_ARG when `by` is negative */
  increment(by = 1): void {
    this.state.bridge.native.metricIncrement(this.id, readNumber(by, 'by'))
  }

  get value(): number {
    return this.state.bridge.native.metricValue(this.id)
  }
}

/** A number that goes up and down. Made by a family of kind 'gauge'. */
export class Gauge extends Metric {
  /** @param by may be negative */
  increment(by = 1): void {
    this.state.bridge.native.metricIncrement(this.id, readNumber(by, 'by'))
  }

  set(value: number): void {
    this.state.bridge.native.metricSet(this.id, readNumber(value, 'value'))
  }

  get value(): number {
    return this.state.bridge.native.metricValue(this.id)
  }
}

/** Counts values by size. Made by a family of kind 'histogram'. */
export class Histogram extends Metric {
  observe(value: number): void {
    this.state.bridge.native.metricObserve(this.id, readNumber(value, 'value'))
  }
}

interface MetricOf {
  counter: Counter
  gauge: Gauge
  histogram: Histogram
}

const classes = { counter: Counter, gauge: Gauge, histogram: Histogram }

/**
 * Metrics of one name and kind, told apart by their labels. Made by `server.metricFamily`, whose
 * closing deletes it.
 */
export class MetricFamily<K extends MetricKind = MetricKind> {
  readonly name: string
  readonly kind: K
  readonly #state: ServerState
  readonly #id: number
  readonly #buckets: readonly number[] | null
  readonly #metrics = new Map<string, MetricOf[K]>()
  #deleted = false

  /** @internal */
  constructor(
    state: ServerState,
    { name, description, kind }: MetricFamilyOptions<K>,
    buckets: readonly number[] | null,
  ) {
    this.name = name
    this.kind = kind
    this.#buckets = buckets
    this.#state = state
    this.#id = state.bridge.native.metricFamilyNew(kinds.indexOf(kind), name, description)
    state.rememberFamily(this)
  }

  /**
   * The metric with these labels; for the same labels the same metric.
   *
   * @throws TridentError INVALID_ARG for a name that can't be a label, or buckets that do not
   *   ascend; UNAVAILABLE after `delete`
   */
  metric(labels: MetricLabels = {}): MetricOf[K] {
    const entries = Object.entries(readObject(labels, 'labels'))
      .map(
        ([name, value]) => [readText(name, 'a label'), readText(value, `label '${name}'`)] as const,
      )
      .sort(([a], [b]) => (a < b ? -1 : 1))
    const key = JSON.stringify(entries)
    const known = this.#metrics.get(key)
    if (known !== undefined) return known
    const id = this.#state.bridge.native.metricNew(this.#id, entries, this.#buckets)
    const forget = (): void => {
      if (this.#metrics.get(key) === metric) this.#metrics.delete(key)
    }
    const made = new classes[this.kind](this.#state, id, Object.freeze({ ...labels }), forget)
    const metric = made as MetricOf[K]
    this.#metrics.set(key, metric)
    return metric
  }

  /** Takes the family and all its metrics out of the text. */
  delete(): void {
    if (this.#deleted) return
    this.#deleted = true
    for (const metric of [...this.#metrics.values()]) metric.delete()
    this.#state.bridge.native.metricFamilyDelete(this.#id)
    this.#state.forgetFamily(this)
  }
}

/** The family of this name and kind; made, unless there is one. */
export function metricFamily<K extends MetricKind>(
  state: ServerState,
  options: MetricFamilyOptions<K>,
): MetricFamily<K> {
  readObject(options, 'what metricFamily takes')
  checkKeys(options, ['name', 'description', 'kind', 'buckets'], 'metricFamily')
  const { kind } = options
  if (!kinds.includes(kind)) {
    throw new TypeError(`kind is one of ${kinds.join(', ')}, got ${String(kind)}`)
  }
  const name = readText(options.name, 'name')
  readText(options.description, 'description')
  const buckets = readBuckets(options)
  const known = state.family(name)
  if (known?.kind === kind) return known as unknown as MetricFamily<K>
  return new MetricFamily(state, options, buckets)
}

function readBuckets({ kind, buckets }: MetricFamilyOptions): readonly number[] | null {
  if (kind !== 'histogram') {
    if (buckets !== undefined) throw new TypeError(`buckets are for histograms, not for a ${kind}`)
    return null
  }
  if (!Array.isArray(buckets)) {
    throw new TypeError(`buckets is an array of numbers, got ${typeName(buckets)}`)
  }
  return buckets.map((bound) => readNumber(bound, 'a bucket'))
}

function readNumber(value: unknown, what: string): number {
  if (typeof value === 'number') return value
  throw new TypeError(`${what} is a number, got ${typeName(value)}`)
}
