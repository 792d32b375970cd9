// Where traces go, given records made by hand.
import {
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs'
import { createRequire } from 'node:module'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { TraceFile, traceJson } from '../../dist/esm/trace-file.js'
import { toTraceRecord } from '../../dist/esm/trace-record.js'
import { TraceSettingsTable } from '../../dist/esm/trace-settings.js'
import { runChild } from './support/child.js'
import { identityConfig } from './support/identity.js'
import { chromeTrace, openTelemetryTracing, Tensor, type TraceRecord } from './support/trident.js'

function record(id: number, more: Partial<TraceRecord> = {}): TraceRecord {
  return {
    id,
    parentId: 0,
    modelName: 'm',
    modelVersion: 1,
    requestId: '',
    timestamps: [],
    ...more,
  }
}

function times(...moments: [name: string, ns: number | bigint][]): TraceRecord['timestamps'] {
  return moments.map(([name, ns]) => ({ name, ns: BigInt(ns) }))
}

const executed = (start: number) =>
  times(
    ['REQUEST_START', start],
    ['QUEUE_START', start],
    ['COMPUTE_START', start + 1000],
    ['COMPUTE_INPUT_END', start + 2000],
    ['COMPUTE_OUTPUT_START', start + 5000],
    ['COMPUTE_END', start + 6000],
    ['REQUEST_END', start + 7000],
  )

it('a record has its moments in order, and the names of activities of the backend', () => {
  const context = JSON.stringify({ 20: 'TOKENIZE_START', 30: 'TOKENIZE_END' })
  const moments = [10, 20n, context, 10, 30n, context, 10, 35n, 'free text', 2, 10n, '', 5, 40n, '']
  expect(toTraceRecord([1, 0, 'm', 2, 'r', moments, []], 'here')).toEqual({
    id: 1,
    parentId: 0,
    modelName: 'm',
    modelVersion: 2,
    requestId: 'r',
    timestamps: times(
      ['COMPUTE_START', 10],
      ['TOKENIZE_START', 20],
      ['TOKENIZE_END', 30],
      ['CUSTOM_ACTIVITY', 35],
      ['COMPUTE_END', 40],
    ),
    context: 'here',
  })
})

it('a record has no tensor whose bytes are not those of its datatype', () => {
  const bytes = (...values: number[]) => Uint8Array.from(values).buffer
  const tensors: Parameters<typeof toTraceRecord>[0][6] = [
    [9, 'short', 13, [2], bytes(1, 0, 0, 0, 65)],
    [9, 'half', 11, [1], bytes(0, 0)],
    [9, 'no memory', 11, [1]],
    [9, 'good', 13, [1], bytes(1, 0, 0, 0, 65)],
  ]
  const told = toTraceRecord([1, 0, 'm', 1, '', [], tensors], undefined)
  expect(told.tensors?.map(({ name }) => name)).toEqual(['good'])
  expect(toTraceRecord([1, 0, 'm', 1, '', [], [tensors[0]!]], undefined).tensors).toBeUndefined()
})

describe("Triton's JSON", () => {
  it('has an object for the trace, each moment and each tensor', () => {
    const text = traceJson(
      record(7, {
        parentId: 3,
        modelName: 'a "b"\n',
        requestId: '\\x"',
        timestamps: times(['REQUEST_START', 9_007_199_254_740_993n], ['say "hi"', 5]),
        tensors: [
          {
            activity: 'TENSOR_QUEUE_INPUT',
            name: 'in',
            tensor: new Tensor('FP32', Float32Array.of(1, 0.5), [1, 2]),
          },
          {
            activity: 'TENSOR_BACKEND_OUTPUT',
            name: 'words',
            tensor: Tensor.fromStrings(['a"', 'b']),
          },
          {
            activity: 'TENSOR_BACKEND_OUTPUT',
            name: 'half',
            tensor: new Tensor('FP16', Uint16Array.of(1), [1]),
          },
        ],
      }),
    )
    expect(text).toContain('"ns":9007199254740993}')
    expect(JSON.parse(`[${text}]`)).toMatchObject([
      { id: 7, model_name: 'a "b"\n', model_version: 1, request_id: '\\x"', parent_id: 3 },
      { id: 7, timestamps: [{ name: 'REQUEST_START' }] },
      { id: 7, timestamps: [{ name: 'say "hi"', ns: 5 }] },
      {
        id: 7,
        activity: 'TENSOR_QUEUE_INPUT',
        tensor: { name: 'in', data: '1,0.5', shape: '1,2', dtype: 'FP32' },
      },
      { id: 7, tensor: { name: 'words', data: '"a\\"","b"', shape: '2', dtype: 'BYTES' } },
      { id: 7, tensor: { name: 'half', data: '', dtype: 'FP16' } },
    ])
  })
})

describe('files', () => {
  let folder: string
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'trident-trace-'))
  })
  afterEach(() => rmSync(folder, { recursive: true }))

  const ids = (name: string) =>
    JSON.parse(readFileSync(join(folder, name), 'utf8')).map(({ id }: { id: number }) => id)

  it('has all traces in one file', async () => {
    const file = new TraceFile(join(folder, 't'))
    for (const id of [1, 2, 3]) file.write([record(id)], 0)
    await file.close()
    expect(ids('t')).toEqual([1, 2, 3])
  })

  it('has so many requests in each numbered file, and the rest in the last', async () => {
    const file = new TraceFile(join(folder, 't'))
    for (const id of [1, 3, 5]) file.write([record(id), record(id + 1, { parentId: id })], 2)
    await file.close()
    expect(readdirSync(folder).sort()).toEqual(['t.0', 't.1'])
    expect(ids('t.0')).toEqual([1, 2, 3, 4])
    expect(ids('t.1')).toEqual([5, 6])
  })

  it('has a trace of any size, and drops others until that one is written', async () => {
    const file = new TraceFile(join(folder, 't'))
    file.write([record(1, { requestId: 'x'.repeat(65 << 20) })], 2)
    file.write([record(2)], 2)
    expect(file.dropped).toBe(1)
    await file.close()
    expect(ids('t.0')).toEqual([1])
  })

  it('drops what comes after a failure', async () => {
    const file = new TraceFile(join(folder, 'missing', 't'))
    file.write([record(1)], 0)
    await file.close()
    file.write([record(2)], 0)
    expect(file.dropped).toBe(1)
  })

  it('keeps no file open', async () => {
    const files = Array.from({ length: 20 }, (_, i) => new TraceFile(join(folder, `t${i}`)))
    for (const file of files) file.write([record(1)], 0)
    const written = () => readdirSync(folder).every((name) => statSync(join(folder, name)).size > 0)
    await expect.poll(() => readdirSync(folder).length === 20 && written()).toBe(true)
    const open = () =>
      readdirSync('/proc/self/fd').filter((fd) => {
        try {
          return readlinkSync(`/proc/self/fd/${fd}`).startsWith(folder)
        } catch {
          return false // that of the listing itself
        }
      })
    await expect.poll(open).toEqual([])
    for (const file of files) await file.close()
    expect(ids('t19')).toEqual([1])
  })

  it('warns once when nothing can be written', async () => {
    const script = `
      import { createServer } from 'trident'
      process.on('warning', ({ name, message }) => console.log(name, message))
      const server = await createServer({
        trace: { level: 'TIMESTAMPS', rate: 1, file: '/nowhere/at/all' },
      })
      const config = ${JSON.stringify(identityConfig())}
      const files = { '1/unused': new Uint8Array(0) }
      const model = await server.loadModel({ name: 'm', config, files })
      for (let i = 0; i < 3; i++) model.inferSync({ INPUT0: new Float32Array(4) })
      await server.close()`
    const { stdout, code } = await runChild(script, { nodeArgs: ['--no-warnings'] })
    expect(stdout).toMatch(/^TridentWarning traces can't be written to \/nowhere.*\n$/)
    expect(code).toBe(0)
  })
})

