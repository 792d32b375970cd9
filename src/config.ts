// Model configurations: in TypeScript with camelCase names, in Triton's JSON with its own.
import type { ModelConfig } from './model-config.js'

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
