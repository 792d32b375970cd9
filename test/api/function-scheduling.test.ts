// What schedulers and servers do for models, done for functions.
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import * as digits from './support/digits.js'
import { expectFailure, failureOf } from './support/expect.js'
import {
  type BindConfig,
  batch,
  createServer,
  type Model,
  type ModelEvent,
  type RequestContext,
  type Server,
  type ServerOptions,
  Tensor,
  type TraceRecord,
} from './support/trident.js'

let server: Server | undefined
afterEach(async () => {
  await server?.close()
  server = undefined
})

async function start(options: ServerOptions = {}): Promise<Server> {
  server = await createServer(options)
  return server
}

const scalar = { datatype: 'FP32', shape: [1] } as const
const tensors = { inputs: { x: scalar }, outputs: { y: scalar } }
type Inputs = Record<string, Tensor<'FP32'>>
const echo = ({ x }: Inputs) => ({ y: x!.data })
const one = (value: number) => new Tensor('FP32', Float32Array.of(value), [1, 1])

function bind(fn: unknown, config: object = {}, name = 'f'): Promise<Model> {
  return server!.bind<BindConfig>({ name, ...tensors, ...config }, fn as never)
}

async function answerOf(answer: Promise<Record<string, Tensor>>): Promise<unknown> {
  return (await answer).y!.data[0]
}

/** A function whose first execution waits for the test; what comes meanwhile queues up. */
function gate() {
  let open!: () => void
  const opened = new Promise<void>((resolve) => {
    open = resolve
  })
  let begin!: () => void
  const begun = new Promise<void>((resolve) => {
    begin = resolve
  })
  const order: number[][] = []
  const fn = async ({ x }: Inputs) => {
    order.push([...x!.data])
    begin()
    if (order.length === 1) await opened
    return { y: x!.data }
  }
  return { fn, open, begun, order }
}

describe('dynamic batching', () => {
  beforeEach(() => start())

  it('executes together what comes together, up to the largest batch', async () => {
    const model = await bind(echo, { maxBatchSize: 4, dynamicBatching: {} })
    const answers = await Promise.all(
      Array.from({ length: 8 }, (_, i) => answerOf(model.infer({ x: one(i) }))),
    )
    expect(answers).toEqual([0, 1, 2, 3, 4, 5, 6, 7])
    const { execution_count, inference_count, batch_stats } = await model.statistics()
    expect([execution_count, inference_count]).toEqual([2, 8])
    expect(batch_stats.map(({ batch_size }) => batch_size)).toEqual([4])
  })

  it('without it each request is executed alone', async () => {
    const model = await bind(echo, { maxBatchSize: 4 })
    await Promise.all(Array.from({ length: 4 }, (_, i) => model.infer({ x: one(i) })))
    expect((await model.statistics()).execution_count).toBe(4)
  })

  it('priorities: the more important first', async () => {
    const { fn, open, begun, order } = gate()
    const model = await bind(fn, {
      maxBatchSize: 1,
      dynamicBatching: { priorityLevels: 3, defaultPriorityLevel: 2 },
    })
    const first = model.infer({ x: one(0) })
    await begun
    const answers = [3, 2, 1].map((level) => model.infer({ x: one(level) }, { priority: level }))
    await Promise.resolve()
    open()
    await Promise.all([first, ...answers])
    expect(order).toEqual([[0], [1], [2], [3]])
  })

  it('queue policy: bounds and timeouts', async () => {
    const { fn, open, begun } = gate()
    const model = await bind(fn, {
      maxBatchSize: 1,
      dynamicBatching: {
        defaultQueuePolicy: { maxQueueSize: 1, defaultTimeoutMicroseconds: 1000 },
      },
    })
    const first = answerOf(model.infer({ x: one(1) }))
    await begun
    const outcomes = await Promise.allSettled([2, 3, 4].map((i) => model.infer({ x: one(i) })))
    expect(outcomes.map(({ status }) => status)).toEqual(['rejected', 'rejected', 'rejected'])
    for (const outcome of outcomes) {
      expect((outcome as PromiseRejectedResult).reason.code).toBe('UNAVAILABLE')
    }
    open()
    expect(await first).toBe(1)
    expect(await answerOf(model.infer({ x: one(5) }))).toBe(5)
  })

  it('several instances execute side by side', async () => {
    let running = 0
    let most = 0
    const model = await bind(
      async ({ x }: Inputs) => {
        most = Math.max(most, ++running)
        await new Promise((resolve) => setImmediate(resolve))
        running--
        return { y: x!.data }
      },
      { instanceGroup: [{ count: 3, kind: 'KIND_CPU' }] },
    )
    await Promise.all(Array.from({ length: 9 }, (_, i) => model.infer({ x: Float32Array.of(i) })))
    expect(most).toBe(3)
    expect(running).toBe(0)
  })
})

