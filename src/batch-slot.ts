import type { ArrayOf, Datatype } from './datatypes.js'
import { TridentError } from './errors.js'
import type { RegionTensor } from './region-tensor.js'
import type { SharedMemory } from './shared-memory.js'
import type { SlotColumn, SlotLayout } from './slot-layout.js'
import type { Ranked } from './tensor.js'

/** One tensor of a slot. BYTES is not possible: the size of its elements varies. */
export interface SlotTensor<D extends Exclude<Datatype, 'BYTES'> = Exclude<Datatype, 'BYTES'>> {
  readonly datatype: D
  /** Of one item, without the batch dimension. */
  readonly shape: readonly number[]
}
export type SlotTensors = Readonly<Record<string, SlotTensor>>
export type NoTensors = Readonly<Record<never, SlotTensor>>

/** Region tensors by name, each with a batch dimension of 1. */
export type SlotRegionTensors<T extends SlotTensors> = {
  readonly [N in keyof T]: RegionTensor<T[N]['datatype'], [number, ...Ranked<T[N]['shape']>]>
}
type ArrayIn<T, N extends keyof T> = T[N] extends SlotTensor<infer D> ? ArrayOf[D] : never

export interface SlotTensorsOf<I extends SlotTensors, O extends SlotTensors> {
  readonly inputs: SlotRegionTensors<I>
  readonly outputs: SlotRegionTensors<O>
}

/**
 * Room for one item, from `take()` or `acquire()` until its release. Release it, also when its
 * request fails, once the answer has been read: the next user writes to the same memory. A request
 * that still runs, because it was aborted or its `timeout` has passed, keeps the slot from the next
 * user until it has ended, and so does a prepared one until it is closed.
 */
export class BatchSlot<I extends SlotTensors = SlotTensors, O extends SlotTensors = NoTensors> {
  /** From 0; slots with following numbers are neighbours. */
  readonly index: number
  readonly #region: SharedMemory
  readonly #layout: SlotLayout
  readonly #tensors: SlotTensorsOf<I, O>
  readonly #giveBack: () => void
  #released = false

  /** @internal */
  constructor(
    region: SharedMemory,
    layout: SlotLayout,
    index: number,
    tensors: SlotTensorsOf<I, O>,
    giveBack: () => void,
  ) {
    this.#region = region
    this.#layout = layout
    this.index = index
    this.#tensors = tensors
    this.#giveBack = giveBack
  }

  /**
   * What to infer from: `model.infer(slot.inputs, { outputs: slot.outputs })`.
   *
   * @throws TridentError UNAVAILABLE: the slot was released, or the region closed
   */
  get inputs(): SlotRegionTensors<I> {
    this.#check()
    return this.#tensors.inputs
  }

  /** Where answers go. Throws as `inputs`. */
  get outputs(): SlotRegionTensors<O> {
    this.#check()
    return this.#tensors.outputs
  }

  /**
   * A tensor's elements where they lie, to write and to read; not to be used after the release.
   *
   * @throws TridentError as `inputs`; UNSUPPORTED where the runtime does not allow views
   *   (Electron), and for a read-only region: use `write` and `read` there. TypeError: there is no
   *   such tensor
   */
  view<N extends keyof (I & O) & string>(name: N): ArrayIn<I & O, N> {
    const column = this.#column(name)
    const { buffer } = this.#region.view()
    return new column.info.array(buffer, column.at(this.index), column.length) as ArrayIn<I & O, N>
  }

  /**
   * Copies a tensor's elements into the slot: all of them, in the datatype's array. Anywhere.
   *
   * @throws TridentError as `inputs`; INVALID_ARG: the region is read-only. TypeError: there is no
   *   such tensor, or it is of another datatype; RangeError: it has another number of elements
   */
  write<N extends keyof (I & O) & string>(name: N, source: ArrayIn<I & O, N>): void {
    const column = this.#column(name)
    column.checkArray(source)
    this.#region.write(column.at(this.index), source as ArrayBufferView)
  }

  /**
   * Copies a tensor's elements out of the slot, into a new array unless given. Anywhere.
   *
   * @throws as `write`, read-only regions apart
   */
  read<N extends keyof (I & O) & string>(name: N, target?: ArrayIn<I & O, N>): ArrayIn<I & O, N> {
    const column = this.#column(name)
    const array = target ?? new column.info.array(column.length)
    column.checkArray(array)
    this.#region.read(column.at(this.index), array as ArrayBufferView)
    return array as ArrayIn<I & O, N>
  }

  /**
   * Gives the slot up. Also possible when the region is closed.
   *
   * @throws TridentError UNAVAILABLE: it was released before
   */
  release(): void {
    this.#checkHeld()
    this.#released = true
    this.#giveBack()
  }

  /** Releases the slot unless that was done. */
  [Symbol.dispose](): void {
    if (!this.#released) this.release()
  }

  #check(): void {
    this.#checkHeld()
    this.#region.checkOpen()
  }

  #checkHeld(): void {
    if (!this.#released) return
    throw new TridentError('UNAVAILABLE', `batch slot ${this.index} was released`)
  }

  #column(name: string): SlotColumn {
    this.#check()
    return this.#layout.find(name)
  }
}
