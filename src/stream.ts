import type { NativeParameter, NativeResponse } from './binding.js'
import { datatypeFromId } from './datatypes.js'
import { Failure, type TridentError, toError } from './errors.js'
import type { ModelType } from './model-types.js'
import type { Plan } from './plan.js'
import { type AnyResult, closeAll, deviceMemories, onDevice, setParameters } from './results.js'
import type { StreamReader, StreamSlot } from './stream-slot.js'
import { decodeBytes, elementCount, Tensor, trusted } from './tensor.js'
import type { Result } from './typed-models.js'

/** One response of a stream: the outputs by name. */
export type StreamPart<O = undefined, M extends ModelType = ModelType> = Result<O, M>

type Value = AnyResult | TridentError
type Step<T> = IteratorResult<T, undefined>

interface Waiter {
  resolve(step: Step<Value>): void
  reject(reason: unknown): void
}

/**
 * Responses given between two turns of the event loop. A backend may be so fast that there always
 * is another one: a loop over them would never leave the microtask queue by itself.
 */
const partsPerTurn = 16

const done: Step<never> = Object.freeze({ done: true, value: undefined })

/**
 * What a stream does, apart from the object that users hold: one that nobody holds any more can be
 * collected, and cancelled, while its request is under way.
 */
export class StreamSource implements StreamReader {
  readonly plan: Plan
  readonly yieldsErrors: boolean
  /** Null once the request has ended or was given up. */
  #slot: StreamSlot | null
  /** What came with the end of the request. */
  #rest: NativeResponse[] = []
  #failure: unknown = null
  readonly #waiting: Waiter[] = []
  #stopWatching: (() => void) | null = null
  #givenThisTurn = 0
  readonly #newTurn = (): void => {
    this.#givenThisTurn = 0
    this.readable()
  }

  constructor(slot: StreamSlot, yieldsErrors: boolean) {
    this.#slot = slot
    this.plan = slot.plan
    this.yieldsErrors = yieldsErrors
  }

  start(limit: number, stallMs: number, stopWatching: () => void): void {
    this.#stopWatching = stopWatching
    try {
      this.#slot!.start(this, limit, stallMs)
    } catch (error) {
      this.#end()
      throw error
    }
  }

  get model(): string {
    return this.plan.model.model
  }

  pull(): Promise<Step<Value>> {
    return new Promise((resolve, reject) => {
      this.#waiting.push({ resolve, reject })
      if (this.#waiting.length === 1 && this.#givenThisTurn < partsPerTurn) this.readable()
    })
  }

  /** Ends it for the reader's own reasons. */
  stop(): void {
    this.#end()
    this.#failure = null
    this.#settleEnd()
  }

  readable(): void {
    while (this.#waiting.length > 0) {
      try {
        const response = this.#slot === null ? (this.#rest.shift() ?? null) : this.#slot.take()
        if (response === null) break
        this.#give(response)
      } catch (error) {
        this.abandoned(error) // no memory for it, or it is malformed
        return
      }
    }
    if (this.#slot === null && this.#rest.length === 0) this.#settleEnd()
  }

  ended(responses: NativeResponse[], failure: Failure | null): void {
    this.#end()
    this.#rest = responses
    this.#failure = failure
    this.readable()
  }

  abandoned(reason: unknown): void {
    this.#end()
    this.#failure = reason
    this.#settleEnd()
  }

  #end(): void {
    this.#stopWatching?.()
    this.#stopWatching = null
    const slot = this.#slot
    this.#slot = null
    for (const response of this.#rest.splice(0)) this.#giveBack(response)
    slot?.drop()
  }

  /** Settles who waits for what does not come. */
  #settleEnd(): void {
    for (const waiter of this.#waiting.splice(0)) {
      const reason = this.#failure
      this.#failure = null
      if (reason === null) waiter.resolve(done)
      else waiter.reject(reason)
    }
  }

  #give(response: NativeResponse): void {
    if (this.#givenThisTurn++ === 0) setImmediate(this.#newTurn)
    const [outputs, extra] = response
    if (typeof outputs !== 'number') {
      const value = this.#read(outputs, extra as NativeParameter[])
      this.#waiting.shift()!.resolve({ done: false, value })
      return
    }
    const failure = Failure.fromNative(outputs, extra as string)
    if (this.yieldsErrors) {
      const value = toError(failure, this.model) as TridentError
      this.#waiting.shift()!.resolve({ done: false, value })
      return
    }
    // A loop over the stream has ended with this: nobody would read what follows.
    this.abandoned(failure)
  }

  #read(
    outputs: Extract<NativeResponse[0], readonly unknown[]>,
    extra: readonly NativeParameter[],
  ): AnyResult {
    const part: AnyResult = {}
    const { bridge, leavesOnDevice } = this.plan
    const memories = leavesOnDevice
      ? deviceMemories(
          bridge,
          outputs.map(([, , , , place]) => place),
        )
      : null
    try {
      for (let i = 0; i < outputs.length; i++) {
        const [name, id, shape, byteSize, place] = outputs[i]!
        const memory = memories?.[i]
        part[name] = memory
          ? onDevice(memory, id, shape, byteSize)
          : this.#copy(id, shape, place as ArrayBuffer)
      }
    } catch (error) {
      closeAll(memories)
      throw error
    }
    setParameters(part, extra)
    return part
  }

  /** Device memory of a response that nobody reads. */
  #giveBack([outputs]: NativeResponse): void {
    if (typeof outputs === 'number') return
    for (const [, , , , place] of outputs) {
      if (Array.isArray(place)) this.plan.bridge.native.forgetMemory(place[0])
    }
  }

  #copy(id: number, shape: number[], buffer: ArrayBuffer): Tensor {
    const { name, array } = datatypeFromId(id)
    const bytes = this.plan.counted(new Uint8Array(buffer)) as Uint8Array
    Object.freeze(shape)
    const data = array === null ? decodeBytes(bytes, elementCount(shape)) : new array(bytes.buffer)
    return new Tensor(name, data as never, shape, trusted)
  }
}

