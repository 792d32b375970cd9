// Functions of the models of this environment's servers.
import type { Bridge } from '../bridge.js'
import { Failure } from '../errors.js'
import type { InstanceDescription } from '../function-binding.js'
import type { Callable } from './callable.js'
import type { Caller } from './context.js'
import { LocalHost } from './local-host.js'
import { importCallable } from './module.js'
import { importAnew } from './module-main.js'
import { ServerThreads } from './server-threads.js'

/** The functions of a model that is about to be loaded: instances take them in turn. */
interface Bound {
  readonly callables: readonly Callable[]
  instances: number
}

export class ServerHost extends LocalHost {
  /** By server, as the next. */
  readonly #threads = new Map<number, ServerThreads>()
  readonly #callers = new Map<number, Caller>()
  readonly #bound = new Map<string, Bound>()
  #numbers = 0

  /** Instances whose configuration names the key get these while `load` goes on. */
  async whileBound<T>(
    callables: readonly Callable[],
    load: (key: string) => Promise<T>,
  ): Promise<T> {
    const key = `${++this.#numbers}`
    this.#bound.set(key, { callables, instances: 0 })
    try {
      return await load(key)
    } finally {
      this.#bound.delete(key)
    }
  }

  protected override async begin(
    server: number,
    instance: number,
    told: InstanceDescription,
  ): Promise<void> {
    const caller: Caller = (...request) => this.#callerOf(server)(...request)
    if (told.directory === '') {
      const bound = this.#bound.get(told.function ?? '')
      if (!bound) throw new Failure('NOT_FOUND', `no function is bound to model '${told.model}'`)
      const callable = bound.callables[bound.instances++ % bound.callables.length]!
      await this.instances.begin(instance, told, callable, caller)
    } else if (told.execution === 'main') {
      const callable = await importCallable(told, importAnew)
      await this.instances.begin(instance, told, callable, caller)
    } else {
      this.#threadsOf(server).initialize(instance, told)
    }
  }

  #callerOf(server: number): Caller {
    const caller = this.#callers.get(server)
    if (caller) return caller
    throw new Failure('UNAVAILABLE', 'the server is still being started')
  }

  /** From now on the server's functions that run here can call its models. */
  started(server: number, caller: Caller): void {
    this.#callers.set(server, caller)
  }

  /**
   * Ends the threads of the server's modules, whatever they do; resolves when they have ended. No
   * others start.
   */
  async endThreads(server: number): Promise<void> {
    await this.#threadsOf(server).endAll()
  }

  /** The server has ended. */
  async ended(server: number): Promise<void> {
    this.#callers.delete(server)
    await this.endThreads(server)
    this.#threads.delete(server)
  }

  #threadsOf(server: number): ServerThreads {
    let threads = this.#threads.get(server)
    if (threads === undefined) {
      threads = new ServerThreads(this.bridge, server)
      this.#threads.set(server, threads)
    }
    return threads
  }

  override finalizeInstance(instance: number): void {
    // Those in threads are finalized there, but for one that has no thread at the moment.
    const ended = [...this.#threads.values()].some((threads) => threads.finalize(instance))
    if (!ended) super.finalizeInstance(instance)
  }
}

const hosts = new WeakMap<Bridge, ServerHost>()

/** The host of an environment's bridge, from the first use on. */
export function serverHost(bridge: Bridge): ServerHost {
  let host = hosts.get(bridge)
  if (host === undefined) {
    host = new ServerHost(bridge)
    hosts.set(bridge, host)
    bridge.functionHost = host
  }
  return host
}
