// Traces of real requests, however they are made.

import { AsyncLocalStorage } from 'node:async_hooks'
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setImmediate } from 'node:timers/promises'
import { context, trace } from '@opentelemetry/api'
import { AsyncLocalStorageContextManager } from '@opentelemetry/context-async-hooks'
import {
  BasicTracerProvider,
  InMemorySpanExporter,
  SimpleSpanProcessor,
} from '@opentelemetry/sdk-trace-base'
import { afterEach, describe, expect, it } from 'vitest'
import { runChild } from './support/child.js'
import { identityConfig, loadIdentity } from './support/identity.js'
import { loadRepeat, repeat, testBackends } from './support/repeat.js'
import {
  createServer,
  openTelemetryTracing,
  type Server,
  type ServerOptions,
  type TraceRecord,
} from './support/trident.js'
import { Gate, loadWitness } from './support/witness.js'

const servers: Server[] = []
const records: TraceRecord[] = []

async function start(options: ServerOptions = {}): Promise<Server> {
  const server = await createServer({
    onTrace: (record) => records.push(record),
    backendDirectory: testBackends,
    trace: { level: 'TIMESTAMPS', rate: 1 },
    ...options,
  })
  servers.push(server)
  return server
}

async function stop(): Promise<void> {
  for (const server of servers.splice(0)) await server.close()
}

afterEach(async () => {
  await stop()
  records.length = 0
})

const input = { INPUT0: Float32Array.of(1, 2, 3, 4) }
const names = ({ timestamps }: TraceRecord) => timestamps.map(({ name }) => name)
const wholeLife = [
  'REQUEST_START',
  'QUEUE_START',
  'COMPUTE_START',
  'COMPUTE_INPUT_END',
  'COMPUTE_OUTPUT_START',
  'COMPUTE_END',
  'REQUEST_END',
]

describe('a trace', () => {
  it.each([0, 1000])('tells of every kind of request, inline budget %d', async (inlineBudget) => {
    const before = process.hrtime.bigint()
    const server = await start({ inlineBudget })
    const model = await loadIdentity(server, 'plain', { maxBatchSize: 4 })
    const shaped = { INPUT0: new Float32Array(8) }
    await model.infer(shaped, { requestId: 'first' })
    model.inferSync(shaped)
    await Promise.all([model.infer(shaped), model.infer(shaped)])
    const prepared = model.prepare({ inputs: { INPUT0: new Float32Array(4) } })
    prepared.sync()
    await prepared.async()
    prepared.close()
    for await (const _part of model.stream(shaped)) void _part
    await stop()
    expect(records).toHaveLength(7)
    for (const record of records) {
      expect(record).toMatchObject({ parentId: 0, modelName: 'plain', modelVersion: 1 })
      expect(names(record)).toEqual(wholeLife)
      expect(record.tensors).toBeUndefined()
      expect(record.timestamps[0]!.ns).toBeGreaterThan(before)
      expect(record.timestamps.at(-1)!.ns).toBeLessThan(process.hrtime.bigint())
    }
    expect(new Set(records.map(({ id }) => id)).size).toBe(7)
    expect(records.map(({ requestId }) => requestId).filter(Boolean)).toEqual(['first'])
  })

  it('of a decoupled model ends after its last response', async () => {
    const model = await loadRepeat(await start())
    let parts = 0
    for await (const _part of model.stream(repeat(3, 1))) ++parts
    await stop()
    expect(parts).toBe(3)
    expect(records).toHaveLength(1)
    expect(names(records[0]!).at(-1)).toBe('REQUEST_END')
  })

  it('of a request that is refused has no end', async () => {
    const server = await start({ inlineBudget: 0 })
    const model = await loadWitness(server, 'busy', {
      dynamicBatching: { defaultQueuePolicy: { maxQueueSize: 1 } },
    })
    using gate = new Gate()
    const pair = { input: new Float32Array(2) }
    const held = model.infer(pair, { parameters: gate.parameters })
    await gate.arrived()
    const waiting = model.infer(pair)
    const refused = model.infer(pair, { requestId: 'refused' })
    await expect(refused).rejects.toMatchObject({ code: 'UNAVAILABLE' })
    gate.open()
    await Promise.all([held, waiting])
    await stop()
    expect(records).toHaveLength(3)
    for (const record of records) {
      expect(record.modelName).toBe('busy')
      expect(names(record).includes('REQUEST_END')).toBe(record.requestId !== 'refused')
    }
  })

  it('has the tensors with the level TENSORS', async () => {
    const server = await start({ trace: { level: ['TENSORS'], rate: 1 } })
    const model = await loadIdentity(server, 'words', { datatype: 'BYTES', dims: [2] })
    await model.infer({ INPUT0: ['one', 'two'] })
    await stop()
    expect(records).toHaveLength(1)
    const { timestamps, tensors = [] } = records[0]!
    expect(timestamps).toEqual([])
    expect(tensors.map(({ activity, name }) => [activity, name])).toEqual([
      ['TENSOR_QUEUE_INPUT', 'INPUT0'],
      ['TENSOR_BACKEND_INPUT', 'INPUT0'],
      ['TENSOR_BACKEND_OUTPUT', 'OUTPUT0'],
    ])
    for (const { tensor } of tensors) expect(tensor.toStrings()).toEqual(['one', 'two'])
  })

  it('of an ensemble comes before those of its steps', async () => {
    const server = await start()
    await loadIdentity(server, 'step')
    await loadEnsemble(server)
    await server.model('both').infer({ INPUT0: input.INPUT0 })
    await stop()
    const [whole, ...steps] = records
    expect(whole).toMatchObject({ modelName: 'both', parentId: 0 })
    expect(names(whole!)).toContain('REQUEST_END')
    expect(steps).toHaveLength(2)
    for (const step of steps) expect(step).toMatchObject({ modelName: 'step', parentId: whole!.id })
  })
})

