// What was around the application's requests when it made them, for the traces of those that have
// one: which ones is known only when they cross into native code, later and together.

import { tell } from './tell.js'

/** A request, as far as this is concerned. */
interface Request {
  readonly id: number
  readonly server: number
}

export class TraceContexts {
  /** Somebody wants contexts: `note` is to be called for each request. */
  wanted = false
  /** By server. */
  readonly #captures = new Map<number, () => unknown>()
  /** By slot, from submission until it crosses. */
  readonly #noted = new Map<number, unknown>()
  readonly #ofTraces = new Map<number, unknown>()

  /** @param capture null: those of this server's requests are not wanted */
  want(server: number, capture: (() => unknown) | null): void {
    if (capture === null) this.#captures.delete(server)
    else this.#captures.set(server, capture)
    this.wanted = this.#captures.size > 0
    if (!this.wanted) this.#noted.clear()
  }

  note(request: Request): void {
    const capture = this.#captures.get(request.server)
    if (capture !== undefined) tell(() => this.#noted.set(request.id, capture()))
  }

  /** The request of a slot crosses and has this trace. */
  traced(slot: number, trace: number): void {
    const context = this.#noted.get(slot)
    if (context !== undefined) this.#ofTraces.set(trace, context)
  }

  /** The request has crossed. */
  forget(request: Request): void {
    this.#noted.delete(request.id)
  }

  /** All requests have crossed. */
  forgetAll(): void {
    this.#noted.clear()
  }

  /** The context of a trace that is over. */
  take(trace: number): unknown {
    const context = this.#ofTraces.get(trace)
    this.#ofTraces.delete(trace)
    return context
  }
}
