// trident types: the models of a repository as TypeScript declarations.
import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { dirname, join, relative, sep } from 'node:path'
import { getBridge } from '../bridge.js'
import { createServer } from '../create-server.js'
import { type ConfigJson, type Descriptor, describeConfig, type TensorSpec } from '../descriptor.js'
import type { Server } from '../server.js'

export interface TypesCommand {
  repository: string
  /** All unless given. */
  models: string[] | undefined
  /** stdout unless given. */
  out: string | undefined
  /** Compare instead of writing. */
  check: boolean
}

type Described = Pick<Descriptor, 'inputs' | 'outputs' | 'decoupled'>

export async function writeTypes({ repository, models, out, check }: TypesCommand): Promise<void> {
  const described = await describeModels(repository, models)
  const from = relative(out === undefined ? '.' : dirname(out), repository)
    .split(sep)
    .join('/')
  const text = declarations(described, from || '.', models !== undefined)
  if (out === undefined) {
    process.stdout.write(text)
  } else if (!check) {
    writeFileSync(out, text)
  } else if (!existsSync(out)) {
    throw new Error(`there is no ${out}: run this without --check`)
  } else if (readFileSync(out, 'utf8') !== text) {
    throw new Error(`${out} is not what the models are: run this without --check`)
  }
}

// What the models are -----------------------------------------------------------------------------

/** By name, in the order of their names. */
async function describeModels(
  repository: string,
  wanted: string[] | undefined,
): Promise<Map<string, Described>> {
  const server = await createServer({
    modelRepository: repository,
    modelControl: 'explicit',
    logLevel: 'silent',
  })
  try {
    const found = new Set((await server.index()).map(({ name }) => name))
    const missing = (wanted ?? []).filter((name) => !found.has(name))
    if (missing.length > 0) throw new Error(`${repository} has no model ${quoted(missing)}`)
    const described = new Map<string, Described>()
    const failures: string[] = []
    for (const name of [...new Set(wanted ?? found)].sort()) {
      try {
        described.set(name, await describeModel(server, repository, name))
      } catch (error) {
        failures.push(`model '${name}' can't be described: ${(error as Error).message}`)
      }
    }
    if (failures.length > 0) throw new Error(failures.join('\n'))
    return described
  } finally {
    await server.close()
  }
}

function quoted(names: readonly string[]): string {
  return names.map((name) => `'${name}'`).join(', ')
}

/** As it serves; a model that can't be loaded here may say enough in its configuration. */
async function describeModel(server: Server, repository: string, name: string): Promise<Described> {
  try {
    const model = await server.loadModel(name)
    const { inputs, outputs } = model
    const { modelTransactionPolicy } = await model.config()
    await server.unloadModel(name, { dependents: true })
    return { inputs, outputs, decoupled: modelTransactionPolicy?.decoupled ?? false }
  } catch (reason) {
    const declared = readDeclared(join(repository, name, 'config.pbtxt'), name)
    if (declared === null) throw reason
    console.error(
      `trident: model '${name}' can't be loaded, so its types are what its config.pbtxt says: ` +
        (reason as Error).message,
    )
    return declared
  }
}

/** What a configuration says; null when that is not everything. */
function readDeclared(file: string, name: string): Described | null {
  if (!existsSync(file)) return null
  const config = getBridge().native.readConfig(readFileSync(file, 'utf8'), file)
  const described = describeConfig(name, -1, JSON.parse(config) as ConfigJson)
  return described.inputs.length > 0 && described.outputs.length > 0 ? described : null
}

// What is written ---------------------------------------------------------------------------------

function declarations(
  models: ReadonlyMap<string, Described>,
  repository: string,
  someOnly: boolean,
): string {
  const which = someOnly ? `models ${[...models.keys()].join(', ')} in ` : ''
  return `// Made by "trident types" of ${which}${repository}; run it again when the models change.

declare module 'trident' {
  interface ModelTypes {
${[...models].map(([name, model]) => modelEntry(name, model)).join('')}  }
}

export {}
`
}

function modelEntry(name: string, { inputs, outputs, decoupled }: Described): string {
  return `    ${key(name)}: {
${tensors('inputs', inputs)}${tensors('outputs', outputs)}${decoupled ? '      decoupled: true\n' : ''}    }
`
}

function tensors(what: string, specs: readonly TensorSpec[]): string {
  return `      ${what}: {\n${specs.map(tensor).join('')}      }\n`
}

function tensor({ name, datatype, shape, optional }: TensorSpec): string {
  const dims = shape.map((dim) => (dim < 0 ? 'number' : dim)).join(', ')
  const extra = optional ? '; optional: true' : ''
  return `        ${key(name)}: { datatype: '${datatype}'; shape: [${dims}]${extra} }\n`
}

/** A name as a property. */
function key(name: string): string {
  return /^[A-Za-z_$][\w$]*$/.test(name) ? name : JSON.stringify(name)
}
