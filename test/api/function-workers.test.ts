// The worker threads that modules run in: how they end, and what becomes of requests and servers.
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { Worker } from 'node:worker_threads'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { runChild } from './support/child.js'
import { until } from './support/cuda.js'
import { expectFailure } from './support/expect.js'
import { ModuleRepository, numbersOf, served } from './support/modules.js'
import { createServer, esmEntry, type Server } from './support/trident.js'

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

function threads(): number {
  return readdirSync('/proc/self/task').length
}

describe('instances', () => {
  it('run side by side on threads of their own', async () => {
    // Each waits, on its thread, until it has seen the other: one thread would wait for ever.
    const source = `
      import { existsSync, writeFileSync } from 'node:fs'
      import { threadId } from 'node:worker_threads'
      const folder = ${JSON.stringify(repository.path)}
      export default ({ x }) => {
        const [mine, other] = x.data
        writeFileSync(folder + '/' + mine, '')
        while (!existsSync(folder + '/' + other));
        return { y: Float32Array.of(threadId) }
      }`
    repository.write('pair', source, { config: 'instance_group [{ count: 2 kind: KIND_CPU }]' })
    const model = await server.loadModel('pair')
    const [[first], [second]] = await Promise.all([numbersOf(model, 1, 2), numbersOf(model, 2, 1)])
    expect(first).not.toBe(second)
  })
})

describe('a module', () => {
  it('reads large inputs where they lie', async () => {
    const source = `
      import { existsSync, writeFileSync } from 'node:fs'
      const path = (name) => ${JSON.stringify(repository.path)} + '/' + name
      export default ({ x }) => {
        writeFileSync(path('begun'), '')
        while (x.data[1000] === 0) existsSync(path('begun'))
        writeFileSync(path('seen'), '')
        while (x.data[1000] !== 0) existsSync(path('seen'))
        return { y: Float32Array.of(x.data.length) }
      }`
    repository.write('reader', source)
    const model = await server.loadModel('reader')
    const x = new Float32Array(new SharedArrayBuffer(4 << 20))
    const answer = model.infer({ x })
    await until(() => existsSync(join(repository.path, 'begun')))
    x[1000] = 1 // what it sees of this is no copy
    await until(() => existsSync(join(repository.path, 'seen')))
    x[1000] = 0
    expect([...((await answer).y!.data as Float32Array)]).toEqual([1 << 20])
  })

  it('calls other models of its server', async () => {
    const times = (factor: number) =>
      `export default ({ x }) => ({ y: x.data.map((value) => ${factor} * value) })`
    repository.write('inner', times(2))
    repository.write(
      'outer',
      `export default async ({ x }, { infer }) => {
        const [one, two] = await Promise.all([
          infer('inner', { x }),
          infer('inner', { x: x.data.map((value) => -value) }),
        ])
        return { y: Float32Array.of(...one.y.data, ...two.y.data) }
      }`,
    )
    await server.loadModel('inner')
    const model = await server.loadModel('outer')
    expect(await numbersOf(model, 1, 2)).toEqual([2, 4, -2, -4])
    repository.write('inner', times(3))
    await server.loadModel('inner')
    expect(await numbersOf(model, 1)).toEqual([3, -3])
    await server.unloadModel('inner')
    await expectFailure(() => numbersOf(model, 1), 'NOT_FOUND', 'inner')
  })
})

/** What a request may do to its thread by the number it brings. */
const rowdy = `
  export default async ({ x }) => {
    const [what] = x.data
    if (what === 1) throw new TypeError('by itself')
    if (what === 2) process.exit(3)
    if (what === 3) await new Promise(() => setImmediate(() => { throw new Error('by nobody') }))
    if (what === 4) await new Promise(() => { Promise.reject(new Error('left alone')) })
    return { y: x.data }
  }`

