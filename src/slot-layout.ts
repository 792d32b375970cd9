// Where the tensors of batch slots lie in their region.
import type { BatchSlotsLayout } from './batch-slots.js'
import { checkKeys } from './check-keys.js'
import {
  arrayName,
  type DatatypeInfo,
  datatypeInfo,
  type TypedArray,
  type TypedArrayConstructor,
  typeName,
} from './datatypes.js'
import { invalid } from './errors.js'
import { alignment } from './layout.js'
import { readObject } from './options.js'
import { type RegionSource, RegionTensor, readSize } from './region-tensor.js'
import { elementCount, readShape } from './tensor.js'

/** A tensor of all slots, its items side by side. */
export class SlotColumn {
  readonly name: string
  readonly info: DatatypeInfo & { readonly array: TypedArrayConstructor }
  /** Of one item, with its batch dimension of 1. */
  readonly #shape: readonly number[]
  /** Elements of one item. */
  readonly length: number
  readonly itemBytes: number
  /** Bytes from the region's start to the first item. */
  readonly offset: number

  constructor(name: string, tensor: unknown, earliest: number) {
    const what = `tensor '${name}' of batch slots`
    if (typeof tensor !== 'object' || tensor === null) {
      throw new TypeError(`${what} is { datatype, shape }, got ${typeName(tensor)}`)
    }
    checkKeys(tensor, ['datatype', 'shape'], what)
    const { datatype, shape } = tensor as { datatype: string; shape: readonly number[] }
    const info = datatypeInfo(datatype)
    if (info.array === null) {
      throw invalid(`${what} is BYTES; expected a datatype whose elements have a fixed size`)
    }
    this.name = name
    this.info = info as SlotColumn['info']
    this.#shape = readShape([1, ...readShape(shape)])
    this.length = elementCount(this.#shape)
    if (this.length === 0) throw invalid(`${what} has shape [${shape}]; expected elements`)
    this.itemBytes = this.length * info.byteSize
    this.offset = Math.ceil(earliest / alignment) * alignment
  }

  /** Where an item begins, in bytes from the region's start. */
  at(index: number): number {
    return this.offset + index * this.itemBytes
  }

  /** An item in `memory`, the region's. */
  tensor(memory: RegionSource, index: number): RegionTensor {
    return new RegionTensor(memory, this.info.name, this.#shape, { offset: this.at(index) })
  }

  /** A TypeError or RangeError unless `array` is one that holds an item's elements. */
  checkArray(array: unknown): void {
    const { name, info, length } = this
    const found = arrayName(array)
    if (found !== info.array.name) {
      const expected = `a ${info.array.name} for ${info.name}`
      throw new TypeError(`'${name}' is ${expected}, got ${found ?? typeName(array)}`)
    }
    const elements = (array as TypedArray).length
    if (elements !== length) {
      throw new RangeError(`'${name}' has ${length} elements in a slot, got ${elements}`)
    }
  }
}

export class SlotLayout {
  readonly inputs: readonly SlotColumn[]
  readonly outputs: readonly SlotColumn[]
  readonly count: number
  /** From the region's start. */
  readonly byteSize: number
  readonly #columns = new Map<string, SlotColumn>()

  /** Throws as `BatchSlots.byteSize`. */
  constructor(layout: BatchSlotsLayout) {
    readObject(layout, 'a layout of batch slots')
    checkKeys(layout, ['inputs', 'outputs', 'count', 'offset'], 'a layout of batch slots')
    const { inputs, outputs = {}, count, offset = 0 } = layout
    readObject(inputs, 'inputs of batch slots')
    readObject(outputs, 'outputs of batch slots')
    this.count = readSize(count, 'count')
    if (this.count === 0) throw new RangeError('count is more than 0')
    let end = readSize(offset, 'offset')
    const place = ([name, tensor]: [string, unknown]): SlotColumn => {
      const column = new SlotColumn(name, tensor, end)
      if (this.#columns.has(name)) throw invalid(`'${name}' is both an input and an output`)
      this.#columns.set(name, column)
      end = column.at(this.count)
      return column
    }
    this.inputs = Object.entries(inputs).map(place)
    this.outputs = Object.entries(outputs).map(place)
    if (this.inputs.length === 0) throw invalid('batch slots have no inputs')
    if (!Number.isSafeInteger(end)) {
      throw invalid(`${count} batch slots have more bytes than can be counted`)
    }
    this.byteSize = end
  }

  /** A TypeError when there is no such tensor. */
  find(name: string): SlotColumn {
    const column = this.#columns.get(name)
    if (column !== undefined) return column
    const names = [...this.#columns.keys()].join(', ')
    throw new TypeError(`the batch slots have no tensor '${String(name)}': use one of ${names}`)
  }
}
