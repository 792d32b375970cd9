// What the addon does about functions, whoever runs them.
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { expectFailure } from './support/expect.js'
import { bytesOf, echoed, echoOf, floats, loadFunction, RawHost } from './support/raw-functions.js'
import { createServer, type Model, type Server, SharedMemory } from './support/trident.js'

const host = new RawHost()
const { native, functions } = host
let server: Server

const finish = (execution: number, requests: Parameters<typeof echoOf>[0][]) =>
  native.finishExecution(execution, requests.map(echoOf))

/** Enough to be given as a view. */
const many = Array.from({ length: 20_000 }, (_, i) => i % 1000)

beforeAll(async () => {
  server = await createServer()
})
afterAll(() => server.close())
beforeEach(() => {
  host.told.length = 0
})

async function load(name: string, run = finish, config = {}): Promise<Model> {
  functions.set(name, run)
  return loadFunction(server, name, config)
}

/** Whether the promise settles before the event loop takes a turn. */
async function turns(work: Promise<unknown>): Promise<boolean> {
  let turned = false
  const immediate = setImmediate(() => {
    turned = true
  })
  await work
  clearImmediate(immediate)
  return turned
}

describe('executions', () => {
  it('run and settle without a turn of the event loop', async () => {
    const model = await load('echo')
    await echoed(model, 0)
    expect(await turns(echoed(model, 1, 2))).toBe(false)
    expect(await echoed(model, 3, 4)).toEqual([3, 4])
  })

  it('settle without a turn where the function needs none', async () => {
    const model = await load('microtask', async (execution, requests) => {
      await null
      finish(execution, requests)
    })
    await echoed(model, 0)
    expect(await turns(echoed(model, 1))).toBe(false)
  })

  it('have the requests of a batch, and count as one', async () => {
    const sizes: number[] = []
    const count = (execution: number, requests: Parameters<typeof echoOf>[0][]) => {
      sizes.push(requests.length)
      finish(execution, requests)
    }
    const model = await load('batched', count, {
      maxBatchSize: 8,
      dynamicBatching: { maxQueueDelayMicroseconds: 60_000_000, preferredBatchSize: [4] },
    })
    const rows = (value: number) => floats([value], [1, 1])
    const results = await Promise.all([1, 2, 3, 4].map((value) => model.infer(rows(value))))
    expect(results.map(({ OUTPUT0 }) => (OUTPUT0!.data as Float32Array)[0])).toEqual([1, 2, 3, 4])
    expect(sizes).toEqual([4])
    const statistics = await model.statistics()
    expect(statistics.execution_count).toBe(1)
    expect(statistics.inference_stats.success.count).toBe(4)
    expect(statistics.batch_stats.map(({ batch_size }) => batch_size)).toEqual([4])
  })

  it('end one request with an error, and the others well', async () => {
    const model = await load(
      'picky',
      (execution, requests) =>
        native.finishExecution(
          execution,
          requests.map((request) =>
            new Float32Array(bytesOf(request))[0]! < 0 ? [3, 'it is negative'] : echoOf(request),
          ),
        ),
      { maxBatchSize: 2, dynamicBatching: {} },
    )
    const rows = (value: number) => floats([value], [1, 1])
    const [good, bad] = await Promise.allSettled([model.infer(rows(1)), model.infer(rows(-1))])
    expect(good.status).toBe('fulfilled')
    await expectFailure(
      () => bad.status === 'rejected' && Promise.reject(bad.reason),
      'INVALID_ARG',
      'negative',
    )
  })

  it('that end without an answer are an error, and what comes later is ignored', async () => {
    let ended = 0
    const model = await load('silent', (execution) => {
      native.endExecution(execution)
      ended = execution
    })
    await expectFailure(() => model.infer(floats([1])), 'INTERNAL', 'silent', 'final response')
    native.respondError(ended, 0, 1, 'late')
    native.finishExecution(ended, [])
    expect(native.requestInfo(ended, 0)).toBeNull()
  })

  it('tell of the request', async () => {
    let info: unknown
    const model = await load('curious', (execution, requests) => {
      info = native.requestInfo(execution, 0)
      finish(execution, requests)
    })
    await model.infer(floats([1]), {
      requestId: 'r1',
      parameters: { text: 'a', count: 3, exact: 0.5, yes: true },
    })
    expect(info).toEqual([
      'r1',
      0n,
      0,
      0,
      ['OUTPUT0'],
      ['text', 'a', 'count', 3n, 'exact', 0.5, 'yes', true],
      false,
    ])
  })

  it('are told of the cancellation of a request', async () => {
    let begin = (_: number): void => {}
    const begun = new Promise<number>((resolve) => {
      begin = resolve
    })
    const model = await load('waiting', (execution) => begin(execution))
    const abort = new AbortController()
    const request = model.infer(floats([1]), { signal: abort.signal })
    const execution = await begun
    abort.abort()
    await expect(request).rejects.toThrow()
    expect(await host.until('cancelled')).toEqual(['cancelled', execution, 0])
    native.endExecution(execution)
  })

  it('can be abandoned, and the instance serves again', async () => {
    let first = true
    const executions: number[] = []
    const model = await load('stuck', (execution, requests) => {
      executions.push(execution)
      if (first) first = false
      else finish(execution, requests)
    })
    const request = model.infer(floats([1]))
    const next = echoed(model, 2)
    while (executions.length === 0) await new Promise(setImmediate)
    native.abandonExecution(executions[0]!, 4, 'it takes too long')
    await expectFailure(() => request, 'UNAVAILABLE', 'it takes too long')
    expect(await next).toEqual([2])
  })

  it('that take too long are told of', async () => {
    const executions: number[] = []
    const model = await load('slow', (execution) => executions.push(execution), {
      executionTimeoutMicroseconds: 1,
    })
    const request = model.infer(floats([1]))
    const of = (wanted: number) => [...Array(16).keys()].flatMap((id) => overdueOf(id, wanted))
    while (executions.length === 0 || of(executions[0]!).length === 0)
      await new Promise(setImmediate)
    native.abandonExecution(executions[0]!, 4, 'over')
    await expectFailure(() => request, 'UNAVAILABLE')
    expect(of(executions[0]!)).toEqual([])
  })
})

