import { checkKeys } from './check-keys.js'
import { datatypeInfo, typeName } from './datatypes.js'
import type { Descriptor } from './descriptor.js'
import { TridentError, toError } from './errors.js'
import { sameShape } from './layout.js'
import type { ModelState } from './model-state.js'
import type { ModelType } from './model-types.js'
import type { Plan } from './plan.js'
import { type ReadRequest, readRequest } from './request.js'
import type { AnyResult } from './results.js'
import type { Server } from './server.js'
import { Tensor } from './tensor.js'
import type { Inputs, InputsForOne, OutputTarget, OutputTargets, Result } from './typed-models.js'

export type PreparedOutputs<M extends ModelType = ModelType> = OutputTargets<M>

export interface PrepareOptions<M extends ModelType = ModelType, O = PreparedOutputs<M>> {
  /** As the inputs of `infer`; BYTES only in regions. The buffers stay bound. */
  inputs: InputsForOne<M>
  /**
   * The memory that receives each output. Outputs not named here are not computed. Without
   * `outputs`, or with `true` for one, an array is allocated; the model must then leave only one
   * possible shape. What goes to 'device' gets new memory in every run, to be closed.
   */
  outputs?: O
}

/** The outputs over memory that stays the same from run to run. */
type BoundResult<O, M extends ModelType> = {
  readonly [K in keyof Result<O, M> as K extends keyof O
    ? O[K] extends 'device'
      ? never
      : K
    : K]: Result<O, M>[K]
}

/**
 * A request whose names, shapes and buffers are bound: write the inputs into their arrays, run,
 * read the outputs from theirs. Holds memory of the model until closed.
 */
export class Prepared<O = PreparedOutputs, M extends ModelType = ModelType> {
  /**
   * The outputs by name, over the memory bound to them: the same objects after every run. Those
   * that go to 'device' are in the results of the runs only.
   */
  readonly outputs: BoundResult<O, M>

  readonly #server: Server
  readonly #state: ModelState
  readonly #inputs: Inputs
  readonly #targets: PreparedOutputs
  /** Those, read for the version of the model that `#plan` is for. */
  #request: ReadRequest
  /** For `sync`: its slot uses the arrays in place. */
  #plan: Plan
  /** What a run of `#plan` gives: `outputs`, unless a reload of the model changed their shapes. */
  #bound: Readonly<AnyResult>
  /** For `async`, from its first call on. */
  #copying: Plan | null = null
  #running = false
  #closed = false

