// The instances whose functions run in this environment.
import type { InstanceDescription, NativeFunctions, NativeTensors } from '../function-binding.js'
import type { Callable } from './callable.js'
import type { Caller } from './context.js'
import { Description, instanceContext } from './description.js'
import { EachExecution } from './each-execution.js'
import type { ExecutingInstance, Execution } from './execution.js'
import { nativeFailure } from './failures.js'
import { WholeExecution } from './whole-execution.js'

export class Instances {
  readonly #native: NativeFunctions
  readonly #standsStill: () => boolean
  readonly #instances = new Map<number, ExecutingInstance>()
  readonly #executions = new Map<number, Execution>()

  /** @param standsStill whether this thread waits in native code for what functions give */
  constructor(native: NativeFunctions, standsStill: () => boolean) {
    this.#native = native
    this.#standsStill = standsStill
  }

  /**
   * Makes the instance ready to execute.
   *
   * @throws whatever its function throws when it begins, and UNSUPPORTED for its configuration
   */
  async begin(
    id: number,
    told: InstanceDescription,
    callable: Callable,
    caller: Caller,
  ): Promise<void> {
    const description = new Description(told)
    const about = instanceContext(told)
    const code = callable.create()
    await code.initialize(about)
    const [native, standsStill] = [this.#native, this.#standsStill]
    this.#instances.set(id, { native, standsStill, description, about, code, caller })
    native.instanceReady(id)
  }

  /** The instance executes nothing any more. */
  async finalize(id: number): Promise<void> {
    const instance = this.#instances.get(id)
    this.#instances.delete(id)
    try {
      await instance?.code.finalize()
    } catch (error) {
      const [, message] = nativeFailure(error, instance!.description.model)
      process.emitWarning(`${message} (in finalize)`, 'TridentWarning')
    }
    this.#native.instanceFinalized(id)
  }

  execute(id: number, number: number, requests: readonly (NativeTensors | null)[]): void {
    const instance = this.#instances.get(id)!
    const Kind = instance.code.whole ? WholeExecution : EachExecution
    const execution = new Kind(instance, number, () => this.#executions.delete(number))
    this.#executions.set(number, execution)
    execution.run(requests)
  }

  cancelled(execution: number, request: number): void {
    this.#executions.get(execution)?.cancelled(request)
  }

  drained(execution: number, request: number): void {
    this.#executions.get(execution)?.drained(request)
  }
}
