// One execution of a function: what it is to answer, and what became of that.
import { Failure } from '../errors.js'
import type { NativeFunctionResult, NativeFunctions, NativeTensors } from '../function-binding.js'
import { maxTimeoutMs } from '../options.js'
import type { Implementation } from './callable.js'
import type { InstanceScope } from './context.js'
import { type NativeFailure, nativeFailure, tookTooLong } from './failures.js'
import { GivenRequest } from './given-request.js'
import { type AnyIterator, isPromise } from './later.js'
import { ResponsePump } from './response-pump.js'
import { checkComplete, nativeOutputs, readResults, wrong } from './results.js'
import type { FunctionInputs } from './types.js'

/** An instance, as far as its executions need it. */
export interface ExecutingInstance extends InstanceScope {
  readonly native: NativeFunctions
  readonly code: Implementation
  /** This thread waits in native code: until it has what it waits for no promise settles. */
  standsStill(): boolean
}

export abstract class Execution {
  readonly execution: number
  /** Those that the function executes: without what was answered before it is called. */
  requests: readonly GivenRequest[] = []
  protected readonly instance: ExecutingInstance
  /** How many have not had their last response. */
  #open = 0
  #deadlineMs = Number.POSITIVE_INFINITY
  #timer: NodeJS.Timeout | undefined
  readonly #pumps: ResponsePump[] = []
  readonly #onEnd: () => void

  constructor(instance: ExecutingInstance, execution: number, onEnd: () => void) {
    this.execution = execution
    this.instance = instance
    this.#onEnd = onEnd
  }

  /**
   * Calls the function. What it gives at once is answered at once, the rest when it is there.
   *
   * @param given null: answered already
   */
  run(given: readonly (NativeTensors | null)[]): void {
    const { timeoutMs } = this.instance.description
    if (timeoutMs > 0) this.#deadlineMs = performance.now() + timeoutMs
    this.requests = given.flatMap((tensors, i) => (tensors ? this.#requestOf(i, tensors) : []))
    this.#open = this.requests.length
    if (this.#open === 0) {
      this.#end()
      return
    }
    this.#prepareInputs()
    this.requests = this.requests.filter(({ answered }) => !answered)
    if (this.#open > 0) this.call()
  }

  /** Calls the function, for one request at least. */
  protected abstract call(): void
  /** Nobody waits for the answer to this request any more. */
  abstract cancelled(index: number): void

  /** Undefined: it was answered before the function was called. */
  protected requestAt(index: number): GivenRequest | undefined {
    return this.requests.find(({ request }) => request === index)
  }

  drained(index: number): void {
    for (const pump of this.#pumps) pump.drained(index)
  }

  /** @throws Failure: what is wrong with `value` as the outputs of this request */
  read(request: GivenRequest, value: unknown): NativeTensors {
    const { description } = this.instance
    const results = readResults(description, value, request.batchSize)
    checkComplete(description, results, () => request.requestedOutputs)
    return nativeOutputs(description, results)
  }

  /** Sends one response of several; returns for how long the reader may keep the next one waiting. */
  send(request: GivenRequest, value: unknown): number {
    const outputs = this.read(request, value)
    const { native } = this.instance
    const milliseconds = native.respond(this.execution, request.request, outputs, false)
    if (milliseconds >= 0) return milliseconds
    this.#ended(request)
    return 0
  }

  /** A result that has been read, as the only response. */
  protected sendResult(request: GivenRequest, result: NativeFunctionResult): void {
    const { native } = this.instance
    if (typeof result[0] === 'number') {
      const [code, message] = result as NativeFailure
      native.respondError(this.execution, request.request, code, message)
    } else {
      native.respond(this.execution, request.request, result as NativeTensors, true)
    }
    this.#ended(request)
  }

  /** The last response, or the only one. Of a request that was given up nothing is sent. */
  answer(request: GivenRequest, value: unknown): void {
    if (request.answered) return
    let result: NativeFunctionResult
    try {
      result = this.read(request, value)
    } catch (error) {
      result = this.failureOf(error)
    }
    this.sendResult(request, result)
  }

  /** There is no further response. */
  endRequest(request: GivenRequest): void {
    if (request.answered) return
    this.instance.native.endRequest(this.execution, request.request)
    this.#ended(request)
  }

  fail(requests: readonly GivenRequest[], reason: unknown): void {
    const [code, message] = this.failureOf(reason)
    for (const request of requests) {
      if (request.answered) continue
      this.instance.native.respondError(this.execution, request.request, code, message)
      this.#ended(request)
    }
  }

  /** All at once, by request: the function has given everything it was called for. */
  protected finish(results: readonly NativeFunctionResult[]): void {
    this.instance.native.finishExecution(this.execution, results)
    this.#onEnd()
  }

  protected failureOf(reason: unknown): NativeFailure {
    return nativeFailure(reason, this.instance.description.model)
  }

  /** The request as an element, or nothing: then it has failed. */
  #requestOf(index: number, tensors: NativeTensors): GivenRequest[] {
    const { native, description } = this.instance
    try {
      return [new GivenRequest(native, this.execution, index, tensors, description.batches)]
    } catch (error) {
      native.respondError(this.execution, index, ...this.failureOf(error))
      return []
    }
  }

  /** Changes the inputs as helpers of the function want them. */
  #prepareInputs(): void {
    if (this.instance.code.preparations.length === 0) return
    try {
      this.#prepare(this.requests)
      return
    } catch {
      // One that can't be prepared by itself does not fail the others.
    }
    for (const request of this.requests) {
      try {
        this.#prepared([request])
      } catch (error) {
        this.fail([request], error)
      }
    }
    const others = this.requests.filter(({ answered }) => !answered)
    try {
      this.#prepare(others)
    } catch (error) {
      this.fail(others, error)
    }
  }

  #prepare(requests: readonly GivenRequest[]): void {
    const inputs = this.#prepared(requests)
    requests.forEach((request, i) => {
      request.inputs = inputs[i]!
    })
  }

  /** @throws Failure when the inputs are not as helpers need them */
  #prepared(requests: readonly GivenRequest[]): readonly FunctionInputs[] {
    const { code, description } = this.instance
    const sizes = requests.map(({ batchSize }) => batchSize)
    return code.preparations.reduce(
      (list, prepare) => prepare(list, description, sizes),
      requests.map((request) => request.inputs) as readonly FunctionInputs[],
    )
  }

