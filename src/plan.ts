// What requests with the same tensors have in common, and the reusable slots they travel in. All
// per-request work of the common case is here: no call into the addon, no string, no lookup.
import type { NativeInput, NativeOption, NativeOutput, NativeResult } from './binding.js'
import { asPlanned, type Bridge, type Completion, failed } from './bridge.js'
import {
  type DatatypeInfo,
  datatypeFromId,
  datatypeInfo,
  type TypedArray,
  type TypedArrayConstructor,
} from './datatypes.js'
import type { Descriptor } from './descriptor.js'
import { Failure, TridentError } from './errors.js'
import type { RegionTensor } from './region-tensor.js'
import {
  checkAttached,
  type InPlace,
  type Inputs,
  type ReadInput,
  type ReadRequest,
} from './request.js'
import { decodeBytes, elementCount, Tensor, trusted } from './tensor.js'

/** What requests resolve to, before the facade's types say which is which. */
export type AnyResult = Record<string, Tensor | RegionTensor>

/** Outputs up to this size are copied out of the slot: cheaper than a buffer bound per request. */
const smallOutputBytes = 4096
/** Beyond this a declared output size is not trusted enough to allocate it before the request. */
const largeOutputBytes = 2 ** 32
/** Slots of small tensors share memory blocks of about this size. */
const blockBytes = 65536
/** Idle slots of one plan keep at most this much memory. */
const idleBytes = 2 ** 25
const alignment = 64

const align = (bytes: number): number => Math.ceil(bytes / alignment) * alignment

/**
 * Where an output is written: its place in the slot (`slab`), a new array of known size bound to
 * each request (`fresh`), memory of the addon since the size is not known before (`unknown`), or
 * memory the user named (`inPlace`: a region or SharedArrayBuffer; `array`: synchronous runs).
 */
type OutputMode = 'slab' | 'fresh' | 'unknown' | 'inPlace' | 'array'

interface PlanInput {
  readonly name: string
  readonly datatype: DatatypeInfo
  readonly array: TypedArrayConstructor
  readonly shape: readonly number[]
  /** Elements; for BYTES the most bytes that fit. */
  readonly length: number
  readonly byteSize: number
  readonly inPlace: boolean
  readonly offset: number
  /** An array of this length alone means this shape. */
  readonly bare: boolean
}

interface PlanOutput {
  readonly name: string
  readonly datatype: DatatypeInfo
  readonly array: TypedArrayConstructor
  /** Null when it is not known before the request runs. */
  readonly shape: readonly number[] | null
  readonly length: number
  readonly byteSize: number
  readonly mode: OutputMode
  readonly offset: number
}

/** Copies of tensor bytes that the bridge made for one model version. */
export interface CopyCount {
  count: number
  bytes: number
}

export type Resolve = (result: AnyResult) => void
export type Reject = (reason: unknown) => void

