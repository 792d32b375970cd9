// What `bind` takes, as the configuration of a model.
import { checkKeys } from '../check-keys.js'
import { configToJson } from '../config.js'
import { type Datatype, datatypeInfo, typeName } from '../datatypes.js'
import type {
  ConfigDatatype,
  ModelConfig,
  ModelConfigInput,
  ModelConfigTensor,
} from '../model-config.js'
import { readFlag, readObject, readText } from '../options.js'
import { type Callable, readCallable } from './callable.js'

/** A tensor of a function. */
export interface FunctionTensor {
  datatype: Datatype
  /** Without the batch dimension; -1 is variable. */
  shape: readonly number[]
}

export interface FunctionInput extends FunctionTensor {
  /** A request may leave it out. */
  optional?: boolean
  /** Requests of different shapes come in one batch: `padTo` makes them equal. */
  allowRaggedBatch?: boolean
}

/** What a function's configuration can't say: it follows from the function. */
type Ours =
  | 'name'
  | 'backend'
  | 'platform'
  | 'runtime'
  | 'input'
  | 'output'
  | 'execution'
  | 'isolation'

/** A function's model: its tensors, and all else that the configuration of a model can say. */
export interface BindConfig extends Omit<ModelConfig, Ours> {
  name: string
  inputs: Readonly<Record<string, FunctionInput>>
  outputs: Readonly<Record<string, FunctionTensor>>
}

export interface Binding {
  readonly name: string
  /** One for all instances, or one for each. */
  readonly callables: readonly Callable[]
  /** The configuration, with the key by which instances find their functions. */
  json(key: string): string
  /** As it was spelled, for messages. */
  readonly given: ModelConfig
}

const ours: readonly string[] = [
  'backend',
  'platform',
  'runtime',
  'input',
  'output',
  'execution',
  'isolation',
] satisfies Ours[]

/** @throws TypeError, RangeError: an argument of the wrong type */
export function readBinding(config: unknown, functions: unknown): Binding {
  const { name, inputs, outputs, ...others } = readObject(config, 'what bind takes') as BindConfig
  const rest: ModelConfig = others
  readText(name, 'name')
  const wrong = Object.keys(rest).find((key) => ours.includes(key))
  if (wrong !== undefined) throw new TypeError(`bind takes no '${wrong}': ${whyNot(wrong)}`)
  if (rest.parameters !== undefined && 'function' in readObject(rest.parameters, 'parameters')) {
    throw new TypeError("bind takes no parameter 'function': it is where the function is named")
  }
  const callables = readCallables(functions)
  const complete: ModelConfig = {
    ...rest,
    name,
    backend: 'javascript',
    execution: 'main',
    input: readTensors(inputs, 'inputs', ['optional', 'allowRaggedBatch']) as ModelConfigInput[],
    output: readTensors(outputs, 'outputs', []),
    ...scheduling(rest, callables),
    ...instances(rest, callables),
    ...(callables.some(({ streams }) => streams) && {
      modelTransactionPolicy: { ...rest.modelTransactionPolicy, decoupled: true },
    }),
  }
  const json = (key: string): string =>
    configToJson({
      ...complete,
      parameters: { ...rest.parameters, function: { stringValue: key } },
    })
  return { name, callables, json, given: complete }
}

function whyNot(key: string): string {
  if (key === 'execution' || key === 'isolation') {
    return (
      'a function runs on the thread that binds it; a module in a model repository ' +
      'can run in another thread or process'
    )
  }
  return key === 'input' || key === 'output'
    ? `a function has ${key}s`
    : 'a function is what executes'
}

function readCallables(functions: unknown): readonly Callable[] {
  if (!Array.isArray(functions)) return [readCallable(functions, 'what bind binds')]
  if (functions.length === 0) throw new TypeError('bind takes one function at least, got none')
  return functions.map((fn, i) => readCallable(fn, `function ${i} of bind`))
}

function readTensors(
  tensors: unknown,
  role: 'inputs' | 'outputs',
  flags: readonly ('optional' | 'allowRaggedBatch')[],
): ModelConfigTensor[] {
  return Object.entries(readObject(tensors, role)).map(([name, given]) => {
    const what = `${role}.${name}`
    const tensor = readObject(given, what) as FunctionInput
    checkKeys(tensor, ['datatype', 'shape', ...flags], what)
    return {
      name: readText(name, `a name of ${role}`),
      dataType: readDatatype(tensor.datatype, what),
      dims: readDims(tensor.shape, what),
      ...Object.fromEntries(
        flags.map((flag) => [flag, readFlag(tensor[flag], false, `${what}.${flag}`)]),
      ),
    }
  })
}

function readDatatype(datatype: unknown, what: string): ConfigDatatype {
  const { name } = datatypeInfo(readText(datatype, `${what}.datatype`))
  return name === 'BYTES' ? 'TYPE_STRING' : `TYPE_${name}`
}

function readDims(shape: unknown, what: string): number[] {
  if (!Array.isArray(shape)) {
    throw new TypeError(`${what}.shape is an array of sizes or -1, got ${typeName(shape)}`)
  }
  const wrong = shape.find((dim) => !Number.isSafeInteger(dim) || dim < -1 || dim === 0)
  if (wrong === undefined) return [...shape]
  const kind = typeof wrong === 'number' ? RangeError : TypeError
  throw new kind(`${what}.shape is an array of sizes or -1, got ${String(wrong)} in it`)
}

/** Functions that take batches are given some, unless the configuration has a scheduler. */
function scheduling(
  { maxBatchSize, max_batch_size, ...rest }: ModelConfig,
  callables: readonly Callable[],
): Pick<ModelConfig, 'dynamicBatching'> {
  const schedulers = [
    'dynamicBatching',
    'dynamic_batching',
    'sequenceBatching',
    'sequence_batching',
  ]
  const isScheduled = schedulers.some((key) => rest[key] !== undefined)
  const items = Number(maxBatchSize ?? max_batch_size ?? 0)
  return !isScheduled && items > 1 && callables.some(({ whole }) => whole)
    ? { dynamicBatching: {} }
    : {}
}

/** As many instances as functions. Of one function there may be any number. */
function instances(
  config: ModelConfig,
  callables: readonly Callable[],
): Pick<ModelConfig, 'instanceGroup'> {
  const groups = (config.instanceGroup ?? config.instance_group) as ModelConfig['instanceGroup']
  if (groups === undefined)
    return { instanceGroup: [{ count: callables.length, kind: 'KIND_CPU' }] }
  if (callables.length > 1 && Array.isArray(groups)) {
    const count = groups.reduce((sum, group) => sum + (group.count ?? 1), 0)
    if (count !== callables.length) {
      throw new RangeError(
        `bind takes one function, or one for each instance: got ${callables.length} functions ` +
          `for ${count} instances`,
      )
    }
  }
  return {}
}
