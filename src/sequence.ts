import { threadId } from 'node:worker_threads'
import { checkKeys } from './check-keys.js'
import { Failure, TridentError, toError } from './errors.js'
import type { ModelType } from './model-types.js'
import {
  type InferOptions,
  inferOptionNames,
  readObject,
  readSequenceId,
  type SequenceOptions,
} from './options.js'
import type { AnyResult } from './results.js'
import type { Reject, Resolve, Slot } from './slot.js'
import type { Inputs, InputsForOne, Outputs, OutputsOf, Result } from './typed-models.js'

export interface NewSequenceOptions {
  /** A number or string that no other sequence of the model has; made up unless given. */
  id?: number | bigint | string
}

/** Options of one request of a sequence: which sequence and version it is for is settled. */
export type SequenceRequestOptions<O = Outputs> = Omit<InferOptions<O>, 'sequence' | 'version'>

const optionNames = inferOptionNames.filter((name) => name !== 'sequence' && name !== 'version')

interface Request {
  state: 'pending' | 'ended' | 'failed'
  slot: Slot | null
}

/** The model, as far as its sequences need it. */
export interface SequenceModel {
  readonly name: string
  begin(inputs: Inputs, options: InferOptions, resolve: Resolve, reject: Reject): Slot
  /** Sends what was begun. */
  flush(): void
}

/**
 * Requests that belong together, in order: made by `model.sequence()`. The first call says that the
 * sequence starts, `end` that it is over. A sequence holds a slot of its model: end it or close it,
 * or the model takes the slot back when `maxSequenceIdleMicroseconds` have passed.
 */
export class Sequence<M extends ModelType = ModelType> {
  /** Its correlation id. */
  readonly id: number | bigint | string

  readonly #model: SequenceModel
  readonly #pending = new Set<Slot>()
  /** Of the latest request: what frees the slot has to be a request as well. */
  #latest: Inputs | null = null
  #started = false
  #ended = false
  #closed = false

  /** @internal */
  constructor(model: SequenceModel, id: number | bigint | string) {
    this.#model = model
    this.id = id
  }

  /**
   * The next request of the sequence. Calls made without waiting are executed in their order. When
   * the first one fails, the sequence has not begun: the next one begins it.
   *
   * @returns and throws as `infer`; UNAVAILABLE when the sequence has ended or is closed
   */
  async next<const O extends Outputs<M> | undefined = undefined>(
    inputs: InputsForOne<M>,
    options?: SequenceRequestOptions<OutputsOf<O, M>>,
  ): Promise<Result<O, M>> {
    try {
      return (await this.#run(
        inputs,
        options as SequenceRequestOptions | undefined,
        false,
      )) as Result<O, M>
    } catch (reason) {
      throw toError(reason, this.#model.name)
    }
  }

  /** As `next`, for the last request. One that fails leaves the sequence as it was. */
  async end<const O extends Outputs<M> | undefined = undefined>(
    inputs: InputsForOne<M>,
    options?: SequenceRequestOptions<OutputsOf<O, M>>,
  ): Promise<Result<O, M>> {
    try {
      return (await this.#run(
        inputs,
        options as SequenceRequestOptions | undefined,
        true,
      )) as Result<O, M>
    } catch (reason) {
      throw toError(reason, this.#model.name)
    }
  }

  /**
   * Gives the sequence up: requests under way are cancelled and its slot is freed. Triton has no
   * call for that, so the inputs of the latest request are sent once more, marked as the sequence's
   * end, and cancelled at once; should they no longer be usable, the slot goes when it has been
   * idle for long enough. Does nothing after `end`.
   */
  async close(): Promise<void> {
    if (this.#closed) return
    this.#closed = true
    const latest = this.#latest
    this.#latest = null
    for (const slot of [...this.#pending]) {
      slot.abandon(new Failure('CANCELLED', `${this.#name} was closed`))
    }
    if (!this.#started || this.#ended || latest === null) return
    try {
      const ignore = (): void => {}
      const last = this.#model.begin(latest, this.#options({}, false, true), ignore, ignore)
      this.#model.flush()
      last.abandon(null)
    } catch {
      // The model or server went away, or a buffer of the inputs: nothing more can be done.
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close()
  }

  get #name(): string {
    return `sequence ${this.id} of model '${this.#model.name}'`
  }

  #options(options: SequenceRequestOptions, start: boolean, end: boolean): InferOptions {
    return { ...options, sequence: { id: this.id, start, end } satisfies SequenceOptions }
  }

  #run(
    inputs: Inputs,
    options: SequenceRequestOptions | undefined,
    end: boolean,
  ): Promise<AnyResult> {
    if (this.#ended || this.#closed) {
      const state = this.#closed ? 'is closed' : 'has ended'
      throw new TridentError('UNAVAILABLE', `${this.#name} ${state}: make a new one`)
    }
    if (options !== undefined) {
      checkKeys(readObject(options, 'options'), optionNames, 'a request of a sequence')
    }
    const start = !this.#started
    return new Promise((resolve, reject) => {
      // A request may end before `begin` returns.
      const request: Request = { state: 'pending', slot: null }
      const settle = (state: Request['state']): void => {
        request.state = state
        if (request.slot !== null) this.#pending.delete(request.slot)
      }
      const slot = this.#model.begin(
        inputs,
        this.#options(options ?? {}, start, end),
        (result) => {
          settle('ended')
          resolve(result)
        },
        (reason) => {
          settle('failed')
          if (start) this.#started = false
          if (end) this.#ended = false
          reject(reason)
        },
      )
      if (request.state === 'failed') return
      this.#latest = end ? null : inputs
      this.#started = true
      this.#ended = end
      if (request.state === 'ended') return
      request.slot = slot
      this.#pending.add(slot)
    })
  }
}

/** Shared by the copies of this package in one thread. */
const counter = Symbol.for('trident.sequenceCount')

/**
 * An id that nobody else in this process makes up: far from the small numbers that people choose,
 * and different per thread.
 */
function newNumber(): number {
  const counts = globalThis as { [counter]?: number }
  const count = (counts[counter] ?? 0) + 1
  counts[counter] = count
  return (threadId + 1) * 2 ** 36 + count
}

/** @param asString the model takes strings only */
export function chooseSequenceId(
  options: NewSequenceOptions,
  asString: boolean,
): number | bigint | string {
  checkKeys(readObject(options, 'what sequence() takes'), ['id'], 'sequence()')
  if (options.id !== undefined) return readSequenceId(options.id, 'id')
  return asString ? `sequence-${newNumber()}` : newNumber()
}
