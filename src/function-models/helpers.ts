// What wraps the function inside `batch`, to have its inputs as it needs them.
import { Failure } from '../errors.js'
import { readObject, readText } from '../options.js'
import type { Tensor } from '../tensor.js'
import { checkFunction } from './batch.js'
import { type Preparation, traitsOf, withTraits } from './callable.js'
import { descriptionOf } from './context.js'
import type { Description } from './description.js'
import { callAll } from './later.js'
import { type PadRule, padAll, readPadRule } from './padding.js'
import { ofItems, readResults, readTensor, wrong } from './results.js'
import { asBatch, concat, gather, itemOf, keyOf, sameItems } from './tensors.js'
import type { FunctionContext, FunctionInputs, OutputValue } from './types.js'

/** Of a request or of a batch, whose types the wrapper may change. */
interface Untyped {
  // biome-ignore lint/suspicious/noExplicitAny: as a method it may ask for inputs of known types
  call(inputs: FunctionInputs, context: any): any
}
type InputsFunction = Untyped['call']

/**
 * Inputs that are the same for the whole batch arrive as their first item, without the batch
 * dimension. A batch whose items differ in one of them fails with INVALID_ARG: `groupByValues`
 * around this has each value in a batch of its own.
 */
export function firstValue(names: string | readonly string[], fn: InputsFunction): InputsFunction {
  const list = readNames(names, 'firstValue')
  return wrap(fn, 'firstValue', (inputs, context, call) => {
    const changed: Record<string, Tensor> = { ...inputs }
    for (const name of list) {
      const tensor = inputs[name]
      if (tensor !== undefined) changed[name] = theOne(name, tensor, descriptionOf(context).model)
    }
    return call(changed)
  })
}

function theOne(name: string, tensor: Tensor, model: string): Tensor {
  const first = itemOf(tensor, 0)
  const key = keyOf(first)
  for (let i = 1; i < tensor.shape[0]!; i++) {
    if (keyOf(itemOf(tensor, i)) === key) continue
    throw new Failure(
      'INVALID_ARG',
      `input '${name}' of model '${model}': expected one value in the whole batch, found ` +
        `another one in item ${i}`,
    )
  }
  return first
}

/** Calls the function once for each set of values that the inputs named have in the batch. */
export function groupByValues<F extends InputsFunction>(
  names: string | readonly string[],
  fn: F,
): InputsFunction {
  const list = readNames(names, 'groupByValues')
  if (traitsOf(fn).streams) {
    throw new TypeError('groupByValues takes a function that returns, not a generator')
  }
  return wrap(fn, 'groupByValues', (inputs, context, call) => {
    const groups = [...groupsOf(inputs, list).values()]
    if (groups.length <= 1) return call(inputs)
    const description = descriptionOf(context)
    const callGroup = (index: number): unknown =>
      call(
        Object.fromEntries(
          Object.entries(inputs).map(([name, of]) => [name, gather(of, groups[index]!)]),
        ),
      )
    return callAll(groups.length, callGroup, (values) => {
      const results = values.map((value, i) => readResults(description, value, groups[i]!.length))
      const order = inverse(groups.flat())
      const outputs: Record<string, OutputValue> = {}
      description.outputs.forEach(({ name }, position) => {
        const tensors = results.map((of) => of[position] ?? null)
        const given = tensors.filter((tensor) => tensor !== null)
        if (given.length === 0) return
        if (given.length < groups.length || given.some((of) => !sameItems(of, given[0]!))) {
          throw wrong(
            `output '${name}' of model '${description.model}': expected it with items of one ` +
              `shape from each of ${groups.length} groups`,
          )
        }
        outputs[name] = gather(concat(given), order)
      })
      return outputs
    })
  })
}

/** The items of each group, in the order of their first ones. */
function groupsOf(inputs: FunctionInputs, names: readonly string[]): Map<string, number[]> {
  const tensors = names.map((name) => inputs[name]).filter((tensor) => tensor !== undefined)
  const groups = new Map<string, number[]>()
  for (let i = 0; i < (tensors[0]?.shape[0] ?? 0); i++) {
    const keys = tensors.map((tensor) => keyOf(itemOf(tensor, i)))
    const key = JSON.stringify(keys)
    const group = groups.get(key)
    if (group) group.push(i)
    else groups.set(key, [i])
  }
  return groups
}