  /** @throws Failure when what is not there yet could never come */
  protected checkLater(value: PromiseLike<unknown> | AnyIterator): void {
    const { model, decoupled } = this.instance.description
    const streams = !isPromise(value)
    if (!this.instance.standsStill() && (decoupled || !streams)) return
    if (streams) value.return?.()
    else value.then(undefined, () => {})
    if (this.instance.standsStill()) {
      throw new Failure(
        'UNSUPPORTED',
        `model '${model}' answers later, but this thread waits for it in inferSync: use infer`,
      )
    }
    throw wrong(
      `model '${model}': expected one result, found a generator, which needs ` +
        `modelTransactionPolicy: { decoupled: true }`,
    )
  }

  protected pump(
    iterator: AnyIterator,
    requests: readonly GivenRequest[],
    partsOf: (value: unknown) => readonly (readonly [GivenRequest, unknown])[],
  ): void {
    const pump = new ResponsePump(this, iterator, requests, partsOf)
    this.#pumps.push(pump)
    pump.pull()
  }

  /** What the function gives later may come as long as its model allows. */
  protected startTimer(): void {
    if (this.#deadlineMs === Number.POSITIVE_INFINITY) return
    const leftMs = this.#deadlineMs - performance.now()
    this.#timer = setTimeout(
      () => {
        if (leftMs > maxTimeoutMs) this.startTimer()
        else this.giveUp(tookTooLong(this.instance.description))
      },
      Math.min(leftMs, maxTimeoutMs),
    )
  }

  /** Answers all that have no answer; whatever the function still does is of no effect. */
  protected giveUp(reason: Failure): void {
    for (const request of this.requests) request.giveUp(reason)
    this.fail(this.requests, reason)
  }

  #ended(request: GivenRequest): void {
    request.answered = true
    this.#open--
    for (const pump of this.#pumps) pump.stopIfOver()
    if (this.#open === 0) this.#end()
  }

  #end(): void {
    clearTimeout(this.#timer)
    this.instance.native.endExecution(this.execution)
    this.#onEnd()
  }
}
