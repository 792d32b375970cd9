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
  /** Position of each input by name. */
  readonly inputIndex: ReadonlyMap<string, number>
  readonly outputIndex: ReadonlyMap<string, number>
}

interface ConfigTensor {
  name: string
  data_type: string
  dims: (number | string)[]
  optional?: boolean
}

interface ConfigJson {
  max_batch_size?: number
  instance_group?: { count?: number; passive?: boolean }[]
  input?: ConfigTensor[]
  output?: ConfigTensor[]
  model_transaction_policy?: { decoupled?: boolean }
  sequence_batching?: { control_input?: { control?: { kind?: string; data_type?: string }[] }[] }
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
  const maxBatchSize = config.max_batch_size ?? 0
  const spec = (tensor: ConfigTensor): TensorSpec => {
    const dims = tensor.dims.map(Number)
    return Object.freeze({
      name: tensor.name,
      datatype: datatypeFromConfig(tensor.data_type).name,
      shape: Object.freeze(maxBatchSize > 0 ? [-1, ...dims] : dims),
      optional: tensor.optional ?? false,
    })
  }
  const inputs = (config.input ?? []).map(spec)
  const outputs = (config.output ?? []).map(spec)
  const index = (specs: TensorSpec[]): Map<string, number> =>
    new Map(specs.map((tensor, position) => [tensor.name, position]))
  const controls = (config.sequence_batching?.control_input ?? []).flatMap((of) => of.control ?? [])
  const versions = (metadata.versions ?? []).map(Number)
  return {
    model,
    version: version >= 0 ? version : Math.max(-1, ...versions),
    maxBatchSize,
    instances: countInstances(config),
    decoupled: config.model_transaction_policy?.decoupled ?? false,
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
