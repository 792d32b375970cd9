import type { ArrayOf, Datatype, TypedArray } from './datatypes.js'
import { arrayName, datatypeInfo, typeName } from './datatypes.js'
import { invalid } from './errors.js'

/** The same in every copy of this package that a process loads: import and require get one each. */
const brand = Symbol.for('trident.Tensor')

/** For results: what the core produced needs no checks. */
export const trusted = Symbol('trusted')

/** More dimensions than any model has. */
const maxRank = 32

/** Sizes of dimensions. The empty tuple makes the compiler count those that are written inline. */
export type Shape = readonly number[] | readonly []

/** As Readonly<S>, and an array whatever S is: also where it is any, after an `instanceof`. */
export type Fixed<S extends Shape> = { readonly [I in keyof S]: S[I] }

/** Any shape of as many dimensions as `S` has, as far as that is known. */
export type Ranked<S extends Shape> = number extends S['length']
  ? readonly number[]
  : { -readonly [I in keyof S]: number }

/**
 * A tensor: elements of one datatype in row-major order, and a shape. The shape is fixed; `data`
 * is the array given, not a copy, and its elements may change.
 *
 * ```ts
 * new Tensor('FP32', new Float32Array(64), [1, 1, 8, 8])
 * new Tensor('BYTES', ['one', 'two'], [2])
 * ```
 */
export class Tensor<D extends Datatype = Datatype, S extends Shape = readonly number[]> {
  readonly datatype: D
  readonly data: ArrayOf[D]
  /** With the batch dimension first, when the model has one. */
  readonly shape: Fixed<S>

  /**
   * @throws TypeError when an argument has the wrong type; TridentError (INVALID_ARG) when `data`
   *   does not have as many elements as `shape` says
   */
  constructor(datatype: D, data: ArrayOf[D], shape: S, trust?: typeof trusted) {
    this.datatype = datatype
    this.data = data
    if (trust === trusted) {
      this.shape = shape
      return
    }
    this.shape = readShape(shape)
    checkData(datatype, data, this.shape)
  }

  /** A BYTES tensor of UTF-8 strings; one dimension when no shape is given. */
  static fromStrings<S extends Shape = [number]>(
    strings: readonly string[],
    shape?: S,
  ): Tensor<'BYTES', S> {
    if (!Array.isArray(strings)) {
      throw new TypeError(`strings is an array of strings, got ${typeName(strings)}`)
    }
    return new Tensor('BYTES', strings, shape ?? ([strings.length] as unknown as S))
  }

  /** The elements of a BYTES tensor as UTF-8 strings. */
  toStrings(): string[] {
    if (this.datatype !== 'BYTES') {
      throw invalid(`toStrings() needs a BYTES tensor, this is ${this.datatype}`)
    }
    const decoder = new TextDecoder()
    return (this.data as ArrayOf['BYTES']).map((element) =>
      typeof element === 'string' ? element : decoder.decode(element),
    )
  }

  static {
    Object.defineProperty(Tensor.prototype, brand, { value: true })
  }
}

/** A Tensor of this or another copy of this package. */
export function isTensor(value: unknown): value is Tensor {
  return typeof value === 'object' && value !== null && brand in value
}

/** Copies and freezes a shape; a TypeError or RangeError when it is none. */
export function readShape<S extends Shape>(shape: S): Fixed<S> {
  if (!Array.isArray(shape)) {
    throw new TypeError(`a shape is an array of numbers, got ${typeName(shape)}`)
  }
  if (shape.length > maxRank) {
    throw new RangeError(`a shape has at most ${maxRank} dimensions, got ${shape.length}`)
  }
  for (const dim of shape) {
    if (typeof dim !== 'number') {
      throw new TypeError(`a dimension is a number, got ${typeName(dim)} in [${shape.map(String)}]`)
    }
    if (!Number.isSafeInteger(dim) || dim < 0) {
      throw new RangeError(`a dimension is a non-negative integer, got ${dim} in [${shape}]`)
    }
  }
  return Object.freeze([...shape]) as unknown as Fixed<S>
}

/** Elements in a tensor of this shape; an INVALID_ARG error when that is no safe integer. */
export function elementCount(shape: readonly number[]): number {
  let count = 1
  for (const dim of shape) count *= dim
  if (!(count <= Number.MAX_SAFE_INTEGER)) {
    throw invalid(`shape [${shape}] has more elements than can be counted`)
  }
  return count
}

export function isTypedArray(value: unknown): value is TypedArray {
  return arrayName(value) !== undefined
}

function checkData(datatype: Datatype, data: unknown, shape: readonly number[]): void {
  const info = datatypeInfo(datatype)
  const expected = elementCount(shape)
  if (info.array === null) {
    if (!Array.isArray(data)) {
      throw new TypeError(`BYTES data is an array of strings or Uint8Arrays, got ${typeName(data)}`)
    }
  } else if (arrayName(data) !== info.array.name) {
    throw new TypeError(`${datatype} data is a ${info.array.name}, got ${typeName(data)}`)
  }
  const found = (data as ArrayLike<unknown>).length
  if (found !== expected) {
    throw invalid(
      `a tensor of shape [${shape}] has ${expected} elements, the data given has ${found}`,
    )
  }
}

/** Triton's form of BYTES: per element a little-endian uint32 length and that many bytes. */
export function encodeBytes(elements: readonly unknown[], what: string): Uint8Array {
  const parts: Uint8Array[] = []
  let total = 0
  for (const element of elements) {
    let bytes: Uint8Array
    if (typeof element === 'string') bytes = Buffer.from(element, 'utf8')
    else if (arrayName(element) === 'Uint8Array') bytes = element as Uint8Array
    else {
      throw new TypeError(
        `${what}: a BYTES element is a string or Uint8Array, got ${typeName(element)}`,
      )
    }
    if (bytes.length > 0xffffffff) {
      throw invalid(`${what}: a BYTES element has at most 4294967295 bytes, got ${bytes.length}`)
    }
    parts.push(bytes)
    total += 4 + bytes.length
  }
  const encoded = new Uint8Array(total)
  const view = new DataView(encoded.buffer)
  let offset = 0
  for (const bytes of parts) {
    view.setUint32(offset, bytes.length, true)
    encoded.set(bytes, offset + 4)
    offset += 4 + bytes.length
  }
  return encoded
}

/** The reverse; the elements are views of `encoded`. */
export function decodeBytes(encoded: Uint8Array, count: number): Uint8Array[] {
  const view = new DataView(encoded.buffer, encoded.byteOffset, encoded.byteLength)
  const elements: Uint8Array[] = []
  let offset = 0
  for (let i = 0; i < count; i++) {
    const length = offset + 4 <= encoded.length ? view.getUint32(offset, true) : Number.NaN
    const begin = offset + 4
    if (!(begin + length <= encoded.length)) {
      throw invalid(`a BYTES tensor of ${count} elements ends within element ${i}`)
    }
    elements.push(encoded.subarray(begin, begin + length))
    offset = begin + length
  }
  return elements
}
