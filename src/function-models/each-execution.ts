// Executions of functions that answer one request: those of a batch are answered side by side.
import type { NativeFunctionResult } from '../function-binding.js'
import { OneContext } from './context.js'
import { Execution } from './execution.js'
import { cancelled, type GivenRequest } from './given-request.js'
import { type AnyIterator, isIterator, isPromise } from './later.js'

type Later = PromiseLike<unknown> | AnyIterator

export class EachExecution extends Execution {
  protected override call(): void {
    /** By request. */
    const results: NativeFunctionResult[] = []
    const later: [GivenRequest, Later][] = []
    for (const request of this.requests) {
      try {
        const value = this.#call(request)
        if (isPromise(value) || isIterator(value)) {
          this.checkLater(value)
          later.push([request, value])
        } else {
          results[request.request] = this.read(request, value)
        }
      } catch (error) {
        results[request.request] = this.failureOf(error)
      }
    }
    if (later.length === 0) this.finish(results)
    else this.#goOn(results, later)
  }

  override cancelled(index: number): void {
    const request = this.requestAt(index)
    if (request === undefined || request.answered) return
    request.giveUp(cancelled)
    this.fail([request], cancelled)
  }

  #call(request: GivenRequest): unknown {
    const { code } = this.instance
    return code.execute.call(code.self, request.inputs, new OneContext(this.instance, request))
  }

  #goOn(results: readonly NativeFunctionResult[], later: readonly [GivenRequest, Later][]): void {
    this.startTimer()
    const waiting = new Set(later.map(([request]) => request))
    for (const request of this.requests) {
      if (!waiting.has(request)) this.sendResult(request, results[request.request]!)
    }
    for (const [request, value] of later) {
      if (isPromise(value)) {
        value.then(
          (settled) => this.#settled(request, settled),
          (error) => this.fail([request], error),
        )
      } else {
        this.#stream(request, value)
      }
    }
  }

  /** An async function may resolve to what a generator function returns. */
  #settled(request: GivenRequest, value: unknown): void {
    if (!isIterator(value) || request.answered) {
      this.answer(request, value)
      return
    }
    try {
      this.checkLater(value)
      this.#stream(request, value)
    } catch (error) {
      this.fail([request], error)
    }
  }

  #stream(request: GivenRequest, iterator: AnyIterator): void {
    this.pump(iterator, [request], (part) => [[request, part]])
  }
}
