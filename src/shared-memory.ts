import type { NoTensors, SlotTensors } from './batch-slot.js'
import { BatchSlots, type BatchSlotsLayout } from './batch-slots.js'
import { type Bridge, getBridge } from './bridge.js'
import { readView } from './byte-view.js'
import { checkKeys } from './check-keys.js'
import { type Datatype, typeName } from './datatypes.js'
import { TridentError } from './errors.js'
import { readText } from './options.js'
import {
  type RegionSource,
  RegionTensor,
  type RegionTensorOptions,
  readSize,
} from './region-tensor.js'
import type { Ranked, Shape } from './tensor.js'

export interface SharedMemoryCreateOptions {
  /** Size of the region in bytes, more than 0. */
  byteSize: number
}

export interface SharedMemoryOpenOptions {
  /** Bytes from the start of the object; needs no alignment. 0 unless given. */
  offset?: number
  /** Up to the object's end unless given. */
  byteSize?: number
  /** Refuse writes, by this object and by models. */
  readOnly?: boolean
}

/**
 * A POSIX shared-memory region mapped into this process: tensors in it are read and written by
 * models in place, and other processes see the same bytes. A peer that shrinks the object costs
 * the requests that use it an error, never the process.
 *
 * Whoever creates a region removes its name on `close()` or by exiting. After a crash the next
 * process to create a region does it. Access from several processes is theirs
 * to synchronise.
 */
export class SharedMemory {
  /** The object's name, as for shm_open: '/frames'. */
  readonly key: string
  readonly byteSize: number
  readonly #bridge: Bridge
  readonly #held: Held
  /** A number of the addon; null when closed. */
  #memory: number | null
  #view: WeakRef<ArrayBuffer> | null = null
  readonly #closing = new Set<() => void>()
  /** @internal */
  readonly source: RegionSource = { memory: () => this.#open() }

  private constructor(bridge: Bridge, key: string, created: boolean, region: [number, number]) {
    this.#bridge = bridge
    this.key = key
    this.#memory = region[0]
    this.byteSize = region[1]
    this.#held = { bridge, key, memory: region[0], created }
    collected.register(this, this.#held, this)
  }

  /**
   * Creates an object of zeros, readable and writable by this user only, its memory reserved.
   *
   * @throws TridentError ALREADY_EXISTS: the key is taken; UNAVAILABLE: not enough memory, or the
   *   process may have no more files or mappings; INVALID_ARG: the key is not usable
   */
  static create(key: string, options: SharedMemoryCreateOptions): SharedMemory {
    const bridge = getBridge()
    const byteSize = readSize(readOptions(options, ['byteSize']).byteSize, 'byteSize')
    const region = bridge.native.regionCreate(readText(key, 'key'), byteSize)
    return new SharedMemory(bridge, key, true, region)
  }

  /**
   * Maps an object that another process, or this one, created.
   *
   * @throws TridentError NOT_FOUND: no such object; INVALID_ARG: it is smaller than asked for;
   *   UNSUPPORTED: another user owns it; UNAVAILABLE: the process may have no more files or mappings
   */
  static open(key: string, options: SharedMemoryOpenOptions = {}): SharedMemory {
    const bridge = getBridge()
    const {
      offset = 0,
      byteSize = 0,
      readOnly = false,
    } = readOptions(options, ['offset', 'byteSize', 'readOnly'])
    const region = bridge.native.regionOpen(
      readText(key, 'key'),
      readSize(offset, 'offset'),
      readSize(byteSize, 'byteSize'),
      Boolean(readOnly),
    )
    return new SharedMemory(bridge, key, false, region)
  }

  /** Copies bytes from `offset` on into `target`, all of it. */
  read(offset: number, target: ArrayBufferView): void {
    const array = readView(target, 'target')
    this.#bridge.native.regionRead(this.#open(), readSize(offset, 'offset'), array)
  }

  /** Copies all of `source` to `offset`. */
  write(offset: number, source: ArrayBufferView): void {
    const array = readView(source, 'source')
    this.#bridge.native.regionWrite(this.#open(), readSize(offset, 'offset'), array)
  }

  /**
   * The region itself, without a copy. The mapping lives as long as the array, also after
   * `close()`.
   *
   * @throws TridentError UNSUPPORTED where the runtime does not allow it (Electron), and for a
   *   read-only region: use `read` and `write` there
   */
  view(): Uint8Array {
    const memory = this.#open()
    let buffer = this.#view?.deref()
    if (buffer === undefined || buffer.byteLength === 0) {
      buffer = this.#bridge.native.regionView(memory)
      this.#view = new WeakRef(buffer)
    }
    return new Uint8Array(buffer)
  }

  /** A tensor that lies in this region, as an input or output of requests. */
  tensor<D extends Datatype, const S extends Shape>(
    datatype: D,
    shape: S,
    options: RegionTensorOptions = {},
  ): RegionTensor<D, Ranked<S>> {
    this.#open()
    return new RegionTensor(this.source, datatype, shape, options)
  }

  /**
   * Lays slots for the items of batches out: requests that use neighbouring ones and are executed
   * together need no copy. Several layouts may share a region at different offsets; that they don't
   * overlap is theirs to see to. `BatchSlots.byteSize(layout)` says how large a region must be.
   *
   * @throws TridentError INVALID_ARG: the region is too small, or there can be no such slots;
   *   UNAVAILABLE: the region is closed
   */
  batchSlots<const I extends SlotTensors, const O extends SlotTensors = NoTensors>(
    layout: BatchSlotsLayout<I, O>,
  ): BatchSlots<I, O> {
    this.#open()
    return new BatchSlots<I, O>(this, layout)
  }

  /**
   * Ends the use of the region by this object, and removes its name if this object created it.
   * Requests under way and views keep the memory. Further calls do nothing.
   */
  close(): void {
    if (this.#memory === null) return
    collected.unregister(this)
    this.#memory = null
    for (const call of this.#closing) call()
    release(this.#held)
  }

  [Symbol.dispose](): void {
    this.close()
  }

  /** @internal */
  checkOpen(): void {
    this.#open()
  }

  /** Has `call` called when the region is closed. Returns what takes that back. @internal */
  onClose(call: () => void): () => void {
    this.#closing.add(call)
    return () => this.#closing.delete(call)
  }

  #open(): number {
    if (this.#memory !== null) return this.#memory
    throw new TridentError('UNAVAILABLE', `shared-memory region '${this.key}' is closed`)
  }
}

/** What has to be given back, kept apart from the object that may be collected. */
interface Held {
  readonly bridge: Bridge
  readonly key: string
  readonly memory: number
  readonly created: boolean
}

function release({ bridge, memory, created }: Held): void {
  // The name goes now; the memory with the requests and views that still use it.
  if (created) bridge.native.regionUnlink(memory)
  bridge.native.forgetMemory(memory)
}

const collected = new FinalizationRegistry<Held>((held) => {
  process.emitWarning(
    `shared-memory region '${held.key}' was garbage-collected without close()`,
    'TridentWarning',
  )
  release(held)
})

function readOptions<T extends object>(options: T, allowed: readonly string[]): T {
  if (typeof options !== 'object' || options === null) {
    throw new TypeError(`options is an object, got ${typeName(options)}`)
  }
  checkKeys(options, allowed, 'a shared-memory region')
  return options
}
