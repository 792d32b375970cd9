// Modules whose instances are processes of their own.
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { inheritedFlags } from '../../dist/esm/function-models/isolated-program.js'
import { expectFailure } from './support/expect.js'
import { ModuleRepository, numbersOf, served } from './support/modules.js'
import { createServer, type Model, type Server } from './support/trident.js'

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

const config = 'isolation: "process"'

async function load(source: string, more = ''): Promise<Model> {
  repository.write('module', source, { config: `${config} ${more}` })
  return await server.loadModel('module')
}

describe('an isolated module', () => {
  it('runs in a process of its own, each instance', async () => {
    const source = `export default async ({ x }) => ({ y: Float32Array.of(process.pid, ...x.data) })`
    const model = await load(source)
    const [pid, ...rest] = await numbersOf(model, 1, 2)
    expect(rest).toEqual([1, 2])
    expect(pid).not.toBe(Math.fround(process.pid))
  })

  it('fails to load with the reason of its module', async () => {
    await expectFailure(() => load('throw new Error("no such luck")'), 'INTERNAL', 'no such luck')
  })

  it('fails a request with the error of its function', async () => {
    const model = await load(`export default ({ x }) => {
      if (x.data[0] < 0) throw new RangeError('too small')
      return { y: x.data }
    }`)
    await expectFailure(() => numbersOf(model, -1), 'INTERNAL', 'too small')
    expect(await numbersOf(model, 1)).toEqual([1])
  })

  it.each([
    ['exits', 'process.exit(3)'],
    ['aborts', 'process.abort()'],
    ['is killed', "process.kill(process.pid, 'SIGKILL')"],
    ['leaves an error to nobody', "setImmediate(() => { throw new Error('planned') })"],
  ])('that %s is started anew', async (_what, end) => {
    const model = await load(`export default async ({ x }) => {
      if (x.data[0] === 1) { ${end}; await new Promise(() => {}) }
      return { y: x.data }
    }`)
    await expectFailure(() => numbersOf(model, 1), 'UNAVAILABLE', 'module')
    expect(await served(model, 7)).toEqual([7])
  })

  it('that never ends an execution is given up after its time', async () => {
    const model = await load(
      `export default async ({ x }) => {
        if (x.data[0] === 1) for (;;);
        if (x.data[0] === 2) await new Promise(() => {})
        return { y: x.data }
      }`,
      'execution_timeout_microseconds: 200000',
    )
    for (const what of [1, 2]) {
      await expectFailure(() => numbersOf(model, what), 'UNAVAILABLE', 'module', '200')
      expect(await served(model, 7)).toEqual([7])
    }
  })

  it('reaches no other models', async () => {
    const model = await load(`export default ({ x }, context) => context.infer('other', { x })`)
    await expectFailure(() => numbersOf(model, 1), 'UNSUPPORTED', 'isolated')
  })
})

it('isolated functions run with the flags of Node that are not its own affair', () => {
  const loader = ['--import', 'tsx', '-r', './hook.cjs', '--conditions=dev', '--expose-gc']
  const own = ['--inspect=0', '--inspect-brk', '--inspect-port', '9229', '--test', '--watch']
  const more = ['--test-name-pattern', 'a', '--input-type=module', '--eval', 'code', '-pe', 'code']
  expect(inheritedFlags([...own, ...loader, ...more])).toEqual(loader)
  expect(inheritedFlags([...loader, ...own, '--max-old-space-size=64'])).toEqual([
    ...loader,
    '--max-old-space-size=64',
  ])
})
