// Checks what a function gave against what its model promises.
import { arrayName, datatypeInfo, type TypedArray, typeName } from '../datatypes.js'
import type { TensorSpec } from '../descriptor.js'
import { Failure } from '../errors.js'
import { isForeignRegionTensor, RegionTensor } from '../region-tensor.js'
import { checkAttached, deduceShape } from '../request.js'
import { elementCount, encodeBytes, isTensor, isTypedArray, Tensor, trusted } from '../tensor.js'
import type { Description } from './description.js'

/** By position in the outputs of the description; null where there is none. */
export type Results = readonly (Tensor | null)[]

/** [name, datatype id, shape, elements or, for BYTES, their encoded form] of each output in turn. */
export type NativeOutputs = (string | number | readonly number[] | TypedArray)[]

/**
 * @param items of the batch that the value answers; null when its tensors have no batch dimension
 * @throws Failure that names the output, what was expected and what was found
 */
export function readResults(
  description: Description,
  value: unknown,
  items: number | null,
): Results {
  const { model, outputs, outputIndex } = description
  if (typeof value !== 'object' || value === null || isTensor(value) || isList(value)) {
    throw wrong(`model '${model}': expected an object of outputs by name, found ${found(value)}`)
  }
  const results: (Tensor | null)[] = new Array(outputs.length).fill(null)
  const given = value as Readonly<Record<string, unknown>>
  for (const name in given) {
    if (!Object.hasOwn(given, name) || given[name] === undefined) continue
    const position = outputIndex.get(name)
    if (position === undefined) {
      const names = outputs.map((output) => `'${output.name}'`).join(', ')
      throw wrong(`model '${model}': unexpected output '${name}'; expected ${names}`)
    }
    const spec = ofItems(outputs[position]!, items, description)
    results[position] = readTensor(`output '${name}' of model '${model}'`, spec, given[name])
  }
  return results
}

/** @throws Failure for an output that is missing, though `requested` or all are wanted */
export function checkComplete(
  description: Description,
  results: Results,
  requested: () => readonly string[],
): void {
  for (let i = 0; i < results.length; i++) {
    const { name } = description.outputs[i]!
    if (results[i] !== null || description.states.includes(name)) continue
    if (!requested().includes(name)) continue
    const got = description.outputs.filter((_, at) => results[at]).map((of) => `'${of.name}'`)
    throw wrong(
      `output '${name}' of model '${description.model}': expected a value, found ` +
        (got.length > 0 ? `${got.join(', ')} only` : 'no outputs'),
    )
  }
}

export function nativeOutputs(description: Description, results: Results): NativeOutputs {
  const list: NativeOutputs = []
  for (let i = 0; i < results.length; i++) {
    const tensor = results[i]
    if (!tensor) continue
    const { name } = description.outputs[i]!
    const { id, array } = datatypeInfo(tensor.datatype)
    const elements = array === null ? encodeOutput(description, name, tensor) : tensor.data
    list.push(name, id, tensor.shape, elements as TypedArray)
  }
  return list
}

export function wrong(message: string): Failure {
  return new Failure('INTERNAL', message)
}

/** The shape of a tensor of so many items; of one without the batch dimension for null. */
export function ofItems(
  spec: TensorSpec,
  items: number | null,
  { batches }: Description,
): TensorSpec {
  if (!batches) return spec
  const dims = spec.shape.slice(1)
  return { ...spec, shape: items === null ? dims : [items, ...dims] }
}

/** @param what names the tensor */
export function readTensor(what: string, spec: TensorSpec, value: unknown): Tensor {
  const tensor = isTensor(value) ? value : null
  const elements: unknown = tensor ? tensor.data : value
  const { array } = datatypeInfo(spec.datatype)
  const fits = array === null ? Array.isArray(elements) : arrayName(elements) === array.name
  if (!fits || (tensor && tensor.datatype !== spec.datatype)) {
    const kind = array === null ? 'an array of strings or Uint8Arrays' : `a ${array.name}`
    throw wrong(`${what}: expected ${spec.datatype} (${kind}), found ${found(value)}`)
  }
  const data = elements as TypedArray
  try {
    if (isTypedArray(data)) checkAttached(what, data)
    const shape = tensor ? tensor.shape : deduceShape(what, spec, data.length)
    checkShape(what, spec, shape, data.length)
    return tensor ?? new Tensor(spec.datatype, data as never, shape, trusted)
  } catch (error) {
    throw error instanceof Failure ? error : wrong((error as Error).message)
  }
}

function checkShape(what: string, spec: TensorSpec, shape: readonly number[], count: number): void {
  const expected = spec.shape
  if (shape.length !== expected.length || expected.some((dim, i) => dim >= 0 && dim !== shape[i])) {
    throw wrong(`${what}: expected shape [${expected}], found [${shape}]`)
  }
  const elements = elementCount(shape)
  if (elements === count) return
  throw wrong(`${what}: expected ${elements} elements for shape [${shape}], found ${count}`)
}

function encodeOutput({ model }: Description, name: string, { data }: Tensor): Uint8Array {
  try {
    return encodeBytes(data as readonly unknown[], `output '${name}' of model '${model}'`)
  } catch (error) {
    throw wrong((error as Error).message)
  }
}

function isList(value: unknown): boolean {
  return Array.isArray(value) || isTypedArray(value)
}

/** What to call a value in a message. */
function found(value: unknown): string {
  if (value === undefined) return 'nothing'
  if (isTensor(value)) return `a tensor of ${value.datatype}`
  if (value instanceof RegionTensor || isForeignRegionTensor(value)) return 'a region tensor'
  return typeName(value)
}
