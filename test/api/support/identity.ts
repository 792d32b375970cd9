import type { ConfigDatatype, Datatype, Model, ModelConfig, Server } from './trident.js'

export interface IdentityOptions {
  datatype?: Datatype
  /** Without the batch dimension. */
  dims?: number[]
  maxBatchSize?: number
  /** How many tensors go through. */
  tensors?: number
  executeDelayMs?: number
  config?: ModelConfig
}

export function identityConfig(options: IdentityOptions = {}): ModelConfig {
  const { datatype = 'FP32', dims = [4], maxBatchSize = 0, tensors = 1 } = options
  const dataType: ConfigDatatype = datatype === 'BYTES' ? 'TYPE_STRING' : `TYPE_${datatype}`
  const tensor = (prefix: string) =>
    Array.from({ length: tensors }, (_, i) => ({ name: `${prefix}${i}`, dataType, dims }))
  return {
    backend: 'identity',
    maxBatchSize,
    input: tensor('INPUT'),
    output: tensor('OUTPUT'),
    ...(options.executeDelayMs !== undefined && {
      parameters: { execute_delay_ms: { stringValue: String(options.executeDelayMs) } },
    }),
    ...options.config,
  }
}

/** Loads a model whose outputs are its inputs. */
export function loadIdentity(
  server: Server,
  name: string,
  options: IdentityOptions = {},
): Promise<Model> {
  return server.loadModel({
    name,
    config: identityConfig(options),
    files: { '1/unused': new Uint8Array(0) },
  })
}