export class Plan {
  readonly bridge: Bridge
  readonly model: Descriptor
  readonly inputs: readonly PlanInput[]
  readonly outputs: readonly PlanOutput[]
  /** Only arrays and tensors in, only new tensors out: `matches` may find this plan. */
  readonly simple: boolean
  readonly copies: CopyCount
  /** Has bindings to undo after each request. */
  readonly #binds: boolean
  readonly #onIdle: () => void
  readonly #native: number
  readonly #slabBytes: number
  readonly #copiesIn: number
  readonly #copyInBytes: number
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
    this.model = model
    this.copies = copies
    this.#onIdle = onIdle
    let offset = 0
    const place = (byteSize: number): number => {
      const at = offset
      offset += align(byteSize)
      return at
    }
    this.inputs = request.inputs.map((input) => {
      const inPlace = input.inPlace !== null || arraysInPlace
      const byteSize = inPlace ? input.byteSize : roomFor(input)
      const length = byteSize / (input.datatype.byteSize || 1)
      return {
        name: input.name,
        datatype: input.datatype,
        array: input.datatype.array ?? Uint8Array,
        shape: input.shape,
        length,
        byteSize,
        inPlace,
        offset: inPlace ? -1 : place(byteSize),
        bare: input.bare,
      }
    })
    const batch = model.maxBatchSize > 0 ? (request.inputs[0]?.shape[0] ?? -1) : -1
    this.outputs = request.outputs.map(({ spec, inPlace, target }) => {
      const datatype = datatypeInfo(spec.datatype)
      const shape = knownShape(spec.shape, model.maxBatchSize > 0 ? batch : null)
      const length = shape ? elementCount(shape) : 0
      const byteSize = length * datatype.byteSize
      const mode = outputMode(shape, datatype, byteSize, target, inPlace, arraysInPlace)
      return {
        name: spec.name,
        datatype,
        array: datatype.array ?? Uint8Array,
        shape: datatype.byteSize > 0 ? shape : null,
        length,
        byteSize,
        mode,
        offset: mode === 'slab' ? place(byteSize) : -1,
      }
    })
    this.#slabBytes = offset
    this.#binds =
      this.inputs.some((input) => input.inPlace) ||
      this.outputs.some(({ mode }) => mode === 'inPlace' || mode === 'array')
    this.simple =
      !request.namesOutputs &&
      !this.#binds &&
      request.outputs.every(({ target }) => target === null) &&
      this.inputs.every(({ datatype }) => datatype.array !== null)
    const copied = this.inputs.filter((input) => !input.inPlace)
    this.#copiesIn = copied.length
    this.#copyInBytes = copied.reduce((sum, input) => sum + input.byteSize, 0)
    this.#native = bridge.native.createPlan(
      server,
      model.model,
      version,
      this.inputs.map(
        (input): NativeInput => [
          input.name,
          input.datatype.id,
          input.shape,
          input.byteSize,
          input.offset,
        ],
      ),
      this.outputs.map(
        (output): NativeOutput => [
          output.name,
          output.datatype.id,
          output.shape,
          output.byteSize,
          output.offset,
        ],
      ),
      request.namesOutputs,
    )
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
  prepareMatched(inputs: Inputs): Slot {
    const slot = this.#acquire()
    try {
      this.#fillMatched(slot, inputs)
    } catch (error) {
      slot.discard()
      throw error
    }
    return slot
  }

  /** A slot with the inputs and targets of a request read for this plan. */
  prepare(request: ReadRequest): Slot {
    const slot = this.#acquire()
    try {
      this.#fill(slot, request)
    } catch (error) {
      slot.discard()
      throw error
    }
    return slot
  }

  /** An idle slot, or a new one: the core's errors for an unknown model or version. */
  #acquire(): Slot {
    return this.#free.pop() ?? this.#newSlot()
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

  /** No request begins from now on; slots under way are destroyed as they come back. */
  close(): void {
    if (this.#closed) return
    this.#closed = true
    if (this.#bound) this.#destroy(this.#bound)
    this.#bound = null
    for (const slot of this.#free) this.#destroy(slot)
    this.#free.length = 0
    this.#finishClosing()
  }

  #fillMatched(slot: Slot, inputs: Inputs): void {
    let i = 0
    for (const name in inputs) {
      const value = inputs[name]
      const data = value instanceof Tensor ? value.data : value
      slot.inputs[i++]!.set(data as never)
    }
    this.#countCopiesIn()
    this.#bindFresh(slot)
  }

  #fill(slot: Slot, request: ReadRequest): void {
    const native = this.bridge.native
    for (let i = 0; i < this.inputs.length; i++) {
      const { name, data, inPlace } = request.inputs[i]!
      const expected = this.inputs[i]!
      if (inPlace) {
        native.bindMemory(slot.id, false, i, inPlace.memory, inPlace.offset, inPlace.byteSize)
      } else if (expected.inPlace) {
        native.bindArray(slot.id, false, i, data!)
      } else {
        if (expected.datatype.array !== null) {
          this.#checkUnchanged(`input '${name}'`, data!, expected.length)
        }
        slot.inputs[i]!.set(data as never)
        if (expected.datatype.array === null) native.resizeInput(slot.id, i, data!.byteLength)
      }
    }
    this.#countCopiesIn()
    for (let i = 0; i < this.outputs.length; i++) {
      const { inPlace, target } = request.outputs[i]!
      if (inPlace) {
        native.bindMemory(slot.id, true, i, inPlace.memory, inPlace.offset, inPlace.byteSize)
      } else if (this.outputs[i]!.mode === 'array') {
        native.bindArray(slot.id, true, i, target!)
      }
    }
    slot.request = request
    this.#bindFresh(slot)
  }

  /** Binds `request` for runs by `runBound`. Returns its outputs, over the memory bound to them. */
  bind(request: ReadRequest): Readonly<AnyResult> {
    const slot = this.prepare(request)
    this.#bound = slot
    const outputs: AnyResult = {}
    for (let i = 0; i < this.outputs.length; i++) {
      const { name, shape } = this.outputs[i]!
      const { target, region } = request.outputs[i]!
      const length = target?.length ?? 0
      const known = shape ?? region?.shape ?? Object.freeze([length])
      outputs[name] = this.#readTarget(slot, i, known, target ? elementCount(known) : 0)!
    }
    return Object.freeze(outputs)
  }

  /** Runs the bound request on this thread. `outputs` is what `bind` returned. */
  runBound(outputs: Readonly<AnyResult>): Readonly<AnyResult> {
    const slot = this.#bound!
    const { inputs, outputs: targets } = slot.request!
    // Detaching or shrinking a buffer shortens its arrays: the addresses bound hold while the
    // lengths do.
    for (let i = 0; i < inputs.length; i++) {
      const { name, data } = inputs[i]!
      if (data !== null) this.#checkUnchanged(`input '${name}'`, data, this.inputs[i]!.length)
    }
    for (let i = 0; i < targets.length; i++) {
      const { name, target, targetLength } = targets[i]!
      if (target !== null) this.#checkUnchanged(`output '${name}'`, target, targetLength)
    }
    const outcome = this.bridge.native.inferSync(slot.id, 0)
    if (outcome === asPlanned) return outputs
    if (outcome !== failed) return this.read(slot, outcome)
    const [code, message] = this.bridge.native.takeError(slot.id)
    throw Failure.fromNative(code, message)
  }

  /** The result of a request that succeeded. */
  read(slot: Slot, outcome: number): AnyResult {
    const results = outcome === asPlanned ? null : this.bridge.native.readOutputs(slot.id)
    const result: AnyResult = {}
    for (let i = 0; i < this.outputs.length; i++) {
      const output = this.outputs[i]!
      if (results) {
        const found = results[i]
        if (found) result[output.name] = this.#readOutput(slot, i, found)
        continue
      }
      const target = slot.request ? this.#readTarget(slot, i, output.shape!, output.length) : null
      if (target) {
        result[output.name] = target
        continue
      }
      const data =
        output.mode === 'slab'
          ? this.#copyOut(slot.outputs[i]!.slice() as TypedArray)
          : slot.fresh[i]!
      result[output.name] = new Tensor(output.datatype.name, data as never, output.shape!, trusted)
    }
    return result
  }

  #copyOut(copy: TypedArray): TypedArray {
    this.copies.count++
    this.copies.bytes += copy.byteLength
    return copy
  }

  #countCopiesIn(): void {
    this.copies.count += this.#copiesIn
    this.copies.bytes += this.#copyInBytes
  }

  /** Between runs of a prepared request anything may happen to its arrays. */
  #checkUnchanged(what: string, array: TypedArray, length: number): void {
    if (array.length === length) return
    checkAttached(`${what} of model '${this.model.model}'`, array)
    throw new TridentError(
      'INVALID_ARG',
      `${what} of model '${this.model.model}': expected ${length} elements, found ${array.length}`,
    )
  }

  #bindFresh(slot: Slot): void {
    for (let i = 0; i < this.outputs.length; i++) {
      const output = this.outputs[i]!
      if (output.mode !== 'fresh') continue
      const array = new output.array(output.length)
      this.bridge.native.bindArray(slot.id, true, i, array)
      slot.fresh[i] = array
    }
  }

  /** An output whose shape or place was not known before. */
  #readOutput(slot: Slot, i: number, found: NativeResult): Tensor | RegionTensor {
    const [id, shape, byteSize, buffer] = found
    const datatype = datatypeFromId(id)
    Object.freeze(shape)
    const length = byteSize / (datatype.byteSize || 1)
    const target = slot.request && !buffer ? this.#readTarget(slot, i, shape, length) : null
    if (target) return target
    const bytes = this.#copyOut(buffer ? new Uint8Array(buffer) : this.#bytesOf(slot, i, byteSize))
    if (datatype.array === null) {
      const elements = decodeBytes(bytes as Uint8Array, elementCount(shape))
      return new Tensor(datatype.name, elements as never, shape, trusted)
    }
    const data = new datatype.array(bytes.buffer)
    const tensor = new Tensor(datatype.name, data as never, shape, trusted)
    const array = slot.request?.outputs[i]?.target
    return array ? this.#copyTo(slot, i, array, tensor) : tensor
  }

  /** A copy of what was written to memory of the slot. */
  #bytesOf(slot: Slot, i: number, byteSize: number): Uint8Array {
    const array = (slot.outputs[i] ?? slot.fresh[i])!
    return new Uint8Array(array.buffer, array.byteOffset, byteSize).slice()
  }

  /** The user's memory for output `i` as the result, filled; null when there is none. */
  #readTarget(
    slot: Slot,
    i: number,
    shape: readonly number[],
    length: number,
  ): Tensor | RegionTensor | null {
    const output = this.outputs[i]!
    const { target, region, inPlace } = slot.request!.outputs[i]!
    if (region) return sameShape(region.shape, shape) ? region : region.reshaped(shape)
    if (target === null) return null
    const { name } = output.datatype
    if (output.mode === 'slab') {
      const data = slot.outputs[i]!.subarray(0, length) as TypedArray
      return this.#copyTo(slot, i, target, new Tensor(name, data as never, shape, trusted))
    }
    if (!inPlace && output.mode !== 'array') return null
    const data = target.length === length ? target : target.subarray(0, length)
    return new Tensor(name, data as never, shape, trusted)
  }

  /** Meanwhile the array may have been transferred away or cut short: checked again now. */
  #copyTo(slot: Slot, i: number, target: TypedArray, from: Tensor): Tensor {
    const what = `output '${slot.request!.outputs[i]!.name}' of model '${this.model.model}'`
    checkAttached(what, target)
    const source = from.data as unknown as TypedArray
    if (target.length < source.length) {
      throw new TridentError(
        'INVALID_ARG',
        `${what} has ${source.length} elements; the array given holds ${target.length}`,
      )
    }
    target.set(source as never)
    this.copies.count++
    this.copies.bytes += source.byteLength
    const data = target.length === source.length ? target : target.subarray(0, source.length)
    return new Tensor(from.datatype, data as never, from.shape, trusted)
  }

  #newSlot(): Slot {
    const slab = this.#takeSlab()
    const id = this.bridge.native.createSlot(this.#native, slab)
    const view = (array: TypedArrayConstructor, offset: number, length: number): TypedArray =>
      new array(slab.buffer, slab.byteOffset + offset, length)
    const slot = new Slot(
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

/** One request under way, reused for the next. */
export class Slot implements Completion {
  readonly plan: Plan
  readonly id: number
  /** Where inputs are copied to; null for those used in place. */
  readonly inputs: readonly (TypedArray | null)[]
  readonly outputs: readonly (TypedArray | null)[]
  /** Arrays allocated for this request; users see them when it has ended. */
  readonly fresh: (TypedArray | undefined)[] = []
  /** Keeps the user's memory alive until the request has ended; null for the simple case. */
  request: ReadRequest | null = null

  #resolve: Resolve | null = null
  #reject: Reject | null = null
  /** Carries options that can't be taken back. */
  #once = false
  #timed = false

  constructor(
    plan: Plan,
    id: number,
    inputs: readonly (TypedArray | null)[],
    outputs: readonly (TypedArray | null)[],
  ) {
    this.plan = plan
    this.id = id
    this.inputs = inputs
    this.outputs = outputs
  }

  setOptions(options: NativeOption[]): void {
    this.#once = true
    this.plan.bridge.native.setOptions(this.id, options)
  }

  setTimeout(microseconds: number): void {
    this.#timed = microseconds > 0
    this.plan.bridge.native.setTimeout(this.id, microseconds)
  }

  /** Submits; exactly one of the callbacks is called. */
  submit(resolve: Resolve, reject: Reject): void {
    this.#resolve = resolve
    this.#reject = reject
    this.plan.bridge.submit(this)
  }

  /** Ends the wait now; the request itself is cancelled and the slot comes back later. */
  abandon(reason: unknown): void {
    const reject = this.#reject
    if (reject === null) return
    this.#resolve = null
    this.#reject = null
    if (this.plan.bridge.withdraw(this)) this.#finish(true)
    else this.plan.bridge.native.cancel(this.id)
    reject(reason)
  }

  complete(outcome: number): void {
    const resolve = this.#resolve
    const reject = this.#reject
    this.#resolve = null
    this.#reject = null
    if (resolve === null || reject === null) {
      this.#finish(true)
      return
    }
    if (outcome === failed) {
      const [code, message] = this.plan.bridge.native.takeError(this.id)
      this.#finish(true)
      reject(Failure.fromNative(code, message))
      return
    }
    let result: AnyResult
    try {
      result = this.plan.read(this, outcome)
    } catch (error) {
      this.#finish(true)
      reject(error)
      return
    }
    this.#finish(true)
    resolve(result)
  }

  /** Gives up a slot that was not submitted. */
  discard(): void {
    this.#finish(false)
  }

  /** Runs on this thread to the end; throws a Failure. */
  run(timeoutMs: number, timedOut: () => Failure): AnyResult {
    const { bridge } = this.plan
    const outcome = bridge.native.inferSync(this.id, timeoutMs)
    if (outcome > failed) {
      bridge.adopt(this) // its completion is still to come
      throw timedOut()
    }
    try {
      if (outcome === failed) {
        const [code, message] = bridge.native.takeError(this.id)
        throw Failure.fromNative(code, message)
      }
      return this.plan.read(this, outcome)
    } finally {
      this.#finish(true)
    }
  }

  #finish(reusable: boolean): void {
    this.request = null
    if (this.fresh.length > 0) this.fresh.length = 0
    if (this.#timed) this.setTimeout(0)
    this.plan.release(this, reusable && !this.#once)
  }
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

/** Bytes of slab for an input: BYTES vary from request to request, so they get a power of two. */
function roomFor({ datatype, byteSize }: ReadInput): number {
  if (datatype.array !== null) return byteSize
  let bytes = alignment
  while (bytes < byteSize) bytes *= 2
  return bytes
}

/** `batch` is null when the model has no batch dimension. */
function knownShape(shape: readonly number[], batch: number | null): readonly number[] | null {
  const known = batch === null ? shape : [batch, ...shape.slice(1)]
  return known.every((dim) => dim >= 0) ? Object.freeze([...known]) : null
}

function outputMode(
  shape: readonly number[] | null,
  datatype: DatatypeInfo,
  byteSize: number,
  target: TypedArray | null,
  inPlace: InPlace | null,
  arraysInPlace: boolean,
): OutputMode {
  if (inPlace) return 'inPlace'
  if (target && arraysInPlace) return 'array'
  if (!shape || datatype.array === null || byteSize > largeOutputBytes) return 'unknown'
  return target || byteSize <= smallOutputBytes ? 'slab' : 'fresh'
}

function sameShape(a: readonly number[], b: readonly number[]): boolean {
  if (a === b) return true
  if (a.length !== b.length) return false
  for (let i = 0; i < a.length; i++) if (a[i] !== b[i]) return false
  return true
}

/** Distinguishes plans: everything their constructor depends on. */
export function planKey(request: ReadRequest, arraysInPlace: boolean): string {
  let key = arraysInPlace ? 'a' : 'c'
  for (const input of request.inputs) {
    const { name, datatype, shape, inPlace, bare } = input
    const place = inPlace ? `@${inPlace.byteSize}` : `${roomFor(input)}${bare ? 'b' : ''}`
    key += `|${name.length}:${name}:${datatype.id}:${shape}:${place}`
  }
  key += request.namesOutputs ? '>' : '*'
  for (const { name, target, inPlace } of request.outputs) {
    key += `|${name.length}:${name}:${inPlace ? '@' : target ? 't' : 'n'}`
  }
  return key
}
