// One request under way.
import { lost, type NativeOption } from './binding.js'
import { type Completion, failed } from './bridge.js'
import type { TypedArray } from './datatypes.js'
import { Failure } from './errors.js'
import type { Group } from './group.js'
import type { Parent } from './parent.js'
import type { Plan } from './plan.js'
import type { RegionSource } from './region-tensor.js'
import type { InPlace, ReadRequest } from './request.js'
import { type AnyResult, readResult } from './results.js'

export type Resolve = (result: AnyResult) => void
export type Reject = (reason: unknown) => void

/**
 * A reusable request of one plan, with the memory its tensors lie in.
 *
 *     idle --submit--> waiting --complete--> idle
 *                         |                    ^
 *                      abandon --> cancelled --complete
 */
export class Slot implements Completion {
  readonly plan: Plan
  readonly id: number
  /** Where inputs are copied to; null for those used in place. */
  readonly inputs: readonly (TypedArray | null)[]
  readonly outputs: readonly (TypedArray | null)[]
  /** Arrays allocated for this request; users see them when it has ended. */
  readonly fresh: (TypedArray | undefined)[] = []
  #request: ReadRequest | null = null
  #resolve: Resolve | null = null
  #reject: Reject | null = null
  /** Carries options that can't be taken back. */
  #once = false
  #timed = false
  #due = false
  /** Has been, at least: the parent of a submission is forgotten when it ends. */
  #hasParent = false

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

  /** The request whose memory is in use; null for the simple case. */
  get request(): ReadRequest | null {
    return this.#request
  }

  /**
   * Keeps the user's memory, alive and from its next users, until the native request has ended:
   * after an abort or timeout that is later than the answer.
   */
  hold(request: ReadRequest): void {
    this.#request = request
    for (const { inPlace } of request.inputs) sourceOf(inPlace)?.retain?.()
    for (const { inPlace } of request.outputs) sourceOf(inPlace)?.retain?.()
  }

  letGo(): void {
    const request = this.#request
    if (request === null) return
    this.#request = null
    for (const { inPlace } of request.inputs) sourceOf(inPlace)?.release?.()
    for (const { inPlace } of request.outputs) sourceOf(inPlace)?.release?.()
  }

  get server(): number {
    return this.plan.server
  }

  get group(): Group {
    return this.plan.group
  }

  setOptions(options: NativeOption[]): void {
    this.#once = true
    this.plan.bridge.native.setOptions(this.id, options)
  }

  setTimeout(microseconds: number): void {
    this.#timed = microseconds > 0
    this.plan.bridge.native.setTimeout(this.id, microseconds)
  }

  setDeadline(microseconds: number): void {
    this.#due = microseconds > 0
    this.plan.bridge.native.setDeadline(this.id, microseconds)
  }

  /** Once the inputs are there. @throws UNAVAILABLE when the request could only wait for itself */
  setParent({ execution, request }: Parent): void {
    this.#hasParent = true
    this.plan.bridge.native.setParent(this.id, execution, request)
  }

  /** Otherwise the end of a submission does so. */
  #forgetParent(): void {
    if (this.#hasParent) this.plan.bridge.native.setParent(this.id, 0, 0)
    this.#hasParent = false
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
    if (this.plan.bridge.withdraw(this)) {
      this.#forgetParent()
      this.#finish(true)
    } else this.plan.bridge.native.cancel(this.id)
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
      result = readResult(this.plan, this, outcome)
    } catch (error) {
      this.#finish(true)
      reject(error)
      return
    }
    this.#finish(true)
    resolve(result)
  }

  readable(): void {}

  /** Gives up a slot that was not submitted. */
  discard(): void {
    this.#finish(false)
  }

  /** Runs on this thread to the end; throws a Failure. */
  run(timeoutMs: number, timedOut: () => Failure): AnyResult {
    const { bridge } = this.plan
    const outcome = bridge.inferSync(this, timeoutMs)
    if (outcome > failed) {
      bridge.adopt(this) // its completion is still to come
      if (outcome === lost) throw lostFailure(this.plan)
      throw timedOut()
    }
    try {
      if (outcome === failed) {
        const [code, message] = bridge.native.takeError(this.id)
        throw Failure.fromNative(code, message)
      }
      return readResult(this.plan, this, outcome)
    } finally {
      this.#finish(true)
    }
  }

  #finish(reusable: boolean): void {
    this.letGo()
    if (this.fresh.length > 0) this.fresh.length = 0
    if (this.#timed) this.setTimeout(0)
    if (this.#due) this.setDeadline(0)
    this.plan.release(this, reusable && !this.#once)
  }
}

function lostFailure({ model }: Plan): Failure {
  return new Failure(
    'UNAVAILABLE',
    `inferSync of model '${model.model}' would wait for the thread of a function that does not end, ` +
      'and which only the event loop of this thread can end; use infer',
  )
}

function sourceOf(inPlace: InPlace | null): RegionSource | null {
  return inPlace === null || typeof inPlace.memory === 'number' ? null : inPlace.memory
}
