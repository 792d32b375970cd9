// Functions of one item: without the batch dimension.
import type { Tensor } from '../tensor.js'
import type { SampleFunction } from '../typed-functions.js'
import { checkFunction } from './batch.js'
import { traitsOf, withTraits } from './callable.js'
import { descriptionOf } from './context.js'
import type { Description } from './description.js'
import { callAll } from './later.js'
import { type Results, readResults, wrong } from './results.js'
import { asBatch, concat, itemOf, sameItems } from './tensors.js'
import type { FunctionInputs, FunctionOutputs, RequestContext } from './types.js'

/**
 * Makes a function of one item one of a request: it is called for each of the request's items,
 * without the batch dimension. Of a model that does not batch it gets the inputs as they are.
 */
export function sample<I = FunctionInputs, O = unknown>(
  fn: (inputs: I, context: RequestContext) => O,
): SampleFunction<I, O> {
  checkFunction(fn, 'sample')
  const traits = traitsOf(fn)
  if (traits.whole) throw new TypeError('sample takes a function of inputs, not one of requests')
  if (traits.streams) throw new TypeError('sample takes a function that returns, not a generator')
  const execute = function (
    this: unknown,
    inputs: FunctionInputs,
    context: RequestContext,
  ): unknown {
    const description = descriptionOf(context)
    if (!description.batches) return fn.call(this, inputs as I, context)
    const names = Object.keys(inputs)
    const call = (index: number): unknown => {
      const item = Object.fromEntries(names.map((name) => [name, itemOf(inputs[name]!, index)]))
      return fn.call(this, item as I, context)
    }
    return callAll(context.request.batchSize, call, (values) =>
      together(
        description,
        values.map((value) => readResults(description, value, null)),
      ),
    )
  }
  return withTraits(execute, traits) as unknown as SampleFunction<I, O>
}

/** The outputs of all items as those of the request. */
function together(description: Description, items: readonly Results[]): FunctionOutputs {
  const outputs: Record<string, Tensor> = {}
  description.outputs.forEach(({ name }, position) => {
    const tensors = items.map((results) => results[position] ?? null)
    const given = tensors.filter((tensor) => tensor !== null).map(asBatch)
    if (given.length === 0) return
    const what = `output '${name}' of model '${description.model}'`
    if (given.length < items.length) {
      throw wrong(`${what}: expected it for ${items.length} items, found ${given.length}`)
    }
    const other = given.find((tensor) => !sameItems(tensor, given[0]!))
    if (other) {
      const [expected, found] = [given[0]!, other].map(({ shape }) => `[${shape.slice(1)}]`)
      throw wrong(`${what}: expected items of one shape, found ${expected} and ${found}`)
    }
    outputs[name] = concat(given)
  })
  return outputs
}
