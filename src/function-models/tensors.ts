// Parts of tensors along their first dimension, and tensors made of such parts.
import { datatypeInfo, type TypedArray } from '../datatypes.js'
import { elementCount, Tensor, trusted } from '../tensor.js'

/** Elements of one item. */
export function itemLength({ shape }: Tensor): number {
  return elementCount(shape.slice(1))
}

/** Items `begin` to `end`, without a copy. */
export function slice(tensor: Tensor, begin: number, end: number): Tensor {
  const length = itemLength(tensor)
  const data = part(tensor, begin * length, end * length)
  return over(tensor, data, [end - begin, ...tensor.shape.slice(1)])
}

/** Item `index` without the first dimension, without a copy. */
export function itemOf(tensor: Tensor, index: number): Tensor {
  const length = itemLength(tensor)
  return over(tensor, part(tensor, index * length, (index + 1) * length), tensor.shape.slice(1))
}

/** As an item of a batch of one, without a copy. */
export function asBatch(tensor: Tensor): Tensor {
  return over(tensor, tensor.data, [1, ...tensor.shape])
}

/** The items of all `tensors`, whose items have one shape, in one block. */
export function concat(tensors: readonly Tensor[]): Tensor {
  const [first] = tensors as readonly [Tensor]
  if (tensors.length === 1) return first
  const items = tensors.reduce((sum, { shape }) => sum + shape[0]!, 0)
  const data = joined(first, tensors)
  return over(first, data, [items, ...first.shape.slice(1)])
}

/** Whether `whole`, which concat made of them, still has the elements of `tensors`; not of BYTES. */
export function isConcat(whole: Tensor, tensors: readonly Tensor[]): boolean {
  if (whole.datatype === 'BYTES') return true
  const all = bytesOf(whole)
  let offset = 0
  return tensors.every((tensor) => {
    const bytes = bytesOf(tensor)
    offset += bytes.length
    return all.compare(bytes, 0, bytes.length, offset - bytes.length, offset) === 0
  })
}

/** The items at `indices`, in that order, in one block. */
export function gather(tensor: Tensor, indices: readonly number[]): Tensor {
  const length = itemLength(tensor)
  const parts = indices.map((index) =>
    over(tensor, part(tensor, index * length, (index + 1) * length), [1, ...tensor.shape.slice(1)]),
  )
  return concat(parts)
}

export function sameItems(a: Tensor, b: Tensor): boolean {
  return (
    a.shape.length === b.shape.length && a.shape.every((dim, i) => i === 0 || dim === b.shape[i])
  )
}

/** A key by which items with the same elements are found. */
export function keyOf(item: Tensor): string {
  if (item.datatype !== 'BYTES') return bytesOf(item).toString('latin1')
  const texts = (item.data as readonly (string | Uint8Array)[]).map((element) =>
    Buffer.from(element as string).toString('latin1'),
  )
  return texts.map((text) => `${text.length}:${text}`).join('')
}

function bytesOf({ data }: Tensor): Buffer {
  const { buffer, byteOffset, byteLength } = data as TypedArray
  return Buffer.from(buffer, byteOffset, byteLength)
}

/** A tensor like `tensor` with other elements. */
export function over(tensor: Tensor, data: Tensor['data'], shape: readonly number[]): Tensor {
  return new Tensor(tensor.datatype, data, Object.freeze(shape), trusted)
}

function part({ data }: Tensor, begin: number, end: number): Tensor['data'] {
  return Array.isArray(data) ? data.slice(begin, end) : (data as TypedArray).subarray(begin, end)
}

function joined({ datatype }: Tensor, tensors: readonly Tensor[]): Tensor['data'] {
  const { array } = datatypeInfo(datatype)
  if (array === null) return tensors.flatMap(({ data }) => data as readonly string[])
  const data = new array(tensors.reduce((sum, tensor) => sum + tensor.data.length, 0))
  let offset = 0
  for (const tensor of tensors) {
    data.set(tensor.data as never, offset)
    offset += tensor.data.length
  }
  return data
}
