import { readSignal } from './abort.js'
import type { Descriptor, TensorSpec } from './descriptor.js'
import { TridentError, toError } from './errors.js'
import type { ModelConfig } from './model-config.js'
import type { ModelState } from './model-state.js'
import type { ModelType } from './model-types.js'
import {
  checkOptions,
  type InferOptions,
  nativeOptions,
  readMilliseconds,
  readTimeout,
  type Timeout,
} from './options.js'
import type { Parent } from './parent.js'
import { Prepared, type PreparedOutputs, type PrepareOptions } from './prepared.js'
import { readRequest } from './request.js'
import type { AnyResult } from './results.js'
import { chooseSequenceId, type NewSequenceOptions, Sequence } from './sequence.js'
import type { Server } from './server.js'
import type { ModelMetadata, ModelStatistics } from './server-types.js'
import type { Reject, Resolve, Slot } from './slot.js'
import { ResponseStream, type StreamPart, StreamSource } from './stream.js'
import { readStreamOptions, type StreamOptions, type StreamOutputs } from './stream-options.js'
import type { Inputs, InputsForOne, Outputs, OutputsOf, Result } from './typed-models.js'
import { cancelled, givenUpFailure, neverTimesOut, timedOutFailure, watch } from './watch.js'

/** A loaded model, or one version of it. Made by `server.loadModel()` and `server.model()`. */
export class Model<M extends ModelType = ModelType> {
  readonly #server: Server
  readonly #state: ModelState
  /** Of other versions, for the `version` option. */
  readonly #versions = new Map<number, Model>()
  /** What all requests are made for, if it is something that executes. */
  readonly #parent: Parent | null

  /** @internal */
  constructor(server: Server, state: ModelState, parent: Parent | null = null) {
    this.#server = server
    this.#state = state
    this.#parent = parent
    void state.descriptor // an unknown model is an error now
  }

  get name(): string {
    return this.#state.name
  }

  /** The version that serves: the one asked for, else what the model's version policy chooses. */
  get version(): number {
    return this.#describe().version
  }

  /** What the model takes, with the batch dimension; -1 is a variable dimension. */
  get inputs(): readonly TensorSpec[] {
    return this.#describe().inputs
  }

  /** What the model gives. */
  get outputs(): readonly TensorSpec[] {
    return this.#describe().outputs
  }

  /**
   * Runs the model. Requests made in one turn of the event loop reach the model's queue together,
   * so its batcher sees all of them. The event loop does not wait, except that what was measured to
   * take less than the server's `inlineBudget` may be executed on this thread.
   *
   * Elements in ordinary arrays are copied before this returns; the arrays may be reused at once.
   * Those in a SharedArrayBuffer or a region are used in place: leave them alone until the promise
   * settles. After an abort or a `timeout` that is not enough: what runs already goes on, and reads
   * and writes there until it has ended, which nobody is told. Batch slots are kept from their next
   * user until then.
   *
   * @param inputs a tensor by input name; see InputValue for bare arrays
   * @returns the outputs by name
   * @throws TridentError INVALID_ARG: the request does not fit the model; UNAVAILABLE: the queue is
   *   full, `timeout` passed, `deadline` can't be met, the model or server went away; CANCELLED:
   *   `signal` was aborted; otherwise the backend's own error. TypeError, RangeError: an argument of the wrong type.
   */
  async infer<const O extends Outputs<M> | undefined = undefined>(
    inputs: InputsForOne<M>,
    options?: InferOptions<OutputsOf<O, M>>,
  ): Promise<Result<O, M>> {
    // `await` here is what gives errors the caller's stack: V8 follows it back from the place
    // below where the error is made. It costs some tens of nanoseconds, a captured stack would
    // cost microseconds on every request.
    try {
      return (await new Promise((resolve: Resolve, reject) => {
        this.#start(inputs, options as InferOptions | undefined, resolve, reject)
      })) as Result<O, M>
    } catch (reason) {
      throw toError(reason, this.name)
    }
  }

