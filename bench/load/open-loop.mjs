// Open loop: requests are sent when they are due, whatever became of those before. Latency counts
// from the time a request was due, so that a sender that falls behind hides nothing.
import { performance } from 'node:perf_hooks'
import { Samples } from './samples.mjs'

/** A client that has this many unanswered sends the next when one of them has ended. */
const mostOutstanding = 1024
/** Timers are late by up to this; shorter waits turn the event loop instead. */
const timerErrorMs = 2

/** Sends at the times given (milliseconds from now on) and waits until all have ended. */
class Sender {
  #samples = new Samples()
  #sent = 0
  #outstanding = 0
  #result = { offered: 0, refused: 0, inTime: 0, last: 0 }
  #error = null
  #begin = 0
  #end = resolvers()

  constructor(call, arrivals, { sloUs, isRefusal }) {
    this.call = call
    this.arrivals = arrivals
    this.sloMs = sloUs / 1000
    this.isRefusal = isRefusal
    this.#result.offered = arrivals.length
  }

  run() {
    this.#begin = performance.now()
    if (this.arrivals.length === 0) throw new RangeError('an open loop needs arrivals')
    this.#turn()
    return this.#end.promise
  }

  #turn = () => {
    const { arrivals } = this
    const now = performance.now() - this.#begin
    const mayNext = () => arrivals[this.#sent] <= now && this.#outstanding < mostOutstanding
    while (mayNext()) this.#send(arrivals[this.#sent++])
    if (this.#sent === arrivals.length) return this.#finishWhenDone()
    const wait = arrivals[this.#sent] - now
    if (wait > timerErrorMs) setTimeout(this.#turn, wait - timerErrorMs)
    else setImmediate(this.#turn)
  }

  #send(due) {
    this.#outstanding += 1
    this.call().then(
      () => {
        const now = performance.now() - this.#begin
        this.#samples.add(now - due)
        if (now - due <= this.sloMs) this.#result.inTime += 1
        this.#result.last = now
        this.#ended()
      },
      (error) => {
        if (this.isRefusal(error)) this.#result.refused += 1
        else this.#fail(error)
        this.#ended()
      },
    )
  }

  /** Sends no more; what is outstanding still ends. */
  #fail(error) {
    this.#error ??= error
    this.#sent = this.arrivals.length
  }

  #ended() {
    this.#outstanding -= 1
    if (this.#sent === this.arrivals.length) this.#finishWhenDone()
  }

  #finishWhenDone() {
    if (this.#outstanding > 0) return
    if (this.#error) return this.#end.reject(this.#error)
    const { last, ...counts } = this.#result
    const elapsedMs = Math.max(last, this.arrivals.at(-1))
    this.#end.resolve({
      ...this.#samples.summarise(elapsedMs),
      ...counts,
      attainment: counts.inTime / counts.offered,
      inTimePerSecond: (counts.inTime / elapsedMs) * 1000,
    })
  }
}

/** Promise.withResolvers, which Node 20 does not have. */
function resolvers() {
  const parts = {}
  parts.promise = new Promise((resolve, reject) => Object.assign(parts, { resolve, reject }))
  return parts
}

/**
 * @param call starts a request; it ends in time, late, or with an error that `isRefusal` knows: any
 *   other error fails the measurement
 * @param arrivals milliseconds, in order
 * @returns counts, percentiles of answered requests, and those within `sloUs` of their time
 */
export function measureOpenLoop(
  call,
  arrivals,
  { sloUs = Infinity, isRefusal = () => false } = {},
) {
  return new Sender(call, arrivals, { sloUs, isRefusal }).run()
}
