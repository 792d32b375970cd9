// What users see of functions as models.
import type { NativeParameter } from '../binding.js'
import type { TypedArray } from '../datatypes.js'
import type { ModelConfig } from '../model-config.js'
import type { InferOptions } from '../options.js'
import type { ResponseStream, StreamPart } from '../stream.js'
import type { StreamOptions, StreamOutputs } from '../stream-options.js'
import type { Tensor } from '../tensor.js'
import type { FunctionInputs } from '../typed-functions.js'
import type {
  Inputs,
  InputsForOne,
  ModelTypeOf,
  Outputs,
  OutputsOf,
  Result,
} from '../typed-models.js'

/** An output: a tensor, or its elements where the model leaves only one possible shape. */
export type OutputValue = Tensor | TypedArray | readonly (string | Uint8Array)[]

export type { FunctionInputs, FunctionOutputs } from '../typed-functions.js'

/** What an instance is told when it begins. */
export interface InstanceContext {
  readonly model: string
  readonly version: number
  /** The instance's name. */
  readonly instance: string
  /** Of the model in its repository; '' for a function that was bound. */
  readonly directory: string
  /** The complete configuration in force. */
  readonly config: ModelConfig
}

/** The request that a function answers. */
export interface RequestInfo {
  readonly id: string
  /** Of the sequence; 0n or '' without one. */
  readonly correlationId: bigint | string
  readonly parameters: Readonly<Record<string, NativeParameter>>
  /** Milliseconds that the client gives it, 0 is any time. */
  readonly timeout: number
  readonly requestedOutputs: readonly string[]
  /** Null when it belongs to no sequence. */
  readonly sequence: { readonly start: boolean; readonly end: boolean } | null
  /** How many items its inputs have; 1 when the model does not batch. */
  readonly batchSize: number
  /** Aborted when nobody waits for the answer any more. */
  readonly signal: AbortSignal
}

/** A request as `requests()` gives it to its function. */
export interface ModelRequest<I = FunctionInputs> extends RequestInfo {
  readonly inputs: I
}

/** What a function gets beside its inputs. */
export interface FunctionContext extends Omit<InstanceContext, 'directory'> {
  /** Aborted when nobody waits for what is executed any more, or it has taken too long. */
  readonly signal: AbortSignal
  /**
   * Runs another model of the same server on behalf of what is executed: it ends when that is
   * cancelled, and its trace is part of that one's. Inputs that this function got go on in place.
   */
  infer<const N extends string, const O extends Outputs<ModelTypeOf<N>> | undefined = undefined>(
    model: N,
    inputs: InputsForOne<ModelTypeOf<N>>,
    options?: InferOptions<OutputsOf<O, ModelTypeOf<N>>>,
  ): Promise<Result<O, ModelTypeOf<N>>>
  /** As `infer`, on this thread: for functions that are not async. */
  inferSync<
    const N extends string,
    const O extends Outputs<ModelTypeOf<N>> | undefined = undefined,
  >(
    model: N,
    inputs: InputsForOne<ModelTypeOf<N>>,
    options?: InferOptions<OutputsOf<O, ModelTypeOf<N>>>,
  ): Result<O, ModelTypeOf<N>>
  /** As `infer`, for the responses of a decoupled model. */
  stream<
    const N extends string,
    const O extends StreamOutputs<ModelTypeOf<N>> | undefined = undefined,
  >(
    model: N,
    inputs: Inputs<ModelTypeOf<N>>,
    options?: StreamOptions<OutputsOf<O, ModelTypeOf<N>>>,
  ): ResponseStream<StreamPart<O, ModelTypeOf<N>>>
}

export interface RequestContext extends FunctionContext {
  readonly request: RequestInfo
}

export interface BatchContext extends FunctionContext {
  /** In the order of their items in the batch. */
  readonly requests: readonly RequestInfo[]
}