describe.each([
  ['direct', { direct: {} }],
  ['oldest', { oldest: { maxCandidateSequences: 8 } }],
])('sequences, %s', (_, strategy) => {
  beforeEach(() => start())

  it('keep their order, and the function learns where they begin and end', async () => {
    const sums = new Map<bigint | string, number>()
    const model = await bind(
      ({ x }: Inputs, { request }: RequestContext) => {
        const { correlationId, sequence } = request
        const sum = (sequence!.start ? 0 : sums.get(correlationId)!) + x!.data[0]!
        if (sequence!.end) sums.delete(correlationId)
        else sums.set(correlationId, sum)
        return { y: Float32Array.of(sum) }
      },
      {
        maxBatchSize: 4,
        sequenceBatching: { ...strategy, maxSequenceIdleMicroseconds: 60_000_000 },
      },
    )
    const talks = Array.from({ length: 4 }, () => model.sequence())
    const answers = await Promise.all(
      talks.flatMap((talk, i) => [
        talk.next({ x: one(i) }),
        talk.next({ x: one(10) }),
        talk.end({ x: one(100) }),
      ]),
    )
    expect(answers.map(({ y }) => y!.data[0])).toEqual(
      talks.flatMap((_, i) => [i, i + 10, i + 110]),
    )
    expect(sums.size).toBe(0)
  })

  it('have a state that the server keeps: an input, and an output of its own', async () => {
    const state = { dataType: 'TYPE_FP32', dims: [1] }
    const model = await bind(
      batch((inputs) => {
        const { x, sum } = inputs as Inputs
        const sums = x!.data.map((value, i) => value + sum!.data[i]!)
        return { y: sums, next_sum: sums }
      }),
      {
        maxBatchSize: 4,
        sequenceBatching: {
          ...strategy,
          maxSequenceIdleMicroseconds: 60_000_000,
          state: [
            {
              inputName: 'sum',
              outputName: 'next_sum',
              ...state,
              initialState: [{ name: 'zero', ...state, zeroData: true }],
            },
          ],
        },
      },
    )
    const talks = Array.from({ length: 3 }, () => model.sequence())
    for (const values of [1, 2, 3]) {
      const answers = await Promise.all(
        talks.map((talk, i) => talk.next({ x: one(values * (i + 1)) })),
      )
      const sum = (values * (values + 1)) / 2
      expect(answers.map(({ y }) => y!.data[0])).toEqual([sum, 2 * sum, 3 * sum])
    }
    await Promise.all(talks.map((talk) => talk.end({ x: one(0) })))
  })
})

it('an ensemble of functions and an ONNX model', async () => {
  await start({ modelRepository: digits.modelRepository, modelControl: 'explicit' })
  await server!.loadModel('digits')
  const image = { datatype: 'FP32', shape: [1, 8, 8] } as const
  const logits = { datatype: 'FP32', shape: [10] } as const
  await server!.bind(
    {
      name: 'from_bytes',
      maxBatchSize: 64,
      inputs: { pixels: { datatype: 'UINT8', shape: [64] } },
      outputs: { image },
    },
    batch((({ pixels }: Record<string, Tensor<'UINT8'>>) => ({
      image: Float32Array.from(pixels!.data, (value) => value / 16),
    })) as never) as never,
  )
  await server!.bind(
    {
      name: 'largest',
      maxBatchSize: 64,
      inputs: { logits },
      outputs: { digit: { datatype: 'INT32', shape: [1] } },
    },
    (({ logits }: Record<string, Tensor<'FP32'>>) => ({
      digit: Int32Array.of(logits!.data.indexOf(Math.max(...logits!.data))),
    })) as never,
  )
  const step = (modelName: string, input: [string, string], output: [string, string]) => ({
    modelName,
    modelVersion: -1,
    inputMap: { [input[0]]: input[1] },
    outputMap: { [output[0]]: output[1] },
  })
  const reader = await server!.loadModel({
    name: 'reader',
    files: { '1/unused': new Uint8Array(0) },
    config: {
      platform: 'ensemble',
      maxBatchSize: 64,
      input: [{ name: 'pixels', dataType: 'TYPE_UINT8', dims: [64] }],
      output: [{ name: 'digit', dataType: 'TYPE_INT32', dims: [1] }],
      ensembleScheduling: {
        step: [
          step('from_bytes', ['pixels', 'pixels'], ['image', 'image']),
          step('digits', ['image', 'image'], ['logits', 'logits']),
          step('largest', ['logits', 'logits'], ['digit', 'digit']),
        ],
      },
    },
  })
  const images = Array.from({ length: 20 }, (_, i) => digits.imageOf(i))
  const answers = await Promise.all(
    images.map((image) =>
      reader.infer({
        pixels: new Tensor(
          'UINT8',
          Uint8Array.from(image, (value) => 16 * value),
          [1, 64],
        ),
      }),
    ),
  )
  expect(answers.map(({ digit }) => digit!.data[0])).toEqual(
    images.map((_, i) => {
      const logits = digits.recordedOf(i)
      return logits.indexOf(Math.max(...logits))
    }),
  )
  const { execution_count, inference_count } = await server!.model('largest').statistics()
  expect(inference_count).toBe(20)
  expect(execution_count).toBeLessThanOrEqual(20)
})

