// What requests with the same tensors have in common, and the reusable slots they travel in. All
// per-request work of the common case is here and in slot.ts: no call into the addon, no string,
// no lookup.
import { asPlanned, type Bridge, failed } from './bridge.js'
import type { TypedArray, TypedArrayConstructor } from './datatypes.js'
import type { Descriptor } from './descriptor.js'
import { Failure, TridentError } from './errors.js'
import { Group } from './group.js'
import {
  alignment,
  layOut,
  nativeInput,
  nativeOutput,
  type PlanInput,
  type PlanOutput,
  sameShape,
} from './layout.js'
import { checkAttached, type InPlace, type ReadRequest } from './request.js'
import { type AnyResult, boundResult, readResult } from './results.js'
import { Slot } from './slot.js'
import { StreamSlot } from './stream-slot.js'
import { Tensor } from './tensor.js'
import type { Inputs } from './typed-models.js'

/** Slots of small tensors share memory blocks of about this size. */
const blockBytes = 65536
/** Idle slots of one plan keep at most this much memory. */
const idleBytes = 2 ** 25

/** Copies of tensor bytes that the bridge made for one model version. */
export interface CopyCount {
  count: number
  bytes: number
}

export class Plan {
  readonly bridge: Bridge
  readonly server: number
  readonly model: Descriptor
  readonly inputs: readonly PlanInput[]
  readonly outputs: readonly PlanOutput[]
  /** Only arrays and tensors in, only new tensors out: `matches` may find this plan. */
  readonly simple: boolean
  /** Some outputs stay on a device: each request brings memory to be closed. */
  readonly leavesOnDevice: boolean
  /** Has bindings to undo after each request. */
  readonly #binds: boolean
  readonly group: Group
  readonly #copies: CopyCount
  readonly #onIdle: () => void
  readonly #native: number
  readonly #slabBytes: number
  readonly #free: Slot[] = []
  readonly #slots = new Set<Slot>()
  #closed = false
  /** The slot of a prepared request: its buffers stay bound from run to run. */
  #bound: Slot | null = null
  #block: Uint8Array | null = null
  #blockUsed = 0

  constructor(
    bridge: Bridge,
    server: number,
    version: number,
    model: Descriptor,
    request: ReadRequest,
    arraysInPlace: boolean,
    copies: CopyCount,
    onIdle: () => void,
  ) {
    this.bridge = bridge
    this.server = server
    this.model = model
    this.#copies = copies
    this.#onIdle = onIdle
    const layout = layOut(model, request, arraysInPlace)
    this.inputs = layout.inputs
    this.outputs = layout.outputs
    this.simple = layout.simple
    this.leavesOnDevice = layout.leavesOnDevice
    const items = model.maxBatchSize > 0 ? (request.inputs[0]?.shape[0] ?? 1) : 1
    this.group = new Group(model.maxBatchSize, model.instances, items)
    this.#binds = layout.binds
    this.#slabBytes = layout.slabBytes
    this.#native = bridge.native.createPlan(
      server,
      model.model,
      version,
      this.inputs.map(nativeInput),
      this.outputs.map(nativeOutput),
      request.namesOutputs,
    )
    if (model.needs !== null) bridge.native.setPlanNeeds(this.#native, model.needs)
  }

  get closed(): boolean {
    return this.#closed
  }

  /** True when these are inputs as this plan's: same names in this order, datatypes and shapes. */
  matches(inputs: Inputs): boolean {
    let count = 0
    for (const name in inputs) {
      const expected = this.inputs[count++]
      if (expected === undefined || expected.name !== name) return false
      const value = inputs[name]
      let data: unknown = value
      if (value instanceof Tensor) {
        if (value.datatype !== expected.datatype.name) return false
        if (!sameShape(value.shape, expected.shape)) return false
        data = value.data
      } else if (!expected.bare) {
        return false
      }
      if (data === null || (data as TypedArray)?.constructor !== expected.array) return false
      const array = data as TypedArray
      if (array.length !== expected.length || array.length === 0) return false
      const buffer = array.buffer as ArrayBuffer & { resizable?: boolean }
      if (buffer.constructor !== ArrayBuffer || buffer.resizable) return false
    }
    return count === this.inputs.length
  }

  /** A slot with the inputs of a request that `matches` said yes to. */
  prepareMatched(inputs: Inputs, shared: boolean): Slot {
    const slot = this.#acquire()
    try {
      this.#fillMatched(slot, inputs, shared)
    } catch (error) {
      slot.discard()
      throw error
    }
    return slot
  }

