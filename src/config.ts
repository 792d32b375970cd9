// Model configurations: in TypeScript with camelCase names, in Triton's JSON with its own.

/**
 * A model configuration, with the fields of Triton's ModelConfig in camelCase: `maxBatchSize`,
 * `instanceGroup`, `dynamicBatching: { maxQueueDelayMicroseconds }`. 64-bit numbers may be numbers
 * or strings. The fields named here are those of every day; all others are passed on as well.
 */
export interface ModelConfig {
  name?: string
  backend?: string
  platform?: string
  maxBatchSize?: number
  input?: ModelConfigTensor[]
  output?: ModelConfigTensor[]
  instanceGroup?: { name?: string; kind?: string; count?: number; [field: string]: unknown }[]
  dynamicBatching?: {
    preferredBatchSize?: number[]
    maxQueueDelayMicroseconds?: number | string
    [field: string]: unknown
  }
  versionPolicy?: Record<string, unknown>
  defaultModelFilename?: string
  parameters?: Record<string, { stringValue: string }>
  [field: string]: unknown
}

export interface ModelConfigTensor {
  name: string
  /** 'TYPE_FP32', 'TYPE_STRING', ... */
  dataType: string
  /** Without the batch dimension; -1 is variable. */
  dims: (number | string)[]
  optional?: boolean
  [field: string]: unknown
}

/** Fields that are maps: their keys are the user's names, not fields. */
const maps: ReadonlySet<string> = new Set([
  'parameters',
  'cc_model_filenames',
  'metric_tags',
  'input_map',
  'output_map',
  'inputs',
  'input', // of a CUDA graph; a model's own is an array
  'priority_queue_policy',
])

const toSnake = (name: string): string => name.replace(/[A-Z]/g, (c) => `_${c.toLowerCase()}`)
const toCamel = (name: string): string => name.replace(/_([a-z0-9])/g, (_, c) => c.toUpperCase())

function rename(value: unknown, spell: (name: string) => string, keepKeys: boolean): unknown {
  if (Array.isArray(value)) return value.map((item) => rename(item, spell, false))
  if (typeof value === 'bigint') return value.toString()
  if (typeof value !== 'object' || value === null) return value
  const renamed: Record<string, unknown> = {}
  for (const [key, item] of Object.entries(value)) {
    const name = keepKeys ? key : spell(key)
    renamed[name] = rename(item, spell, !keepKeys && maps.has(toSnake(key)))
  }
  return renamed
}

/** Refuses what JSON can't say: it would be left out, or be another value. */
function checkValues(value: unknown, path: string, above: readonly object[]): void {
  if (typeof value === 'number' && !Number.isFinite(value)) {
    throw new RangeError(`${path} is a finite number, got ${value}`)
  }
  if (typeof value === 'function' || typeof value === 'symbol') {
    throw new TypeError(`${path} is a value of a configuration, got a ${typeof value}`)
  }
  if (typeof value !== 'object' || value === null) return
  if (above.includes(value)) throw new TypeError(`${path} contains itself`)
  const here = [...above, value]
  for (const [key, item] of Object.entries(value)) {
    checkValues(item, Array.isArray(value) ? `${path}[${key}]` : `${path}.${key}`, here)
  }
}

/** Triton's JSON. Fields already spelled as there stay as they are. */
export function configToJson(config: ModelConfig): string {
  checkValues(config, 'config', [])
  return JSON.stringify(rename(config, toSnake, false))
}

export function configFromJson(json: string): ModelConfig {
  return rename(JSON.parse(json), toCamel, false) as ModelConfig
}

/** An error message about `config`, with the misspelled field as the user wrote it. */
export function inUsersSpelling(message: string, config: ModelConfig): string {
  const [, field] = /unknown field '([^']+)'/.exec(message) ?? []
  let written: string | undefined
  rename(
    config,
    (key) => {
      if (key !== field && toSnake(key) === field) written = key
      return key
    },
    false,
  )
  if (written === undefined) return message
  return message
    .replace(`unknown field '${field}'`, () => `unknown field '${written}'`)
    .replace(/did you mean '([^']+)'/, (_, name: string) => `did you mean '${toCamel(name)}'`)
}
