// Traces as OpenTelemetry spans, named as Triton's OpenTelemetry mode names them.
import { createRequire } from 'node:module'
import { applicationFiles } from './application.js'
import { checkKeys } from './check-keys.js'
import { TridentError } from './errors.js'
import { readObject } from './options.js'
import type { TraceRecord } from './trace-record.js'
import type { TracingOptions } from './tracing.js'

type Time = [seconds: number, nanoseconds: number]

// What is used of @opentelemetry/api. In its own words our types would ask every TypeScript user for
// that package.
interface Span {
  addEvent(name: string, time: Time): unknown
  end(time: Time): void
}
export interface OpenTelemetryTracer {
  startSpan(
    name: string,
    options: { startTime: Time; attributes: Record<string, string | number> },
    context: never,
  ): Span
}
interface Api {
  context: { active(): unknown }
  trace: {
    getTracer(name: string): OpenTelemetryTracer
    setSpan(context: unknown, span: Span): unknown
  }
  ROOT_CONTEXT: unknown
}

/** Nanoseconds that two readings of clocks may lie apart. */
const clockTolerance = 50_000_000n
/** What the core's own activities begin and end without there being a span of it. */
const unspanned = new Set(['REQUEST', 'QUEUE', 'COMPUTE_INPUT', 'COMPUTE_OUTPUT'])

/**
 * Options for `createServer` that have traces become OpenTelemetry spans: "InferRequest" below the
 * span that was active where the application made the request, in it a span with the model's name,
 * and in that one "compute" and, of an ensemble, those of its steps. Activities are events of them;
 * activities of backends called X_START and X_END are a span X, which is below the one begun last.
 *
 * ```ts
 * createServer({ ...openTelemetryTracing(), trace: { level: 'TIMESTAMPS', rate: 100 } })
 * ```
 *
 * @param options tracer: of `@opentelemetry/api`; that of the global provider unless given
 * @throws TridentError UNAVAILABLE when the package `@opentelemetry/api` is not installed
 */
export function openTelemetryTracing(
  options: { tracer?: OpenTelemetryTracer } = {},
): Required<Pick<TracingOptions, 'onTrace' | 'traceContext'>> {
  checkKeys(readObject(options, 'options'), ['tracer'], 'openTelemetryTracing')
  const api = loadApi()
  const tracer = options.tracer ?? api.trace.getTracer('trident')
  /** By id, those of the latest request and on its behalf: where the spans of children belong. */
  const contexts = new Map<number, unknown>()
  let offset = firstOffset()
  const onTrace = (record: TraceRecord): void => {
    if (record.timestamps.length === 0) return
    if (record.parentId === 0) {
      contexts.clear()
      offset = currentOffset(offset)
    }
    const spans = new Spans(api, tracer, offset)
    if (record.parentId === 0) {
      spans.start('InferRequest', record.timestamps[0]!.ns, record.context ?? api.ROOT_CONTEXT)
    }
    const parent = contexts.get(record.parentId) ?? record.context ?? api.ROOT_CONTEXT
    contexts.set(record.id, replay(record, spans, parent))
  }
  return { onTrace, traceContext: () => api.context.active() }
}

/** The spans of one record; returns the context of the one with the model's name. */
function replay(record: TraceRecord, spans: Spans, parent: unknown): unknown {
  let context = parent
  for (const { name, ns } of record.timestamps) {
    const edge = edgeOf(name)
    if (name === 'REQUEST_START') {
      context = spans.start(record.modelName, ns, parent, attributesOf(record))
    } else if (edge?.begins) {
      spans.start(edge.span, ns, parent)
    }
    if (edge?.begins === false) spans.end(edge.span, name, ns)
    else spans.event(name, ns)
  }
  spans.endAll(record.timestamps.at(-1)!.ns)
  return context
}

/** The span that an activity begins or ends, if it does. */
function edgeOf(activity: string): { span: string; begins: boolean } | null {
  const [, name, edge] = /^(.+)_(START|END)$/.exec(activity) ?? []
  if (name === undefined || unspanned.has(name)) return null
  return { span: name === 'COMPUTE' ? 'compute' : name, begins: edge === 'START' }
}

function attributesOf(record: TraceRecord): Record<string, string | number> {
  return {
    'triton.model_name': record.modelName,
    'triton.model_version': record.modelVersion,
    'triton.trace_id': record.id,
    'triton.trace_parent_id': record.parentId,
    ...(record.requestId !== '' && { 'triton.request_id': record.requestId }),
  }
}

/** Spans that have begun, each below the one before. */
class Spans {
  readonly #api: Api
  readonly #tracer: OpenTelemetryTracer
  readonly #open: { name: string; span: Span; context: unknown }[] = []
  readonly #offset: bigint

  constructor(api: Api, tracer: OpenTelemetryTracer, offset: bigint) {
    this.#offset = offset
    this.#api = api
    this.#tracer = tracer
  }

  /** @param parent where it belongs when no span is open */
  start(
    name: string,
    ns: bigint,
    parent: unknown,
    attributes: Record<string, string | number> = {},
  ): unknown {
    const outer = this.#open.at(-1)?.context ?? parent
    const options = { startTime: this.#time(ns), attributes }
    const span = this.#tracer.startSpan(name, options, outer as never)
    const context = this.#api.trace.setSpan(outer, span)
    this.#open.push({ name, span, context })
    return context
  }

  event(name: string, ns: bigint): void {
    this.#open.at(-1)?.span.addEvent(name, this.#time(ns))
  }

  /** Of those with this name the one begun last; where none has, the activity is an event only. */
  end(name: string, activity: string, ns: bigint): void {
    const at = this.#open.findLastIndex((one) => one.name === name)
    this.#open.at(at)?.span.addEvent(activity, this.#time(ns))
    if (at >= 0) this.#open.splice(at, 1)[0]?.span.end(this.#time(ns))
  }

  endAll(ns: bigint): void {
    for (const { span } of this.#open.reverse()) span.end(this.#time(ns))
  }

  #time(ns: bigint): Time {
    const wall = ns + this.#offset
    return [Number(wall / 1_000_000_000n), Number(wall % 1_000_000_000n)]
  }
}

/** Nanoseconds from the clock of traces to that of the wall, as it was when the process began. */
function firstOffset(): bigint {
  const wallMs = performance.timeOrigin + performance.now()
  return BigInt(Math.round(wallMs * 1e6)) - process.hrtime.bigint()
}

/** `offset`, unless the wall's clock was set since, or the machine has slept. */
function currentOffset(offset: bigint): bigint {
  // In whole milliseconds: taken each time, spans would lie askew to each other.
  const rough = BigInt(Date.now()) * 1_000_000n - process.hrtime.bigint()
  const off = rough - offset
  return off > clockTolerance || off < -clockTolerance ? rough : offset
}

function loadApi(): Api {
  for (const from of applicationFiles()) {
    try {
      return createRequire(from)('@opentelemetry/api') as Api
    } catch {}
  }
  throw new TridentError(
    'UNAVAILABLE',
    'openTelemetryTracing needs the package @opentelemetry/api: npm install @opentelemetry/api',
  )
}
