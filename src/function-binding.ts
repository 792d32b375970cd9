// What the addon says about functions as models, and what it is told: the part of the binding that
// src/function-models is built on.
import { errorCodes } from './errors.js'

/** A tensor of a function, in or out: these four by turns for each. */
export type NativeTensorPart = string | number | readonly number[] | ArrayBuffer | ArrayBufferView
/**
 * By turns name, datatype id, shape and bytes; strings in Triton's encoded form. Inputs are always
 * whole ArrayBuffers; what is given as outputs may be any view.
 */
export type NativeTensors = readonly NativeTensorPart[]

/** What became of one request of an execution: its outputs, or an error. */
export type NativeFunctionResult = NativeTensors | readonly [code: number, message: string]

/** What a request says beyond its tensors. */
export type NativeRequestInfo = [
  id: string,
  /** 0n or '' where the request belongs to no sequence. */
  correlation: bigint | string,
  /** TRITONSERVER_RequestFlag, or'ed. */
  flags: number,
  timeoutMicroseconds: number,
  requestedOutputs: string[],
  /** Names and values by turns. */
  parameters: (string | number | bigint | boolean)[],
  cancelled: boolean,
]

/** The instance of a model that is to be made ready. */
export interface InstanceDescription {
  readonly model: string
  readonly version: number
  /** Of the model; '' for one that has no files. */
  readonly directory: string
  /** The configuration's parameter `function`: what `bind` put there; null for modules. */
  readonly function: string | null
  readonly instanceName: string
  /** 'main': the function runs on the server's own thread. */
  readonly execution: string | undefined
  /** The model's configuration as the C API tells it: names as in the repository. */
  readonly config: Record<string, unknown>
}

/**
 * Whoever runs functions in this environment. An instance has one number in all environments of the
 * process, an execution as well; a request is named by its index in the execution. Must not throw.
 */
export interface FunctionHost {
  /**
   * On the environment of the server: ends with `instanceReady`, called by the environment where
   * the instance is to run, or with `instanceFailed`.
   */
  initializeInstance(server: number, instance: number, description: InstanceDescription): void
  /**
   * The instance gets no more executions: ends with `instanceFinalized`. On the environment of the
   * server when it has none of its own at the moment.
   */
  finalizeInstance(instance: number): void
  /**
   * Ends, sooner or later, with `finishExecution` or `endExecution`. Null is a request that has
   * been answered already. The lists stay as they are: in the end the inputs are looked for there.
   */
  execute(instance: number, execution: number, requests: readonly (NativeTensors | null)[]): void
  /** Nobody waits for the answer to this request any more. */
  cancelled(execution: number, request: number): void
  /** After a `respond` that found no room: there is some. */
  drained(execution: number, request: number): void
  /**
   * On the environment of the server: the one that the instance ran in has ended. What it is given
   * to execute waits until another calls `instanceReady`; after `instanceFailed` it is refused.
   */
  instanceLost(server: number, instance: number, reason: string): void
}

/** Methods of the addon. On an execution or instance that has ended they do nothing. */
export interface NativeFunctions {
  /** A model without files: `config` is all there is of it. Ends with the task callback. */
  loadProvidedModel(task: number, server: number, name: string, config: string): void

  /**
   * What of the configuration concerns executions: one that takes longer than `executionTimeoutUs`
   * is one of those that `overdue` tells (0: none is); outputs named in `states` are the new state
   * of the request's sequence. The bridge says it before `FunctionHost.initializeInstance`.
   */
  setInstance(
    instance: number,
    maxBatchSize: number,
    executionTimeoutUs: number,
    states: readonly string[],
  ): void
  /** The calling environment is where the instance runs from now on. */
  instanceReady(instance: number): void
  /** Fails the load, or what waits for the instance and all that comes until it is ready. */
  instanceFailed(instance: number, code: number, message: string): void
  /** An execution of it has succeeded since this was last asked. */
  takeSuccess(instance: number): boolean
  instanceFinalized(instance: number): void