describe('a function', () => {
  it('that throws fails its request only', async () => {
    repository.write('rowdy', rowdy)
    const model = await server.loadModel('rowdy')
    const error = await expectFailure(() => numbersOf(model, 1), 'INTERNAL', 'rowdy', 'by itself')
    expect((error.cause as Error).stack).toContain('model.mjs:4')
    expect(await numbersOf(model, 7)).toEqual([7])
  })

  it.each([
    [2, 'exit code 3'],
    [3, 'by nobody'],
    [4, 'left alone'],
  ])(
    'may end its thread (%i): its requests fail, the instance comes back',
    async (what, reason) => {
      repository.write('rowdy', rowdy)
      const model = await server.loadModel('rowdy')
      for (let i = 0; i < 3; i++) {
        await expectFailure(() => numbersOf(model, what), 'UNAVAILABLE', 'rowdy', reason)
        expect(await served(model, 7)).toEqual([7])
      }
    },
  )

  it('that ends its thread leaves other instances and models alone', async () => {
    repository.write('rowdy', rowdy)
    repository.write('calm', rowdy)
    const [model, calm] = [await server.loadModel('rowdy'), await server.loadModel('calm')]
    const failure = expectFailure(() => numbersOf(model, 2), 'UNAVAILABLE', 'exit code 3')
    expect(await numbersOf(calm, 7)).toEqual([7])
    await failure
    expect(await numbersOf(calm, 8)).toEqual([8])
  })

  it('that does not end while its module is started fails the load', async () => {
    repository.write('ends', 'process.exit(5)')
    await expectFailure(() => server.loadModel('ends'), 'INTERNAL', 'ends', 'exit code 5')
    repository.write('ends', 'await new Promise(() => {})')
    await expectFailure(() => server.loadModel('ends'), 'INTERNAL', 'ends')
  })

  it('has its state anew when its thread was started anew', async () => {
    const source = `let count = 0
      export default ({ x }) => {
        if (x.data[0] === 2) process.exit()
        return { y: Float32Array.of(++count) }
      }`
    repository.write('counter', source)
    const model = await server.loadModel('counter')
    expect(await numbersOf(model, 0)).toEqual([1])
    expect(await numbersOf(model, 0)).toEqual([2])
    await expectFailure(() => numbersOf(model, 2), 'UNAVAILABLE', 'counter')
    expect(await served(model, 0)).toEqual([1])
  })
})

describe('an execution that takes longer than its model allows', () => {
  const limit = 'execution_timeout_microseconds: 50000'
  const slow = `
    export default async ({ x }) => {
      if (x.data[0] === 1) await new Promise(() => {})
      if (x.data[0] === 2) for (;;);
      return { y: x.data }
    }`

  it('is given up: a promise that never settles', async () => {
    repository.write('slow', slow, { config: limit })
    const model = await server.loadModel('slow')
    await expectFailure(() => numbersOf(model, 1), 'UNAVAILABLE', "'slow'", '50')
    expect(await numbersOf(model, 7)).toEqual([7])
  })

  it('is given up on the thread of the server, too', async () => {
    repository.write('slow', slow, { config: `${limit} execution: "main"` })
    const model = await server.loadModel('slow')
    await expectFailure(() => numbersOf(model, 1), 'UNAVAILABLE', "'slow'", '50')
    expect(await numbersOf(model, 7)).toEqual([7])
  })

  it('is ended with its thread: a loop without end', async () => {
    repository.write('slow', slow, { config: limit })
    const model = await server.loadModel('slow')
    for (let i = 0; i < 2; i++) {
      await expectFailure(() => numbersOf(model, 2), 'UNAVAILABLE', "'slow'", '50')
      expect(await served(model, 7)).toEqual([7])
    }
  })
})

describe('inferSync on the thread of the server', () => {
  const limit = 'execution_timeout_microseconds: 50000'
  const source = (file: string) => `
    import { writeFileSync } from 'node:fs'
    export default ({ x }) => {
      if (x.data[0] !== 2) return { y: x.data }
      writeFileSync(${JSON.stringify(file)}, '')
      for (;;);
    }`

  it.each([1, 20_000])('ends though a thread does not: %i elements', async (size) => {
    repository.write('stuck', source(join(repository.path, 'begun')), { config: limit })
    const model = await server.loadModel('stuck')
    const x = new Float32Array(size).fill(2)
    await expectFailure(() => model.inferSync({ x }), 'UNAVAILABLE', "'stuck'")
    expect(await served(model, 7)).toEqual([7])
  })

  it('ends where it waits behind an execution that does not', async () => {
    const file = join(repository.path, 'begun')
    repository.write('stuck', source(file), { config: limit })
    const model = await server.loadModel('stuck')
    const failure = expectFailure(() => numbersOf(model, 2), 'UNAVAILABLE', "'stuck'")
    await until(() => existsSync(file))
    const x = Float32Array.of(7)
    await expectFailure(() => model.inferSync({ x }), 'UNAVAILABLE', "'stuck'", 'use infer')
    await failure
    expect(await served(model, 7)).toEqual([7])
  })
})

