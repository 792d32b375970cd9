// What a trace tells, as it comes from the addon and as users see it.
import type { NativeTrace } from './binding.js'
import { datatypeFromId } from './datatypes.js'
import { decodeBytes, elementCount, Tensor, trusted } from './tensor.js'

/** Positions equal the numbers of TRITONSERVER_InferenceTraceActivity. */
const activities = [
  'REQUEST_START',
  'QUEUE_START',
  'COMPUTE_START',
  'COMPUTE_INPUT_END',
  'COMPUTE_OUTPUT_START',
  'COMPUTE_END',
  'REQUEST_END',
  'TENSOR_QUEUE_INPUT',
  'TENSOR_BACKEND_INPUT',
  'TENSOR_BACKEND_OUTPUT',
] as const

/** The moments in the life of every request that is executed. */
export type TraceActivity = Exclude<(typeof activities)[number], `TENSOR_${string}`>

export interface TraceTimestamp {
  /** A TraceActivity, or the name that a backend gave an activity of its own. */
  readonly name: TraceActivity | (string & {})
  /** Of the clock of `process.hrtime.bigint()`. */
  readonly ns: bigint
}

/** A tensor as it passed a point. */
export interface TraceTensor {
  readonly activity: 'TENSOR_QUEUE_INPUT' | 'TENSOR_BACKEND_INPUT' | 'TENSOR_BACKEND_OUTPUT'
  readonly name: string
  readonly tensor: Tensor
}

/** The trace of one request, or of what was done on its behalf: a step of an ensemble. */
export interface TraceRecord {
  /** Unique in this process. */
  readonly id: number
  /** The trace on whose behalf it was; 0 for a request of the application's. */
  readonly parentId: number
  readonly modelName: string
  readonly modelVersion: number
  /** '' when the request has none. */
  readonly requestId: string
  /** By time. Without REQUEST_END the request was refused. */
  readonly timestamps: readonly TraceTimestamp[]
  /** With the level TENSORS; without those whose bytes are not what they should be. */
  readonly tensors?: readonly TraceTensor[]
  /** What `traceContext` said when the application made the request. */
  readonly context?: unknown
}

export function toTraceRecord(native: NativeTrace, context: unknown): TraceRecord {
  const [id, parentId, modelName, modelVersion, requestId, moments, tensors] = native
  const timestamps: TraceTimestamp[] = []
  const told = tensors.flatMap(toTensor)
  for (let i = 0; i < moments.length; i += 3) {
    const ns = moments[i + 1] as bigint
    const name = activities[moments[i] as number]
    timestamps.push({ name: name ?? customName(moments[i + 2] as string, ns), ns })
  }
  // Backends tell of an execution when it is over, of activities of their own as they happen.
  timestamps.sort((a, b) => (a.ns < b.ns ? -1 : a.ns > b.ns ? 1 : 0))
  return {
    id,
    parentId,
    modelName,
    modelVersion,
    requestId,
    timestamps,
    ...(told.length > 0 && { tensors: told }),
    ...(context !== undefined && { context }),
  }
}

/** The core gives names of custom activities as members of a JSON object, by time. */
function customName(context: string, ns: bigint): string {
  try {
    return String(JSON.parse(context)[String(ns)] ?? 'CUSTOM_ACTIVITY')
  } catch {
    return 'CUSTOM_ACTIVITY' // where the context is a text of somebody's own
  }
}

/** One; none where a backend's bytes are not what it says, or there was no memory for them. */
function toTensor([activity, name, id, shape, bytes]: NativeTrace[6][number]): TraceTensor[] {
  if (bytes === undefined) return []
  try {
    const datatype = datatypeFromId(id)
    const data =
      datatype.array === null
        ? decodeBytes(new Uint8Array(bytes), elementCount(shape))
        : new datatype.array(bytes)
    const tensor = new Tensor(datatype.name, data as never, Object.freeze(shape), trusted)
    return [{ activity: activities[activity] as TraceTensor['activity'], name, tensor }]
  } catch {
    return []
  }
}
