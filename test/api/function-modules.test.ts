// JavaScript files as models: which file, what it exports, where it runs.
import { threadId } from 'node:worker_threads'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { runChild } from './support/child.js'
import { expectFailure } from './support/expect.js'
import { ModuleRepository } from './support/modules.js'
import { cjsEntry, createServer, type Model, type Server } from './support/trident.js'

let repository: ModuleRepository
let server: Server

beforeEach(async () => {
  repository = new ModuleRepository()
  server = await createServer({ modelRepository: repository.path, modelControl: 'explicit' })
})
afterEach(async () => {
  await server.close()
  repository[Symbol.dispose]()
})

const x = Float32Array.of(1, 2, 3)

async function answerOf(model: Model): Promise<number[]> {
  return [...((await model.infer({ x })).y!.data as Float32Array)]
}

const doubles = '({ x }) => ({ y: x.data.map((value) => 2 * value) })'

describe.each(['worker', 'main'])('a module in a %s environment', (place) => {
  const config = place === 'main' ? 'execution: "main"' : ''

  it.each([
    ['a function by default', 'model.mjs', `export default ${doubles}`],
    ['an async function', 'model.mjs', `export default async ${doubles}`],
    ['functions by their names', 'model.mjs', `export const execute = ${doubles}`],
    ['an object', 'model.mjs', `export default { execute: ${doubles} }`],
    [
      'a class',
      'model.mjs',
      `export default class {
        initialize() { this.factor = 2 }
        execute({ x }) { return { y: x.data.map((value) => this.factor * value) } }
      }`,
    ],
    [
      'a handler',
      'model.mjs',
      `export const preprocess = ({ x }) => x.data
       export const inference = (data) => data.map((value) => 2 * value)
       export const postprocess = (y) => ({ y })`,
    ],
    [
      'what wraps a function',
      'model.mjs',
      `import { sample } from 'trident'
       export default sample(${doubles})`,
    ],
    ['CommonJS', 'model.js', `module.exports = ${doubles}`],
    ['CommonJS with names', 'model.js', `exports.execute = ${doubles}`],
    [
      'CommonJS from a compiler',
      'model.js',
      `Object.defineProperty(exports, '__esModule', { value: true })
       exports.default = ${doubles}`,
    ],
  ])('exports %s', async (_what, file, source) => {
    repository.write('twice', source, { config, file })
    expect(await answerOf(await server.loadModel('twice'))).toEqual([2, 4, 6])
  })

  it('may be one of several files, or the one that the configuration names', async () => {
    const gives = (value: number) => `({ x }) => ({ y: x.data.map(() => ${value}) })`
    repository.write('files', `module.exports = ${gives(1)}`, { config, file: 'model.js' })
    expect(await answerOf(await server.loadModel('files'))).toEqual([1, 1, 1])
    repository.write('files', `export default ${gives(2)}`, { config })
    expect(await answerOf(await server.loadModel('files'))).toEqual([2, 2, 2])
    const named = `${config} default_model_filename: "lib.mjs"`
    repository.write('files', `export default ${gives(3)}`, { config: named, file: 'lib.mjs' })
    expect(await answerOf(await server.loadModel('files'))).toEqual([3, 3, 3])
  })

  it('may import its own files', async () => {
    repository.writeFile('importer/1/lib/twice.mjs', `export const twice = ${doubles}`)
    repository.write('importer', `export { twice as default } from './lib/twice.mjs'`, { config })
    expect(await answerOf(await server.loadModel('importer'))).toEqual([2, 4, 6])
  })

  it('may give any number of answers', async () => {
    const source = `export default async function* ({ x }) {
      for (const value of x.data) yield { y: Float32Array.of(value) }
    }`
    const decoupled = `${config} model_transaction_policy { decoupled: true }`
    repository.write('parts', source, { config: decoupled })
    const model = await server.loadModel('parts')
    const parts: unknown[] = []
    for await (const { y } of model.stream({ x })) parts.push(...(y!.data as Float32Array))
    expect(parts).toEqual([1, 2, 3])
  })

  it('has its variables for itself in each instance', async () => {
    const source = `let count = 0
      export default async (_, { instance }) => {
        await new Promise(setImmediate)
        return { y: Float32Array.of(instance.at(-1), ++count) }
      }`
    repository.write('counter', source, {
      config: `${config} instance_group [{ count: 2 kind: KIND_CPU }]`,
    })
    const model = await server.loadModel('counter')
    const counts = new Map<number, number>()
    while (counts.size < 2) {
      const answers = await Promise.all([answerOf(model), answerOf(model)])
      for (const [instance, count] of answers) {
        expect(count).toBe((counts.get(instance!) ?? 0) + 1)
        counts.set(instance!, count!)
      }
    }
  })

  it.each([
    ['has an error of syntax', 'export default (', 'INTERNAL', 'SyntaxError'],
    ['throws', 'throw new RangeError("too far")', 'INTERNAL', 'RangeError: too far'],
    ['imports what there is not', 'import "./nothing.mjs"', 'INTERNAL', 'nothing.mjs'],
    ['exports nothing', 'const execute = 1', 'INVALID_ARG', 'exports nothing'],
    ['exports other names', 'export const run = 1', 'INVALID_ARG', "exports 'run'"],
    ['exports another thing', 'export default 7', 'INVALID_ARG', 'model.mjs'],
  ] as const)('that %s does not load', async (_what, source, code, part) => {
    repository.write('broken', source, { config })
    await expectFailure(() => server.loadModel('broken'), code, 'broken', part)
    repository.write('broken', `export default ${doubles}`, { config })
    expect(await answerOf(await server.loadModel('broken'))).toEqual([2, 4, 6])
  })

  it('that fails to initialize does not load', async () => {
    const source = `export const initialize = async () => { throw new Error('no weights') }
      export const execute = ${doubles}`
    repository.write('broken', source, { config })
    await expectFailure(() => server.loadModel('broken'), 'INTERNAL', 'broken', 'no weights')
  })

  it('is looked for in the version directory', async () => {
    repository.write('empty', '', { config, file: 'other.mjs' })
    await expectFailure(
      () => server.loadModel('empty'),
      'NOT_FOUND',
      'model.mjs, model.js, model.ts',
      'empty/1',
    )
    repository.write('empty', '', { config: `${config} default_model_filename: "no.mjs"` })
    await expectFailure(() => server.loadModel('empty'), 'NOT_FOUND', 'no.mjs')
  })

  it('may be TypeScript where Node runs it', async () => {
    const source = `export default ({ x }: { x: { data: Float32Array } }) =>
      ({ y: x.data.map((value: number) => 2 * value) })`
    repository.write('typed', source, { config, file: 'model.ts' })
    if ((process.features as { typescript?: unknown }).typescript) {
      expect(await answerOf(await server.loadModel('typed'))).toEqual([2, 4, 6])
    } else {
      await expectFailure(() => server.loadModel('typed'), 'UNSUPPORTED', 'typed', 'model.ts')
    }
  })
})

