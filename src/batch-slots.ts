import { addAbortHandler, readSignal, removeAbortHandler } from './abort.js'
import {
  BatchSlot,
  type NoTensors,
  type SlotRegionTensors,
  type SlotTensors,
  type SlotTensorsOf,
} from './batch-slot.js'
import { checkKeys } from './check-keys.js'
import { Failure, TridentError, toError } from './errors.js'
import { readObject } from './options.js'
import type { RegionSource, RegionTensor } from './region-tensor.js'
import type { SharedMemory } from './shared-memory.js'
import { type SlotColumn, SlotLayout } from './slot-layout.js'

export interface BatchSlotsLayout<
  I extends SlotTensors = SlotTensors,
  O extends SlotTensors = SlotTensors,
> {
  /** The model's inputs by name. */
  inputs: I
  /** The outputs that the model shall write in place, by name. */
  outputs?: O
  /** How many items there is room for, more than 0. */
  count: number
  /** Where the first tensor may begin, in bytes from the start of the region; 0 unless given. */
  offset?: number
}

interface Waiter<S> {
  resolve(slot: S): void
  reject(reason: unknown): void
  readonly signal: AbortSignal | undefined
  readonly onAbort: () => void
}

/** The bytes of one slot: in use while it is taken, and by requests that outlast that. */
class SlotMemory implements RegionSource {
  readonly #region: SharedMemory
  readonly #index: number
  readonly #onUnused: () => void
  #users = 0

  constructor(region: SharedMemory, index: number, onUnused: () => void) {
    this.#region = region
    this.#index = index
    this.#onUnused = onUnused
  }

