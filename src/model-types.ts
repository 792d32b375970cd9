// What the compiler may know of models. Applications add to ModelTypes, so everything here is public.
import type { Datatype } from './datatypes.js'

/** A tensor that a model takes or gives. */
export interface TensorType {
  readonly datatype: Datatype
  /** With the batch dimension first, if the model batches; `number` where any size is taken. */
  readonly shape: readonly number[]
}

export interface InputType extends TensorType {
  /** A request may leave it out. */
  readonly optional?: boolean
}

/** A model as its requests see it. ModelType itself stands for one of which nothing is known. */
export interface ModelType {
  readonly inputs: Readonly<Record<string, InputType>>
  readonly outputs: Readonly<Record<string, TensorType>>
  /** Any number of responses per request. */
  readonly decoupled?: boolean
}

/**
 * The models of an application, by name: `trident types` writes them, or they are declared by hand.
 * `server.model('digits')` then is a Model of that type.
 *
 * ```ts
 * declare module 'trident' {
 *   interface ModelTypes {
 *     digits: {
 *       inputs: { image: { datatype: 'FP32'; shape: [number, 1, 8, 8] } }
 *       outputs: { logits: { datatype: 'FP32'; shape: [number, 10] } }
 *     }
 *   }
 * }
 * ```
 */
// biome-ignore lint/suspicious/noEmptyInterface: applications fill it
export interface ModelTypes {}
