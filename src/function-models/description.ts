// What a function's model says of itself, as far as executions need it.
import { configFromJson } from '../config.js'
import { type ConfigJson, type TensorSpec, tensorSpec } from '../descriptor.js'
import { TridentError } from '../errors.js'
import type { InstanceDescription } from '../function-binding.js'
import type { InstanceContext } from './types.js'

interface FunctionConfigJson extends ConfigJson {
  batch_input?: readonly unknown[]
  batch_output?: readonly unknown[]
  execution_timeout_microseconds?: number | string
}

export class Description {
  readonly model: string
  /** The first dimension of every tensor is the batch. */
  readonly batches: boolean
  readonly decoupled: boolean
  /** How long an execution may take; 0 is any time. */
  readonly timeoutMs: number
  readonly inputs: readonly TensorSpec[]
  /** What the function gives: the model's outputs, then the states of its sequences. */
  readonly outputs: readonly TensorSpec[]
  readonly outputIndex: ReadonlyMap<string, number>
  /** The last of the outputs: those may be left as they are. */
  readonly states: readonly string[]

  constructor(instance: InstanceDescription) {
    const config = instance.config as FunctionConfigJson
    this.model = instance.model
    this.batches = (config.max_batch_size ?? 0) > 0
    this.decoupled = config.model_transaction_policy?.decoupled ?? false
    this.timeoutMs = Number(config.execution_timeout_microseconds ?? 0) / 1000
    const spec = (tensor: Parameters<typeof tensorSpec>[0]): TensorSpec =>
      tensorSpec({ ...tensor, dims: tensor.reshape?.shape ?? tensor.dims }, this.batches)
    const states = (config.sequence_batching?.state ?? []).map(
      ({ output_name: name, data_type, dims }) => spec({ name, data_type, dims }),
    )
    this.inputs = (config.input ?? []).map(spec)
    const outputs = (config.output ?? []).map(spec)
    this.outputs = [...outputs, ...states]
    this.states = states.map(({ name }) => name)
    this.outputIndex = new Map(this.outputs.map(({ name }, position) => [name, position]))
    if (config.batch_input?.length || config.batch_output?.length) {
      throw new TridentError(
        'UNSUPPORTED',
        `model '${this.model}': functions get no batch inputs and give no batch outputs; ` +
          `expected neither batch_input nor batch_output in its configuration`,
      )
    }
  }
}

/** For what users are told of an instance: its configuration is read by few. */
export function instanceContext(told: InstanceDescription): InstanceContext {
  const { model, version, instanceName: instance, directory } = told
  let config: InstanceContext['config'] | undefined
  return Object.freeze({
    model,
    version,
    instance,
    directory,
    get config() {
      config ??= configFromJson(JSON.stringify(told.config))
      return config
    },
  })
}
