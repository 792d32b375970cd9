import { checkOptions, type InferOptions, inferOptionNames, maxTimeoutMs } from './options.js'
import { readSize } from './region-tensor.js'

/** As the options of `infer`, but each response brings its own memory. */
export interface StreamOptions extends Omit<InferOptions, 'outputs'> {
  /** The outputs wanted; all of the model's unless given. */
  outputs?: readonly string[]
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
  if (outputs !== undefined && !Array.isArray(outputs)) {
    throw new TypeError('outputs of a stream is an array of names: each response has new tensors')
  }
  if (errors !== 'throw' && errors !== 'yield') {
    throw new TypeError(`errors is 'throw' or 'yield', got ${String(errors)}`)
  }
  return {
    limit: readPositive(highWaterMark, 'highWaterMark'),
    stallMs: readPositive(stallTimeout, 'stallTimeout'),
    yieldsErrors: errors === 'yield',
  }
}

function readPositive(value: unknown, what: string): number {
  const number = readSize(value, what)
  if (number > 0 && number <= maxTimeoutMs) return number
  throw new RangeError(`${what} is at least 1 and at most ${maxTimeoutMs}, got ${number}`)
}
