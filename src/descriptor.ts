// What the facade knows of a model version: enough to read arguments and lay out memory.
import type { NativeBridge } from './binding.js'
import { type DatatypeInfo, datatypeFromConfig } from './datatypes.js'

/** A tensor that a model takes or gives. */
export interface TensorSpec {
  readonly name: string
  readonly datatype: DatatypeInfo['name']
  /** With the batch dimension first, if the model batches; -1 where any size is taken. */
  readonly shape: readonly number[]
  /** Inputs only: a request may leave it out. */
  readonly optional: boolean
}

export interface Descriptor {
  readonly model: string
  /** The version that serves requests which name none. */
  readonly version: number
  readonly maxBatchSize: number
  /** How many executions may run at once. */
  readonly instances: number
  /** Any number of responses per request. */
  readonly decoupled: boolean
  /** Sequences of this model are named by strings: its correlation id control is one. */
  readonly stringCorrelation: boolean
  readonly inputs: readonly TensorSpec[]
  readonly outputs: readonly TensorSpec[]
  /** Whose instances execute its requests; null: its own. Of an ensemble those of its steps. */
  readonly needs: readonly string[] | null
  /** Position of each input by name. */
  readonly inputIndex: ReadonlyMap<string, number>
  readonly outputIndex: ReadonlyMap<string, number>
}

export interface ConfigTensor {
  name: string
  data_type: string
  dims: (number | string)[]
  optional?: boolean
  reshape?: { shape?: (number | string)[] }
}

/** What is used of a configuration in Triton's JSON. */
export interface ConfigJson {
  max_batch_size?: number
  instance_group?: { count?: number; passive?: boolean }[]
  input?: ConfigTensor[]
  output?: ConfigTensor[]
  model_transaction_policy?: { decoupled?: boolean }
  ensemble_scheduling?: { step?: { model_name: string }[] }
  sequence_batching?: {
    control_input?: { control?: { kind?: string; data_type?: string }[] }[]
    state?: { output_name: string; data_type: string; dims: (number | string)[] }[]
  }
}

export function tensorSpec(tensor: ConfigTensor, batches: boolean): TensorSpec {
  const dims = tensor.dims.map(Number)
  return Object.freeze({
    name: tensor.name,
    datatype: datatypeFromConfig(tensor.data_type).name,
    shape: Object.freeze(batches ? [-1, ...dims] : dims),
    optional: tensor.optional ?? false,
  })
}

function countInstances({ instance_group: groups = [] }: ConfigJson): number {
  const counts = groups.map((group) => (group.passive ? 0 : (group.count ?? 1)))
  return Math.max(
    1,
    counts.reduce((sum, count) => sum + count, 0),
  )
}

/** Asks the core; its errors are those for an unknown model or version. */
export function describeModel(
  native: NativeBridge,
  server: number,
  model: string,
  version: number,
): Descriptor {
  const config = JSON.parse(native.describe(server, 'config', model, version)) as ConfigJson
  const metadata = JSON.parse(native.describe(server, 'metadata', model, version)) as {
    versions?: string[]
  }
  const versions = (metadata.versions ?? []).map(Number)
  const serving = version >= 0 ? version : Math.max(-1, ...versions)
  return {
    ...describeConfig(model, serving, config),
    needs: config.ensemble_scheduling ? modelsOfSteps(native, server, config) : null,
  }
}

function modelsOfSteps(native: NativeBridge, server: number, config: ConfigJson): string[] {
  const names = new Set((config.ensemble_scheduling?.step ?? []).map((step) => step.model_name))
  return [...names].flatMap((name) => {
    let inner: ConfigJson
    try {
      inner = JSON.parse(native.describe(server, 'config', name, -1))
    } catch {
      return [name] // just being unloaded, or there are several of this name
    }
    return inner.ensemble_scheduling ? modelsOfSteps(native, server, inner) : [name]
  })
}

/** @param version the one that serves */
export function describeConfig(model: string, version: number, config: ConfigJson): Descriptor {
  const maxBatchSize = config.max_batch_size ?? 0
  const spec = (tensor: ConfigTensor): TensorSpec => tensorSpec(tensor, maxBatchSize > 0)
  const inputs = (config.input ?? []).map(spec)
  const outputs = (config.output ?? []).map(spec)
  const index = (specs: TensorSpec[]): Map<string, number> =>
    new Map(specs.map((tensor, position) => [tensor.name, position]))
  const controls = (config.sequence_batching?.control_input ?? []).flatMap((of) => of.control ?? [])
  return {
    model,
    version,
    maxBatchSize,
    instances: countInstances(config),
    decoupled: config.model_transaction_policy?.decoupled ?? false,
    needs: null,
    stringCorrelation: controls.some(
      (control) =>
        control.kind === 'CONTROL_SEQUENCE_CORRID' && control.data_type === 'TYPE_STRING',
    ),
    inputs: Object.freeze(inputs),
    outputs: Object.freeze(outputs),
    inputIndex: index(inputs),
    outputIndex: index(outputs),
  }
}
