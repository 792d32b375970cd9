// From what the addon says about a request that succeeded to the tensors that users see.
import type { NativeParameter, NativeResult } from './binding.js'
import { asPlanned, type Bridge } from './bridge.js'
import { CudaMemory } from './cuda-memory.js'
import type { CudaTensor } from './cuda-tensor.js'
import { datatypeFromId, type TypedArray } from './datatypes.js'
import { invalid } from './errors.js'
import { sameShape } from './layout.js'
import type { Plan } from './plan.js'
import type { RegionTensor } from './region-tensor.js'
import { checkAttached } from './request.js'
import type { Slot } from './slot.js'
import { decodeBytes, elementCount, Tensor, trusted } from './tensor.js'

/** What requests resolve to, before the facade's types say which is which. */
export type AnyResult = Record<string, Tensor | RegionTensor>

const parametersByResult = new WeakMap<object, Readonly<Record<string, NativeParameter>>>()

/** What the backend said about a response, a result of `infer` or part of a stream, beside its outputs. */
export function parametersOf(result: object): Readonly<Record<string, NativeParameter>> {
  return parametersByResult.get(result) ?? {}
}

/** @param list names and values in turn */
export function setParameters(result: object, list: readonly NativeParameter[]): void {
  if (list.length === 0) return
  const parameters: Record<string, NativeParameter> = {}
  for (let i = 0; i < list.length; i += 2) parameters[list[i] as string] = list[i + 1]!
  parametersByResult.set(result, Object.freeze(parameters))
}

/** The outputs of a slot's request, which ended with `outcome`. */
export function readResult(plan: Plan, slot: Slot, outcome: number): AnyResult {
  const result: AnyResult = {}
  if (outcome === asPlanned) {
    for (let i = 0; i < plan.outputs.length; i++) {
      result[plan.outputs[i]!.name] = readPlanned(plan, slot, i)
    }
    return result
  }
  const found = plan.bridge.native.readOutputs(slot.id)
  const memories = plan.leavesOnDevice
    ? deviceMemories(
        plan.bridge,
        plan.outputs.map((_, i) => found[i]?.[3] as Place),
      )
    : null
  try {
    for (let i = 0; i < plan.outputs.length; i++) {
      if (!found[i]) continue
      const output = found[i] as NativeResult
      const memory = memories?.[i]
      result[plan.outputs[i]!.name] = memory
        ? onDevice(memory, output[0], output[1], output[2])
        : readFound(plan, slot, i, output)
    }
  } catch (error) {
    closeAll(memories)
    throw error
  }
  const parameters = found[plan.outputs.length]
  if (parameters) setParameters(result, parameters as NativeParameter[])
  return result
}

/** Where an output is, as the addon says. */
export type Place = NativeResult[3]
/** Of each output its memory, if it stayed on a device. */
export type DeviceMemories = readonly (CudaMemory | null)[]

/** Made for all outputs before one is read: when one can't be, nobody gets any, and all are closed. */
export function deviceMemories(bridge: Bridge, places: readonly Place[]): DeviceMemories {
  return places.map((place) => (Array.isArray(place) ? new CudaMemory(bridge, place) : null))
}

export function closeAll(memories: DeviceMemories | null): void {
  if (memories !== null) for (const memory of memories) memory?.close()
}

export function onDevice(
  memory: CudaMemory,
  id: number,
  shape: readonly number[],
  byteSize: number,
): CudaTensor {
  const { name, array } = datatypeFromId(id)
  return memory.tensor(name, shape, array === null ? { byteSize } : {})
}

/** An output that is where it was expected, in the shape expected. */
function readPlanned(plan: Plan, slot: Slot, i: number): Tensor | RegionTensor {
  const { datatype, shape, length, mode } = plan.outputs[i]!
  if (slot.request !== null) {
    const given = readGiven(plan, slot, i, shape!, length)
    if (given) return given
  }
  const data =
    mode === 'slab' ? plan.counted(slot.outputs[i]!.slice() as TypedArray) : slot.fresh[i]!
  return new Tensor(datatype.name, data as never, shape!, trusted)
}

