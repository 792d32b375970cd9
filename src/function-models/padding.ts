// Inputs made equal in shape, by elements behind their own.
import { datatypeInfo, type TypedArray, typeName } from '../datatypes.js'
import { Failure } from '../errors.js'
import { readObject } from '../options.js'
import { elementCount, type Tensor } from '../tensor.js'
import { wrong } from './results.js'
import { over } from './tensors.js'

/** An element, as the input's array has it. */
export type PadValue = number | bigint | string

/** What an input is filled up with, and the shape of its items: the largest there is, or where it is not -1 this one. */
export type PadRule = PadValue | { readonly value: PadValue; readonly shape?: readonly number[] }

export interface ReadPadRule {
  readonly value: PadValue
  readonly shape: readonly number[] | null
}

export function readPadRule(name: string, rule: unknown): ReadPadRule {
  if (isPadValue(rule)) return { value: rule, shape: null }
  const { value, shape } = readObject(rule, `the padding of input '${name}'`) as ReadPadRule
  if (!isPadValue(value)) {
    throw new TypeError(
      `the value that input '${name}' is padded with is a number, bigint or string, ` +
        `got ${typeName(value)}`,
    )
  }
  if (shape === undefined || shape === null) return { value, shape: null }
  if (Array.isArray(shape) && shape.every((dim) => Number.isSafeInteger(dim) && dim >= -1)) {
    return { value, shape: [...shape] }
  }
  throw new TypeError(`the shape that input '${name}' is padded to is an array of sizes or -1`)
}

function isPadValue(value: unknown): value is PadValue {
  return typeof value === 'number' || typeof value === 'bigint' || typeof value === 'string'
}

/** @param what names the input */
export function padAll(
  what: string,
  tensors: readonly Tensor[],
  { value, shape }: ReadPadRule,
  batches: boolean,
): readonly Tensor[] {
  if (tensors.length === 0) return tensors
  const fixed = batches ? 1 : 0 // the batch dimension stays
  const rank = tensors[0]!.shape.length
  if (tensors.some((tensor) => tensor.shape.length !== rank)) {
    throw wrong(`${what}: tensors of different ranks can't be padded to one shape`)
  }
  if (shape !== null && shape.length !== rank - fixed) {
    throw wrong(`${what}: expected items of ${shape.length} dimensions, found ${rank - fixed}`)
  }
  const target = Array.from({ length: rank - fixed }, (_, i) => {
    const largest = Math.max(...tensors.map((tensor) => tensor.shape[i + fixed]!))
    const size = shape === null || shape[i] === -1 ? largest : shape[i]!
    if (largest <= size) return size
    throw new Failure(
      'INVALID_ARG',
      `${what}: expected at most ${size} in dimension ${i} of an item, found ${largest}`,
    )
  })
  return tensors.map((tensor) => pad(tensor, [...tensor.shape.slice(0, fixed), ...target], value))
}

function pad(tensor: Tensor, shape: readonly number[], value: PadValue): Tensor {
  if (shape.every((dim, i) => dim === tensor.shape[i])) return tensor
  const { array } = datatypeInfo(tensor.datatype)
  const count = elementCount(shape)
  if (array === null) {
    const data: (string | Uint8Array)[] = new Array(count).fill(String(value))
    const from = tensor.data as readonly (string | Uint8Array)[]
    copyRows(tensor.shape, shape, (source, target, length) => {
      for (let i = 0; i < length; i++) data[target + i] = from[source + i]!
    })
    return over(tensor, data, shape)
  }
  const data = new array(count)
  const element =
    data instanceof BigInt64Array || data instanceof BigUint64Array ? BigInt(value) : Number(value)
  data.fill(element as never)
  const from = tensor.data as unknown as TypedArray
  copyRows(tensor.shape, shape, (source, target, length) => {
    data.set(from.subarray(source, source + length) as never, target)
  })
  return over(tensor, data as never, shape)
}

/** Tells of each row along the last dimension where it is and where it goes. */
function copyRows(
  from: readonly number[],
  to: readonly number[],
  copy: (source: number, target: number, length: number) => void,
): void {
  const length = from.at(-1) ?? 1
  const rowLength = to.at(-1) ?? 1
  const place = from.slice(0, -1).map(() => 0)
  const rows = elementCount(from.slice(0, -1))
  for (let row = 0; row < rows; row++) {
    const target = place.reduce((index, at, i) => index * to[i]! + at, 0)
    copy(row * length, target * rowLength, length)
    for (let i = place.length - 1; i >= 0 && ++place[i]! === from[i]; i--) place[i] = 0
  }
}
