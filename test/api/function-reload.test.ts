// Modules that change while they serve.
import { existsSync } from 'node:fs'
import { afterEach, beforeEach, expect, it } from 'vitest'
import { until } from './support/cuda.js'
import { ModuleRepository } from './support/modules.js'
import { createServer, type Server } from './support/trident.js'

let repository: ModuleRepository
let server: Server

beforeEach(() => {
  repository = new ModuleRepository()
})
afterEach(async () => {
  await server.close()
  repository[Symbol.dispose]()
})

const startServer = async (): Promise<void> => {
  server = await createServer({
    modelRepository: repository.path,
    modelControl: 'poll',
    pollInterval: 2 ** 31 - 1, // never by itself
    pollSettleTime: 0,
  })
}

const times = (factor: number): string =>
  `export default ({ x }) => ({ y: x.data.map((value) => ${factor} * value) })`

async function answer(x = 7): Promise<number> {
  const { y } = await server.model('module').infer({ x: Float32Array.of(x) })
  return (y!.data as Float32Array)[0]!
}

/** Why the version that is wanted is not there. */
async function reason(): Promise<string> {
  const entries = await server.index()
  return entries.map((entry) => entry.reason ?? '').join(' ')
}

const golden = {
  inputs: { x: { datatype: 'FP32', shape: [2], data: [1, 2] } },
  outputs: { y: { datatype: 'FP32', shape: [2], data: [10, 20] } },
  tolerance: { absolute: 0.5 },
}

it.each(['', 'execution: "main"'])('a changed module is served (%s)', async (config) => {
  repository.write('module', times(1), { config })
  await startServer()
  expect(await answer()).toBe(7)
  for (const factor of [2, 3]) {
    repository.write('module', times(factor), { config })
    await server.pollModelRepository()
    expect(await answer()).toBe(7 * factor)
  }
})

it.each([
  ['throws when it is imported', 'throw new Error("half written")', 'half written'],
  ['lacks its export', 'export const nothing = 1', "'nothing'"],
  ['does not parse', 'export default (', 'SyntaxError'],
  ['fails its golden sample', times(11), "'y'"],
])('one that %s leaves the old one in service', async (_what, source, why) => {
  repository.writeFile('module/golden/tens.json', JSON.stringify(golden))
  repository.write('module', times(10))
  await startServer()
  expect(await answer()).toBe(70)
  repository.write('module', source)
  await server.pollModelRepository()
  expect(await answer()).toBe(70)
  expect(await reason()).toContain(why)
  repository.write('module', times(10.1)) // within the tolerance
  await server.pollModelRepository()
  expect(await answer()).toBe(Math.fround(70.7))
  expect(await reason()).toBe('')
})

it('the old one answers until the new one is ready, and what it began to the end', async () => {
  const config = 'instance_group [{ count: 2 kind: KIND_CPU }]'
  repository.write(
    'module',
    `import { existsSync } from 'node:fs'
     export default async ({ x }) => {
       const waits = x.data[0] === 7
       while (waits && !existsSync(${JSON.stringify(repository.path)} + '/go')) {
         await new Promise(setImmediate)
       }
       return { y: x.data }
     }`,
    { config },
  )
  await startServer()
  const begun = answer()
  const started = `${repository.path}/started`
  repository.write(
    'module',
    `import { existsSync, writeFileSync } from 'node:fs'
     writeFileSync(${JSON.stringify(started)}, '')
     while (!existsSync(${JSON.stringify(repository.path)} + '/load')) await new Promise(setImmediate)
     export default ({ x }) => ({ y: x.data.map((value) => 2 * value) })`,
    { config },
  )
  const polled = server.pollModelRepository()
  await until(() => existsSync(started))
  expect(await answer(8)).toBe(8)
  repository.writeFile('load', '')
  await polled
  expect(await answer(8)).toBe(16)
  repository.writeFile('go', '')
  expect(await begun).toBe(7)
})
