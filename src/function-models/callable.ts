// What a user gave, a function, an object or a class, in the one form that executions know.
import { types } from 'node:util'
import { typeName } from '../datatypes.js'
import type { Description } from './description.js'
import { isPromise } from './later.js'
import type { FunctionInputs, InstanceContext } from './types.js'

/** Changes the inputs of all requests of an execution before they are put together. */
export type Preparation = (
  inputs: readonly FunctionInputs[],
  description: Description,
  batchSizes: readonly number[],
) => readonly FunctionInputs[]

/** What wrappers say of the functions they return. */
interface Traits {
  /** Takes all requests of an execution, not one. */
  readonly whole: boolean
  /** Gives any number of responses. */
  readonly streams: boolean
  readonly preparations: readonly Preparation[]
}

// biome-ignore lint/suspicious/noExplicitAny: any function, of the user's own types
export type AnyFunction = (...values: any[]) => any

/** The same in every copy of this package that a process loads. */
const mark = Symbol.for('trident.functionTraits')

export function traitsOf(fn: AnyFunction & { [mark]?: Traits }): Traits {
  const known = fn[mark]
  if (known) return known
  return { whole: false, streams: types.isGeneratorFunction(fn), preparations: [] }
}

export function withTraits<F extends AnyFunction>(fn: F, traits: Traits): F {
  return Object.assign(fn, { [mark]: traits })
}

/** One instance's code. */
export interface Implementation extends Traits {
  readonly self: unknown
  readonly execute: AnyFunction
  initialize(context: InstanceContext): unknown
  finalize(): unknown
}

/** What a user gave. */
export interface Callable {
  /** Gives any number of responses, as far as can be seen before there is an instance. */
  readonly streams: boolean
  /** Takes batches. */
  readonly whole: boolean
  create(): Implementation
}

/** @throws TypeError when it is nothing that could execute */
export function readCallable(value: unknown, what: string): Callable {
  if (typeof value === 'object' && value !== null) return ofObject(value as ModelObject, what)
  if (typeof value !== 'function') {
    throw new TypeError(
      `${what} is a function, a class or an object with execute or inference, got ${typeName(value)}`,
    )
  }
  if (isClass(value as AnyFunction)) return ofClass(value as new () => ModelObject, what)
  const execute = value as AnyFunction
  const traits = traitsOf(execute)
  const nothing = (): void => {}
  const implementation = {
    ...traits,
    self: undefined,
    execute,
    initialize: nothing,
    finalize: nothing,
  }
  return { ...traits, create: () => implementation }
}

interface ModelObject {
  readonly initialize?: AnyFunction
  readonly execute?: AnyFunction
  readonly finalize?: AnyFunction
  readonly preprocess?: AnyFunction
  readonly inference?: AnyFunction
  readonly postprocess?: AnyFunction
}

const methods = [
  'initialize',
  'execute',
  'finalize',
  'preprocess',
  'inference',
  'postprocess',
] as const

function isClass(fn: AnyFunction): boolean {
  const { prototype } = fn
  if (typeof prototype !== 'object' || prototype === null || types.isGeneratorFunction(fn))
    return false
  if (Object.getOwnPropertyDescriptor(fn, 'prototype')?.writable === false) return true
  return 'execute' in prototype || 'inference' in prototype // compiled to a function
}

function ofClass(Class: new () => ModelObject, what: string): Callable {
  const { execute } = Class.prototype as ModelObject
  const { streams, whole } = execute ? traitsOf(execute) : { streams: false, whole: false }
  const name = `an object of ${what}${Class.name ? ` (class ${Class.name})` : ''}`
  return { streams, whole, create: () => ofObject(new Class(), name).create() }
}

function ofObject(self: ModelObject, what: string): Callable {
  for (const name of methods) {
    const method: unknown = self[name]
    if (method === undefined || typeof method === 'function') continue
    throw new TypeError(`${name} of ${what} is a function, got ${typeName(method)}`)
  }
  if ((self.execute === undefined) === (self.inference === undefined)) {
    throw new TypeError(`${what} has either a function execute or inference`)
  }
  const execute = self.execute ?? chain(self)
  const traits = traitsOf(execute)
  const initialize = (context: InstanceContext): unknown => self.initialize?.(context)
  const finalize = (): unknown => self.finalize?.()
  const implementation = { ...traits, self, execute, initialize, finalize }
  return { ...traits, create: () => implementation }
}

/** The steps of a handler as one function. */
function chain({ preprocess, inference, postprocess }: ModelObject): AnyFunction {
  const steps = [preprocess, inference, postprocess].filter((step) => step !== undefined)
  for (const step of steps) {
    const { whole, streams } = traitsOf(step)
    if (whole || streams) {
      throw new TypeError('the steps of a handler take one request and return: use execute instead')
    }
  }
  return function execute(this: unknown, inputs: unknown, context: unknown): unknown {
    let value = inputs
    for (const step of steps) {
      const given = value
      value = isPromise(given)
        ? given.then((settled) => step.call(this, settled, context))
        : step.call(this, given, context)
    }
    return value
  }
}