function loadEnsemble(server: Server) {
  const step = (from: string, to: string) => ({
    modelName: 'step',
    modelVersion: -1,
    inputMap: { INPUT0: from },
    outputMap: { OUTPUT0: to },
  })
  const { backend: _, ...config } = identityConfig()
  const steps = [step('INPUT0', 'between'), step('between', 'OUTPUT0')]
  return server.loadModel({
    name: 'both',
    config: { ...config, platform: 'ensemble', ensembleScheduling: { step: steps } },
    files: { '1/unused': new Uint8Array(0) },
  })
}

describe('sampling', () => {
  it('takes each so many-th request, as often as count says', async () => {
    const server = await start({ trace: {} })
    const model = await loadIdentity(server, 'plain')
    model.inferSync(input)
    const { dropped, ...set } = server.trace({ level: 'TIMESTAMPS', rate: 3, count: 2 })
    expect(set).toEqual({ level: ['TIMESTAMPS'], rate: 3, count: 2, logFrequency: 0 })
    expect(dropped).toBe(0)
    for (let i = 0; i < 5; i++) model.inferSync(input, { requestId: String(i) })
    expect(server.traceSettings().count).toBe(1)
    for (let i = 5; i < 20; i++) model.inferSync(input, { requestId: String(i) })
    expect(server.traceSettings('plain').count).toBe(0)
    await stop()
    expect(records.map(({ requestId }) => requestId)).toEqual(['2', '5'])
  })

  it('is for one model, or for all but that one', async () => {
    const server = await start({ trace: {} })
    const models = [await loadIdentity(server, 'one'), await loadIdentity(server, 'other')]
    const run = () => models.map((model) => model.inferSync(input))
    server.trace({ level: 'TIMESTAMPS', rate: 1 }, 'one')
    run()
    server.trace({ level: 'TIMESTAMPS', rate: 1 })
    server.trace({ level: 'OFF' }, 'one')
    run()
    server.trace({ level: null }, 'one')
    run()
    await stop()
    expect(records.map(({ modelName }) => modelName)).toEqual(['one', 'other', 'one', 'other'])
  })

  it('knows the models there are', async () => {
    const server = await start()
    expect(() => server.trace({ rate: 1 }, 'nobody')).toThrow(/nobody/)
    expect(() => server.traceSettings('nobody')).toThrow(/nobody/)
    await expect(createServer({ onTrace: 1 } as never)).rejects.toThrow(TypeError)
    await expect(createServer({ trace: { level: 'TENSORS' } })).rejects.toMatchObject({
      code: 'INVALID_ARG',
    })
  })

  it('goes on beside a stream whose trace is large', async () => {
    const server = await start({ trace: { level: 'TENSORS', rate: 1 } })
    const stream = await loadRepeat(server)
    const model = await loadIdentity(server, 'other')
    let parts = 0
    for await (const _part of stream.stream(repeat(-1, ...new Float32Array(1 << 16)))) {
      if (++parts < 160) continue // 40 MiB
      model.inferSync(input)
      break
    }
    expect(server.traceSettings().dropped).toBe(0)
    await expect.poll(() => records.map(({ modelName }) => modelName)).toContain('other')
  })

  it('has settings of a model that was unloaded taken back', async () => {
    const server = await start()
    await loadIdentity(server, 'gone')
    server.trace({ rate: 7 }, 'gone')
    await server.unloadModel('gone')
    expect(server.traceSettings('gone').rate).toBe(7)
    expect(server.trace({ rate: null }, 'gone').rate).toBe(1)
    expect(() => server.traceSettings('gone')).toThrow(/gone/)
  })

  it('stops while this thread fetches nothing, and says so', async () => {
    const server = await start({ trace: { level: 'TENSORS', rate: 1 } })
    const model = await loadIdentity(server, 'large', { dims: [-1] })
    const large = { INPUT0: new Float32Array(1 << 20) } // 12 MiB for each trace
    for (let i = 0; i < 12; i++) model.inferSync(large)
    expect(server.traceSettings().dropped).toBeGreaterThan(0)
    await stop()
    expect(records.map(({ tensors }) => tensors?.length)).toEqual([3, 3, 3])
  })
})