describe("Chrome's format", () => {
  it('has a track for each model, lines for what overlaps, and arrows to steps', () => {
    const { traceEvents } = chromeTrace([
      record(3, { parentId: 1, modelName: 'step', timestamps: executed(1000) }),
      record(1, { modelName: 'whole', requestId: 'r', timestamps: executed(0) }),
      record(2, {
        modelName: 'whole',
        timestamps: [...executed(3000), ...times(['mark', 4000])],
      }),
    ])
    const spans = traceEvents.filter(({ cat, ph }) => ph === 'X' && cat === 'request')
    expect(spans).toMatchObject([
      { name: 'whole', ts: 0, dur: 7, pid: 1, tid: 0, args: { id: 1, requestId: 'r' } },
      { name: 'step', ts: 1, dur: 7, pid: 2, tid: 0, args: { id: 3, parentId: 1 } },
      { name: 'whole', ts: 3, pid: 1, tid: 1, args: { id: 2 } },
    ])
    const names = traceEvents.filter(({ ph }) => ph === 'M').map(({ pid, args }) => [pid, args])
    expect(names).toEqual([
      [1, { name: 'whole' }],
      [2, { name: 'step' }],
    ])
    const phases = traceEvents.filter(({ cat, tid }) => cat === 'phase' && tid === 1)
    expect(phases.map(({ name, ts, dur }) => [name, ts, dur])).toEqual([
      ['queue', 3, 1],
      ['compute input', 4, 1],
      ['compute infer', 5, 3],
      ['compute output', 8, 1],
    ])
    expect(traceEvents.filter(({ id }) => id === 3)).toMatchObject([
      { ph: 's', ts: 1, pid: 1, tid: 0 },
      { ph: 'f', ts: 1, pid: 2, tid: 0 },
    ])
    expect(traceEvents.find(({ ph }) => ph === 'i')).toMatchObject({ name: 'mark', ts: 4 })
    expect(() => JSON.stringify(traceEvents)).not.toThrow()
  })
})

