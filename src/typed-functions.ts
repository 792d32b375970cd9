// The types of functions that are models: what they take and give follows from their configuration.

import type { InstanceContext, RequestContext } from './function-models/types.js'
import type { InputType, ModelType, TensorType } from './model-types.js'
import type { BareArray, ByName, TensorOf } from './typed-models.js'

/** What of a configuration tells the type of the model. Shapes are without the batch dimension; -1 is variable. */
export interface TypedConfig {
  readonly maxBatchSize?: number
  readonly inputs: Readonly<Record<string, InputType>>
  readonly outputs: Readonly<Record<string, TensorType>>
  readonly modelTransactionPolicy?: { readonly decoupled?: boolean }
}

/** The number in `maxBatchSize`; `number`, where the compiler does not know it. */
type BatchLimit<C extends TypedConfig> = C extends { readonly maxBatchSize: infer B extends number }
  ? B
  : 'maxBatchSize' extends keyof C
    ? number
    : 0

type Sizes<S extends readonly number[]> = {
  -readonly [I in keyof S]: S[I] extends -1 ? number : S[I]
}

type Batched<S extends readonly number[], B extends number> = B extends 0
  ? Sizes<S>
  : number extends B
    ? readonly number[]
    : [number, ...Sizes<S>]

type Typed<T extends Readonly<Record<string, InputType>>, B extends number> = {
  readonly [N in keyof T]: {
    readonly datatype: T[N]['datatype']
    readonly shape: Batched<T[N]['shape'], B>
    readonly optional: T[N] extends { readonly optional: true } ? true : false
  }
}

/** The model that a configuration describes. */
export interface TypeOfConfig<C extends TypedConfig, B extends number = BatchLimit<C>> {
  readonly inputs: Typed<C['inputs'], B>
  readonly outputs: Typed<C['outputs'], B>
  readonly decoupled: C extends { readonly modelTransactionPolicy: { readonly decoupled: true } }
    ? true
    : false
}

/** One item of its batches: everything without the batch dimension. */
export type ItemTypeOfConfig<C extends TypedConfig> = TypeOfConfig<C, 0>

/** What a function gets: the inputs of the request by name, to be read only while it runs. */
export type FunctionInputs<M extends ModelType = ModelType> = ByName<
  M['inputs'],
  { [N in keyof M['inputs']]: TensorOf<M['inputs'][N]> }
>

/**
 * What a function gives: its outputs by name, tensors or bare elements where they leave only one
 * possible shape. Those that nobody asked for may be undefined.
 */
export type FunctionOutputs<M extends ModelType = ModelType> = {
  readonly [N in keyof M['outputs']]:
    | TensorOf<M['outputs'][N]>
    | BareArray<M['outputs'][N]>
    | undefined
}

type Soon<O> = O | Promise<O>
/** Soon, or any number of times: a function that yields is a decoupled model. */
type Given<O> = Soon<O> | Generator<O, void> | AsyncGenerator<O, void>

/** A function that is a model of type `M`. */
export type ModelFunction<M extends ModelType = ModelType> = (
  inputs: FunctionInputs<M>,
  context: RequestContext,
) => Given<FunctionOutputs<M>>

// What wrappers make of a function with inputs `I`: to be bound, not to be called. Each has a type of
// its own, by which the compiler sees what inputs the function within gets.
declare const ofBatch: unique symbol
declare const ofItem: unique symbol
declare const ofRequests: unique symbol

/** Made by `batch()`. */
export interface BatchFunction<I, O> {
  readonly [ofBatch]: (inputs: I) => O
}

/** Made by `sample()`. */
export interface SampleFunction<I, O> {
  readonly [ofItem]: (inputs: I) => O
}

/** Made by `requests()`. */
export interface RequestsFunction<I, O> {
  readonly [ofRequests]: (inputs: I) => O
}

/** What executes a model of type `M`; `Item` is one item of its batches. */
type Executable<M extends ModelType, Item extends ModelType> =
  | ModelFunction<M>
  | BatchFunction<FunctionInputs<M>, Given<FunctionOutputs<M>>>
  | SampleFunction<FunctionInputs<Item>, Soon<FunctionOutputs<Item>>>
  | RequestsFunction<FunctionInputs<M>, Given<readonly (FunctionOutputs<M> | undefined)[]>>

interface Lifetime {
  /** The instance begins; a promise is waited for. */
  initialize?(context: InstanceContext): unknown
  /** It ends. */
  finalize?(): unknown
}

interface Executing<M extends ModelType, Item extends ModelType> extends Lifetime {
  readonly execute: Executable<M, Item>
}

/** Each step gets what the one before gave. */
interface Handler<M extends ModelType> extends Lifetime {
  preprocess?(inputs: FunctionInputs<M>, context: RequestContext): unknown
  // biome-ignore lint/suspicious/noExplicitAny: what preprocess gave
  inference(value: any, context: RequestContext): unknown
  // biome-ignore lint/suspicious/noExplicitAny: what inference gave
  postprocess?(value: any, context: RequestContext): Soon<FunctionOutputs<M>>
}

type Bindable<M extends ModelType, Item extends ModelType> =
  | Executable<M, Item>
  | Executing<M, Item>
  | Handler<M>
  | (new () => Executing<M, Item> | Handler<M>)

/** What serves a model with configuration `C`: one for all instances, or one for each. */
export type FunctionsFor<C extends TypedConfig> =
  | Bindable<TypeOfConfig<C>, ItemTypeOfConfig<C>>
  | readonly Bindable<TypeOfConfig<C>, ItemTypeOfConfig<C>>[]
