// Reads what a user gives as the inputs and outputs of a request, and says what is wrong with it.
import { types } from 'node:util'
import type { Bridge } from './bridge.js'
import {
  arrayName,
  type Datatype,
  type DatatypeInfo,
  datatypeInfo,
  type TypedArray,
  typeName,
} from './datatypes.js'
import type { Descriptor, TensorSpec } from './descriptor.js'
import { invalid } from './errors.js'
import { maybeExecutionView } from './execution-views.js'
import { isForeignRegionTensor, type RegionSource, RegionTensor } from './region-tensor.js'
import { elementCount, encodeBytes, isTensor, isTypedArray } from './tensor.js'
import type { Inputs, Outputs } from './typed-models.js'

/** Bytes that the backend reads or writes in place. */
export interface InPlace {
  /**
   * Asked for the memory on each use: a region may have been closed since. A number is for good,
   * as the owner's buffer can't be detached.
   */
  readonly memory: RegionSource | number
  readonly offset: number
  readonly byteSize: number
  /** Kept while a request uses the memory. */
  readonly owner: unknown
}

export interface ReadInput {
  readonly name: string
  readonly datatype: DatatypeInfo
  readonly shape: readonly number[]
  /** The elements to copy, or for BYTES their encoded form; null when used in place. */
  readonly data: TypedArray | null
  readonly byteSize: number
  readonly inPlace: InPlace | null
  /** `data` is native memory, used in place as well. */
  readonly isView: boolean
  /** The shape follows from the number of elements alone. */
  readonly bare: boolean
}

export interface ReadOutput {
  readonly name: string
  readonly spec: TensorSpec
  /** The user's array, filled when the request has ended. */
  readonly target: TypedArray | null
  readonly targetLength: number
  /** Or the user's region. */
  readonly region: RegionTensor | null
  readonly inPlace: InPlace | null
  /** Or new memory of the device that makes it. */
  readonly onDevice: boolean
}

export interface ReadRequest {
  readonly inputs: readonly ReadInput[]
  readonly outputs: readonly ReadOutput[]
  /** The user named outputs: ask for these only. */
  readonly namesOutputs: boolean
}

export function readRequest(
  bridge: Bridge,
  model: Descriptor,
  inputs: Inputs,
  outputs: Outputs | undefined,
): ReadRequest {
  if (typeof inputs !== 'object' || inputs === null || Array.isArray(inputs)) {
    throw new TypeError(`inputs is an object of tensors by name, got ${typeName(inputs)}`)
  }
  return {
    inputs: Object.keys(inputs).map((name) => readInput(bridge, model, name, inputs[name])),
    ...readOutputs(bridge, model, outputs),
  }
}

// Inputs ------------------------------------------------------------------------------------------

function readInput(bridge: Bridge, model: Descriptor, name: string, value: unknown): ReadInput {
  const spec = model.inputs[model.inputIndex.get(name) ?? -1]
  if (!spec) throw unexpectedInput(model, name)
  const what = `input '${name}' of model '${model.model}'`
  if (value instanceof RegionTensor) {
    const { shape, byteSize } = value
    const datatype = datatypeInfo(value.datatype)
    const inPlace = value.inPlace()
    return { name, datatype, shape, data: null, byteSize, inPlace, isView: false, bare: false }
  }
  checkOwnRegion(what, value)
  const tensor = isTensor(value) ? value : null
  const elements: unknown = tensor ? tensor.data : value
  if (!isTypedArray(elements) && !Array.isArray(elements)) {
    throw new TypeError(
      `${what} is a Tensor, a typed array or, for BYTES, an array of strings or Uint8Arrays; ` +
        `got ${typeName(value)}`,
    )
  }
  const datatype = datatypeInfo(tensor ? tensor.datatype : spec.datatype)
  checkElementType(what, datatype, elements, tensor ? 'tensor' : 'model')
  if (isTypedArray(elements)) checkAttached(what, elements)
  const shape = tensor ? tensor.shape : deduceShape(what, spec, elements.length)
  if (tensor) checkLength(what, shape, elements.length)
  const data = isTypedArray(elements) ? elements : encodeBytes(elements, what)
  const inPlace = isTypedArray(elements) ? sharedBytes(bridge, elements) : null
  return {
    name,
    datatype,
    shape,
    data: inPlace ? null : data,
    byteSize: data.byteLength,
    inPlace,
    isView: isTypedArray(elements) && isView(bridge, elements),
    bare: !tensor,
  }
}