describe('the end of a model', () => {
  /** Leaves a word in a file when it is finalized, and keeps its thread busy for good. */
  const source = (file: string) => `
    import { appendFileSync } from 'node:fs'
    setInterval(() => {}, 1000)
    export const execute = ({ x }) => ({ y: x.data })
    export const finalize = async () => appendFileSync(${JSON.stringify(file)}, 'finalized ')`

  it.each(['an unload', 'the close of the server'])('ends its threads: %s', async (what) => {
    const file = join(repository.path, 'ended')
    const before = threads()
    repository.write('model', source(file), {
      config: 'instance_group [{ count: 3 kind: KIND_CPU }]',
    })
    const model = await server.loadModel('model')
    expect(await numbersOf(model, 7)).toEqual([7])
    expect(threads()).toBeGreaterThanOrEqual(before + 3)
    if (what === 'an unload') await server.unloadModel('model')
    else await server.close()
    expect(readFileSync(file, 'utf8')).toBe('finalized finalized finalized ')
    await until(() => threads() < before + 3)
  })

  it('ends a thread that is stuck when the server has waited for it', async () => {
    await server.close()
    server = await createServer({
      modelRepository: repository.path,
      modelControl: 'explicit',
      exitTimeout: 1,
    })
    const file = join(repository.path, 'begun')
    repository.write(
      'stuck',
      `import { writeFileSync } from 'node:fs'
       export default () => { writeFileSync(${JSON.stringify(file)}, ''); for (;;); }`,
    )
    const model = await server.loadModel('stuck')
    const failure = expectFailure(() => numbersOf(model, 1), 'UNAVAILABLE')
    await until(() => existsSync(file))
    await server.close()
    await failure
  })
})

describe('a process with modules', () => {
  const start = (repository: string) => `
    import { createServer } from '${esmEntry}'
    const server = await createServer({ modelRepository: ${JSON.stringify(repository)} })
    const model = server.model('model')
    const x = Float32Array.of(1)`

  it('ends by itself, its server open or not', async () => {
    repository.write('model', 'export default ({ x }) => ({ y: x.data })')
    for (const end of ['', 'await server.close()']) {
      const script = `${start(repository.path)}
        console.log((await model.infer({ x })).y.data)
        ${end}`
      const { code, stdout, stderr } = await runChild(script, { endsByItself: true })
      expect({ code, stderr }).toEqual({ code: 0, stderr: '' })
      expect(stdout).toContain('[ 1 ]')
    }
  })

  it('may end with executions under way', async () => {
    repository.write('model', 'export default ({ x }) => { for (;;); }')
    const script = `${start(repository.path)}
      model.infer({ x }).catch(() => {})
      setImmediate(() => process.exit(7))`
    const { code, stderr } = await runChild(script)
    expect({ code, stderr }).toEqual({ code: 7, stderr: '' })
  })

  it('may have its servers in worker threads', async () => {
    repository.write('model', 'export default async ({ x }) => ({ y: x.data })')
    repository.writeFile(
      'host.mjs',
      `import { parentPort } from 'node:worker_threads'
       ${start(repository.path)}
       parentPort.postMessage([...(await model.infer({ x })).y.data])
       for (;;) await model.infer({ x })`,
    )
    const before = threads()
    for (let i = 0; i < 5; i++) {
      const worker = new Worker(join(repository.path, 'host.mjs'))
      const answer = await new Promise((resolve, reject) => {
        worker.once('message', resolve)
        worker.once('error', reject)
      })
      expect(answer).toEqual([1])
      await worker.terminate()
    }
    await until(() => threads() <= before + 5)
  })
})