function inverse(order: readonly number[]): number[] {
  const places: number[] = new Array(order.length)
  order.forEach((item, place) => {
    places[item] = place
  })
  return places
}

/**
 * Inputs that a request leaves out get a default, of one item: the function always has them. They
 * are `optional` in the model's inputs.
 */
export function fillOptionals(
  defaults: Readonly<Record<string, OutputValue>>,
  fn: InputsFunction,
): InputsFunction {
  readObject(defaults, 'the defaults of fillOptionals')
  return prepare(fn, 'fillOptionals', (list, description, batchSizes) => {
    const items = Object.entries(defaults).map(
      ([name, value]) => [name, readDefault(description, name, value)] as const,
    )
    return list.map((inputs, i) => {
      const filled: Record<string, Tensor> = { ...inputs }
      for (const [name, item] of items) {
        filled[name] ??= description.batches ? repeated(item, batchSizes[i]!) : item
      }
      return filled
    })
  })
}

/** The default of an input, of one item. */
function readDefault(description: Description, name: string, value: unknown): Tensor {
  const what = `the default of input '${name}' of model '${description.model}'`
  const spec = description.inputs.find((input) => input.name === name)
  if (spec) return readTensor(what, ofItems(spec, null, description), value)
  throw wrong(`${what}: the model has no such input`)
}

function repeated(item: Tensor, count: number): Tensor {
  return concat(new Array<Tensor>(count).fill(asBatch(item)))
}

/**
 * Inputs whose shapes differ are filled up behind their elements, to the largest of the batch or to
 * the `shape` given (of one item; -1: the largest), so that requests can be stacked. Their
 * `allowRaggedBatch` has requests of different shapes come in one batch.
 */
export function padTo<F extends InputsFunction>(
  rules: Readonly<Record<string, PadRule>>,
  fn: F,
): F {
  readObject(rules, 'what padTo takes')
  const read = Object.entries(rules).map(([name, rule]) => [name, readPadRule(name, rule)] as const)
  return prepare(fn, 'padTo', (list, description) => {
    const changed = list.map((inputs): Record<string, Tensor> => ({ ...inputs }))
    for (const [name, rule] of read) {
      const having = changed.filter((inputs) => inputs[name] !== undefined)
      const what = `input '${name}' of model '${description.model}'`
      const given = having.map((inputs) => inputs[name]!)
      const tensors = padAll(what, given, rule, description.batches)
      having.forEach((inputs, i) => {
        inputs[name] = tensors[i]!
      })
    }
    return changed
  })
}

function wrap<F extends InputsFunction>(
  fn: F,
  wrapper: string,
  body: (
    inputs: FunctionInputs,
    context: FunctionContext,
    call: (inputs: FunctionInputs) => unknown,
  ) => unknown,
): F {
  checkFunction(fn, wrapper)
  const traits = traitsOf(fn)
  if (traits.whole) throw new TypeError(`${wrapper} goes inside batch: batch(${wrapper}(...))`)
  const execute = function (this: unknown, inputs: FunctionInputs, context: FunctionContext) {
    return body(inputs, context, (changed) => fn.call(this, changed, context))
  }
  return withTraits(execute, traits) as F
}

function prepare<F extends InputsFunction>(fn: F, wrapper: string, preparation: Preparation): F {
  const wrapped = wrap(fn, wrapper, (inputs, _context, call) => call(inputs))
  const { preparations, ...traits } = traitsOf(fn)
  return withTraits(wrapped, { ...traits, preparations: [preparation, ...preparations] })
}

function readNames(names: string | readonly string[], wrapper: string): readonly string[] {
  const list = typeof names === 'string' ? [names] : names
  if (!Array.isArray(list)) {
    throw new TypeError(`${wrapper} takes the name of an input or an array of names`)
  }
  return list.map((name) => readText(name, 'the name of an input'))
}
