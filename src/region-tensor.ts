import { checkKeys } from './check-keys.js'
import { type Datatype, datatypeInfo, typeName } from './datatypes.js'
import { invalid } from './errors.js'
import type { InPlace } from './request.js'
import { elementCount, type Fixed, readShape, type Shape } from './tensor.js'

/** The same in every copy of this package that a process loads. */
const brand = Symbol.for('trident.RegionTensor')

/** Whatever knows how to reach a region's bytes. */
export interface RegionSource {
  /** Number of a memory, or name of a registered region; UNAVAILABLE when it is closed. */
  memory(): number | string
  /** A request begins to use the bytes. Only for who hands them to one user after the other. */
  retain?(): void
  /** It has ended, or was given up before it reached native code. */
  release?(): void
}

export interface RegionTensorOptions {
  /** Where the tensor begins, in bytes from the start of the region; 0 unless given. */
  offset?: number
  /** Only for BYTES, whose size does not follow from the shape. */
  byteSize?: number
}

/**
 * A tensor in a shared-memory region: an input that is read in place, or an output that is written
 * in place. Made by `SharedMemory.tensor()` and `Server.regionTensor()`. The region's size is
 * checked when the tensor is used.
 */
export class RegionTensor<D extends Datatype = Datatype, S extends Shape = readonly number[]> {
  readonly datatype: D
  readonly shape: Fixed<S>
  /** Bytes from the start of the region. */
  readonly offset: number
  readonly byteSize: number
  readonly #source: RegionSource

  /** @internal */
  constructor(source: RegionSource, datatype: D, shape: Shape, options: RegionTensorOptions = {}) {
    const info = datatypeInfo(datatype)
    if (typeof options !== 'object' || options === null) {
      throw new TypeError(`options of a region tensor is an object, got ${typeName(options)}`)
    }
    checkKeys(options, ['offset', 'byteSize'], 'a region tensor')
    this.#source = source
    this.datatype = datatype
    this.shape = readShape(shape as S)
    this.offset = readSize(options.offset ?? 0, 'offset')
    if (info.byteSize === 0) {
      if (options.byteSize === undefined) {
        throw new TypeError('a BYTES tensor in a region needs a byteSize')
      }
      this.byteSize = readSize(options.byteSize, 'byteSize')
    } else {
      this.byteSize = elementCount(this.shape) * info.byteSize
      if (!Number.isSafeInteger(this.byteSize + this.offset)) {
        throw invalid(`shape [${this.shape}] at offset ${this.offset} has too many bytes`)
      }
    }
  }

  /** The same memory with another shape. @internal */
  reshaped(shape: readonly number[]): RegionTensor<D> {
    const { offset, byteSize } = this
    return new RegionTensor(this.#source, this.datatype, shape, { offset, byteSize })
  }

  /** @internal */
  inPlace(): InPlace {
    const { offset, byteSize } = this
    return { memory: this.#source, offset, byteSize, owner: this.#source }
  }

  static {
    Object.defineProperty(RegionTensor.prototype, brand, { value: true })
  }
}

export function isForeignRegionTensor(value: unknown): boolean {
  if (typeof value !== 'object' || value === null || value instanceof RegionTensor) return false
  return brand in value
}

/** A non-negative safe integer, or a TypeError or RangeError. */
export function readSize(value: unknown, what: string): number {
  if (typeof value !== 'number') throw new TypeError(`${what} is a number, got ${typeof value}`)
  if (Number.isSafeInteger(value) && value >= 0) return value
  throw new RangeError(`${what} is a non-negative integer, got ${value}`)
}
