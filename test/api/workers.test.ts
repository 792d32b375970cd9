// Environments: worker threads, and the ends of processes.
import { existsSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Worker } from 'node:worker_threads'
import { afterAll, describe, expect, it } from 'vitest'
import { runChild } from './support/child.js'
import * as digits from './support/digits.js'
import { esmEntry, sanitized } from './support/trident.js'

/** A program that keeps requests in flight on models fast and slow until it is stopped. */
const program = `
  import { createServer, SharedMemory } from '${esmEntry}'
  const config = (delay) => ({
    backend: 'identity', maxBatchSize: 4, dynamicBatching: {},
    input: [{ name: 'INPUT0', dataType: 'TYPE_FP32', dims: [64] }],
    output: [{ name: 'OUTPUT0', dataType: 'TYPE_FP32', dims: [64] }],
    parameters: { execute_delay_ms: { stringValue: String(delay) } },
  })
  const server = await createServer()
  const files = { '1/unused': new Uint8Array(0) }
  const fast = await server.loadModel({ name: 'fast', config: config(0), files })
  const slow = await server.loadModel({ name: 'slow', config: config(3), files })
  const digits = await server.loadModel({ name: 'digits', path: ${JSON.stringify(digits.modelFile)} })
  const data = new Float32Array(64)
  const pause = () => new Promise((resolve) => setTimeout(resolve, 1))
  const forever = async (run) => { for (;;) await run().catch(pause) }
  for (let i = 0; i < 6; i++) {
    forever(() => fast.infer({ INPUT0: data }))
    forever(() => slow.infer({ INPUT0: data }))
    forever(() => digits.infer({ image: data }))
  }
  const image = new Float32Array(new SharedArrayBuffer(256))
  forever(() => digits.infer({ image }))
  forever(async () => { await server.loadModel({ name: 'fast', config: config(0), files }) })
  await slow.infer({ INPUT0: data })
`

/** As often as a release asks for; minutes. */
const thorough = process.env.TRIDENT_THOROUGH !== undefined

function threads(): number {
  return readdirSync('/proc/self/task').length
}

function descriptors(): number {
  return readdirSync('/proc/self/fd').length
}

const folder = mkdtempSync(join(tmpdir(), 'trident-test-'))
afterAll(() => rmSync(folder, { recursive: true }))
let programs = 0

function runWorker(source: string): Worker {
  const path = join(folder, `worker-${programs++}.mjs`)
  writeFileSync(path, source)
  return new Worker(path)
}

function nextMessage(worker: Worker): Promise<unknown> {
  return new Promise((resolve, reject) => {
    worker.once('message', resolve)
    worker.once('error', reject)
    worker.once('exit', (code) => reject(new Error(`the worker ended with ${code}`)))
  })
}

const ready = `
  import { parentPort } from 'node:worker_threads'
  parentPort.postMessage('ready')
`

describe('worker threads', () => {
  it('have servers of their own', async () => {
    const workers = Array.from({ length: 3 }, () =>
      runWorker(`
        import { parentPort } from 'node:worker_threads'
        import { createServer } from '${esmEntry}'
        const server = await createServer()
        const model = await server.loadModel({ name: 'digits', path: ${JSON.stringify(digits.modelFile)} })
        const image = new Float32Array(64)
        const answers = await Promise.all(Array.from({ length: 100 }, () => model.infer({ image })))
        const { inference_count } = await model.statistics()
        await server.close()
        parentPort.postMessage([answers.length, inference_count])`),
    )
    for (const answer of await Promise.all(workers.map(nextMessage))) {
      expect(answer).toEqual([100, 100])
    }
    await Promise.all(workers.map((worker) => worker.terminate()))
  })

  it('may be terminated at any moment, with requests in flight', async () => {
    const cycles = thorough ? 200 : sanitized ? 20 : 60
    const oneCycle = async (i: number): Promise<void> => {
      const worker = runWorker(program + ready)
      await nextMessage(worker)
      await new Promise((resolve) => setTimeout(resolve, i % 7))
      await worker.terminate()
    }
    await oneCycle(0) // libraries and pools that stay
    await oneCycle(1)
    const before = { threads: threads(), descriptors: descriptors() }
    for (let i = 0; i < cycles; i += 2) await Promise.all([oneCycle(i), oneCycle(i + 1)])
    expect(threads()).toBeLessThanOrEqual(before.threads + 1)
    expect(descriptors()).toBeLessThanOrEqual(before.descriptors + 1)
  }, 600_000)

  it('may be terminated while they start', async () => {
    for (let i = 0; i < 10; i++) {
      const worker = runWorker(program)
      await new Promise((resolve) => setTimeout(resolve, 5 + i * 8))
      await worker.terminate()
    }
  })

  it('may exit by themselves with requests in flight', async () => {
    const ends = [
      'process.exit(0)',
      'throw new Error("planned")',
      'await server.close(); process.exit(0)',
    ]
    for (const end of ends) {
      const worker = runWorker(program + end)
      const code = await new Promise((resolve) => {
        worker.on('error', (error) => expect(error.message).toBe('planned'))
        worker.on('exit', resolve)
      })
      expect(code).toBe(end.startsWith('throw') ? 1 : 0)
    }
  })
})

