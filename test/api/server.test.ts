import { existsSync, readdirSync } from 'node:fs'
import { createRequire } from 'node:module'
import { tmpdir } from 'node:os'
import { describe, expect, it, vi } from 'vitest'
import { runChild } from './support/child.js'
import * as digits from './support/digits.js'
import { expectFailure, failureOf } from './support/expect.js'
import { loadIdentity } from './support/identity.js'
import { cjsEntry, createServer, type LogRecord } from './support/trident.js'

const data = Float32Array.of(1, 2, 3, 4)

async function expectTypeError(call: () => unknown, ...parts: string[]): Promise<void> {
  const error = await failureOf(call)
  expect(error).toBeInstanceOf(TypeError)
  for (const part of parts) expect(error.message).toContain(part)
}

describe('a server', () => {
  it('lives from createServer to close', async () => {
    const server = await createServer({ serverId: 'unit' })
    expect(await server.live()).toBe(true)
    expect(await server.ready()).toBe(true)
    expect(await server.metadata()).toMatchObject({ name: 'unit' })
    const model = await loadIdentity(server, 'id')
    await server.close()
    await server.close()
    const closed: (() => unknown)[] = [
      () => server.live(),
      () => server.ready(),
      () => server.metadata(),
      () => server.index(),
      () => server.loadModel('id'),
      () => server.unloadModel('id'),
      () => server.model('id'),
      () => server.statistics(),
      () => server.systemSharedMemoryStatus(),
      () => server.registerSystemSharedMemory('x', { key: '/x', byteSize: 1 }),
      () => model.infer({ INPUT0: data }),
      () => model.inferSync({ INPUT0: data }),
      () => model.prepare({ inputs: { INPUT0: data } }),
      () => model.metadata(),
      () => model.unload(),
    ]
    for (const call of closed) await expectFailure(call, 'UNAVAILABLE', 'closed')
  })

  it('lets requests under way end when it closes', async () => {
    const server = await createServer()
    const model = await loadIdentity(server, 'slow', { executeDelayMs: 10 })
    const answers = Array.from({ length: 5 }, () => model.infer({ INPUT0: data }))
    const closing = server.close()
    for (const { OUTPUT0 } of await Promise.all(answers)) expect(OUTPUT0!.data).toEqual(data)
    await closing
  })

  it('cancels what its exit timeout does not wait for', async () => {
    const server = await createServer({ exitTimeout: 20 })
    const model = await loadIdentity(server, 'slower', { executeDelayMs: 60 })
    const answers = Array.from({ length: 5 }, () => model.infer({ INPUT0: data }))
    const outcomes = Promise.allSettled(answers)
    // The one that executes ends within the grace. All five would take longer than that.
    await server.close()
    for (const outcome of await outcomes) {
      expect((outcome as PromiseRejectedResult).reason.code).toBe('UNAVAILABLE')
    }
  })

  it('closes at once when its exit timeout is 0', async () => {
    const server = await createServer({ exitTimeout: 0 })
    const model = await loadIdentity(server, 'idle')
    await model.infer({ INPUT0: data })
    await server.close()
  })

  it('lets loads and unloads under way end when it closes', async () => {
    for (let round = 0; round < 5; round++) {
      const server = await createServer()
      await loadIdentity(server, 'leaving')
      const tasks = [
        server.unloadModel('leaving'),
        ...Array.from({ length: 20 }, (_, i) => loadIdentity(server, `coming-${i}`)),
        server.loadModel({ name: 'from-path', path: digits.modelFile }),
        server.loadModel({ name: 'from-path', path: digits.modelFile }),
      ]
      let settled = 0
      const outcomes = tasks.map((task) =>
        task
          .then(() => null)
          .catch((error) => error)
          .finally(() => settled++),
      )
      await server.close()
      expect(settled).toBe(tasks.length)
      // A model that was loaded can't be given any more.
      for (const error of await Promise.all(outcomes)) {
        if (error) expect(error).toMatchObject({ name: 'TridentError', code: 'UNAVAILABLE' })
      }
    }
  })

  it('says so when requests outlast its exit timeout', async () => {
    const server = await createServer({ exitTimeout: 10 })
    const model = await loadIdentity(server, 'stuck', { executeDelayMs: 400 })
    const answer = model.infer({ INPUT0: data })
    const outcome = Promise.allSettled([answer])
    await new Promise((resolve) => setImmediate(resolve))
    await expectFailure(() => server.close(), 'UNAVAILABLE', '10 ms', 'still execute')
    const [result] = await outcome
    expect((result as PromiseRejectedResult).reason.code).toBe('UNAVAILABLE')
  })

  it('is disposed of by await using', async () => {
    let model: Awaited<ReturnType<typeof loadIdentity>>
    {
      await using server = await createServer()
      model = await loadIdentity(server, 'id')
    }
    await expectFailure(() => model.infer({ INPUT0: data }), 'UNAVAILABLE', 'closed')
  })

  it('has neighbours in the same process', async () => {
    await using a = await createServer()
    await using b = await createServer()
    const [one, two] = await Promise.all([
      loadIdentity(a, 'same', { dims: [4] }),
      loadIdentity(b, 'same', { dims: [2] }),
    ])
    const answers = await Promise.all([
      one.infer({ INPUT0: data }),
      two.infer({ INPUT0: data.slice(0, 2) }),
    ])
    expect(answers.map(({ OUTPUT0 }) => OUTPUT0!.shape)).toEqual([[4], [2]])
    await a.close()
    await two.infer({ INPUT0: data.slice(0, 2) })
  })

  it('leaves nothing in the temporary directory', async () => {
    const ours = () => readdirSync(tmpdir()).filter((name) => /^trident-(?!test|report)/.test(name))
    const before = new Set(ours())
    const server = await createServer()
    await server.loadModel({ name: 'digits', path: digits.modelFile })
    await loadIdentity(server, 'id')
    await server.close()
    expect(ours().filter((name) => !before.has(name))).toEqual([])
  })
})

