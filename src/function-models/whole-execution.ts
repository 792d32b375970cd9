// Executions of functions that answer all requests of a batch together.

import { typeName } from '../datatypes.js'
import type { Failure } from '../errors.js'
import type { NativeFunctionResult } from '../function-binding.js'
import { WholeContext } from './context.js'
import { Execution } from './execution.js'
import { cancelled, type GivenRequest, Undertaking } from './given-request.js'
import { type AnyIterator, isIterator, isPromise } from './later.js'
import { wrong } from './results.js'

export class WholeExecution extends Execution {
  /** For all of them: given up with the last. */
  #together: Undertaking | undefined

  protected override call(): void {
    let results: readonly NativeFunctionResult[]
    try {
      const value = this.#call()
      if (isPromise(value) || isIterator(value)) {
        this.checkLater(value)
        this.#goOn(value)
        return
      }
      results = this.#readAll(value)
    } catch (error) {
      const failure = this.failureOf(error)
      results = this.#byRequest(() => failure)
    }
    this.finish(results)
  }

  override cancelled(index: number): void {
    this.requestAt(index)?.giveUp(cancelled)
    if (this.requests.every(({ givenUp }) => givenUp)) this.giveUp(cancelled)
  }

  protected override giveUp(reason: Failure): void {
    this.#together?.giveUp(reason)
    super.giveUp(reason)
  }

  #call(): unknown {
    const { code } = this.instance
    this.#together = new Undertaking(this.execution, this.requests[0]!.request)
    const context = new WholeContext(this.instance, this.requests, this.#together)
    return code.execute.call(code.self, this.requests, context)
  }

  #goOn(value: PromiseLike<unknown> | AnyIterator): void {
    this.startTimer()
    if (isIterator(value)) this.#stream(value)
    else {
      value.then(
        (settled) => this.#settled(settled),
        (error) => this.fail(this.requests, error),
      )
    }
  }

  /** An async function may resolve to what a generator function returns. */
  #settled(value: unknown): void {
    try {
      if (isIterator(value)) {
        this.checkLater(value)
        this.#stream(value)
      } else {
        const list = this.#listOf(value)
        this.requests.forEach((request, i) => {
          this.answer(request, list[i])
        })
      }
    } catch (error) {
      this.fail(this.requests, error)
    }
  }

  /** Each part is a list: those that have nothing in it get no response this time. */
  #stream(iterator: AnyIterator): void {
    this.pump(iterator, this.requests, (part) => {
      const list = this.#listOf(part)
      return this.requests
        .map((request, i) => [request, list[i]] as const)
        .filter(([, value]) => value !== undefined)
    })
  }

  #readAll(value: unknown): readonly NativeFunctionResult[] {
    const list = this.#listOf(value)
    return this.#byRequest((request, i) => {
      try {
        return this.read(request, list[i])
      } catch (error) {
        return this.failureOf(error)
      }
    })
  }

  #byRequest(
    resultOf: (request: GivenRequest, position: number) => NativeFunctionResult,
  ): readonly NativeFunctionResult[] {
    const results: NativeFunctionResult[] = []
    this.requests.forEach((request, i) => {
      results[request.request] = resultOf(request, i)
    })
    return results
  }

  /** @throws Failure unless there is one entry for each request */
  #listOf(value: unknown): readonly unknown[] {
    const count = this.requests.length
    if (Array.isArray(value) && value.length === count) return value
    const found = Array.isArray(value)
      ? value.length
      : value === undefined
        ? 'nothing'
        : typeName(value)
    const { model } = this.instance.description
    throw wrong(`model '${model}': expected a list of ${count} results, found ${found}`)
  }
}
