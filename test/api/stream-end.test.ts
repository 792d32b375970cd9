// How streams end: by their readers, by signals, with their model, server or environment. A request
// without end shows that its backend was told: its model can't be unloaded before.
import { getEventListeners } from 'node:events'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { runChild } from './support/child.js'
import { expectFailure, failureOf } from './support/expect.js'
import { endless, loadRepeat, repeat, repeatConfig, testBackends } from './support/repeat.js'
import { createServer, type Model, type Server, type StreamPart } from './support/trident.js'

let server: Server
let model: Model

beforeAll(async () => {
  server = await createServer({ backendDirectory: testBackends })
  model = await loadRepeat(server)
})
afterAll(() => server.close())

const indexOf = (part: StreamPart | undefined) => (part!.index!.data as Int32Array)[0]!
const finished = { done: true, value: undefined }

/** Ends only when the backend has ended every request of the model: within the exit timeout. */
async function expectCancelled(): Promise<void> {
  await model.unload()
  model = await loadRepeat(server)
}

describe('a reader', () => {
  it('that leaves its loop cancels the request', async () => {
    let count = 0
    for await (const part of model.stream(endless())) {
      expect(indexOf(part)).toBe(count)
      if (++count === 500) break
    }
    await expectCancelled()
  })

  it('that throws in its loop cancels the request', async () => {
    const loop = async () => {
      for await (const part of model.stream(endless())) throw new Error(`${indexOf(part)}`)
    }
    await expect(loop()).rejects.toThrow('0')
    await expectCancelled()
  })

  it('that calls return() ends it for every call of next that waits', async () => {
    const stream = model.stream(endless(), { parameters: { stop_at: 1 } })
    await stream.next()
    const waiting = [stream.next(), stream.next()]
    expect(await stream.return()).toEqual(finished)
    expect(await Promise.all(waiting)).toEqual([finished, finished])
    expect(await stream.next()).toEqual(finished)
    expect(await stream.return()).toEqual(finished)
    await expectCancelled()
  })

  it('that calls throw() gets its reason back', async () => {
    const stream = model.stream(endless())
    const reason = new Error('enough')
    expect(await failureOf(() => stream.throw(reason))).toBe(reason)
    expect(await stream.next()).toEqual(finished)
    await expectCancelled()
  })

  it('that forgets it with await using cancels the request', async () => {
    {
      await using stream = model.stream(endless())
      await stream.next()
    }
    await expectCancelled()
  })

  it('that leaves before the request has crossed', async () => {
    const before = (await model.statistics()).inference_stats.success.count
    await model.stream(endless()).return()
    await new Promise((resolve) => setImmediate(resolve))
    expect((await model.statistics()).inference_stats.success.count).toBe(before)
  })

  it('may come late: what was sent is there', async () => {
    const stream = model.stream(repeat(10, 1))
    await stream.next()
    await model.unload() // all of it was sent
    for (let i = 1; i < 10; i++) expect(indexOf((await stream.next()).value!)).toBe(i)
    expect(await stream.next()).toEqual(finished)
    model = await loadRepeat(server)
  })
})

describe('a slow reader', () => {
  it('bounds what waits, and loses the stream when it takes nothing for too long', async () => {
    const stream = model.stream(endless(), { highWaterMark: 8, stallTimeout: 50 })
    await stream.next()
    await model.unload() // when the backend has seen the cancel
    for (let i = 1; i < 9; i++) expect(indexOf((await stream.next()).value!)).toBe(i)
    await expectFailure(() => stream.next(), 'UNAVAILABLE', "'repeat'", '8 waiting', '50 ms')
    expect(await stream.next()).toEqual(finished)
    model = await loadRepeat(server)
  })

  it('gets all of it when it reads on', async () => {
    let count = 0
    for await (const part of model.stream(repeat(300, 1), { highWaterMark: 1 })) {
      expect(indexOf(part)).toBe(count++)
      if (count % 100 === 0) await new Promise((resolve) => setTimeout(resolve, 2))
    }
    expect(count).toBe(300)
  })

  it('never keeps the event loop from its other work', async () => {
    let turns = 0
    let reading = true
    const turn = () => {
      turns++
      if (reading) setImmediate(turn)
    }
    setImmediate(turn)
    let count = 0
    for await (const _ of model.stream(repeat(5000, 1))) count++
    reading = false
    expect(count).toBe(5000)
    expect(turns).toBeGreaterThan(100)
  })
})

