// Traces as OpenTelemetry spans, named as Triton's OpenTelemetry mode names them.
import { createRequire } from 'node:module'
import { join } from 'node:path'
import { checkKeys } from './check-keys.js'
import { TridentError } from './errors.js'
import moduleDir from './module-dir.cjs'
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

/** Activities that are not a backend's own. */
const known = /^(REQUEST|QUEUE|COMPUTE|COMPUTE_INPUT|COMPUTE_OUTPUT)_(START|END)$/

/**
 * Options for `createServer` that have traces become OpenTelemetry spans: "InferRequest" below the
 * span that was active where the application made the request, in it a span with the model's name,
 * and in that one "compute" and, of an ensemble, those of its steps. Activities are events of them;
 * activities of backends called X_START and X_END are a span X.
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
  let offset = wallOffset()
  const onTrace = (record: TraceRecord): void => {
    if (record.timestamps.length === 0) return
    if (record.parentId === 0) {
      contexts.clear()
      offset = wallOffset()
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
    const custom = !known.test(name)
    if (name === 'REQUEST_START') {
      context = spans.start(record.modelName, ns, parent, attributesOf(record))
    } else if (name === 'COMPUTE_START') {
      spans.start('compute', ns, parent)
    } else if (custom && name.endsWith('_START')) {
      spans.start(name.slice(0, -'_START'.length), ns, parent)
    }
    spans.event(name, ns)
    if (name === 'COMPUTE_END' || (custom && name.endsWith('_END'))) spans.end(ns)
  }
  spans.endAll(record.timestamps.at(-1)!.ns)
  return context
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

/** Spans that have begun, each inside the one before. */
class Spans {
  readonly #api: Api
  readonly #tracer: OpenTelemetryTracer
  readonly #open: { span: Span; context: unknown }[] = []
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
    this.#open.push({ span, context })
    return context
  }

  event(name: string, ns: bigint): void {
    this.#open.at(-1)?.span.addEvent(name, this.#time(ns))
  }

  end(ns: bigint): void {
    this.#open.pop()?.span.end(this.#time(ns))
  }

  endAll(ns: bigint): void {
    while (this.#open.length > 0) this.end(ns)
  }

  #time(ns: bigint): Time {
    const wall = ns + this.#offset
    return [Number(wall / 1_000_000_000n), Number(wall % 1_000_000_000n)]
  }
}

/** Nanoseconds from the clock of traces to that of the wall. */
function wallOffset(): bigint {
  return BigInt(Date.now()) * 1_000_000n - process.hrtime.bigint()
}

function loadApi(): Api {
  // From the application first: it decides which copy its own code uses.
  for (const from of [process.cwd(), moduleDir]) {
    try {
      return createRequire(join(from, 'index.js'))('@opentelemetry/api') as Api
    } catch {}
  }
  throw new TridentError(
    'UNAVAILABLE',
    'openTelemetryTracing needs the package @opentelemetry/api: npm install @opentelemetry/api',
  )
}