/** Native memory that a function was lent. */
function isView(bridge: Bridge, array: TypedArray): boolean {
  return maybeExecutionView(array) && bridge.native.isView(array)
}

/** The numbers of memory differ between copies of this package. */
function checkOwnRegion(what: string, value: unknown): void {
  if (!isForeignRegionTensor(value)) return
  throw new TypeError(
    `${what}: the region tensor belongs to another copy of this package (import and require load ` +
      `one each); open the region with the copy that made the server`,
  )
}

function unexpectedInput(model: Descriptor, name: string): Error {
  const names = model.inputs.map((input) => `'${input.name}'`).join(', ')
  return invalid(
    `unexpected inference input '${name}' for model '${model.model}', whose inputs are ${names}`,
  )
}

function checkElementType(
  what: string,
  datatype: DatatypeInfo,
  elements: unknown,
  expectedBy: 'tensor' | 'model',
): void {
  const matches =
    datatype.array === null ? Array.isArray(elements) : arrayName(elements) === datatype.array.name
  if (matches) return
  const array = datatype.array === null ? 'an array of strings or Uint8Arrays' : datatype.array.name
  throw invalid(
    `${what}: the ${expectedBy} is ${datatype.name} and expects ${array}, ` +
      `got ${typeName(elements)}`,
  )
}

/** A buffer that JS may move or shrink under us is refused, even where a copy would be safe. */
export function checkAttached(what: string, array: TypedArray): void {
  const buffer = array.buffer as ArrayBufferLike & { resizable?: boolean; growable?: boolean }
  if (buffer.resizable || buffer.growable) {
    throw invalid(
      `${what}: its buffer is resizable; expected one of fixed size (copy it with slice())`,
    )
  }
  if (array.byteLength === 0 && isDetached(buffer)) {
    throw invalid(`${what}: its buffer is detached (transferred elsewhere); expected its bytes`)
  }
}

export function isDetached(buffer: ArrayBufferLike): boolean {
  if (buffer.byteLength > 0) return false
  try {
    new Uint8Array(buffer)
    return false
  } catch {
    return true
  }
}

function checkLength(what: string, shape: readonly number[], found: number): void {
  const expected = elementCount(shape)
  if (found === expected) return
  throw invalid(`${what}: shape [${shape}] has ${expected} elements, its data has ${found}`)
}

/** The rule of InputValue. */
export function deduceShape(what: string, spec: TensorSpec, length: number): readonly number[] {
  let fixed = 1
  let variable = -1
  for (let i = 0; i < spec.shape.length; i++) {
    if (spec.shape[i]! >= 0) fixed *= spec.shape[i]!
    else if (variable < 0) variable = i
    else {
      throw invalid(
        `${what}: its shape [${spec.shape}] has more than one variable dimension, so ${length} ` +
          `elements do not say which is meant: give a Tensor`,
      )
    }
  }
  if (variable < 0) {
    if (length === fixed) return spec.shape
    throw invalid(`${what}: shape [${spec.shape}] has ${fixed} elements, got ${length}`)
  }
  if (fixed === 0 || length % fixed !== 0) {
    throw invalid(
      `${what}: ${length} elements are no multiple of ${fixed}, which shape [${spec.shape}] needs`,
    )
  }
  const shape = [...spec.shape]
  shape[variable] = length / fixed
  return Object.freeze(shape)
}

/** Where the bytes are, if they can be used in place: a SharedArrayBuffer can't be detached. */
export function sharedBytes(bridge: Bridge, array: TypedArray): InPlace | null {
  const buffer = array.buffer
  if (!types.isSharedArrayBuffer(buffer)) return null
  return {
    memory: bridge.sharedMemory(buffer),
    offset: array.byteOffset,
    byteSize: array.byteLength,
    owner: array,
  }
}

