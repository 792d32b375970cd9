import type { NativeDeviceMemory } from './binding.js'
import { type Bridge, getBridge } from './bridge.js'
import { readView } from './byte-view.js'
import { checkKeys } from './check-keys.js'
import { readDevice, readPointer, readRawHandle } from './cuda.js'
import { type CudaExchange, keepAlive, readExchange } from './cuda-exchange.js'
import { CudaTensor } from './cuda-tensor.js'
import { type Datatype, typeName } from './datatypes.js'
import { invalid, TridentError, toError } from './errors.js'
import { readObject } from './options.js'
import { type RegionSource, type RegionTensorOptions, readSize } from './region-tensor.js'
import type { Ranked, Shape } from './tensor.js'

export interface CudaAllocateOptions {
  /** More than 0. */
  byteSize: number
  /** 0 unless given. */
  deviceId?: number
}

export interface CudaOpenOptions {
  /** The exporter's `ipcHandle`, or what `cudaIpcGetMemHandle` gave: 64 bytes, or their base64. */
  rawHandle: Uint8Array | string
  /** The device that the memory is on; 0 unless given. */
  deviceId?: number
  /** Bytes from the start of the allocation; 0 unless given. */
  offset?: number
  /** More than 0; up to the allocation's end unless given. */
  byteSize?: number
}

export interface CudaPointerOptions {
  /** A device address, anywhere inside an allocation. */
  pointer: bigint
  deviceId: number
  byteSize: number
}

export interface CudaCopyOptions {
  /** Where in this memory, in bytes; 0 unless given. */
  offset?: number
  /** Where in the source, in bytes; 0 unless given. */
  sourceOffset?: number
  /** All of the source, from `sourceOffset` on, unless given. */
  byteSize?: number
}

/**
 * Memory of a GPU: models on that GPU read and write tensors in it in place, and other processes
 * can open it. Copies are made as if one after the other, in the order of the calls. A copy and a
 * request are not ordered: wait for one before the other begins.
 *
 * `allocate`, `open`, `fromPointer` and `fromExchange` wait for the driver on the calling thread.
 *
 * Where there is no NVIDIA driver all methods throw or reject with TridentError UNSUPPORTED, which
 * says what is missing; with UNAVAILABLE when the memory is closed or its device has failed.
 */
