// How the tensors of a request lie in memory; decided once for all requests that look the same.
import type { NativeInput, NativeOutput } from './binding.js'
import { type DatatypeInfo, datatypeInfo, type TypedArrayConstructor } from './datatypes.js'
import type { Descriptor } from './descriptor.js'
import type { ReadInput, ReadOutput, ReadRequest } from './request.js'
import { elementCount } from './tensor.js'

/** Outputs up to this size are copied out of the slot: cheaper than a buffer bound per request. */
const smallOutputBytes = 4096
/** Beyond this a declared output size is not trusted enough to allocate it before the request. */
const largeOutputBytes = 2 ** 32
/** A cache line; what vector instructions like best. */
export const alignment = 64
const notInSlab = -1

/**
 * Where an output is written: its place in the slot (`slab`), a new array of known size bound to
 * each request (`fresh`), memory of the addon since the size is not known before (`unknown`),
 * memory the user named (`inPlace`: a region or SharedArrayBuffer; `array`: synchronous runs), or
 * new memory of the device that makes it (`device`).
 */
export type OutputMode = 'slab' | 'fresh' | 'unknown' | 'inPlace' | 'array' | 'device'

export interface PlanInput {
  readonly name: string
  readonly datatype: DatatypeInfo
  readonly array: TypedArrayConstructor
  readonly shape: readonly number[]
  /** Elements; for BYTES the most bytes that fit. */
  readonly length: number
  readonly byteSize: number
  readonly inPlace: boolean
  /** In the slab; -1 when used in place. */
  readonly offset: number
  /** An array of this length alone means this shape. */
  readonly bare: boolean
}

export interface PlanOutput {
  readonly name: string
  readonly datatype: DatatypeInfo
  readonly array: TypedArrayConstructor
  /** Null when it is not known before the request runs. */
  readonly shape: readonly number[] | null
  readonly length: number
  readonly byteSize: number
  readonly mode: OutputMode
  /** In the slab; -1 when written elsewhere. */
  readonly offset: number
}

export interface Layout {
  readonly inputs: readonly PlanInput[]
  readonly outputs: readonly PlanOutput[]
  readonly slabBytes: number
  /** Uses memory of the user's in place, or makes memory that becomes the user's. */
  readonly binds: boolean
  /** Only arrays and tensors in, only new tensors out: later requests need no reading. */
  readonly simple: boolean
  /** Some outputs stay on a device. */
  readonly leavesOnDevice: boolean
}

/** @param arraysInPlace ordinary arrays are used in place as well: for runs on this thread */
export function layOut(model: Descriptor, request: ReadRequest, arraysInPlace: boolean): Layout {
  let slabBytes = 0
  const place = (byteSize: number): number => {
    const offset = slabBytes
    slabBytes += Math.ceil(byteSize / alignment) * alignment
    return offset
  }
  const inputs = request.inputs.map((input) => layOutInput(input, arraysInPlace, place))
  const batch = model.maxBatchSize > 0 ? (request.inputs[0]?.shape[0] ?? -1) : null
  const outputs = request.outputs.map((output) => layOutOutput(output, batch, arraysInPlace, place))
  const binds =
    inputs.some(({ inPlace }) => inPlace) ||
    outputs.some(({ mode }) => mode === 'inPlace' || mode === 'array' || mode === 'device')
  const simple =
    !request.namesOutputs &&
    !binds &&
    request.outputs.every(({ target }) => target === null) &&
    inputs.every(({ datatype }) => datatype.array !== null)
  const leavesOnDevice = outputs.some(({ mode }) => mode === 'device')
  return { inputs, outputs, slabBytes, binds, simple, leavesOnDevice }
}

function layOutInput(
  input: ReadInput,
  arraysInPlace: boolean,
  place: (byteSize: number) => number,
): PlanInput {
  const { name, datatype, shape, isView, bare } = input
  const inPlace = input.inPlace !== null || isView || arraysInPlace
  const byteSize = inPlace ? input.byteSize : roomFor(input)
  return {
    name,
    datatype,
    array: datatype.array ?? Uint8Array,
    shape,
    length: byteSize / (datatype.byteSize || 1),
    byteSize,
    inPlace,
    offset: inPlace ? notInSlab : place(byteSize),
    bare,
  }
}

/** Bytes of slab for an input: BYTES vary from request to request, so they get a power of two. */
function roomFor({ datatype, byteSize }: ReadInput): number {
  if (datatype.array !== null) return byteSize
  let bytes = alignment
  while (bytes < byteSize) bytes *= 2
  return bytes
}

function layOutOutput(
  output: ReadOutput,
  batch: number | null,
  arraysInPlace: boolean,
  place: (byteSize: number) => number,
): PlanOutput {
  const { spec } = output
  const datatype = datatypeInfo(spec.datatype)
  const shape = datatype.array === null ? null : knownShape(spec.shape, batch)
  const length = shape ? elementCount(shape) : 0
  const byteSize = length * datatype.byteSize
  const mode = outputMode(shape, byteSize, output, arraysInPlace)
  return {
    name: spec.name,
    datatype,
    array: datatype.array ?? Uint8Array,
    shape,
    length,
    byteSize,
    mode,
    offset: mode === 'slab' ? place(byteSize) : notInSlab,
  }
}

/** `batch` is null when the model has no batch dimension. */
function knownShape(shape: readonly number[], batch: number | null): readonly number[] | null {
  const known = batch === null ? shape : [batch, ...shape.slice(1)]
  return known.every((dim) => dim >= 0) ? Object.freeze([...known]) : null
}

function outputMode(
  shape: readonly number[] | null,
  byteSize: number,
  { target, inPlace, onDevice }: ReadOutput,
  arraysInPlace: boolean,
): OutputMode {
  if (onDevice) return 'device'
  if (inPlace) return 'inPlace'
  if (target && arraysInPlace) return 'array'
  if (!shape || byteSize > largeOutputBytes) return 'unknown'
  return target || byteSize <= smallOutputBytes ? 'slab' : 'fresh'
}

/** Distinguishes layouts: everything they depend on. */
export function layoutKey(request: ReadRequest, arraysInPlace: boolean): string {
  let key = arraysInPlace ? 'a' : 'c'
  for (const input of request.inputs) {
    const { name, datatype, shape, inPlace, isView, bare } = input
    const place = inPlace || isView ? `@${input.byteSize}` : `${roomFor(input)}${bare ? 'b' : ''}`
    key += `|${name.length}:${name}:${datatype.id}:${shape}:${place}`
  }
  key += request.namesOutputs ? '>' : '*'
  for (const { name, target, inPlace, onDevice } of request.outputs) {
    key += `|${name.length}:${name}:${onDevice ? 'd' : inPlace ? '@' : target ? 't' : 'n'}`
  }
  return key
}

export function nativeInput(input: PlanInput): NativeInput {
  return [input.name, input.datatype.id, input.shape, input.byteSize, input.offset]
}

export function nativeOutput(output: PlanOutput): NativeOutput {
  const { name, datatype, shape, byteSize, offset, mode } = output
  return [name, datatype.id, shape, byteSize, offset, mode === 'device']
}

export function sameShape(a: readonly number[], b: readonly number[]): boolean {
  if (a === b) return true
  if (a.length !== b.length) return false
  for (let i = 0; i < a.length; i++) if (a[i] !== b[i]) return false
  return true
}
