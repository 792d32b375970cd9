// What all Model objects of one model and version share: its description and its plans.
import type { Bridge } from './bridge.js'
import { type Descriptor, describeModel } from './descriptor.js'
import { TridentError } from './errors.js'
import { maybeExecutionView } from './execution-views.js'
import { layoutKey } from './layout.js'
import { Plan } from './plan.js'
import { type ReadRequest, readRequest } from './request.js'
import type { ServerState } from './server-state.js'
import type { Slot } from './slot.js'
import type { StreamSlot } from './stream-slot.js'
import { isTensor, isTypedArray } from './tensor.js'
import type { Inputs, Outputs } from './typed-models.js'

/** Distinct sets of shapes remembered per model; the least recently made goes first. */
const maxPlans = 128

export class ModelState {
  readonly server: ServerState
  readonly name: string
  /** -1: whichever version the model's policy chooses. */
  readonly version: number
  #descriptor: Descriptor | null = null
  readonly #plans = new Map<string, Plan>()
  /** Those, prepared ones, and closed ones with requests under way. */
  readonly #alive = new Set<Plan>()
  /** The plan of the latest simple request: most requests are like the one before. */
  #latest: Plan | null = null

  constructor(server: ServerState, name: string, version: number) {
    this.server = server
    this.name = name
    this.version = version
  }

  get bridge(): Bridge {
    return this.server.bridge
  }

  /** @throws the core's error for an unknown model or version; UNAVAILABLE when closed */
  get descriptor(): Descriptor {
    if (this.#descriptor === null) {
      this.server.checkOpen()
      this.#descriptor = describeModel(this.bridge.native, this.server.id, this.name, this.version)
      this.server.remember(this)
    }
    return this.#descriptor
  }

  /**
   * A slot that holds this request, ready to be submitted.
   * @param shared large outputs are to be such that they can go on to other models in place
   */
  prepare(inputs: Inputs, outputs: Outputs | undefined, shared = false): Slot {
    this.server.checkOpen()
    const latest = this.#latest
    const asLatest = latest !== null && outputs === undefined && !(shared && hasViews(inputs))
    if (!asLatest || !latest.matches(inputs)) {
      const request = readRequest(this.bridge, this.descriptor, inputs, outputs)
      return this.prepareRead(request, false, shared)
    }
    return latest.prepareMatched(inputs, shared)
  }

  /** A slot that holds this request, for any number of responses. */
  prepareStream(inputs: Inputs, outputs: Outputs | undefined): StreamSlot {
    this.server.checkOpen()
    const request = readRequest(this.bridge, this.descriptor, inputs, outputs)
    return this.plan(request, false).prepareStream(request)
  }

  /** @throws UNSUPPORTED for a model whose requests have any number of responses */
  checkOneResponse(): void {
    if (!this.descriptor.decoupled) return
    throw new TridentError(
      'UNSUPPORTED',
      `model '${this.name}' is decoupled, it sends any number of responses: use stream()`,
    )
  }

  /** @param arraysInPlace the arrays themselves are read and written: only while JS can't run */
  prepareRead(request: ReadRequest, arraysInPlace: boolean, shared = false): Slot {
    this.checkOneResponse()
    return this.plan(request, arraysInPlace).prepare(request, shared)
  }

  plan(request: ReadRequest, arraysInPlace: boolean): Plan {
    const key = layoutKey(request, arraysInPlace)
    let plan = this.#plans.get(key)
    if (plan === undefined) {
      plan = this.newPlan(request, arraysInPlace)
      if (this.#plans.size >= maxPlans) {
        const [oldest, old] = this.#plans.entries().next().value!
        this.#plans.delete(oldest)
        if (old === this.#latest) this.#latest = null
        old.close()
      }
      this.#plans.set(key, plan)
    }
    if (plan.simple && !this.descriptor.decoupled) this.#latest = plan
    return plan
  }

  /** A plan for the caller alone. Closed by it, or with the model. */
  newPlan(request: ReadRequest, arraysInPlace: boolean): Plan {
    const plan = new Plan(
      this.bridge,
      this.server.id,
      this.version,
      this.descriptor,
      request,
      arraysInPlace,
      this.server.copiesOf(this.name, this.descriptor.version),
      () => {
        this.#alive.delete(plan)
        this.server.forgetPlan(plan)
      },
    )
    this.#alive.add(plan)
    this.server.rememberPlan(plan)
    return plan
  }

  /** The model was loaded anew or unloaded: nothing known of it holds any more. */
  invalidate(): void {
    this.#descriptor = null
    this.#latest = null
    this.#plans.clear()
    for (const plan of [...this.#alive]) plan.close()
  }
}

/** Some inputs may be such that they can be used in place. */
function hasViews(inputs: Inputs): boolean {
  for (const name in inputs) {
    const value = inputs[name]
    const data: unknown = isTensor(value) ? value.data : value
    if (isTypedArray(data) && maybeExecutionView(data)) return true
  }
  return false
}