describe('a module runs', () => {
  const tellsThread = `import { threadId } from 'node:worker_threads'
    export default () => ({ y: Float32Array.of(threadId) })`

  it('in a thread of its own', async () => {
    repository.write('where', tellsThread)
    const [thread] = await answerOf(await server.loadModel('where'))
    expect(thread).not.toBe(threadId)
  })

  it('in the thread of the server when it says so', async () => {
    repository.write('where', tellsThread, { config: 'execution: "main"' })
    expect(await answerOf(await server.loadModel('where'))).toEqual([threadId])
  })

  it.each(['model.mjs', 'model.js'])('there anew after each load (%s)', async (file) => {
    const gives = (value: number) => {
      const f = `() => ({ y: Float32Array.of(${value}) })`
      return file === 'model.js' ? `module.exports = ${f}` : `export default ${f}`
    }
    const options = { config: 'execution: "main"', file }
    repository.write('changing', gives(1), options)
    expect(await answerOf(await server.loadModel('changing'))).toEqual([1])
    repository.write('changing', gives(2), options)
    expect(await answerOf(await server.loadModel('changing'))).toEqual([2])
  })

  it('under a server of the CommonJS build', async () => {
    repository.write('worker', `export default ${doubles}`)
    repository.write('main', `export default ${doubles}`, { config: 'execution: "main"' })
    const { code, stdout, stderr } = await runChild(`
      import { createRequire } from 'node:module'
      const { createServer } = createRequire('/')(${JSON.stringify(cjsEntry)})
      const server = await createServer({ modelRepository: ${JSON.stringify(repository.path)} })
      for (const name of ['worker', 'main']) {
        const { y } = await server.model(name).infer({ x: Float32Array.of(1, 2) })
        console.log(name, ...y.data)
      }
      await server.close()`)
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' })
    expect(stdout).toBe('worker 2 4\nmain 2 4\n')
  })
})