/**
 * The responses of one request, as they come: made by `model.stream()`, read with `for await`.
 * Leaving the loop cancels the request, as do `return()`, `throw()` and `await using`; one that is
 * not read to its end must be ended in such a way.
 */
export class ResponseStream<T = StreamPart> implements AsyncIterableIterator<T, undefined, void> {
  readonly #source: StreamSource

  /** @internal */
  constructor(source: StreamSource) {
    this.#source = source
    collected.register(this, source, this)
  }

  /**
   * The next response. Several calls may wait: responses are given to them in order.
   *
   * @throws TridentError of an error response or of what ended the request; the stream is over then
   */
  async next(): Promise<Step<T>> {
    // As in `infer`, `await` gives errors the caller's stack. It also keeps this object from being
    // collected while somebody waits.
    try {
      const step = (await this.#source.pull()) as Step<T>
      if (step.done) collected.unregister(this)
      return step
    } catch (reason) {
      collected.unregister(this)
      throw toError(reason, this.#source.model)
    }
  }

  /** Cancels the request and ends the stream; calls of `next` that wait resolve as done. */
  async return(): Promise<Step<T>> {
    collected.unregister(this)
    this.#source.stop()
    return done
  }

  /** As `return`, and rejects with `reason`. */
  async throw(reason?: unknown): Promise<Step<T>> {
    collected.unregister(this)
    this.#source.stop()
    throw reason
  }

  [Symbol.asyncIterator](): this {
    return this
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.return()
  }
}

const collected = new FinalizationRegistry<StreamSource>((source) => {
  process.emitWarning(
    `a stream of model '${source.model}' was garbage-collected before its end`,
    'TridentWarning',
  )
  source.stop()
})