describe('settings', () => {
  /** What the sampler was told, by model. */
  const rules = new Map<string, { level: readonly string[]; rate: number; count: number }>()
  const table = (options: object = {}, heard = true) =>
    new TraceSettingsTable(options, heard, {
      set: (model, { level, rate, count }) => rules.set(model, { level, rate, count }),
      remove: (model) => rules.delete(model),
      left: (model) => rules.get(model)?.count ?? -1,
    })
  beforeEach(() => rules.clear())

  it('of a model are those of all where it sets none', () => {
    const settings = table()
    expect(settings.of('m')).toEqual({ level: ['OFF'], rate: 1000, count: -1, logFrequency: 0 })
    settings.update('', { level: 'TIMESTAMPS', count: 50 })
    settings.update('m', { rate: 2, level: ['TENSORS', 'TIMESTAMPS'] })
    rules.get('')!.count = 20 // 30 were traced
    expect(settings.of('m')).toMatchObject({ rate: 2, level: ['TIMESTAMPS', 'TENSORS'], count: 50 })
    expect(settings.of('other')).toMatchObject({ rate: 1000, level: ['TIMESTAMPS'], count: 20 })
    settings.update('', { rate: 3 })
    expect(settings.of('other')).toMatchObject({ rate: 3, count: 20 })
    expect(settings.of('m')).toMatchObject({ rate: 2, count: 20 })
    settings.update('m', { rate: null })
    expect(rules.get('m')).toMatchObject({ rate: 3 })
    settings.update('m', { level: null })
    expect(rules.has('m')).toBe(false)
    settings.update('', { level: null, rate: null })
    expect(settings.on).toBe(false)
  })

  it('leave what is left of a count unless they say one', () => {
    const settings = table({ level: 'TIMESTAMPS', rate: 1, count: 100 })
    settings.start()
    settings.update('m', { rate: 2 })
    rules.get('')!.count = 10
    rules.get('m')!.count = 20
    settings.update('m', { logFrequency: 1 })
    expect(rules.get('m')).toMatchObject({ rate: 2, count: 20 })
    settings.update('', { level: 'OFF' })
    expect(settings.of('')).toMatchObject({ level: ['OFF'], count: 10 })
    settings.update('', { level: 'TIMESTAMPS', rate: 5 })
    expect(rules.get('')).toMatchObject({ rate: 5, count: 10 })
    expect(rules.get('m')).toMatchObject({ count: 100 }) // anew: it is that of all
    settings.update('', { count: null })
    expect(rules.get('')).toMatchObject({ count: 100 })
    for (const rule of rules.values()) rule.count = 0
    expect(settings.on).toBe(false)
  })

  it('go back to those of the server with null', () => {
    const settings = table({ level: 'TENSORS', rate: 5 })
    settings.start()
    settings.update('', { level: 'OFF', rate: 1 })
    expect(settings.of('')).toMatchObject({ level: ['OFF'], rate: 1 })
    settings.update('', { level: null, rate: null })
    expect(rules.get('')).toMatchObject({ level: ['TENSORS'], rate: 5 })
  })

  it('that make no sense are refused and change nothing', () => {
    const settings = table({}, false)
    const update = (change: object) => () => settings.update('', change)
    const on = { level: 'TIMESTAMPS' }
    expect(update(on)).toThrow('Attempting to set invalid trace setting :trace file name is not')
    expect(update({ ...on, file: 't', rate: 0 })).toThrow('sample rate must be non-zero')
    expect(update({ level: ['OFF', 'TENSORS'] })).toThrow("Expect only one trace level 'OFF'")
    expect(update({ level: 'MAX' })).toThrow(TypeError)
    expect(update({ count: -2 })).toThrow(RangeError)
    expect(update({ ratio: 1 })).toThrow("did you mean 'rate'?")
    expect(settings.of('')).toEqual({ level: ['OFF'], rate: 1000, count: -1, logFrequency: 0 })
    expect(rules.size).toBe(0)
  })
})

