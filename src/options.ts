// Options of a request, beyond its tensors.
import type { NativeOption } from './binding.js'
import { checkKeys } from './check-keys.js'
import { typeName } from './datatypes.js'
import type { Outputs } from './typed-models.js'

export interface SequenceOptions {
  /** Which sequence the request belongs to. */
  id: number | bigint | string
  /** The first request of the sequence. */
  start?: boolean
  /** The last one. */
  end?: boolean
}

export interface InferOptions<O = Outputs> {
  /**
   * The outputs wanted: names, or for each name `true` or the memory that receives it: a typed
   * array, a Tensor over one, or a region tensor. All of the model's outputs unless given.
   * An ordinary array is filled when the request has ended; a SharedArrayBuffer or region is
   * written by the backend itself. 'device' leaves an output in new memory of the GPU that makes it,
   * as a CudaTensor whose memory is to be closed.
   */
  outputs?: O
  /** Another version than the one this Model stands for. */
  version?: number
  /** For models with priority levels: 1 is the highest, 0 the model's default. */
  priority?: number | bigint
  /**
   * Milliseconds, more than 0. When they have passed the promise rejects with UNAVAILABLE and the
   * request is cancelled: it does not run if it has not started, and goes on if it has. The model's
   * queue sees the timeout as well.
   */
  timeout?: number
  /**
   * Milliseconds from submission to answer, more than 0: of no use later. For models with
   * `dynamicBatching.deadline`, whose batches are formed so that answers come in time; a request
   * that can't make it rejects with UNAVAILABLE at once. Other models take no notice.
   */
  deadline?: number
  /** Aborting rejects the promise with CANCELLED at once and takes the request out of its queue. */
  signal?: AbortSignal
  /** Appears in error messages and logs. */
  requestId?: string
  /** Passed to the backend. */
  parameters?: Readonly<Record<string, string | number | bigint | boolean>>
  sequence?: SequenceOptions
}

/** Every option of `infer`. */
export const inferOptionNames: readonly (keyof InferOptions)[] = Object.keys({
  outputs: 0,
  version: 0,
  priority: 0,
  timeout: 0,
  deadline: 0,
  signal: 0,
  requestId: 0,
  parameters: 0,
  sequence: 0,
} satisfies Record<keyof InferOptions, 0>) as (keyof InferOptions)[]

const sequenceNames: readonly (keyof SequenceOptions)[] = ['id', 'start', 'end']

/** Refuses options that `allowed` lacks. */
export function checkOptions(
  options: InferOptions,
  allowed: readonly string[] = inferOptionNames,
): void {
  if (typeof options !== 'object' || options === null) {
    throw new TypeError(`options is an object, got ${typeName(options)}`)
  }
  checkKeys(options, allowed, 'a request')
  const { sequence } = options
  if (typeof sequence === 'object' && sequence !== null) {
    checkKeys(sequence, sequenceNames, 'sequence')
  }
}

export interface Timeout {
  readonly milliseconds: number
  readonly microseconds: number
}

/** The longest delay of a JavaScript timer. */
export const maxTimeoutMs = 2 ** 31 - 1

export function readTimeout({ timeout }: InferOptions): Timeout | null {
  if (timeout === undefined) return null
  return { milliseconds: timeout, microseconds: readMilliseconds(timeout, 'timeout') }
}

/** Milliseconds, more than 0, as microseconds. */
export function readMilliseconds(value: unknown, what: string): number {
  if (typeof value !== 'number') {
    throw new TypeError(`${what} is a number of milliseconds, got ${typeName(value)}`)
  }
  if (!(value > 0 && value <= maxTimeoutMs)) {
    throw new RangeError(
      `${what} is more than 0 and at most ${maxTimeoutMs} milliseconds, got ${value}`,
    )
  }
  return Math.max(1, Math.round(value * 1000))
}