describe('options', () => {
  it('are checked', async () => {
    const bad: [object, unknown][] = [
      [{ modelRepository: 5 }, TypeError],
      [{ modelRepository: [5] }, TypeError],
      [{ modelRepository: 'a\0b' }, RangeError],
      [{ modelControl: 'sometimes', modelRepository: '.' }, TypeError],
      [{ startupModels: 'digits' }, TypeError],
      [{ strictModelConfig: 'yes' }, TypeError],
      [{ strictReadiness: 1 }, TypeError],
      [{ exitOnError: null }, TypeError],
      [{ exitTimeout: -1 }, RangeError],
      [{ exitTimeout: '5' }, TypeError],
      [{ exitTimeout: 2 ** 31 }, RangeError],
      [{ loadThreads: 1.5 }, RangeError],
      [{ serverId: 5 }, TypeError],
      [{ logLevel: 'loud' }, TypeError],
      [{ onLog: 'console' }, TypeError],
      [{ backendConfig: { onnxruntime: 5 } }, TypeError],
      [{ sharedMemory: { allow: 'frames' } }, TypeError],
      [{ inlineBudget: -1 }, RangeError],
      [{ inlineBudget: 'fast' }, TypeError],
      [{ spinMicroseconds: -1 }, RangeError],
      [{ spinMicroseconds: 0.5 }, RangeError],
      [{ spinMicroseconds: '5' }, TypeError],
      [{ modelRepository: '' }, RangeError],
      [{ modelRepository: [''] }, RangeError],
      [{ backendDirectory: '' }, RangeError],
      [{ nativeBinding: 5 }, TypeError],
      [{ backendConfig: 5 }, TypeError],
      [{ backendConfig: { onnxruntime: { library: null } } }, TypeError],
      [{ sharedMemory: 'x' }, TypeError],
      [['models'], TypeError],
    ]
    for (const [options, type] of bad) {
      await expect(createServer(options as never), JSON.stringify(options)).rejects.toThrow(
        type as never,
      )
    }
    await expectFailure(
      () => createServer({ modelControl: 'none' }),
      'INVALID_ARG',
      'modelRepository',
    )
    await expectFailure(
      () => createServer({ sharedMemory: { allow: ['a*b'] } }),
      'INVALID_ARG',
      'a*b',
    )
  })

  it('of another name are refused, with the nearest one', async () => {
    const call = (options: object) => () => createServer(options as never)
    await expectTypeError(call({ modelRepositry: '.' }), "'modelRepositry'", "'modelRepository'")
    await expectTypeError(
      call({ model_repository: '.' }),
      "'model_repository'",
      "'modelRepository'",
    )
    await expectTypeError(call({ sharedMemory: { alow: ['x'] } }), "'alow'", "'allow'")
    await expectTypeError(call({ backendDirectory: 5 }), 'backendDirectory', 'number')

    await using one = await createServer()
    const load = (options: object) => () => one.loadModel({ name: 'x', ...options })
    await expectTypeError(load({ conf: {} }), "'conf'", "'config'")
    await expectTypeError(load({ path: 5 }), 'path', 'number')
    await expectTypeError(() => one.unloadModel('x', { dependent: true } as never), "'dependents'")
    await expectTypeError(() => one.unloadModel('x', null as never), 'unloadModel', 'null')
    await expectTypeError(() => one.index({ ready: true } as never), "'readyOnly'")
    const region = { key: '/x', size: 1 } as never
    await expectTypeError(() => one.registerSystemSharedMemory('x', region), "'size'")
    await expect(one.loadModel({ name: 'x', path: '' })).rejects.toThrow(RangeError)
  })

  it('does not wait for a name that is no model', async () => {
    await using server = await createServer()
    await expect(server.loadModel('nobody')).rejects.toThrow()
    expect(await server.ready()).toBe(true)
    expect((await server.index()).map(({ name }) => name)).not.toContain('nobody')
  })

  it('onLog receives records in place of stderr', async () => {
    const records: LogRecord[] = []
    await using server = await createServer({
      logLevel: 'info',
      onLog: (record) => records.push(record),
    })
    await expect(server.loadModel('nobody')).rejects.toThrow()
    await loadIdentity(server, 'somebody')
    await vi.waitFor(() => expect(records.length).toBeGreaterThan(0))
    for (const { level, message, file, line, time } of records) {
      expect(['info', 'warn', 'error']).toContain(level)
      expect(message.length).toBeGreaterThan(0)
      expect(file.length).toBeGreaterThan(0)
      expect(line).toBeGreaterThan(0)
      expect(Math.abs(time.getTime() - Date.now())).toBeLessThan(60_000)
    }
  })

  it('inlineBudget 0 keeps asynchronous requests off this thread', async () => {
    await using server = await createServer({ inlineBudget: 0 })
    const model = await loadIdentity(server, 'id')
    for (let i = 0; i < 50; i++) {
      let settled = false
      const answer = model.infer({ INPUT0: data }).then(() => {
        settled = true
      })
      await new Promise((resolve) => process.nextTick(resolve))
      await Promise.resolve()
      expect(settled).toBe(false) // it takes a turn of the event loop at least
      await answer
    }
  })
})