it('callbacks that throw fail as any callback, and no request with them', async () => {
  const script = `
    import { createServer } from 'trident'
    const uncaught = []
    process.on('uncaughtException', (error) => uncaught.push(error.message))
    const server = await createServer({
      trace: { level: 'TIMESTAMPS', rate: 1 },
      onTrace({ modelName, context }) { throw new Error('trace of ' + modelName + ' ' + context) },
      traceContext() { throw new Error('context') },
    })
    const config = ${JSON.stringify(identityConfig())}
    const model = await server.loadModel({ name: 'm', config, files: { '1/unused': new Uint8Array(0) } })
    const { OUTPUT0 } = await model.infer({ INPUT0: Float32Array.of(1, 2, 3, 4) })
    await server.close()
    await new Promise((resolve) => setImmediate(resolve))
    console.log(OUTPUT0.data.join(), uncaught.join())`
  const { code, stdout, stderr } = await runChild(script, { endsByItself: true })
  expect(stderr).toBe('')
  expect(stdout).toBe('1,2,3,4 context,trace of m undefined\n')
  expect(code).toBe(0)
})

it('openTelemetryTracing says when its package is missing', async () => {
  const entry = createRequire(import.meta.url).resolve('../../dist/esm/index.js')
  const script = `
    import Module from 'node:module'
    const load = Module._load
    Module._load = (name, ...rest) => {
      if (name.startsWith('@opentelemetry')) throw new Error('not found')
      return load(name, ...rest)
    }
    const { openTelemetryTracing } = await import('${entry}')
    try { openTelemetryTracing() } catch ({ code, message }) { console.log(code, message) }`
  const { stdout } = await runChild(script)
  expect(stdout).toMatch(/^UNAVAILABLE openTelemetryTracing needs the package @opentelemetry\/api/)
})

describe('openTelemetryTracing', () => {
  it('ends the spans of activities by their names', () => {
    const told: string[] = []
    const tracer = {
      startSpan(name: string) {
        told.push(`start ${name}`)
        return {
          addEvent: (event: string) => told.push(`${event} of ${name}`),
          end: () => told.push(`end ${name}`),
        }
      },
    }
    const { onTrace } = openTelemetryTracing({ tracer })
    const names = ['REQUEST_START', 'A_START', 'B_START', 'A_END', 'C_END', 'B_END', 'REQUEST_END']
    onTrace(
      record(1, { timestamps: times(...names.map((name, i) => [name, i] as [string, number])) }),
    )
    expect(told).toEqual([
      'start InferRequest',
      'start m',
      'REQUEST_START of m',
      'start A',
      'A_START of A',
      'start B',
      'B_START of B',
      'A_END of A',
      'end A',
      'C_END of B',
      'B_END of B',
      'end B',
      'REQUEST_END of m',
      'end m',
      'end InferRequest',
    ])
  })

  it('takes no package from the working directory', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'trident-trace-'))
    try {
      const foreign = join(folder, 'node_modules/@opentelemetry/api')
      mkdirSync(foreign, { recursive: true })
      writeFileSync(join(foreign, 'index.js'), "console.log('foreign')")
      const script = `
        import { openTelemetryTracing } from 'trident'
        process.chdir(${JSON.stringify(folder)})
        openTelemetryTracing()
        console.log('ours')`
      expect((await runChild(script)).stdout).toBe('ours\n')
    } finally {
      rmSync(folder, { recursive: true })
    }
  })
})