/** An output whose shape or place was not known before. */
function readFound(plan: Plan, slot: Slot, i: number, found: NativeResult): Tensor | RegionTensor {
  const [id, shape, byteSize] = found
  const buffer = found[3] as ArrayBuffer | undefined
  const datatype = datatypeFromId(id)
  Object.freeze(shape)
  const request = slot.request?.outputs[i]
  const planned = plan.outputs[i]!
  if ((request?.target || request?.region) && id !== planned.datatype.id) {
    throw invalid(
      `output '${planned.name}' of model '${plan.model.model}': the model gave ${datatype.name}, ` +
        `the memory given is for ${planned.datatype.name}`,
    )
  }
  if (!buffer && slot.request !== null) {
    const given = readGiven(plan, slot, i, shape, byteSize / (datatype.byteSize || 1))
    if (given) return given
  }
  const bytes = plan.counted(buffer ? new Uint8Array(buffer) : bytesInSlot(slot, i, byteSize))
  if (datatype.array === null) {
    const elements = decodeBytes(bytes as Uint8Array, elementCount(shape))
    return new Tensor(datatype.name, elements as never, shape, trusted)
  }
  const data = new datatype.array(bytes.buffer)
  const tensor = new Tensor(datatype.name, data as never, shape, trusted)
  const target = request?.target
  return target ? copyTo(plan, i, target, tensor) : tensor
}

/** A copy of what was written to memory of the slot. */
function bytesInSlot(slot: Slot, i: number, byteSize: number): Uint8Array {
  const array = (slot.outputs[i] ?? slot.fresh[i])!
  return new Uint8Array(array.buffer, array.byteOffset, byteSize).slice()
}

/** The user's memory for output `i` as its tensor, filled; null when none was given. */
function readGiven(
  plan: Plan,
  slot: Slot,
  i: number,
  shape: readonly number[],
  length: number,
): Tensor | RegionTensor | null {
  const { datatype, mode } = plan.outputs[i]!
  const { target, region } = slot.request!.outputs[i]!
  if (region) return sameShape(region.shape, shape) ? region : region.reshaped(shape)
  if (target === null) return null
  if (mode === 'slab') {
    const data = slot.outputs[i]!.subarray(0, length)
    return copyTo(plan, i, target, new Tensor(datatype.name, data as never, shape, trusted))
  }
  return over(target, length, datatype.name, shape)
}

/** Meanwhile the array may have been transferred away or cut short: checked again now. */
function copyTo(plan: Plan, i: number, target: TypedArray, from: Tensor): Tensor {
  const what = `output '${plan.outputs[i]!.name}' of model '${plan.model.model}'`
  checkAttached(what, target)
  const source = from.data as unknown as TypedArray
  if (target.length < source.length) {
    throw invalid(`${what} has ${source.length} elements; the array given holds ${target.length}`)
  }
  target.set(plan.counted(source) as never)
  return over(target, source.length, from.datatype, from.shape)
}

/** A tensor over the first `length` elements of `array`. */
function over(
  array: TypedArray,
  length: number,
  datatype: Tensor['datatype'],
  shape: readonly number[],
): Tensor {
  const data = array.length === length ? array : array.subarray(0, length)
  return new Tensor(datatype, data as never, shape, trusted)
}

/**
 * The outputs of a request bound for many runs, over the memory bound to them: all but those that
 * stay on a device, which are new each time.
 */
export function boundResult(plan: Plan, slot: Slot): Readonly<AnyResult> {
  const result: AnyResult = {}
  for (let i = 0; i < plan.outputs.length; i++) {
    const { name, shape, mode } = plan.outputs[i]!
    if (mode === 'device') continue
    const { target, region } = slot.request!.outputs[i]!
    const known = shape ?? region?.shape ?? Object.freeze([target!.length])
    result[name] = readGiven(plan, slot, i, known, target ? elementCount(known) : 0)!
  }
  return Object.freeze(result)
}
