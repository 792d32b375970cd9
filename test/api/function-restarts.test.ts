// Instances in worker threads that end again and again, or don't come back: what becomes of requests.
import { existsSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, it, vi } from 'vitest'
import { until } from './support/cuda.js'
import { expectFailure } from './support/expect.js'
import { ModuleRepository, numbersOf, served } from './support/modules.js'
import { createServer, type Model, type Server } from './support/trident.js'

let repository: ModuleRepository
let server: Server
let warnings: string[]
const note = ({ message }: Error) => warnings.push(message)

/** The next warning: what the thread ended for, and when another starts. */
async function nextEnd(...parts: string[]): Promise<void> {
  await until(() => warnings.length > 0)
  for (const part of parts) expect(warnings[0]).toContain(part)
  warnings.shift()
}

beforeEach(async () => {
  warnings = []
  process.on('warning', note)
  repository = new ModuleRepository()
  server = await createServer({
    modelRepository: repository.path,
    modelControl: 'explicit',
    exitTimeout: 100,
  })
})
afterEach(async () => {
  process.off('warning', note)
  vi.useRealTimers()
  await server.close()
  repository[Symbol.dispose]()
})

/** A module whose threads begin with `initialize`, and end when they are given 1. */
async function load(initialize: string): Promise<Model> {
  const source = `
    import { existsSync, writeFileSync } from 'node:fs'
    const path = (name) => ${JSON.stringify(repository.path)} + '/' + name
    export async function initialize() { ${initialize} }
    export const execute = ({ x }) => {
      if (x.data[0] === 1) process.exit(3)
      return { y: x.data }
    }`
  repository.write('module', source)
  return await server.loadModel('module')
}

const file = (name: string) => join(repository.path, name)

/** The second thread, and all after it, get no further. */
const secondHangs = `
  if (existsSync(path('second'))) {
    writeFileSync(path('hangs'), '')
    setInterval(() => {}, 1000)
    await new Promise(() => {})
  }
  writeFileSync(path('second'), '')`

it('what waits for a thread that does not come is answered when the server ends', async () => {
  const model = await load(secondHangs)
  await expectFailure(() => numbersOf(model, 1), 'UNAVAILABLE', 'exit code 3')
  const held = expectFailure(() => numbersOf(model, 2), 'UNAVAILABLE')
  await until(() => existsSync(file('hangs')))
  await server.close()
  await held
})

it('requests wait so long and no longer for a thread to be ready again', async () => {
  const model = await load(secondHangs)
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] })
  await expectFailure(() => numbersOf(model, 1), 'UNAVAILABLE', 'exit code 3')
  const held = expectFailure(() => numbersOf(model, 2), 'UNAVAILABLE', "'module'", '30000 ms')
  await nextEnd('exit code 3')
  vi.advanceTimersByTime(0) // the second thread
  await until(() => existsSync(file('hangs')))
  vi.advanceTimersByTime(30_000)
  await held
  await expectFailure(() => numbersOf(model, 3), 'UNAVAILABLE', "'module'", '30000 ms')
})

it('a load that does not get ready fails when the server ends', async () => {
  writeFileSync(file('second'), '')
  const failure = expectFailure(() => load(secondHangs), 'UNAVAILABLE')
  await until(() => existsSync(file('hangs')))
  await server.close()
  await failure
})

it('a thread that ends again rests, longer each time, until something succeeds', async () => {
  const model = await load(`if (existsSync(path('broken'))) throw new Error('no luck')`)
  writeFileSync(file('broken'), '')
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] })
  await expectFailure(() => numbersOf(model, 1), 'UNAVAILABLE', 'exit code 3')
  await nextEnd('another starts now: exit code 3')
  const held = expectFailure(() => numbersOf(model, 2), 'UNAVAILABLE', 'no luck')
  vi.advanceTimersByTime(0)
  await held
  for (const rest of [100, 200, 400, 800, 1600, 3200, 6400, 12_800, 25_600, 30_000]) {
    await nextEnd(`another starts in ${rest} ms`, 'no luck')
    await expectFailure(() => numbersOf(model, 2), 'UNAVAILABLE', "'module'", 'no luck')
    vi.advanceTimersByTime(rest)
  }
  await nextEnd('another starts in 30000 ms', 'no luck')
  rmSync(file('broken'))
  vi.advanceTimersByTime(30_000)
  expect(await served(model, 2)).toEqual([2])
  await expectFailure(() => numbersOf(model, 1), 'UNAVAILABLE', 'exit code 3')
  await nextEnd('another starts now: exit code 3')
})