/** What has to be said to the core; [] in the common case. */
export function nativeOptions(options: InferOptions): NativeOption[] {
  const list: NativeOption[] = []
  if (options.requestId !== undefined) list.push(['id', readText(options.requestId, 'requestId')])
  if (options.priority !== undefined) {
    list.push(['priority', readUnsigned(options.priority, 'priority')])
  }
  if (options.sequence !== undefined) readSequence(options.sequence, list)
  if (options.parameters !== undefined) {
    if (typeof options.parameters !== 'object' || options.parameters === null) {
      throw new TypeError(`parameters is an object, got ${typeName(options.parameters)}`)
    }
    for (const [name, value] of Object.entries(options.parameters)) {
      list.push(['parameter', readText(name, 'a parameter name'), readParameter(name, value)])
    }
  }
  return list
}

function readSequence(sequence: SequenceOptions, list: NativeOption[]): void {
  if (typeof sequence !== 'object' || sequence === null) {
    throw new TypeError(`sequence is an object, got ${typeName(sequence)}`)
  }
  const { id, start, end } = sequence
  list.push([
    'correlation',
    typeof id === 'string' ? readText(id, 'sequence.id') : readUnsigned(id, 'sequence.id'),
  ])
  list.push(['flags', (start ? 1 : 0) | (end ? 2 : 0)])
}

/** An id that names a sequence: not 0, not empty. */
export function readSequenceId(id: unknown, what: string): number | bigint | string {
  const read = typeof id === 'string' ? readText(id, what) : readUnsigned(id, what)
  if (read === '' || read === 0n) {
    throw new RangeError(`${what} of a sequence must not be ${read === '' ? 'empty' : '0'}`)
  }
  return id as number | bigint | string
}

function readParameter(name: string, value: unknown): string | number | bigint | boolean {
  switch (typeof value) {
    case 'string':
      return readText(value, `parameter '${name}'`)
    case 'boolean':
      return value
    case 'number':
      if (Number.isFinite(value)) return value
      throw new RangeError(`parameter '${name}' is a finite number, got ${value}`)
    case 'bigint':
      if (BigInt.asIntN(64, value) === value) return value
      throw new RangeError(`parameter '${name}' is an integer of 64 bits, got ${value}`)
    default:
      throw new TypeError(
        `parameter '${name}' is a string, number, bigint or boolean, got ${typeName(value)}`,
      )
  }
}

function readUnsigned(value: unknown, what: string): bigint {
  if (typeof value !== 'number' && typeof value !== 'bigint') {
    throw new TypeError(`${what} is a number or bigint, got ${typeName(value)}`)
  }
  if (typeof value === 'number' && !Number.isSafeInteger(value)) {
    throw new RangeError(`${what} is a non-negative integer, got ${value}`)
  }
  const number = BigInt(value)
  if (number >= 0n && BigInt.asUintN(64, number) === number) return number
  throw new RangeError(`${what} is a non-negative integer of 64 bits, got ${value}`)
}

/** A string that the C API can carry: it ends at a NUL. */
export function readText(value: unknown, what: string): string {
  if (typeof value !== 'string') {
    throw new TypeError(`${what} is a string, got ${typeName(value)}`)
  }
  if (value.includes('\0')) throw new RangeError(`${what} must not contain a NUL character`)
  return value
}

/** A path of a file or directory. */
export function readPath(value: unknown, what: string): string {
  const path = readText(value, what)
  if (path === '') throw new RangeError(`${what} must not be empty`)
  return path
}

export function readFlag(value: unknown, otherwise: boolean, what: string): boolean {
  if (value === undefined) return otherwise
  if (typeof value === 'boolean') return value
  throw new TypeError(`${what} is a boolean, got ${typeName(value)}`)
}

/** An object with properties, not a list. */
export function readObject(value: unknown, what: string): object {
  if (typeof value === 'object' && value !== null && !Array.isArray(value)) return value
  throw new TypeError(`${what} is an object, got ${typeName(value)}`)
}

/** A version: a positive safe integer, or undefined for the model's policy (-1). */
export function readVersion(version: unknown): number {
  if (version === undefined) return -1
  if (typeof version !== 'number') {
    throw new TypeError(`a version is a number, got ${typeName(version)}`)
  }
  if (Number.isSafeInteger(version) && version > 0) return version
  throw new RangeError(`a version is a positive integer, got ${version}`)
}