  /** @internal */
  constructor(server: Server, state: ModelState, options: PrepareOptions) {
    if (typeof options !== 'object' || options === null) {
      throw new TypeError(
        `prepare takes an object with inputs and outputs, got ${typeName(options)}`,
      )
    }
    checkKeys(options, ['inputs', 'outputs'], 'prepare')
    state.checkOneResponse()
    this.#server = server
    this.#state = state
    const { descriptor, bridge } = state
    const names = readTargets(descriptor, options.outputs)
    const probe = readRequest(bridge, descriptor, options.inputs, Object.keys(names))
    const targets: Record<string, OutputTarget> = {}
    for (const [name, target] of Object.entries(names)) {
      targets[name] = target === true ? allocate(state, probe, name) : target
    }
    this.#inputs = { ...options.inputs }
    this.#targets = targets
    this.#request = readRequest(bridge, descriptor, this.#inputs, targets)
    for (const input of this.#request.inputs) {
      if (input.datatype.array !== null || input.inPlace) continue
      throw new TridentError(
        'UNSUPPORTED',
        `input '${input.name}' of model '${state.name}': BYTES can be prepared only in a region`,
      )
    }
    this.#plan = state.newPlan(this.#request, true)
    collected.register(this, this.#plan, this)
    try {
      this.#bound = this.#plan.bind(this.#request)
      this.outputs = this.#bound as BoundResult<O, M>
    } catch (error) {
      this.close()
      throw error
    }
  }

  /**
   * Runs on this thread, as `inferSync`: one call into native code that allocates nothing when the
   * outputs have the shapes they were bound with.
   *
   * @returns `outputs`; where the model gave other shapes, new tensors over the same memory, and
   *   where outputs go to 'device', these as well
   * @throws as `infer`; INVALID_ARG when a bound array was transferred away or resized
   */
  sync(): Readonly<Result<O, M>> {
    try {
      this.#checkIdle()
      this.#state.bridge.flush() // requests already made go first
      if (this.#plan.closed) this.#rebind()
      return this.#plan.runBound(this.#bound) as Result<O, M>
    } catch (reason) {
      throw toError(reason, this.#state.name)
    }
  }

  /**
   * Runs as `infer`. Ordinary arrays are copied in when this is called and copied out when the
   * request has ended; shared memory is used in place. One run at a time.
   *
   * @returns and throws as `sync`; UNAVAILABLE while another run is under way
   */
  async async(): Promise<Readonly<Result<O, M>>> {
    try {
      this.#checkIdle()
      this.#running = true
      try {
        if (this.#plan.closed) this.#rebind()
        if (this.#copying === null || this.#copying.closed) {
          this.#copying = this.#state.plan(this.#request, false)
        }
        const slot = this.#copying.prepare(this.#request)
        const result = await new Promise<AnyResult>((resolve, reject) =>
          slot.submit(resolve, reject),
        )
        return (this.#isAsBound(result) ? this.#bound : result) as Result<O, M>
      } finally {
        this.#running = false
      }
    } catch (reason) {
      throw toError(reason, this.#state.name)
    }
  }

  /** Releases the binding; a run under way ends as usual. Further calls do nothing. */
  close(): void {
    if (this.#closed) return
    this.#closed = true
    collected.unregister(this)
    this.#plan.close()
  }

  [Symbol.dispose](): void {
    this.close()
  }

  #checkIdle(): void {
    const { name } = this.#state
    if (this.#closed) {
      throw new TridentError('UNAVAILABLE', `the prepared request to model '${name}' is closed`)
    }
    if (this.#running) {
      throw new TridentError(
        'UNAVAILABLE',
        `the prepared request to model '${name}' is still running: one run at a time, ` +
          `since all runs share its buffers`,
      )
    }
    this.#server.checkOpen()
  }

  /** `outputs` say all there is to say about this result. */
  #isAsBound(result: AnyResult): boolean {
    return !this.#copying!.leavesOnDevice && alike(result, this.#bound)
  }

  /** The model was loaded anew: the old version's slot went with it. */
  #rebind(): void {
    this.#state.checkOneResponse()
    const { bridge, descriptor } = this.#state
    const request = readRequest(bridge, descriptor, this.#inputs, this.#targets)
    const plan = this.#state.newPlan(request, true)
    try {
      const bound = plan.bind(request)
      const outputs = this.outputs as Readonly<AnyResult>
      this.#bound = alike(bound, outputs) ? outputs : bound
    } catch (error) {
      plan.close()
      throw error
    }
    collected.unregister(this)
    collected.register(this, plan, this)
    this.#plan = plan
    this.#request = request
  }
}

const collected = new FinalizationRegistry<Plan>((plan) => plan.close())

/** `outputs` as given, or a new array for each output of the model. */
function readTargets(
  descriptor: Descriptor,
  outputs: PrepareOptions['outputs'] | undefined,
): PreparedOutputs {
  if (outputs !== undefined) {
    if (typeof outputs !== 'object' || outputs === null || Array.isArray(outputs)) {
      throw new TypeError(`outputs is an object of targets by name, got ${typeName(outputs)}`)
    }
    if (Object.keys(outputs).length > 0) return outputs
  }
  return Object.fromEntries(descriptor.outputs.map(({ name }) => [name, true]))
}

function allocate(state: ModelState, request: ReadRequest, name: string): Tensor {
  const spec = state.descriptor.outputs[state.descriptor.outputIndex.get(name)!]!
  const datatype = datatypeInfo(spec.datatype)
  const shape = [...spec.shape]
  if (state.descriptor.maxBatchSize > 0) shape[0] = request.inputs[0]?.shape[0] ?? -1
  if (datatype.array === null || shape.some((dim) => dim < 0)) {
    throw new TridentError(
      'INVALID_ARG',
      `output '${name}' of model '${state.name}' has no fixed size (${spec.datatype}, shape ` +
        `[${spec.shape}]): give the memory that receives it`,
    )
  }
  const length = shape.reduce((product, dim) => product * dim, 1)
  return new Tensor(spec.datatype, new datatype.array(length) as never, shape)
}

function alike(a: AnyResult, b: Readonly<AnyResult>): boolean {
  for (const name in b) {
    const found = a[name]
    if (!found || found.datatype !== b[name]!.datatype) return false
    if (!sameShape(found.shape, b[name]!.shape)) return false
  }
  return true
}