  /** A slot with the inputs and targets of a request read for this plan. */
  prepare(request: ReadRequest, shared = false): Slot {
    const slot = this.#acquire()
    try {
      this.#fill(slot, request, shared)
    } catch (error) {
      slot.discard()
      throw error
    }
    return slot
  }

  /** As `prepare`, for any number of responses. */
  prepareStream(request: ReadRequest): StreamSlot {
    const slot = this.#newSlot(StreamSlot)
    try {
      this.#fillInputs(slot, request)
      slot.hold(request)
    } catch (error) {
      slot.discard()
      throw error
    }
    return slot
  }

  /** An idle slot, or a new one: the core's errors for an unknown model or version. */
  #acquire(): Slot {
    return this.#free.pop() ?? this.#newSlot(Slot)
  }

  /** A slot goes back after its request, or is given up. */
  release(slot: Slot, reusable: boolean): void {
    if (this.#binds && !this.#closed && reusable) this.bridge.native.unbind(slot.id)
    const full = this.#free.length > 0 && (this.#free.length + 1) * this.#slabBytes > idleBytes
    if (reusable && !this.#closed && !full) {
      this.#free.push(slot)
      return
    }
    this.#destroy(slot)
    this.#finishClosing()
  }

  /** Ends the wait of every request under way with `reason`. */
  abandon(reason: unknown): void {
    for (const slot of [...this.#slots]) slot.abandon(reason)
  }

  abandonStreams(reason: unknown): void {
    for (const slot of [...this.#slots]) if (slot instanceof StreamSlot) slot.abandon(reason)
  }

  /** No request begins from now on; slots under way are destroyed as they come back. */
  close(): void {
    if (this.#closed) return
    this.#closed = true
    if (this.#bound) {
      this.#bound.letGo()
      this.#destroy(this.#bound)
    }
    this.#bound = null
    for (const slot of this.#free) this.#destroy(slot)
    this.#free.length = 0
    this.#finishClosing()
  }

  #fillMatched(slot: Slot, inputs: Inputs, shared: boolean): void {
    let i = 0
    for (const name in inputs) {
      const value = inputs[name]
      const data = value instanceof Tensor ? value.data : value
      slot.inputs[i++]!.set(this.counted(data as TypedArray) as never)
    }
    this.#bindFresh(slot, shared)
  }

  #fillInputs(slot: Slot, request: ReadRequest): void {
    const native = this.bridge.native
    for (let i = 0; i < this.inputs.length; i++) {
      const { name, data, inPlace } = request.inputs[i]!
      const expected = this.inputs[i]!
      if (inPlace) {
        const memory = currentMemory(inPlace)
        native.bindMemory(slot.id, false, i, memory, inPlace.offset, inPlace.byteSize)
      } else if (expected.inPlace) {
        native.bindArray(slot.id, false, i, data!)
      } else {
        if (expected.datatype.array !== null) {
          this.#checkUnchanged('input', name, data!, expected.length)
        }
        slot.inputs[i]!.set(this.counted(data!) as never)
        if (expected.datatype.array === null) native.resizeInput(slot.id, i, data!.byteLength)
      }
    }
  }

  #fill(slot: Slot, request: ReadRequest, shared: boolean): void {
    const native = this.bridge.native
    this.#fillInputs(slot, request)
    for (let i = 0; i < this.outputs.length; i++) {
      const { inPlace, target } = request.outputs[i]!
      if (inPlace) {
        const memory = currentMemory(inPlace)
        native.bindMemory(slot.id, true, i, memory, inPlace.offset, inPlace.byteSize)
      } else if (this.outputs[i]!.mode === 'array') {
        native.bindArray(slot.id, true, i, target!)
      }
    }
    slot.hold(request)
    this.#bindFresh(slot, shared)
  }

  /** Binds `request` for runs by `runBound`. Returns its outputs, over the memory bound to them. */
  bind(request: ReadRequest): Readonly<AnyResult> {
    const slot = this.prepare(request)
    this.#bound = slot
    return boundResult(this, slot)
  }

  /** Runs the bound request on this thread. `outputs` is what `bind` returned. */
  runBound(outputs: Readonly<AnyResult>): Readonly<AnyResult> {
    const slot = this.#bound!
    const { inputs, outputs: targets } = slot.request!
    // A region that was closed is refused, as by other requests, although the slot still holds it.
    // Detaching or shrinking a buffer shortens its arrays: the addresses bound hold while the
    // lengths do.
    for (let i = 0; i < inputs.length; i++) {
      const { name, data, inPlace } = inputs[i]!
      if (inPlace !== null) currentMemory(inPlace)
      else if (data !== null) this.#checkUnchanged('input', name, data, this.inputs[i]!.length)
    }
    for (let i = 0; i < targets.length; i++) {
      const { name, target, targetLength, inPlace } = targets[i]!
      if (inPlace !== null) currentMemory(inPlace)
      else if (target !== null) this.#checkUnchanged('output', name, target, targetLength)
    }
    const outcome = this.bridge.inferSync(slot, 0)
    if (outcome === asPlanned) return outputs
    if (outcome !== failed) return readResult(this, slot, outcome)
    const [code, message] = this.bridge.native.takeError(slot.id)
    throw Failure.fromNative(code, message)
  }

  /** Says that the bytes of `array` are copied, for the statistics. */
  counted(array: TypedArray): TypedArray {
    this.#copies.count++
    this.#copies.bytes += array.byteLength
    return array
  }

  /** Between runs of a prepared request anything may happen to its arrays. */
  #checkUnchanged(role: 'input' | 'output', name: string, array: TypedArray, length: number): void {
    if (array.length === length) return
    const what = `${role} '${name}' of model '${this.model.model}'`
    checkAttached(what, array)
    throw new TridentError(
      'INVALID_ARG',
      `${what}: expected ${length} elements, found ${array.length}`,
    )
  }

  /** @param shared in memory that other requests can read in place */
  #bindFresh(slot: Slot, shared: boolean): void {
    for (let i = 0; i < this.outputs.length; i++) {
      const output = this.outputs[i]!
      if (output.mode !== 'fresh') continue
      const array = shared
        ? new output.array(new SharedArrayBuffer(output.byteSize))
        : new output.array(output.length)
      this.bridge.native.bindArray(slot.id, true, i, array)
      slot.fresh[i] = array
    }
  }

  #newSlot<S extends Slot>(kind: new (...made: ConstructorParameters<typeof Slot>) => S): S {
    const slab = this.#takeSlab()
    const id = this.bridge.native.createSlot(this.#native, slab)
    const view = (array: TypedArrayConstructor, offset: number, length: number): TypedArray =>
      new array(slab.buffer, slab.byteOffset + offset, length)
    const slot = new kind(
      this,
      id,
      this.inputs.map(({ array, offset, length }) =>
        offset < 0 ? null : view(array, offset, length),
      ),
      this.outputs.map(({ array, offset, length }) =>
        offset < 0 ? null : view(array, offset, length),
      ),
    )
    this.#slots.add(slot)
    return slot
  }

  #destroy(slot: Slot): void {
    this.bridge.native.destroySlot(slot.id)
    this.#slots.delete(slot)
  }

  /** Memory for one slot; the views over it are never given to users. */
  #takeSlab(): Uint8Array {
    const bytes = Math.max(this.#slabBytes, alignment)
    if (this.#block === null || this.#blockUsed + bytes > this.#block.length) {
      // The first slot gets a block of its own: most shapes are never in flight twice.
      const slots = this.#slots.size === 0 ? 1 : Math.max(1, Math.floor(blockBytes / bytes))
      this.#block = newBlock(this.bridge, bytes * slots)
      this.#blockUsed = 0
    }
    const slab = this.#block.subarray(this.#blockUsed, this.#blockUsed + bytes)
    this.#blockUsed += bytes
    return slab
  }

  #finishClosing(): void {
    if (!this.#closed || this.#slots.size > 0) return
    this.#block = null
    this.bridge.native.destroyPlan(this.#native)
    this.#onIdle()
  }
}

/** The number or name of the memory as of now; throws UNAVAILABLE when its region is closed. */
function currentMemory({ memory }: InPlace): number | string {
  return typeof memory === 'number' ? memory : memory.memory()
}

function newBlock(bridge: Bridge, bytes: number): Uint8Array {
  let buffer: Uint8Array
  try {
    buffer = new Uint8Array(bytes + alignment)
  } catch (cause) {
    throw new TridentError('UNAVAILABLE', `no memory for a request of ${bytes} bytes`, { cause })
  }
  const skip = bridge.native.alignment(buffer)
  return buffer.subarray(skip, skip + bytes)
}