describe('a process', () => {
  const repeat = thorough ? 200 : sanitized ? 2 : 10

  it.each([
    ['process.exit', 'process.exit(7)', { code: 7, signal: null }],
    ['an error', 'throw new Error("planned")', { code: 1, signal: null }],
    ['SIGTERM', 'process.kill(process.pid, "SIGTERM")', { code: null, signal: 'SIGTERM' }],
    ['SIGINT', 'process.kill(process.pid, "SIGINT")', { code: null, signal: 'SIGINT' }],
    [
      'process.exit in a handler of SIGTERM',
      'process.on("SIGTERM", () => process.exit(0)); process.kill(process.pid, "SIGTERM")',
      { code: 0, signal: null },
    ],
  ])(
    'may end by %s with requests in flight',
    async (_name, end, expected) => {
      for (let i = 0; i < repeat; i++) {
        const wait = `await new Promise((resolve) => setTimeout(resolve, ${i % 5}))\n`
        const { code, signal, stderr } = await runChild(program + wait + end)
        expect({ code, signal }, stderr).toEqual(expected)
        expect(stderr.replace(/^[\s\S]*planned[\s\S]*$/, '')).toBe('')
      }
    },
    600_000,
  )

  it('removes the names of its regions when it exits', async () => {
    const script = `
      import { SharedMemory } from 'trident'
      const key = '/trident-exit-' + process.pid
      SharedMemory.create(key, { byteSize: 64 })
      console.log(key)
      const end = process.argv.at(-1)
      if (end === 'exit') process.exit(3)
      if (end === 'throw') throw new Error('planned')`
    for (const end of ['nothing', 'exit', 'throw']) {
      const { stdout } = await runChild(script, { args: [end] })
      expect(existsSync(`/dev/shm${stdout.trim()}`)).toBe(false)
    }
  })

  it('that is killed has its regions removed by the next one', async () => {
    let key = ''
    await runChild(
      `
      import { SharedMemory } from 'trident'
      const key = '/trident-killed-' + process.pid
      const region = SharedMemory.create(key, { byteSize: 64 })
      console.log(key)
      setInterval(() => region.key, 1000)`,
      {
        onLine: (line, child) => {
          key = line
          child.kill('SIGKILL')
        },
      },
    )
    expect(existsSync(`/dev/shm${key}`)).toBe(true)
    await runChild(`
      import { SharedMemory } from 'trident'
      SharedMemory.create('/trident-next-' + process.pid, { byteSize: 64 })`)
    expect(existsSync(`/dev/shm${key}`)).toBe(false)
  })

  it('ends by itself when its requests have ended, an open server or not', async () => {
    const script = `
      import { createServer } from 'trident'
      const server = await createServer()
      const model = await server.loadModel({ name: 'digits', path: ${JSON.stringify(digits.modelFile)} })
      model.infer({ image: new Float32Array(64) }).then(({ logits }) => console.log(logits.shape))`
    for (let i = 0; i < repeat; i++) {
      const { code, stdout, stderr } = await runChild(script, { endsByItself: true })
      expect({ code, stderr }).toEqual({ code: 0, stderr: '' })
      expect(stdout).toContain('[ 1, 10 ]')
    }
  }, 600_000)
})