describe('the package', () => {
  it('works through require as well', async () => {
    const trident = createRequire(import.meta.url)(
      cjsEntry,
    ) as typeof import('./support/trident.js')
    await using server = await trident.createServer()
    const model = await loadIdentity(server as never, 'id')
    expect((await model.infer({ INPUT0: data })).OUTPUT0!.data).toEqual(data)
  })

  it('says what is missing when there is no addon', async () => {
    const { stdout } = await runChild(`
      import { createServer } from 'trident'
      await createServer({ nativeBinding: '/does/not/exist.node' })
        .catch((error) => console.log(error.code, error.message))`)
    expect(stdout).toContain('UNAVAILABLE')
    expect(stdout).toContain('/does/not/exist.node')
  })

  it('closes a server nobody refers to any more, and says so', async () => {
    const { stdout, code } = await runChild(
      `
      import { createServer, SharedMemory } from 'trident'
      process.on('warning', (warning) => console.log(warning.name, warning.message))
      await (async () => {
        const server = await createServer()
        SharedMemory.create('/trident-leak-' + process.pid, { byteSize: 64 })
      })()
      for (let i = 0; i < 50; i++) {
        globalThis.gc()
        await new Promise((resolve) => setTimeout(resolve, 10))
      }
      console.log('done')`,
      { nodeArgs: ['--expose-gc'] },
    )
    expect(stdout).toContain('TridentWarning a Trident server')
    expect(stdout).toContain('TridentWarning shared-memory region')
    expect(stdout).toContain('done')
    expect(code).toBe(0)
    const left = existsSync('/dev/shm')
      ? readdirSync('/dev/shm').filter((name) => name.startsWith('trident-leak-'))
      : []
    expect(left).toEqual([])
  })
})