it('the response cache answers what was asked before', async () => {
  await start({ cache: { local: { size: 1 << 20 } } })
  let calls = 0
  const model = await bind(
    ({ x }: Inputs) => {
      calls++
      return { y: x!.data }
    },
    { responseCache: { enable: true } },
  )
  for (const value of [7, 7, 8, 7]) {
    expect(await answerOf(model.infer({ x: Float32Array.of(value) }))).toBe(value)
  }
  expect(calls).toBe(2)
  expect((await model.statistics()).inference_stats.cache_hit.count).toBe(2)
})

it('warm-up calls the function before the model is ready', async () => {
  const events: ModelEvent[] = []
  await start({ onModelState: (event) => events.push(event) })
  const calls: number[][] = []
  const sample = {
    name: 'sample',
    batchSize: 1,
    count: 2,
    inputs: { x: { dataType: 'TYPE_FP32' as const, dims: [1], zeroData: true } },
  }
  await bind(
    ({ x }: Inputs) => {
      calls.push([...x!.data])
      return { y: x!.data }
    },
    { modelWarmup: [sample] },
  )
  expect(calls).toEqual([[0], [0]])
  const failing = () => {
    throw new Error('cold')
  }
  const error = await failureOf(() => bind(failing, { modelWarmup: [sample] }))
  expect(error.message).toContain('Error: cold')
  expect(
    await answerOf(server!.model('f').infer({ x: Float32Array.of(3) } as never) as never),
  ).toBe(3)
  expect(events.filter(({ model }) => model === 'f').map(({ state }) => state)).toContain('READY')
})

it('statistics and metrics count it', async () => {
  await start()
  const model = await bind(({ x }: Inputs) => {
    if (x!.data[0]! < 0) throw new Error('negative')
    return { y: x!.data }
  })
  await model.infer({ x: Float32Array.of(1) })
  await model.infer({ x: Float32Array.of(2) })
  await failureOf(() => model.infer({ x: Float32Array.of(-1) }))
  const { inference_count, inference_stats } = await model.statistics()
  const { success, fail, compute_infer } = inference_stats
  expect([inference_count, success.count, fail.count]).toEqual([2, 2, 1])
  expect(compute_infer.ns).toBeGreaterThan(0)
  const metrics = await server!.metrics()
  expect(metrics).toMatch(/nv_inference_request_success\{model="f",version="1"\} 2/)
})

it('the rate limiter has its executions wait for their turn', async () => {
  await start({
    rateLimiter: { mode: 'executionCount', resources: [{ name: 'desk', count: 1 }] },
  })
  let running = 0
  let most = 0
  const fn = async ({ x }: Inputs) => {
    most = Math.max(most, ++running)
    await new Promise((resolve) => setImmediate(resolve))
    running--
    return { y: x!.data }
  }
  const instanceGroup = [
    { count: 2, kind: 'KIND_CPU', rateLimiter: { resources: [{ name: 'desk', count: 1 }] } },
  ]
  const [a, b] = await Promise.all([
    bind(fn, { instanceGroup }, 'a'),
    bind(fn, { instanceGroup }, 'b'),
  ])
  await Promise.all(
    Array.from({ length: 8 }, (_, i) => (i % 2 ? a : b).infer({ x: Float32Array.of(i) })),
  )
  expect(most).toBe(1)
})

it('traces follow its requests, and what they ask of other models', async () => {
  const records: TraceRecord[] = []
  await start({
    trace: { level: 'TIMESTAMPS', rate: 1 },
    onTrace: (record) => records.push(record),
  })
  await bind(echo, {}, 'inner')
  const outer = await bind(
    async (inputs: Inputs, context: RequestContext) =>
      (await context.infer('inner', { x: inputs.x!.data } as never)) as never,
    {},
    'outer',
  )
  expect(await answerOf(outer.infer({ x: Float32Array.of(4) }))).toBe(4)
  while (records.length < 2) await new Promise((resolve) => setImmediate(resolve))
  const [parent] = records.filter(({ modelName }) => modelName === 'outer')
  const [child] = records.filter(({ modelName }) => modelName === 'inner')
  expect(child!.parentId).toBe(parent!.id)
  expect(parent!.timestamps.map(({ name }) => name)).toContain('COMPUTE_START')
})

it('a timeout of the request ends the wait, and the signal tells the function', async () => {
  await start()
  let signal: AbortSignal | undefined
  const model = await bind(async (_: Inputs, context: RequestContext) => {
    signal = context.signal
    await new Promise((resolve) => context.signal.addEventListener('abort', resolve))
    return { y: Float32Array.of(0) }
  })
  await expectFailure(() => model.infer({ x: Float32Array.of(1) }, { timeout: 1 }), 'UNAVAILABLE')
  while (!signal!.aborted) await new Promise((resolve) => setImmediate(resolve))
})

it('a server that closes waits for what is executed', async () => {
  await start()
  const { fn, open } = gate()
  const model = await bind(fn)
  const answer = answerOf(model.infer({ x: Float32Array.of(1) }))
  await Promise.resolve()
  const closed = server!.close()
  open()
  await closed
  expect(await answer).toBe(1)
})
