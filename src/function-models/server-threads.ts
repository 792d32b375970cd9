// The threads of a server's modules, one per instance, as the server's environment sees them.
import type { Bridge } from '../bridge.js'
import { errorCodes, Failure } from '../errors.js'
import type { InstanceDescription } from '../function-binding.js'
import { Description } from './description.js'
import { tookTooLong } from './failures.js'
import { InstanceThread, type ThreadEnd } from './instance-thread.js'

/** A thread that has not noticed by then that its execution takes too long is stuck. */
const graceMs = 100
const mostOftenMs = 25
const leastOftenMs = 500

interface Instance {
  readonly description: Description
  readonly thread: InstanceThread
}

export class ServerThreads {
  readonly #bridge: Bridge
  readonly #server: number
  readonly #instances = new Map<number, Instance>()
  /** By execution: since when it is known to take too long. */
  #overdue = new Map<number, number>()
  #watch: NodeJS.Timeout | undefined
  #watchMs = Infinity
  /** All are to end, and what resolves when they have. */
  #ending: Promise<void> | null = null
  #whenEnded: (() => void) | null = null

  constructor(bridge: Bridge, server: number) {
    this.#bridge = bridge
    this.#server = server
  }

  /**
   * Starts the instance's thread, which makes it ready.
   *
   * @throws Failure UNAVAILABLE: all threads are to end
   */
  initialize(instance: number, told: InstanceDescription): void {
    if (this.#ending !== null) throw new Failure('UNAVAILABLE', 'the server is closed')
    const { native, binding } = this.#bridge
    const description = new Description(told)
    const refuse = ({ code, message }: Failure) =>
      native.instanceFailed(instance, errorCodes.indexOf(code), message)
    const unavailable = (why: string) =>
      refuse(new Failure('UNAVAILABLE', `model '${told.model}': ${why}`))
    const thread = new InstanceThread(
      { nativeBinding: binding.path, instance, description: told },
      {
        failed: refuse,
        restarts: (end) => {
          warnOfRestart(told, end)
          if (end.delayMs === 0) return // requests wait for one that starts at once
          unavailable(`its thread ended, another starts after ${end.delayMs} ms: ${end.reason}`)
        },
        late: (afterMs) =>
          unavailable(`its thread was started ${afterMs} ms ago, and is not ready`),
        over: () => {
          unavailable('its thread has ended for good')
          this.#over(instance)
        },
        takeSuccess: () => native.takeSuccess(instance),
      },
    )
    this.#instances.set(instance, { description, thread })
    if (description.timeoutMs > 0) this.#watchFor(description.timeoutMs)
    thread.start()
  }

  /** An instance that has no thread at the moment needs none any more; false if it is not here. */
  finalize(instance: number): boolean {
    const found = this.#instances.get(instance)
    found?.thread.finish()
    return found !== undefined
  }

  /** Ends all threads, whatever they do; resolves when they have ended. No others start. */
  endAll(): Promise<void> {
    this.#ending ??= new Promise((resolve) => {
      this.#whenEnded = resolve
    })
    for (const { thread } of this.#instances.values()) thread.finish()
    if (this.#instances.size === 0) this.#whenEnded?.()
    return this.#ending
  }

  #over(instance: number): void {
    this.#instances.delete(instance)
    if (this.#instances.size > 0) return
    clearInterval(this.#watch)
    this.#watchMs = Infinity
    this.#whenEnded?.()
  }

  #watchFor(timeoutMs: number): void {
    const intervalMs = Math.min(Math.max(mostOftenMs, timeoutMs / 4), leastOftenMs)
    if (this.#watchMs <= intervalMs) return
    this.#watchMs = intervalMs
    clearInterval(this.#watch)
    this.#watch = setInterval(() => this.#endStuck(), intervalMs).unref()
  }

  /** Ends threads whose event loop does not turn any more: others give up by themselves. */
  #endStuck(): void {
    const now = performance.now()
    const overdue = new Map<number, number>()
    for (const [instance, execution] of this.#overdueNow()) {
      const stuck = this.#instances.get(instance)
      if (stuck === undefined) continue // runs in this environment
      const since = this.#overdue.get(execution) ?? now
      overdue.set(execution, since)
      if (now - since < graceMs) continue
      const { code, message } = tookTooLong(stuck.description)
      this.#bridge.native.abandonExecution(execution, errorCodes.indexOf(code), message)
      stuck.thread.terminate(message)
    }
    this.#overdue = overdue
  }

  #overdueNow(): [instance: number, execution: number][] {
    try {
      return this.#bridge.native.overdue(this.#server)
    } catch {
      return [] // the server is being deleted: nothing executes any more
    }
  }
}

function warnOfRestart(
  { model, instanceName }: InstanceDescription,
  { reason, stack, delayMs }: ThreadEnd,
): void {
  const when = delayMs === 0 ? 'now' : `in ${delayMs} ms`
  process.emitWarning(
    `the thread of '${instanceName}' (model '${model}') ended, another starts ${when}: ${reason}`,
    { type: 'TridentWarning', detail: stack },
  )
}
