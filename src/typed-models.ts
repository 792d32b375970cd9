// The types of requests: those of a model whose type is known have its names, datatypes and ranks.
import type { CudaTensor } from './cuda-tensor.js'
import type { ArrayOf, TypedArray } from './datatypes.js'
import type { ModelType, ModelTypes, TensorType } from './model-types.js'
import type { RegionTensor } from './region-tensor.js'
import type { Ranked, Tensor } from './tensor.js'

/** The model of that name; of unknown type unless ModelTypes has it. */
export type ModelTypeOf<N extends string> = N extends keyof ModelTypes
  ? ModelTypes[N] extends infer M extends ModelType
    ? M
    : never
  : ModelType

/** Whether nothing is known of the names in `T`. */
type IsOpen<T> = string extends keyof T ? true : false

type RankOf<T extends TensorType> = Ranked<T['shape']>
export type TensorOf<T extends TensorType> = Tensor<T['datatype'], RankOf<T>>
type AnyTensorOf<T extends TensorType> = TensorOf<T> | RegionTensor<T['datatype'], RankOf<T>>

/** The dimensions of `S` that are not fixed. */
type Variable<S extends readonly number[]> = S extends readonly [
  infer First,
  ...infer Rest extends readonly number[],
]
  ? number extends First
    ? [First, ...Variable<Rest>]
    : Variable<Rest>
  : []

/** Elements that leave only one possible shape; never, where they can't. */
export type BareArray<T extends TensorType> =
  Variable<T['shape']> extends readonly [unknown, unknown, ...unknown[]]
    ? never
    : ArrayOf[T['datatype']]

// Requests ----------------------------------------------------------------------------------------

/**
 * A tensor, or just its elements where the model leaves only one possible shape: all its
 * dimensions are fixed, or exactly one (the batch dimension counts) is variable and follows from
 * the number of elements.
 */
export type InputValue<T extends TensorType = TensorType> = AnyTensorOf<T> | BareArray<T>

type OptionalNames<I> = {
  [N in keyof I]: I[N] extends { readonly optional: true } ? N : never
}[keyof I]

/** The `Values` of inputs `I`, of which some may be missing. */
export type ByName<I, Values extends { readonly [N in keyof I]: unknown }> =
  IsOpen<I> extends true
    ? Readonly<Record<string, Values[keyof I]>>
    : { readonly [N in Exclude<keyof I, OptionalNames<I>>]: Values[N] } & {
        readonly [N in OptionalNames<I>]?: Values[N]
      }

/** The inputs of a request by name. */
export type Inputs<M extends ModelType = ModelType> = ByName<
  M['inputs'],
  { [N in keyof M['inputs']]: InputValue<M['inputs'][N]> }
>

/** Of a request that is to have one response. */
export type InputsForOne<M extends ModelType> = M extends { readonly decoupled: true }
  ? 'a decoupled model has any number of responses: use stream()'
  : Inputs<M>

/**
 * Where an output goes: `true` for a new tensor, 'device' for one that stays in the memory of the
 * GPU which makes it, or memory that receives it.
 */
export type OutputTarget<T extends TensorType = TensorType> =
  | true
  | 'device'
  | AnyTensorOf<T>
  | Extract<ArrayOf[T['datatype']], TypedArray>

/** The outputs wanted, by name or with what receives them. */
export type Outputs<M extends ModelType = ModelType> = OutputNames<M> | OutputTargets<M>
export type OutputNames<M extends ModelType> = readonly (keyof M['outputs'] & string)[]
export type OutputTargets<M extends ModelType = ModelType> =
  IsOpen<M['outputs']> extends true
    ? Readonly<Record<string, OutputTarget>>
    : { readonly [N in keyof M['outputs']]?: OutputTarget<M['outputs'][N]> }

/** Refuses what a model does not have: `O` is inferred, and may have more than its constraint. */
export type OutputsOf<O, M extends ModelType> = O extends readonly unknown[] | undefined
  ? O
  : Exclude<keyof O, keyof M['outputs']> extends never
    ? O
    : O & { readonly [N in Exclude<keyof O, keyof M['outputs']>]: never }

// Results -----------------------------------------------------------------------------------------

type ResultTensor<T, S extends TensorType> = T extends 'device'
  ? CudaTensor<S['datatype'], RankOf<S>>
  : T extends CudaTensor<infer D>
    ? CudaTensor<D, RankOf<S>>
    : T extends RegionTensor<infer D>
      ? RegionTensor<D, RankOf<S>>
      : T extends Tensor<infer D>
        ? Tensor<D, RankOf<S>>
        : TensorOf<S>

type AllOutputs<M extends ModelType> =
  IsOpen<M['outputs']> extends true
    ? Record<string, Tensor>
    : { [N in keyof M['outputs']]: TensorOf<M['outputs'][N]> }

/** Outputs by name. Those written to a region come back as the region tensor. */
export type Result<O = undefined, M extends ModelType = ModelType> = O extends readonly (infer N)[]
  ? [N] extends [never]
    ? AllOutputs<M> // [] and {} name none: all of the model's
    : Pick<AllOutputs<M>, N & keyof AllOutputs<M>>
  : O extends object
    ? keyof O extends never
      ? AllOutputs<M>
      : { [N in keyof O]: ResultTensor<O[N], M['outputs'][N & keyof M['outputs']]> }
    : AllOutputs<M>