describe('a signal', () => {
  it('rejects at once, with its reason, and the backend sees it', async () => {
    const controller = new AbortController()
    const { signal } = controller
    const stream = model.stream(endless(), { signal, parameters: { stop_at: 2 } })
    expect(indexOf((await stream.next()).value!)).toBe(0)
    expect(indexOf((await stream.next()).value!)).toBe(1)
    const waiting = stream.next()
    controller.abort('changed my mind')
    const error = await expectFailure(() => waiting, 'CANCELLED', 'aborted')
    expect(error.cause).toBe('changed my mind')
    expect(await stream.next()).toEqual(finished)
    expect(getEventListeners(signal, 'abort')).toHaveLength(0)
    await expectCancelled()
  })

  it('between two calls rejects the next one', async () => {
    const controller = new AbortController()
    const stream = model.stream(endless(), { signal: controller.signal })
    await stream.next()
    controller.abort()
    await expectFailure(() => stream.next(), 'CANCELLED')
    await expectCancelled()
  })

  it('aborted before is an error of the call', async () => {
    const signal = AbortSignal.abort('early')
    await expectFailure(() => model.stream(repeat(1, 1), { signal }), 'CANCELLED')
  })

  it('is let go when the stream has ended', async () => {
    const { signal } = new AbortController()
    for await (const _ of model.stream(repeat(2, 1), { signal }));
    for await (const _ of model.stream(endless(), { signal })) break
    expect(getEventListeners(signal, 'abort')).toHaveLength(0)
  })

  it('of a timeout: the request as a whole has that long', async () => {
    const stream = model.stream(endless(), { timeout: 30, parameters: { stop_at: 1 } })
    expect(indexOf((await stream.next()).value!)).toBe(0)
    await expectFailure(() => stream.next(), 'UNAVAILABLE', 'timeout', '30 ms')
    await expectCancelled()
  })
})

describe('in mid-stream', () => {
  it('an unload lets streams go on until the exit timeout, then cancels them', async () => {
    await using other = await createServer({ backendDirectory: testBackends, exitTimeout: 200 })
    const brief = await loadRepeat(other, 'brief')
    const stream = brief.stream(repeat(100, 1), { highWaterMark: 4 })
    await stream.next()
    const unloading = brief.unload()
    for (let i = 1; i < 100; i++) expect(indexOf((await stream.next()).value!)).toBe(i)
    expect(await stream.next()).toEqual(finished)
    await unloading

    const long = await loadRepeat(other, 'long')
    const endlessly = long.stream(endless())
    await endlessly.next()
    await expectFailure(() => long.unload(), 'UNAVAILABLE', "'long'")
    await expectFailure(
      async () => {
        for await (const _ of endlessly);
      },
      'UNAVAILABLE',
      "'long' was unloaded",
    )
  })

  it('a server that closes ends it', async () => {
    const other = await createServer({ backendDirectory: testBackends, exitTimeout: 50 })
    const stream = (await loadRepeat(other)).stream(endless(), { parameters: { stop_at: 3 } })
    await stream.next()
    await other.close()
    await expectFailure(() => stream.next(), 'UNAVAILABLE', 'server is closed')
    expect(await stream.next()).toEqual(finished)
  })

  it('a reload leaves it with the version it began on', async () => {
    const stream = model.stream(repeat(200, 1), { highWaterMark: 2 })
    await stream.next()
    model = await loadRepeat(server)
    let count = 1
    for await (const _ of stream) count++
    expect(count).toBe(200)
  })

  it.each(['worker.terminate()', 'process.exit(0)', 'nothing more'])('%s', async (how) => {
    const start = `
      import { createServer } from 'trident'
      const server = await createServer({ backendDirectory: ${JSON.stringify(testBackends)} })
      const model = await server.loadModel({ name: 'repeat',
        config: ${JSON.stringify(repeatConfig)}, files: { '1/x': new Uint8Array(0) } })
      const inputs = { input: new Float32Array(4), count: Int32Array.of(-1) }
      const streams = Array.from({ length: 4 }, () => model.stream(inputs))
      for (const stream of streams) await stream.next() // from now on all their senders wait
    `
    const program = how.startsWith('worker')
      ? `import { Worker } from 'node:worker_threads'
         const source = ${JSON.stringify(start)}.replace("from '/", "from 'file:///") + "; import('node:worker_threads').then(({ parentPort }) => parentPort.postMessage(1))"
         const worker = new Worker(new URL('data:text/javascript,' + encodeURIComponent(source)))
         worker.on('error', (error) => { console.log(error) })
         await new Promise((resolve) => worker.once('message', resolve))
         await worker.terminate()
         console.log('ended')`
      : `${start}; ${how.startsWith('process') ? how : 'for (const stream of streams) stream.return()'}`
    const { code, signal, stdout, stderr } = await runChild(program)
    expect({ code, signal, stderr }).toEqual({ code: 0, signal: null, stderr: '' })
    if (how.startsWith('worker')) expect(stdout).toBe('ended\n')
  })

  it('one that nobody holds is cancelled, with a warning', async () => {
    const { code, stdout, stderr } = await runChild(
      `
      import { createServer } from 'trident'
      const server = await createServer({ backendDirectory: ${JSON.stringify(testBackends)} })
      const model = await server.loadModel({ name: 'repeat',
        config: ${JSON.stringify(repeatConfig)}, files: { '1/x': new Uint8Array(0) } })
      const inputs = { input: new Float32Array(4), count: Int32Array.of(-1) }
      await (async () => { await model.stream(inputs).next() })()
      const warned = new Promise((resolve) => process.once('warning', resolve))
      const timer = setInterval(() => gc(), 10)
      console.log((await warned).message)
      clearInterval(timer)
      await server.close()
      `,
      { nodeArgs: ['--expose-gc', '--no-warnings'] },
    )
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' })
    expect(stdout).toBe("a stream of model 'repeat' was garbage-collected before its end\n")
  })
})