export class CudaMemory {
  readonly deviceId: number
  readonly byteSize: number
  readonly #bridge: Bridge
  readonly #pointer: bigint
  /** A number of the addon; null when closed. */
  #memory: number | null
  /** @internal */
  readonly source: RegionSource = { memory: () => this.#open() }

  /** @internal */
  constructor(bridge: Bridge, native: NativeDeviceMemory, owned = true) {
    const [memory, byteSize, pointer, deviceId] = native
    this.#bridge = bridge
    this.#memory = memory
    this.#pointer = pointer
    this.byteSize = byteSize
    this.deviceId = deviceId
    collected.register(this, { bridge, memory, name: this.#name, owned }, this)
  }

  /**
   * Allocates memory, whose contents are undefined. It is freed by `close()`.
   *
   * @throws TridentError UNAVAILABLE: the device has not that much left; INVALID_ARG: there is no
   *   such device, or `byteSize` is 0
   */
  static allocate(options: CudaAllocateOptions): CudaMemory {
    const { byteSize, deviceId } = readOptions(options, ['byteSize', 'deviceId'])
    const bridge = getBridge()
    const device = readDevice(deviceId ?? 0)
    const size = readSize(byteSize, 'byteSize')
    return new CudaMemory(bridge, bridge.native.cudaAllocate(device, size))
  }

  /**
   * Opens memory that another process, or this one, exported. It is kept open while anybody uses
   * it; the exporter must not free it before.
   *
   * @throws TridentError INVALID_ARG: not a handle of 64 bytes, one that the driver does not know
   *   (any more), another device's, the memory ends before `offset + byteSize`, or `byteSize` is 0
   */
  static open(options: CudaOpenOptions): CudaMemory {
    const { rawHandle, deviceId, offset, byteSize } = readOptions(options, openOptionNames)
    if (byteSize === 0) throw invalid('byteSize is more than 0; without it all is opened, got 0')
    const bridge = getBridge()
    const memory = bridge.native.cudaOpen(
      readRawHandle(rawHandle),
      readDevice(deviceId ?? 0),
      readSize(offset ?? 0, 'offset'),
      readSize(byteSize ?? toTheEnd, 'byteSize'),
    )
    return new CudaMemory(bridge, memory)
  }

  /**
   * Memory that another addon of this process has allocated. It stays that addon's, which must not
   * free it while this is used; closing this is not necessary.
   *
   * @throws TridentError INVALID_ARG: not memory of this device (but of the host, say), or its
   *   allocation ends before `byteSize`
   */
  static fromPointer(options: CudaPointerOptions): CudaMemory {
    const { pointer, deviceId, byteSize } = readOptions(options, pointerOptionNames)
    const bridge = getBridge()
    const memory = bridge.native.cudaWrap(
      readPointer(pointer, 'pointer'),
      readDevice(deviceId),
      readSize(byteSize, 'byteSize'),
    )
    return new CudaMemory(bridge, memory, false)
  }

  /**
   * The tensor that another addon of this process describes, where it lies. The memory stays that
   * addon's: it must not free it, and its own work on it must be done, before requests use it.
   * `exchange` is kept while the tensor's memory is.
   *
   * @throws TridentError INVALID_ARG: as `fromPointer`; `deviceType` is not 2; the elements do not
   *   lie in row-major order without gaps; there are none
   */
  static fromExchange<D extends Datatype>(exchange: CudaExchange<D>): CudaTensor<D> {
    const { pointer, deviceId, byteSize, datatype, shape } = readExchange(exchange)
    const memory = CudaMemory.fromPointer({ pointer, deviceId, byteSize })
    keepAlive(memory, exchange)
    return memory.tensor(datatype, shape)
  }

  /**
   * The device address of the first byte, for other addons of this process.
   *
   * @throws TridentError UNAVAILABLE: the memory is closed, and the address not to be used
   */
  get pointer(): bigint {
    this.#open()
    return this.#pointer
  }

  /**
   * What other processes open the memory by, 64 bytes: `CudaMemory.open` there, or
   * `cudaIpcOpenMemHandle`, or `registerCudaSharedMemory` of a server. This process must keep the
   * memory until they have closed it.
   *
   * @throws TridentError UNAVAILABLE: the memory is closed; otherwise the driver's error, for memory
   *   that can't be exported
   */
  get ipcHandle(): Buffer {
    return Buffer.from(this.#bridge.native.cudaHandle(this.#open()))
  }

  /**
   * Copies all of `source` to `offset`. An ordinary array may be changed as soon as this returns;
   * one over a SharedArrayBuffer when the promise has resolved.
   *
   * @throws TridentError INVALID_ARG: it does not fit
   */
  async write(offset: number, source: ArrayBufferView): Promise<void> {
    const array = readView(source, 'source')
    const at = readSize(offset, 'offset')
    const memory = this.#open()
    await this.#run((task) => this.#bridge.native.cudaWrite(task, memory, at, array))
  }

  /**
   * Copies bytes from `offset` on into `target`, all of it, by the time the promise resolves.
   *
   * @throws TridentError INVALID_ARG: the memory ends before, or the target's buffer was transferred
   *   away or shrunk meanwhile
   */
  async read(offset: number, target: ArrayBufferView): Promise<void> {
    const array = readView(target, 'target')
    const at = readSize(offset, 'offset')
    const memory = this.#open()
    await this.#run((task) => this.#bridge.native.cudaRead(task, memory, at, array))
  }

  /**
   * Copies from other memory, also of another device, without the host.
   *
   * @throws TridentError INVALID_ARG: it does not fit, or both parts are of one memory and overlap;
   *   UNAVAILABLE: one of them is closed
   */
  async copyFrom(source: CudaMemory, options: CudaCopyOptions = {}): Promise<void> {
    if (!(source instanceof CudaMemory)) {
      throw new TypeError(
        `source is CudaMemory of this copy of the package, got ${typeName(source)}`,
      )
    }
    const { offset = 0, sourceOffset = 0, byteSize } = readOptions(options, copyOptionNames)
    const to = readSize(offset, 'offset')
    const from = readSize(sourceOffset, 'sourceOffset')
    const size = readSize(byteSize ?? Math.max(0, source.byteSize - from), 'byteSize')
    const memory = this.#open()
    const other = source.#open()
    await this.#run((task) => this.#bridge.native.cudaCopy(task, other, from, memory, to, size))
  }

  /**
   * A tensor that lies in this memory, as an input or output of requests.
   *
   * @throws TridentError INVALID_ARG: it does not fit
   */
  tensor<D extends Datatype, const S extends Shape>(
    datatype: D,
    shape: S,
    options: RegionTensorOptions = {},
  ): CudaTensor<D, Ranked<S>> {
    this.#open()
    return new CudaTensor(this, datatype, shape, options)
  }

  /**
   * Ends the use of the memory by this object. Requests and copies under way keep it until they
   * have ended; then it is freed, if it was allocated here, or closed, if it was opened. Prepared
   * requests that use it fail with UNAVAILABLE, and keep it until they are closed. Further calls do
   * nothing.
   */
  close(): void {
    if (this.#memory === null) return
    collected.unregister(this)
    this.#bridge.native.forgetMemory(this.#memory)
    this.#memory = null
  }

  [Symbol.dispose](): void {
    this.close()
  }

  get #name(): string {
    return `CUDA memory of ${this.byteSize} bytes on device ${this.deviceId}`
  }

  #open(): number {
    if (this.#memory !== null) return this.#memory
    throw new TridentError('UNAVAILABLE', `${this.#name} is closed`)
  }

  async #run(start: (task: number) => void): Promise<void> {
    try {
      await this.#bridge.run(start)
    } catch (reason) {
      throw toError(reason)
    }
  }
}

/** What has to be given back, kept apart from the object that may be collected. */
interface Held {
  readonly bridge: Bridge
  readonly memory: number
  readonly name: string
  /** False for memory that is only pointed to: nothing is lost with it. */
  readonly owned: boolean
}

const collected = new FinalizationRegistry<Held>(({ bridge, memory, name, owned }) => {
  if (owned) {
    process.emitWarning(`${name} was garbage-collected without close()`, 'TridentWarning')
  }
  bridge.native.forgetMemory(memory)
})

/** A size for the addon. */
const toTheEnd = 0

const openOptionNames = ['rawHandle', 'deviceId', 'offset', 'byteSize'] as const
const pointerOptionNames = ['pointer', 'deviceId', 'byteSize'] as const
const copyOptionNames = ['offset', 'sourceOffset', 'byteSize'] as const

function readOptions<T extends object>(options: T, allowed: readonly (keyof T & string)[]): T {
  checkKeys(readObject(options, 'options'), allowed, 'CUDA memory')
  return options
}