it('traceContext is asked where the application makes each request', async () => {
  const storage = new AsyncLocalStorage<string>()
  const server = await start({ traceContext: () => storage.getStore() })
  const model = await loadIdentity(server, 'plain')
  const at = (where: string) => storage.run(where, () => model.infer(input, { requestId: where }))
  await Promise.all([at('a'), at('b'), at('c')])
  storage.run('d', () => model.inferSync(input, { requestId: 'd' }))
  await stop()
  expect(records).toHaveLength(4)
  for (const record of records) expect(record.context).toBe(record.requestId)
})

it('traceContext is asked while there is something left to trace, and what it says is let go', async () => {
  const script = `
    import { createServer } from 'trident'
    let asked = 0
    let last
    const server = await createServer({
      trace: { level: 'TIMESTAMPS', rate: 2, count: 2 },
      onTrace() {},
      traceContext() {
        asked++
        const context = {}
        last = new WeakRef(context)
        return context
      },
    })
    const config = ${JSON.stringify(identityConfig())}
    const model = await server.loadModel({ name: 'm', config, files: { '1/unused': new Uint8Array(0) } })
    const input = { INPUT0: new Float32Array(4) }
    const letGo = async () => {
      await new Promise((resolve) => setImmediate(resolve))
      gc()
      return last.deref() === undefined
    }
    await model.infer(input)
    console.log(await letGo()) // one that is not traced
    model.inferSync(input)
    model.inferSync(input)
    console.log(await letGo())
    for (let i = 0; i < 5; i++) await model.infer(input)
    console.log(asked)
    await server.close()`
  const { stdout, stderr } = await runChild(script, { nodeArgs: ['--expose-gc'] })
  expect(stderr).toBe('')
  expect(stdout).toBe('true\ntrue\n4\n')
})

