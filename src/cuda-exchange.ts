// Tensors of a GPU's memory as plain objects, for addons that know nothing of each other.
import { readDevice, readPointer } from './cuda.js'
import { type Datatype, datatypeInfo, typeName } from './datatypes.js'
import { invalid } from './errors.js'
import { readObject } from './options.js'
import { elementCount, readShape } from './tensor.js'

/** DLPack's number for memory of a CUDA device. */
export const cudaDeviceType = 2

/**
 * A tensor in a GPU's memory, in the terms of DLPack's DLTensor, but for `datatype`, which is
 * Triton's name, and `data`, which is where the elements begin. Other properties are left alone:
 * the object is kept as long as the memory made of it, so it may carry what owns the bytes.
 */
export interface CudaExchange<D extends Datatype = Datatype> {
  /** 2 is memory of a CUDA device, the only one there is. */
  readonly deviceType: number
  readonly deviceId: number
  /** Address of the first element. */
  readonly data: bigint
  readonly shape: readonly number[]
  /** Elements from one to the next, per dimension; null (or absent) where rows follow each other. */
  readonly strides?: readonly number[] | null
  readonly datatype: D
}

export interface ReadExchange<D extends Datatype> {
  readonly deviceId: number
  readonly pointer: bigint
  readonly datatype: D
  readonly shape: readonly number[]
  readonly byteSize: number
}

export function readExchange<D extends Datatype>(exchange: CudaExchange<D>): ReadExchange<D> {
  readObject(exchange, 'what fromExchange takes')
  const { deviceType, datatype, strides } = exchange
  if (typeof deviceType !== 'number') {
    throw new TypeError(`deviceType is a number, got ${typeName(deviceType)}`)
  }
  if (deviceType !== cudaDeviceType) {
    throw invalid(`deviceType is ${cudaDeviceType}, memory of a CUDA device; got ${deviceType}`)
  }
  const deviceId = readDevice(exchange.deviceId)
  const pointer = readPointer(exchange.data, 'data')
  const shape = readShape(exchange.shape)
  checkExchangeable(datatype)
  if (strides !== undefined && strides !== null) checkRowMajor(shape, strides)
  const byteSize = elementCount(shape) * datatypeInfo(datatype).byteSize
  if (byteSize === 0) throw invalid(`a tensor of shape [${shape}] has no memory to exchange`)
  if (!Number.isSafeInteger(byteSize)) throw invalid(`shape [${shape}] has too many bytes`)
  return { deviceId, pointer, datatype, shape, byteSize }
}

export function checkExchangeable(datatype: Datatype): void {
  if (datatypeInfo(datatype).byteSize > 0) return
  throw invalid(`${datatype} tensors can't be exchanged: their elements have no fixed size`)
}

/** What a dimension of one element has as its stride means nothing. */
function checkRowMajor(shape: readonly number[], strides: readonly number[]): void {
  if (!Array.isArray(strides)) {
    throw new TypeError(`strides is an array of numbers or null, got ${typeName(strides)}`)
  }
  for (const stride of strides) {
    if (typeof stride === 'number') continue
    throw new TypeError(`a stride is a number, got ${typeName(stride)}`)
  }
  let expected = 1
  let contiguous = strides.length === shape.length
  for (let i = shape.length - 1; i >= 0; i--) {
    if (shape[i] !== 1 && strides[i] !== expected) contiguous = false
    expected *= shape[i]!
  }
  if (contiguous) return
  throw invalid(
    `strides [${strides}] of shape [${shape}]: only elements in row-major order, without gaps, ` +
      `can be used; copy the tensor first`,
  )
}

const kept = new WeakMap<object, object>()

/** Keeps `what` from being collected while somebody holds `holder`. */
export function keepAlive(holder: object, what: object): void {
  kept.set(holder, what)
}