  /**
   * Runs the model and waits for it on this thread. When the model has an idle instance and nothing
   * waits in its queue, this thread executes the request itself: no other thread is woken, which
   * for small models costs more than the model. Otherwise the event loop stands still meanwhile.
   * Arguments, result and errors as for `infer`; `signal` is refused, since nothing could abort it.
   */
  inferSync<const O extends Outputs<M> | undefined = undefined>(
    inputs: InputsForOne<M>,
    options?: InferOptions<OutputsOf<O, M>>,
  ): Result<O, M> {
    try {
      return this.#runSync(inputs, options as InferOptions | undefined) as Result<O, M>
    } catch (reason) {
      throw toError(reason, this.name)
    }
  }

  /**
   * Binds names, shapes and buffers once, for many runs over the same memory.
   *
   * @throws as `infer` for a request that does not fit the model
   */
  prepare<const O extends PreparedOutputs<M> | undefined = undefined>(
    options: PrepareOptions<M, OutputsOf<O, M>>,
  ): Prepared<O, M> {
    try {
      return new Prepared<O, M>(this.#server, this.#state, options as PrepareOptions)
    } catch (reason) {
      throw toError(reason, this.name)
    }
  }

  /**
   * Runs the model and gives its responses one by one: the way to use decoupled models, which send
   * any number of them. A model that is not decoupled gives one. Inputs are read before this
   * returns, as by `infer`; the request begins at once.
   *
   * At most `highWaterMark` responses wait for the reader; then the backend waits. Leaving a
   * `for await` loop over the stream cancels the request, and the backend can see that. A response
   * that is an error rejects, ends the stream and cancels the request, unless `errors` is 'yield':
   * then it is an item, and the stream goes on until the backend says that it is over.
   *
   * @throws as `infer` for a request that does not fit the model; what happens later rejects `next`
   */
  stream<const O extends StreamOutputs<M> | undefined = undefined>(
    inputs: Inputs<M>,
    options: StreamOptions<OutputsOf<O, M>> & { errors: 'yield' },
  ): ResponseStream<StreamPart<O, M> | TridentError>
  stream<const O extends StreamOutputs<M> | undefined = undefined>(
    inputs: Inputs<M>,
    options?: StreamOptions<OutputsOf<O, M>>,
  ): ResponseStream<StreamPart<O, M>>
  stream(inputs: Inputs, options: StreamOptions = {}): ResponseStream<unknown> {
    try {
      return this.#startStream(inputs, options)
    } catch (reason) {
      throw toError(reason, this.name)
    }
  }

  /**
   * A new sequence: requests to a model that keeps a state from one to the next. It begins with
   * the first call of its `next` or `end`.
   */
  sequence(options: NewSequenceOptions = {}): Sequence<M> {
    const id = chooseSequenceId(options, this.#describe().stringCorrelation)
    return new Sequence(
      {
        name: this.name,
        begin: (inputs, request, resolve, reject) => this.#start(inputs, request, resolve, reject),
        flush: () => this.#state.bridge.flush(),
      },
      id,
    )
  }

  /** Name, versions, platform and tensors, as Triton's model metadata. */
  metadata(): Promise<ModelMetadata> {
    return this.#server.modelMetadata(this.name, this.#askedVersion)
  }

  /** The complete configuration in force, in camelCase. */
  config(): Promise<ModelConfig> {
    return this.#server.modelConfig(this.name, this.#askedVersion)
  }

  /** Counts and durations of this version since it was loaded. */
  async statistics(): Promise<ModelStatistics> {
    const [statistics] = await this.#server.statistics(this.name, this.version)
    if (statistics) return statistics
    throw new TridentError('NOT_FOUND', `model '${this.name}' has no statistics`, {
      model: this.name,
    })
  }

  /** True when the model can serve. */
  ready(): Promise<boolean> {
    return this.#server.modelReady(this.name, this.#askedVersion)
  }

  /** As `server.unloadModel(name)`. */
  unload(): Promise<void> {
    return this.#server.unloadModel(this.name)
  }

  get #askedVersion(): number | undefined {
    return this.#state.version < 0 ? undefined : this.#state.version
  }

  #describe(): Descriptor {
    try {
      return this.#state.descriptor
    } catch (reason) {
      throw toError(reason, this.name)
    }
  }