  requestInfo(execution: number, request: number): NativeRequestInfo | null
  /**
   * Sends one response. 0: go on. More: the client has not taken enough of what it has got, so
   * before the next one wait for `drained`, but at most these milliseconds. -1: the request has
   * ended, by a final response or by itself.
   */
  respond(execution: number, request: number, outputs: NativeTensors, final: boolean): number
  /** Ends a request that has had its responses. */
  endRequest(execution: number, request: number): void
  respondError(execution: number, request: number, code: number, message: string): void
  /** What has no final response by now gets an error; the instance is free again. */
  endExecution(execution: number): void
  /** One final response for each request, and the end of the execution. */
  finishExecution(execution: number, results: readonly NativeFunctionResult[]): void
  /**
   * From any environment: every request that has no final response gets this error, and what the
   * function still does is of no effect. The instance is free again when its environment has let go
   * of the inputs, which it does at once unless it is busy, or when it has ended.
   */
  abandonExecution(execution: number, code: number, message: string): void

  /**
   * The calling environment's number for the server of an instance: to call models, not to manage.
   * Until the environment ends.
   */
  attachServer(instance: number): number
  /**
   * The next submission of this idle slot, whose inputs have been bound, is on behalf of that
   * request: it is traced beneath it. One that has ended, or execution 0, is nobody's. Throws
   * UNAVAILABLE when it could only wait for itself.
   */
  setParent(slot: number, execution: number, request: number): void
  /**
   * The array lies in memory that an execution under way has lent to its function: `bindArray` has
   * a request use it in place, and keeps it for the request.
   */
  isView(array: ArrayBufferView): boolean
  /** The models whose instances requests of this plan need: by default its model. */
  setPlanNeeds(plan: number, models: readonly string[]): void
  /** Executions, of any environment, that have taken longer than their model allows. */
  overdue(server: number): [instance: number, execution: number][]
  /** What runs in this environment ends with UNAVAILABLE, as the environment does, and says why. */
  endInstances(reason: string): void
  /**
   * All that the process of an isolated instance does, to its end. The instance's function runs in
   * this environment.
   */
  runIsolated(task: number): void
}

/** As FunctionHost, but with the description still in JSON. */
export interface NativeFunctionCallbacks extends Omit<FunctionHost, 'initializeInstance'> {
  initializeInstance(server: number, instance: number, json: string): void
}

interface ConfigOfFunction extends Record<string, unknown> {
  readonly max_batch_size?: number
  readonly execution?: string
  /** A 64-bit number, which JSON may have as a string. */
  readonly execution_timeout_microseconds?: number | string
  readonly sequence_batching?: { state?: { output_name: string }[] }
  readonly parameters?: Record<string, { string_value?: string }>
}

function describe(json: string): InstanceDescription & { config: ConfigOfFunction } {
  const told = JSON.parse(json) as InstanceDescription & { config: ConfigOfFunction }
  const { execution, parameters } = told.config
  return { ...told, function: parameters?.function?.string_value ?? null, execution }
}

function setInstance(native: NativeFunctions, instance: number, config: ConfigOfFunction): void {
  native.setInstance(
    instance,
    config.max_batch_size ?? 0,
    Number(config.execution_timeout_microseconds ?? 0),
    (config.sequence_batching?.state ?? []).map((state) => state.output_name),
  )
}

/** What the addon calls, passed on to whoever runs functions here. */
export function functionCallbacks(
  native: () => NativeFunctions,
  host: () => FunctionHost | undefined,
): NativeFunctionCallbacks {
  return {
    initializeInstance(server, instance, json) {
      const runner = host()
      if (runner === undefined) {
        const why = "nobody runs functions in the server's environment"
        native().instanceFailed(instance, errorCodes.indexOf('UNSUPPORTED'), why)
        return
      }
      const description = describe(json)
      setInstance(native(), instance, description.config)
      runner.initializeInstance(server, instance, description)
    },
    finalizeInstance: (instance) => host()?.finalizeInstance(instance),
    execute: (instance, execution, requests) => host()?.execute(instance, execution, requests),
    cancelled: (execution, request) => host()?.cancelled(execution, request),
    drained: (execution, request) => host()?.drained(execution, request),
    instanceLost: (server, instance, reason) => host()?.instanceLost(server, instance, reason),
  }
}
