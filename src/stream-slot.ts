// The request of a stream, under way.
import type { NativeResponse } from './binding.js'
import { failed } from './bridge.js'
import { Failure } from './errors.js'
import { Slot } from './slot.js'

/** Who reads the responses of a StreamSlot. */
export interface StreamReader {
  /** There are responses to take. */
  readable(): void
  /** The request has ended with these responses; `failure` is what happened after them. */
  ended(responses: NativeResponse[], failure: Failure | null): void
  /** The request was given up for `reason`. */
  abandoned(reason: unknown): void
}

/**
 * A request with any number of responses. Used once.
 *
 *     idle --start--> open --complete--> gone
 *                       |                 ^
 *                 abandon, drop --> cancelled --complete
 */
export class StreamSlot extends Slot {
  /** Null while nobody reads. */
  #reader: StreamReader | null = null

  /** Submits. `limit` responses may wait; after `stallMs` with all of them waiting it fails. */
  start(reader: StreamReader, limit: number, stallMs: number): void {
    const { bridge } = this.plan
    bridge.native.openStream(this.id, limit, stallMs)
    this.#reader = reader
    bridge.submit(this)
  }

  take(): NativeResponse | null {
    return this.plan.bridge.native.takeResponse(this.id)
  }

  override readable(): void {
    this.#reader?.readable()
  }

  /** Nobody reads any more: the request is cancelled, what it still sends is dropped. */
  drop(): void {
    if (this.#reader === null) return
    this.#reader = null
    const { bridge } = this.plan
    if (bridge.withdraw(this)) {
      this.discard()
      return
    }
    bridge.native.cancel(this.id) // first, so that a sender that waits finds it cancelled
    bridge.native.closeStream(this.id)
  }

  override abandon(reason: unknown): void {
    const reader = this.#reader
    this.drop()
    reader?.abandoned(reason)
  }

  override complete(outcome: number): void {
    const reader = this.#reader
    this.#reader = null
    if (reader === null) {
      this.discard()
      return
    }
    // The rest is taken now, so that a slow reader does not keep the slot.
    const rest: NativeResponse[] = []
    let failure: Failure | null = null
    try {
      for (let next = this.take(); next !== null; next = this.take()) rest.push(next)
      if (outcome === failed) {
        const [code, message] = this.plan.bridge.native.takeError(this.id)
        failure = Failure.fromNative(code, message)
      }
    } catch (error) {
      failure = error as Failure // no memory for a response
    }
    this.discard()
    reader.ended(rest, failure)
  }
}