  /** This model, or the one the `version` option means. */
  #stateFor(options: InferOptions | undefined): ModelState {
    const version = options?.version
    if (version === undefined || version === this.#state.version) return this.#state
    let model = this.#versions.get(version)
    if (model === undefined) {
      model = this.#server.model(this.name, version)
      this.#versions.set(version, model)
    }
    return model.#state
  }

  #start(
    inputs: Inputs,
    options: InferOptions | undefined,
    resolve: Resolve,
    reject: Reject,
  ): Slot {
    const parent = this.#parent
    if (options === undefined && parent === null) {
      const slot = this.#state.prepare(inputs, undefined)
      slot.submit(resolve, reject)
      return slot
    }
    const given: InferOptions = options === undefined ? {} : options
    checkOptions(given)
    const signal = readSignal(given)
    checkWanted(signal, parent)
    const timeout = readTimeout(given)
    const slot = this.#stateFor(options).prepare(inputs, given.outputs, parent !== null)
    setOptions(slot, given, timeout, parent)
    if (signal === undefined && timeout === null && parent === null) {
      slot.submit(resolve, reject)
      return slot
    }
    let stopWatching: () => void
    try {
      stopWatching = watch(slot, signal, timeout, this.name, parent)
    } catch (error) {
      slot.discard()
      throw error
    }
    slot.submit(
      (result) => {
        stopWatching()
        resolve(result)
      },
      (reason) => {
        stopWatching()
        reject(reason)
      },
    )
    return slot
  }

  #startStream(inputs: Inputs, options: StreamOptions): ResponseStream {
    const { limit, stallMs, yieldsErrors } = readStreamOptions(options)
    const parent = this.#parent
    const signal = readSignal(options)
    checkWanted(signal, parent)
    const timeout = readTimeout(options)
    const slot = this.#stateFor(options).prepareStream(inputs, options.outputs)
    setOptions(slot, options, timeout, parent)
    const source = new StreamSource(slot, yieldsErrors)
    try {
      source.start(limit, stallMs, watch(slot, signal, timeout, this.name, parent))
    } catch (error) {
      slot.discard()
      throw error
    }
    return new ResponseStream(source)
  }

  #runSync(inputs: Inputs, options: InferOptions | undefined): AnyResult {
    const { bridge } = this.#state
    bridge.flush() // requests already made go first
    const parent = this.#parent
    if (options === undefined && parent === null) {
      return this.#state.prepare(inputs, undefined).run(0, neverTimesOut)
    }
    const given: InferOptions = options === undefined ? {} : options
    checkOptions(given)
    if (given.signal !== undefined) {
      throw new TypeError('inferSync takes no signal: nothing can abort it while it runs')
    }
    const timeout = readTimeout(given)
    if (timeout !== null || given.outputs === undefined) {
      // After a timeout the request may still execute, so it must not touch the user's arrays.
      const slot = this.#stateFor(options).prepare(inputs, given.outputs, parent !== null)
      setOptions(slot, given, timeout, parent)
      return slot.run(timeout?.milliseconds ?? 0, () => timedOutFailure(this.name, timeout))
    }
    const state = this.#stateFor(options)
    const request = readRequest(bridge, state.descriptor, inputs, given.outputs)
    const slot = state.prepareRead(request, true)
    setOptions(slot, given, null, parent)
    return slot.run(0, neverTimesOut)
  }
}

/** @throws Failure when nobody waits for the answer */
function checkWanted(signal: AbortSignal | undefined, parent: Parent | null): void {
  if (signal?.aborted) throw cancelled(signal)
  if (parent?.givenUp) throw givenUpFailure
}

/** Gives the slot up when an option is wrong, or the request could only wait for itself. */
function setOptions(
  slot: Slot,
  options: InferOptions,
  timeout: Timeout | null,
  parent: Parent | null,
): void {
  try {
    if (parent !== null) slot.setParent(parent)
    const extra = nativeOptions(options)
    if (extra.length > 0) slot.setOptions(extra)
    if (timeout !== null) slot.setTimeout(timeout.microseconds)
    if (options.deadline !== undefined) {
      slot.setDeadline(readMilliseconds(options.deadline, 'deadline'))
    }
  } catch (error) {
    slot.discard()
    throw error
  }
}