  memory(): number | string {
    if (this.#users > 0) return this.#region.source.memory()
    throw new TridentError('UNAVAILABLE', `batch slot ${this.#index} was released`)
  }

  retain(): void {
    this.#users++
  }

  release(): void {
    if (--this.#users === 0) this.#onUnused()
  }
}

/** A slot, whoever has it. */
interface Place<I extends SlotTensors, O extends SlotTensors> {
  readonly memory: SlotMemory
  readonly tensors: SlotTensorsOf<I, O>
}

/**
 * Room in a region for the items of batches: each tensor has its items side by side, so that the
 * requests which a model executes together lie in one block. Such a batch is read where it lies,
 * and its answers are written where they belong, without a copy. Made by
 * `SharedMemory.batchSlots()`.
 *
 * Slots are handed out in order, round and round: those in use at the same time are neighbours.
 * While all are taken, whoever waits gets the one that is free next. A batch that reaches over the end,
 * from the last slot to the first, or has gaps, is copied once.
 */
export class BatchSlots<I extends SlotTensors = SlotTensors, O extends SlotTensors = NoTensors> {
  readonly count: number
  /** Bytes of the region that the slots need, from the region's start. */
  readonly byteSize: number
  readonly #region: SharedMemory
  readonly #layout: SlotLayout
  /** By slot: 1 when it is free. */
  readonly #free: Uint8Array
  #available: number
  /** The neighbour of the slot that was taken last. */
  #next = 0
  /** By slot, made at its first use. */
  readonly #places: Place<I, O>[] = []
  /** In the order in which they came. */
  readonly #waiting = new Set<Waiter<BatchSlot<I, O>>>()
  #stopListening: () => void = () => {}
  readonly #onClose = (): void => {
    for (const waiter of this.#waiting) {
      this.#settle(waiter)
      waiter.reject(new Failure('UNAVAILABLE', `the region '${this.#region.key}' was closed`))
    }
  }

  /** @internal */
  constructor(region: SharedMemory, layout: BatchSlotsLayout<I, O>) {
    this.#layout = new SlotLayout(layout)
    this.#region = region
    this.count = this.#layout.count
    this.byteSize = this.#layout.byteSize
    if (this.byteSize > region.byteSize) {
      throw new TridentError(
        'INVALID_ARG',
        `${this.count} batch slots need ${this.byteSize} bytes, region '${region.key}' has ` +
          `${region.byteSize}`,
      )
    }
    this.#free = new Uint8Array(this.count).fill(1)
    this.#available = this.count
  }

  /**
   * The size of a region that holds such slots, in bytes.
   *
   * @throws TridentError INVALID_ARG, TypeError, RangeError: there can be no such slots
   */
  static byteSize(layout: BatchSlotsLayout): number {
    return new SlotLayout(layout).byteSize
  }

  /** How many slots are free: neither taken nor used by requests that have not ended. */
  get available(): number {
    return this.#available
  }

  /**
   * A free slot.
   *
   * @throws TridentError UNAVAILABLE: none is free, or the region is closed
   */
  take(): BatchSlot<I, O> {
    this.#region.checkOpen()
    const slot = this.#takeFree()
    if (slot !== null) return slot
    throw new TridentError('UNAVAILABLE', `all ${this.count} batch slots are taken`)
  }

  /**
   * A free slot as soon as there is one; who waits longest is first.
   *
   * @throws TridentError UNAVAILABLE: the region is or was closed; CANCELLED: `signal` was aborted;
   *   TypeError: there are no such options
   */
  async acquire(options: { signal?: AbortSignal } = {}): Promise<BatchSlot<I, O>> {
    readObject(options, 'options')
    checkKeys(options, ['signal'], 'acquire()')
    const signal = readSignal(options)
    this.#region.checkOpen()
    if (signal?.aborted) throw toError(aborted(signal))
    const slot = this.#takeFree()
    if (slot !== null) return slot
    try {
      return await new Promise((resolve, reject) => this.#wait(resolve, reject, signal))
    } catch (reason) {
      throw toError(reason)
    }
  }

  #takeFree(): BatchSlot<I, O> | null {
    if (this.#available === 0) return null
    // Nothing to be a neighbour of: the first slots are those in the processor's cache.
    const from = this.#available === this.count ? 0 : this.#next
    let index = this.#free.indexOf(1, from)
    if (index < 0) index = this.#free.indexOf(1)
    this.#free[index] = 0
    this.#available--
    return this.#hand(index)
  }

  #hand(index: number): BatchSlot<I, O> {
    this.#next = index + 1
    this.#places[index] ??= this.#place(index)
    const { memory, tensors } = this.#places[index]
    memory.retain()
    return new BatchSlot(this.#region, this.#layout, index, tensors, () => memory.release())
  }

  #place(index: number): Place<I, O> {
    const memory = new SlotMemory(this.#region, index, () => this.#takeBack(index))
    const tensorsOf = (columns: readonly SlotColumn[]): Record<string, RegionTensor> =>
      Object.freeze(
        Object.fromEntries(columns.map((column) => [column.name, column.tensor(memory, index)])),
      )
    return {
      memory,
      tensors: {
        inputs: tensorsOf(this.#layout.inputs) as SlotRegionTensors<I>,
        outputs: tensorsOf(this.#layout.outputs) as SlotRegionTensors<O>,
      },
    }
  }

  #takeBack(index: number): void {
    for (const waiter of this.#waiting) {
      this.#settle(waiter)
      waiter.resolve(this.#hand(index))
      return
    }
    this.#free[index] = 1
    this.#available++
  }

  #wait(
    resolve: (slot: BatchSlot<I, O>) => void,
    reject: (reason: unknown) => void,
    signal: AbortSignal | undefined,
  ): void {
    const onAbort = (): void => {
      this.#settle(waiter)
      reject(aborted(signal))
    }
    const waiter = { resolve, reject, signal, onAbort }
    if (this.#waiting.size === 0) this.#stopListening = this.#region.onClose(this.#onClose)
    this.#waiting.add(waiter)
    if (signal !== undefined) addAbortHandler(signal, onAbort)
  }

  #settle(waiter: Waiter<BatchSlot<I, O>>): void {
    this.#waiting.delete(waiter)
    if (this.#waiting.size === 0) this.#stopListening()
    if (waiter.signal !== undefined) removeAbortHandler(waiter.signal, waiter.onAbort)
  }
}

function aborted(signal: AbortSignal | undefined): Failure {
  return new Failure('CANCELLED', 'waiting for a batch slot was aborted', signal?.reason)
}
