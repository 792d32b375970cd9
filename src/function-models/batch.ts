// Functions that take all requests of an execution.
import { typeName } from '../datatypes.js'
import { invalid } from '../errors.js'
import type { Tensor } from '../tensor.js'
import type { BatchFunction, RequestsFunction } from '../typed-functions.js'
import { type AnyFunction, traitsOf, withTraits } from './callable.js'
import { descriptionOf } from './context.js'
import type { Description } from './description.js'
import { mapValues } from './later.js'
import { readResults, wrong } from './results.js'
import { concat, isConcat, sameItems, slice } from './tensors.js'
import type { BatchContext, FunctionInputs, FunctionOutputs, ModelRequest } from './types.js'

/**
 * Marks a function that is called once per execution with the list of its requests, and returns or
 * yields a list with the outputs of each; undefined where a generator has none at this time.
 */
export function requests<I = FunctionInputs, O = unknown>(
  fn: (requests: readonly ModelRequest<I>[], context: BatchContext) => O,
): RequestsFunction<I, O> {
  checkFunction(fn, 'requests')
  const { streams, preparations } = traitsOf(fn)
  const execute: typeof fn = function (this: unknown, ...values) {
    return fn.apply(this, values)
  }
  const traits = { whole: true, streams, preparations }
  return withTraits(execute, traits) as unknown as RequestsFunction<I, O>
}

/**
 * Makes a function of a batch one that executes: the inputs of all requests come as one batch,
 * stacked along the first dimension, and what is returned or yielded has as many items. Inputs are to
 * be read only.
 */
export function batch<I = FunctionInputs, O = unknown>(
  fn: (inputs: I, context: BatchContext) => O,
): BatchFunction<I, O> {
  checkFunction(fn, 'batch')
  const { whole, streams, preparations } = traitsOf(fn)
  if (whole) throw new TypeError('batch takes a function of inputs, not one of requests')
  const execute = function (
    this: unknown,
    list: readonly ModelRequest[],
    context: BatchContext,
  ): unknown {
    const description = descriptionOf(context)
    const sizes = list.map(({ batchSize }) => batchSize)
    const given = list.map((request) => request.inputs)
    const inputs = stack(description, given)
    const outputs: unknown = fn.call(this, inputs as I, context)
    return mapValues(outputs, (value) => {
      checkUnchanged(description, inputs, given)
      return split(description, value, sizes)
    })
  }
  const traits = { whole: true, streams, preparations }
  return withTraits(execute, traits) as unknown as BatchFunction<I, O>
}

export function checkFunction(fn: unknown, wrapper: string): asserts fn is AnyFunction {
  if (typeof fn === 'function') return
  throw new TypeError(`${wrapper} takes a function, got ${typeName(fn)}`)
}

/** The inputs of all requests, one after the other; those of one request as they are. */
export function stack({ model }: Description, list: readonly FunctionInputs[]): FunctionInputs {
  const [first] = list as readonly [FunctionInputs]
  if (list.length === 1) return first
  const stacked: Record<string, Tensor> = {}
  for (const name of new Set(list.flatMap((inputs) => Object.keys(inputs)))) {
    const tensors = list.map((inputs) => inputs[name])
    const [example] = tensors
    if (!tensors.every((tensor) => tensor !== undefined)) {
      throw wrong(
        `input '${name}' of model '${model}': only some requests of a batch have it; ` +
          `fillOptionals gives the others a default`,
      )
    }
    const other = tensors.find((tensor) => !sameItems(tensor, example!))
    if (other) {
      throw wrong(
        `input '${name}' of model '${model}': shapes [${example!.shape}] and [${other.shape}] ` +
          `can't be stacked; padTo makes them equal`,
      )
    }
    stacked[name] = concat(tensors)
  }
  return stacked
}

/** As the addon does for the inputs of one request, so that it does not take a batch to be found. */
function checkUnchanged(
  { model }: Description,
  stacked: FunctionInputs,
  list: readonly FunctionInputs[],
): void {
  if (list.length === 1) return
  for (const [name, whole] of Object.entries(stacked)) {
    const tensors = list.map((inputs) => inputs[name]!)
    if (isConcat(whole, tensors)) continue
    throw invalid(
      `the function of model '${model}' changed its input '${name}': it may only read it`,
    )
  }
}

/** The outputs of each request, without a copy. */
export function split(
  description: Description,
  value: unknown,
  sizes: readonly number[],
): readonly FunctionOutputs[] {
  const results = readResults(
    description,
    value,
    sizes.reduce((sum, size) => sum + size, 0),
  )
  let begin = 0
  return sizes.map((size) => {
    const end = begin + size
    const outputs: Record<string, Tensor> = {}
    results.forEach((tensor, i) => {
      if (tensor === null) return
      outputs[description.outputs[i]!.name] = sizes.length > 1 ? slice(tensor, begin, end) : tensor
    })
    begin = end
    return outputs
  })
}
