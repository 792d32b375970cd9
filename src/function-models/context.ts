// What functions are told beside their inputs. Little of it is read by most functions: all is made
// when it is asked for. The types that users see are in types.ts.
import type { Model } from '../model.js'
import type { ModelConfig } from '../model-config.js'
import type { InferOptions } from '../options.js'
import type { Parent } from '../parent.js'
import type { StreamOptions } from '../stream-options.js'
import type { Inputs } from '../typed-models.js'
import type { Description } from './description.js'
import type { GivenRequest, Undertaking } from './given-request.js'
import type { FunctionContext, InstanceContext } from './types.js'

/** Where wrappers find what they have to know of the model, in any copy of this package. */
const described = Symbol.for('trident.functionDescription')

export function descriptionOf(context: FunctionContext): Description {
  return (context as unknown as Context)[described]
}

/** The models of the server that an instance belongs to, for requests on behalf of another. */
export type Caller = (model: string, parent: Parent) => Model

/** What all executions of an instance have in common. */
export interface InstanceScope {
  readonly description: Description
  readonly about: InstanceContext
  readonly caller: Caller
}

abstract class Context {
  readonly #scope: InstanceScope

  constructor(scope: InstanceScope) {
    this.#scope = scope
  }

  protected abstract get parent(): Undertaking

  get [described](): Description {
    return this.#scope.description
  }

  get model(): string {
    return this.#scope.about.model
  }

  get version(): number {
    return this.#scope.about.version
  }

  get instance(): string {
    return this.#scope.about.instance
  }

  get config(): ModelConfig {
    return this.#scope.about.config
  }

  get signal(): AbortSignal {
    return this.parent.signal
  }

  // Bound to this object: functions take them out of it by their names.

  get infer() {
    return async (model: string, inputs: Inputs, options?: InferOptions): Promise<unknown> =>
      this.#scope.caller(model, this.parent).infer(inputs, options)
  }

  get inferSync() {
    return (model: string, inputs: Inputs, options?: InferOptions): unknown =>
      this.#scope.caller(model, this.parent).inferSync(inputs, options)
  }

  get stream() {
    return (model: string, inputs: Inputs, options?: StreamOptions): unknown =>
      this.#scope.caller(model, this.parent).stream(inputs, options)
  }
}

/** Of a function that answers one request. */
export class OneContext extends Context {
  readonly request: GivenRequest

  constructor(scope: InstanceScope, request: GivenRequest) {
    super(scope)
    this.request = request
  }

  protected override get parent(): Undertaking {
    return this.request
  }
}

/** Of a function that answers all requests of an execution. */
export class WholeContext extends Context {
  readonly requests: readonly GivenRequest[]
  readonly #together: Undertaking

  constructor(scope: InstanceScope, requests: readonly GivenRequest[], together: Undertaking) {
    super(scope)
    this.requests = requests
    this.#together = together
  }

  protected override get parent(): Undertaking {
    return this.#together
  }
}
