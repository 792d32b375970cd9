// Traces as chrome://tracing and Perfetto show them.
import type { TraceRecord } from './trace-record.js'

/** An event of Chrome's trace format; times are microseconds. */
export interface ChromeTraceEvent {
  name: string
  cat?: string
  /** X: something that took a while, i: a moment, s and f: an arrow, M: a name of a track. */
  ph: 'X' | 'i' | 's' | 'f' | 'M'
  ts?: number
  dur?: number
  /** The model's number: each has a track. */
  pid: number
  /** Its line in that track: requests at the same time have lines of their own. */
  tid: number
  id?: number
  bp?: 'e'
  s?: 't'
  args?: Record<string, unknown>
}

/** What a request goes through; each begins and ends with an activity. */
const phases = [
  ['queue', 'QUEUE_START', 'COMPUTE_START'],
  ['compute input', 'COMPUTE_START', 'COMPUTE_INPUT_END'],
  ['compute infer', 'COMPUTE_INPUT_END', 'COMPUTE_OUTPUT_START'],
  ['compute output', 'COMPUTE_OUTPUT_START', 'COMPUTE_END'],
] as const
const known = new Set<string>([...phases.flat(), 'REQUEST_START', 'REQUEST_END'])

interface Track {
  readonly pid: number
  /** When each line becomes free. */
  readonly lines: bigint[]
}

interface Place {
  readonly pid: number
  readonly tid: number
}

/**
 * Records of `onTrace` as a document of Chrome's trace format: one track for each model, in it the
 * requests with what they went through, and arrows from ensembles to their steps.
 *
 * ```ts
 * writeFileSync('trace.json', JSON.stringify(chromeTrace(records)))
 * ```
 */
export function chromeTrace(records: readonly TraceRecord[]): { traceEvents: ChromeTraceEvent[] } {
  const events: ChromeTraceEvent[] = []
  const tracks = new Map<string, Track>()
  const places = new Map<number, Place & { start: bigint }>()
  const timed = records.filter(({ timestamps }) => timestamps.length > 0)
  timed.sort((a, b) => Number(a.timestamps[0]!.ns - b.timestamps[0]!.ns))
  for (const record of timed) {
    const start = record.timestamps[0]!.ns
    const end = record.timestamps.at(-1)!.ns
    const place = takeLine(trackOf(record, tracks, events), start, end)
    places.set(record.id, { ...place, start })
    events.push(...eventsOf(record, place))
    const parent = places.get(record.parentId)
    if (parent === undefined) continue
    const arrow = { name: 'step', cat: 'request', id: record.id }
    const { pid, tid } = parent
    events.push({ ...arrow, ph: 's', ts: microseconds(start), pid, tid })
    events.push({ ...arrow, ph: 'f', bp: 'e', ts: microseconds(start), ...place })
  }
  return { traceEvents: events }
}

function trackOf(
  { modelName }: TraceRecord,
  tracks: Map<string, Track>,
  events: ChromeTraceEvent[],
): Track {
  let track = tracks.get(modelName)
  if (track === undefined) {
    track = { pid: tracks.size + 1, lines: [] }
    tracks.set(modelName, track)
    const args = { name: modelName }
    events.push({ name: 'process_name', ph: 'M', pid: track.pid, tid: 0, args })
  }
  return track
}

function takeLine({ pid, lines }: Track, start: bigint, end: bigint): Place {
  const free = lines.findIndex((until) => until <= start)
  const tid = free < 0 ? lines.length : free
  lines[tid] = end
  return { pid, tid }
}

function eventsOf(record: TraceRecord, place: Place): ChromeTraceEvent[] {
  const { timestamps, modelName, id, parentId, modelVersion, requestId } = record
  const events: ChromeTraceEvent[] = []
  const span = (name: string, cat: string, from: bigint, to: bigint, args?: object): void => {
    const ts = microseconds(from)
    const dur = microseconds(to) - ts
    events.push({ name, cat, ph: 'X', ts, dur, ...place, ...(args && { args: { ...args } }) })
  }
  span(modelName, 'request', timestamps[0]!.ns, timestamps.at(-1)!.ns, {
    id,
    modelVersion,
    ...(parentId !== 0 && { parentId }),
    ...(requestId !== '' && { requestId }),
  })
  const at = new Map(timestamps.map(({ name, ns }) => [name, ns]))
  for (const [name, from, to] of phases) {
    const begin = at.get(from)
    const end = at.get(to)
    if (begin !== undefined && end !== undefined) span(name, 'phase', begin, end)
  }
  for (const { name, ns } of timestamps) {
    if (known.has(name)) continue
    events.push({ name, cat: 'activity', ph: 'i', s: 't', ts: microseconds(ns), ...place })
  }
  return events
}

function microseconds(ns: bigint): number {
  return Number(ns) / 1000
}
