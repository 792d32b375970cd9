// Sends what a generator yields, at the pace of those who read it.
import type { Execution } from './execution.js'
import type { GivenRequest } from './given-request.js'
import { type AnyIterator, isPromise } from './later.js'

/** Responses between two turns of the event loop: a generator may never wait by itself. */
const partsPerTurn = 16

/** What a part has for whom. */
export type PartsOf = (value: unknown) => readonly (readonly [GivenRequest, unknown])[]

export class ResponsePump {
  readonly #execution: Execution
  readonly #iterator: AnyIterator
  readonly #requests: readonly GivenRequest[]
  readonly #partsOf: PartsOf
  /** Those whose reader has not taken enough. */
  readonly #full = new Set<number>()
  #timer: NodeJS.Timeout | undefined
  #partsThisTurn = 0
  #isOver = false

  constructor(
    execution: Execution,
    iterator: AnyIterator,
    requests: readonly GivenRequest[],
    partsOf: PartsOf,
  ) {
    this.#execution = execution
    this.#iterator = iterator
    this.#requests = requests
    this.#partsOf = partsOf
  }

  /** Takes parts until there is none yet, or no room for more. */
  pull(): void {
    while (!this.#isOver) {
      let step: ReturnType<AnyIterator['next']>
      try {
        step = this.#iterator.next()
      } catch (error) {
        this.#fail(error)
        return
      }
      if (isPromise(step)) {
        step.then(
          (settled) => {
            if (this.#take(settled)) this.pull()
          },
          (error) => this.#fail(error),
        )
        return
      }
      if (!this.#take(step)) return
    }
  }

  drained(index: number): void {
    if (this.#full.delete(index) && this.#full.size === 0) this.#resume()
  }

  /** Ends the generator when all its requests have been given up: its `finally` runs. */
  stopIfOver(): void {
    if (this.#isOver || this.#requests.some(({ answered }) => !answered)) return
    this.#isOver = true
    clearTimeout(this.#timer)
    try {
      const returned = this.#iterator.return?.()
      if (isPromise(returned)) returned.then(undefined, () => {}) // nobody waits for it
    } catch {
      // nor for this
    }
  }

  /** Sends a part. Returns true when the next one may follow at once. */
  #take(step: IteratorResult<unknown>): boolean {
    if (this.#isOver) return false
    try {
      const parts = step.done && step.value === undefined ? [] : this.#partsOf(step.value)
      if (step.done) {
        this.#finish(parts)
        return false
      }
      return this.#pace(this.#send(parts))
    } catch (error) {
      this.#fail(error)
      return false
    }
  }

  /** Returns how long the slowest reader may be waited for. */
  #send(parts: ReturnType<PartsOf>): number {
    let patience = 0
    for (const [request, value] of parts) {
      if (request.answered) continue
      try {
        const milliseconds = this.#execution.send(request, value)
        if (milliseconds === 0) continue
        this.#full.add(request.request)
        patience = Math.max(patience, milliseconds)
      } catch (error) {
        this.#execution.fail([request], error)
      }
    }
    return patience
  }

  #pace(patience: number): boolean {
    if (this.#isOver) return false
    if (this.#full.size > 0) {
      this.#timer = setTimeout(() => this.#resume(), patience)
      return false
    }
    if (++this.#partsThisTurn < partsPerTurn) return true
    setImmediate(() => this.#resume())
    return false
  }

  #resume(): void {
    clearTimeout(this.#timer)
    this.#full.clear()
    this.#partsThisTurn = 0
    this.pull()
  }

  #finish(parts: ReturnType<PartsOf>): void {
    this.#isOver = true
    const last = new Map(parts)
    for (const request of this.#requests) {
      if (last.has(request)) this.#execution.answer(request, last.get(request))
      else this.#execution.endRequest(request)
    }
  }

  #fail(error: unknown): void {
    if (this.#isOver) return
    this.#isOver = true
    this.#execution.fail(this.#requests, error)
  }
}