it('many traces come in several turns of the event loop', async () => {
  let turn = 0
  const turns: number[] = []
  const server = await start({ onTrace: () => turns.push(turn) })
  const model = await loadIdentity(server, 'plain')
  for (let i = 0; i < 1000; i++) model.inferSync(input)
  for (; turns.length < 500; turn++) await setImmediate()
  await server.close() // brings the rest
  expect(turns).toHaveLength(1000)
  const sizes = turns.map((one) => turns.filter((other) => other === one).length)
  expect(sizes[0]).toBeLessThanOrEqual(256)
})

it('a trace goes where it was to go when the request was made', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'trident-trace-'))
  try {
    const server = await start({ trace: {} })
    const model = await loadIdentity(server, 'plain')
    const names = ['one.json', 'other.json']
    for (const name of names) {
      server.trace({ level: 'TIMESTAMPS', rate: 1, file: join(folder, name) })
      model.inferSync(input, { requestId: name })
    }
    server.trace({ level: 'OFF', file: null })
    await stop()
    for (const name of names) {
      const [first] = JSON.parse(readFileSync(join(folder, name), 'utf8'))
      expect(first.request_id).toBe(name)
    }
  } finally {
    rmSync(folder, { recursive: true })
  }
})

it('writes files that are complete when the server is closed', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'trident-trace-'))
  try {
    const trace = { level: 'TIMESTAMPS', rate: 1, file: join(folder, 't.json') } as const
    const server = await start({ trace })
    const model = await loadIdentity(server, 'plain')
    for (let i = 0; i < 3; i++) await model.infer(input)
    server.trace({ logFrequency: 2 })
    for (let i = 0; i < 3; i++) await model.infer(input)
    await stop()
    const parts = readdirSync(folder).map((name) =>
      JSON.parse(readFileSync(join(folder, name), 'utf8')),
    )
    const objects = parts.flat() as { id: number; model_name?: string }[]
    expect(objects.filter(({ model_name }) => model_name === 'plain')).toHaveLength(6)
    expect(objects).toHaveLength(6 * (1 + wholeLife.length))
  } finally {
    rmSync(folder, { recursive: true })
  }
})

it('openTelemetryTracing makes spans below those of the application', async () => {
  const exporter = new InMemorySpanExporter()
  const provider = new BasicTracerProvider({ spanProcessors: [new SimpleSpanProcessor(exporter)] })
  context.setGlobalContextManager(new AsyncLocalStorageContextManager().enable())
  const tracer = provider.getTracer('test')
  try {
    const server = await start(openTelemetryTracing({ tracer }))
    await loadIdentity(server, 'step')
    const both = await loadEnsemble(server)
    const ask = (name: string) => {
      const span = tracer.startSpan(name)
      const made = context.with(trace.setSpan(context.active(), span), () =>
        both.infer(input, { requestId: name }),
      )
      return made.finally(() => span.end())
    }
    await Promise.all([ask('left'), ask('right')])
    await stop()
  } finally {
    context.disable()
  }
  const spans = exporter.getFinishedSpans()
  const below = (parent: string | undefined) =>
    spans.filter(({ parentSpanContext }) => parentSpanContext?.spanId === parent)
  const id = (span: (typeof spans)[number] | undefined) => span?.spanContext().spanId
  for (const name of ['left', 'right']) {
    const mine = spans.find((span) => span.name === name)
    const [request] = below(id(mine))
    expect(request?.name).toBe('InferRequest')
    const [whole] = below(id(request))
    expect(whole).toMatchObject({
      name: 'both',
      attributes: { 'triton.model_name': 'both', 'triton.request_id': name },
    })
    expect(whole!.events.map((event) => event.name)).toContain('QUEUE_START')
    const steps = below(id(whole)).filter((span) => span.name === 'step')
    expect(steps).toHaveLength(2)
    for (const step of steps) expect(below(id(step)).map((span) => span.name)).toEqual(['compute'])
  }
})
