import type { ModelType } from './model-types.js'
import {
  checkOptions,
  type InferOptions,
  inferOptionNames,
  maxTimeoutMs,
  readObject,
} from './options.js'
import { readSize } from './region-tensor.js'
import type { OutputNames, OutputTargets } from './typed-models.js'

/** Names, or for each name `true`, or 'device' for what stays in the memory of its GPU. */
export type StreamOutputs<M extends ModelType = ModelType> =
  | OutputNames<M>
  | { readonly [N in keyof OutputTargets<M>]: Extract<OutputTargets<M>[N], true | 'device'> }

/** As the options of `infer`, but each response brings its own memory. */
export interface StreamOptions<O = StreamOutputs> extends Omit<InferOptions, 'outputs'> {
  /** The outputs wanted; all of the model's unless given. */
  outputs?: O
  /**
   * How many responses may wait for the reader; 64 unless given. When so many do, the thread that
   * sends them waits: with it, perhaps, other requests to the same instance.
   */
  highWaterMark?: number
  /**
   * Milliseconds that the backend waits for a reader who takes nothing; 30,000 unless given. Then
   * the request is cancelled, and after the responses that wait the stream rejects with UNAVAILABLE.
   */
  stallTimeout?: number
  /**
   * What a response that is an error does: 'throw', unless given, ends the stream with it; 'yield'
   * makes it an item, a TridentError among the responses.
   */
  errors?: 'throw' | 'yield'
}

const optionNames = [...inferOptionNames, 'highWaterMark', 'stallTimeout', 'errors']

export function readStreamOptions(options: StreamOptions): {
  limit: number
  stallMs: number
  yieldsErrors: boolean
} {
  checkOptions(options, optionNames)
  const { highWaterMark = 64, stallTimeout = 30_000, errors = 'throw', outputs } = options
  if (outputs !== undefined) checkOutputs(outputs)
  if (errors !== 'throw' && errors !== 'yield') {
    throw new TypeError(`errors is 'throw' or 'yield', got ${String(errors)}`)
  }
  return {
    limit: readPositive(highWaterMark, 'highWaterMark'),
    stallMs: readPositive(stallTimeout, 'stallTimeout'),
    yieldsErrors: errors === 'yield',
  }
}

/** What there is beyond names is read with the request. */
function checkOutputs(outputs: StreamOutputs): void {
  const targets = Array.isArray(outputs) ? [] : Object.values(readObject(outputs, 'outputs'))
  if (targets.every((target) => target === true || target === 'device')) return
  throw new TypeError(
    `outputs of a stream is an array of names, or has true or 'device' by name: each response has ` +
      `new tensors`,
  )
}

function readPositive(value: unknown, what: string): number {
  const number = readSize(value, what)
  if (number > 0 && number <= maxTimeoutMs) return number
  throw new RangeError(`${what} is at least 1 and at most ${maxTimeoutMs}, got ${number}`)
}