// Outputs -----------------------------------------------------------------------------------------

function readOutputs(
  bridge: Bridge,
  model: Descriptor,
  outputs: Outputs | undefined,
): { outputs: ReadOutput[]; namesOutputs: boolean } {
  if (outputs === undefined) {
    return {
      outputs: model.outputs.map((spec) => newOutput(spec)),
      namesOutputs: false,
    }
  }
  if (typeof outputs !== 'object' || outputs === null) {
    throw new TypeError(
      `outputs is an array of names or an object of targets by name, got ${typeName(outputs)}`,
    )
  }
  const entries: [string, unknown][] = Array.isArray(outputs)
    ? outputs.map((name) => [readName(name), true])
    : Object.entries(outputs)
  if (entries.length === 0) return readOutputs(bridge, model, undefined)
  const seen = new Set<string>()
  const read = entries.map(([name, target]) => {
    const spec = model.outputs[model.outputIndex.get(name) ?? -1]
    if (!spec) {
      const names = model.outputs.map((output) => `'${output.name}'`).join(', ')
      throw invalid(
        `unexpected inference output '${name}' for model '${model.model}', ` +
          `whose outputs are ${names}`,
      )
    }
    if (seen.has(name)) throw invalid(`output '${name}' is asked for twice`)
    seen.add(name)
    return readTarget(bridge, model, spec, target)
  })
  checkOverlap(model, read)
  return { outputs: read, namesOutputs: true }
}

/** Ordinary arrays; memory used in place is checked where its address is known. */
function checkOverlap(model: Descriptor, outputs: readonly ReadOutput[]): void {
  for (let i = 1; i < outputs.length; i++) {
    const { name, target } = outputs[i]!
    if (target === null) continue
    for (let j = 0; j < i; j++) {
      const other = outputs[j]!
      if (other.target === null || !overlap(target, other.target)) continue
      throw invalid(
        `output '${name}' of model '${model.model}': its ${target.byteLength} bytes overlap ` +
          `those of output '${other.name}'`,
      )
    }
  }
}

function overlap(a: TypedArray, b: TypedArray): boolean {
  return (
    a.buffer === b.buffer &&
    a.byteLength > 0 &&
    b.byteLength > 0 &&
    a.byteOffset < b.byteOffset + b.byteLength &&
    b.byteOffset < a.byteOffset + a.byteLength
  )
}

function readName(name: unknown): string {
  if (typeof name === 'string') return name
  throw new TypeError(`an output name is a string, got ${typeName(name)}`)
}

function newOutput(spec: TensorSpec): ReadOutput {
  const nowhere = { target: null, targetLength: 0, region: null, inPlace: null }
  return { name: spec.name, spec, ...nowhere, onDevice: false }
}

function readTarget(
  bridge: Bridge,
  model: Descriptor,
  spec: TensorSpec,
  target: unknown,
): ReadOutput {
  if (target === true) return newOutput(spec)
  if (target === 'device') return { ...newOutput(spec), onDevice: true }
  const what = `output '${spec.name}' of model '${model.model}'`
  if (target instanceof RegionTensor) {
    checkDatatype(what, spec.datatype, target.datatype)
    const inPlace = target.inPlace()
    return { ...newOutput(spec), region: target, inPlace }
  }
  checkOwnRegion(what, target)
  const tensor = isTensor(target) ? target : null
  if (tensor) checkDatatype(what, spec.datatype, tensor.datatype)
  const array: unknown = tensor ? tensor.data : target
  if (!isTypedArray(array)) {
    throw new TypeError(
      `${what} goes to true, 'device', a typed array, a Tensor or a region tensor; got ` +
        (typeof target === 'string' ? `'${target}'` : typeName(target)),
    )
  }
  checkElementType(what, datatypeInfo(spec.datatype), array, 'model')
  checkAttached(what, array)
  const inPlace = sharedBytes(bridge, array)
  return { ...newOutput(spec), target: array, targetLength: array.length, inPlace }
}

function checkDatatype(what: string, expected: Datatype, found: Datatype): void {
  if (expected === found) return
  throw invalid(`${what}: the model gives ${expected}, the memory given is for ${found}`)
}