function overdueOf(id: number, execution: number): number[][] {
  try {
    return native.overdue(id).filter((overdue) => overdue[1] === execution)
  } catch {
    return [] // no server has this number
  }
}

describe('inputs', () => {
  for (const [size, values] of [
    ['a copy', [1, 2, 3]],
    ['a view', many],
  ] as const) {
    it(`are the request's as ${size}, and an error where they are changed`, async () => {
      let change = false
      const model = await load(`writer of ${size}`, (execution, requests) => {
        expect([...new Float32Array(bytesOf(requests[0]!))]).toEqual(values)
        if (change) new Float32Array(bytesOf(requests[0]!))[0] = -1
        finish(execution, requests)
      })
      expect(await echoed(model, ...values)).toEqual(values)
      change = true
      await expectFailure(() => model.infer(floats(values)), 'INVALID_ARG', "input 'INPUT0'")
      change = false
      expect(await echoed(model, ...values)).toEqual(values)
    })
  }

  it('that are views are empty after the execution', async () => {
    let kept = new ArrayBuffer(0)
    const model = await load('keeper', (execution, requests) => {
      kept = bytesOf(requests[0]!)
      expect(kept.byteLength).toBe(4 * many.length)
      finish(execution, requests)
    })
    expect(await echoed(model, ...many)).toEqual(many)
    expect(kept.byteLength).toBe(0)
  })

  it('that lie in memory nobody may write to are copies, and changing them an error', async () => {
    const key = `/trident-functions-${process.pid}`
    const written = SharedMemory.create(key, { byteSize: 4 * many.length })
    const read = SharedMemory.open(key, { readOnly: true })
    written.write(0, Float32Array.from(many))
    const model = await load('prober', (execution, requests) => {
      new Float32Array(bytesOf(requests[0]!))[0] = -1
      finish(execution, requests)
    })
    const tensor = read.tensor('FP32', [many.length])
    await expectFailure(() => model.infer({ INPUT0: tensor }), 'INVALID_ARG', "input 'INPUT0'")
    read.close()
    written.close()
  })

  it('of no bytes are buffers, too', async () => {
    const model = await load('nothing')
    expect(await echoed(model)).toEqual([])
  })
})

describe('streams', () => {
  it('say when they are full and when they are not any more', async () => {
    let begin = (_: number): void => {}
    const begun = new Promise<number>((resolve) => {
      begin = resolve
    })
    const model = await load('sender', (execution) => begin(execution), {
      modelTransactionPolicy: { decoupled: true },
    })
    const stream = model.stream(floats([7]), { highWaterMark: 2, stallTimeout: 5000 })
    const responses = stream[Symbol.asyncIterator]()
    const first = responses.next()
    const execution = await begun
    const output = ['OUTPUT0', 11, [1], Float32Array.of(7)]
    const respond = () => native.respond(execution, 0, output, false)
    expect([respond(), respond(), respond(), respond()]).toEqual([0, 5000, 5000, 5000])
    expect((await first).done).toBe(false)
    for (let i = 0; i < 3; i++) expect((await responses.next()).done).toBe(false)
    expect((await host.until('drained'))[0]).toBe('drained')
    expect(host.told).toEqual([])
    expect(respond()).toBe(0)
    native.endRequest(execution, 0)
    native.endExecution(execution)
    expect((await responses.next()).done).toBe(false)
    expect((await responses.next()).done).toBe(true)
  })
})

describe('inferSync', () => {
  it('runs functions of its thread', async () => {
    const model = await load('sync')
    expect([...(model.inferSync(floats([5, 6])).OUTPUT0!.data as Float32Array)]).toEqual([5, 6])
  })

  it('fails where the function needs the event loop', async () => {
    const model = await load('needs a turn', (execution, requests) => {
      setImmediate(() => finish(execution, requests))
    })
    await expectFailure(
      () => model.inferSync(floats([1])),
      'UNSUPPORTED',
      'needs a turn',
      'use infer',
    )
    expect(await echoed(model, 2)).toEqual([2])
  })

  it('fails where the only instance waits for the event loop, which goes on', async () => {
    const begun: number[] = []
    const model = await load('busy', (execution, requests) => {
      begun.push(execution)
      setImmediate(() => finish(execution, requests))
    })
    const request = echoed(model, 1)
    await Promise.resolve()
    await new Promise(process.nextTick)
    while (begun.length === 0) await new Promise(process.nextTick)
    await expectFailure(() => model.inferSync(floats([2])), 'UNSUPPORTED', 'use infer')
    expect(await request).toEqual([1])
  })

  it('fails within the function it would wait for', async () => {
    const failures: unknown[] = []
    const model = await load('recursive', (execution, requests) => {
      try {
        model.inferSync(floats([1]))
      } catch (error) {
        failures.push(error)
      }
      finish(execution, requests)
    })
    expect(await echoed(model, 1)).toEqual([1])
    await expectFailure(() => Promise.reject(failures[0]), 'UNSUPPORTED', 'recursive -> recursive')
  })
})
