// model.stream(): any number of responses. How streams end is in stream-end.test.ts.
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { expectFailure, failureOf } from './support/expect.js'
import { loadIdentity } from './support/identity.js'
import { endless, loadRepeat, repeat, repeatConfig, testBackends } from './support/repeat.js'
import {
  createServer,
  type Model,
  parametersOf,
  type Server,
  SharedMemory,
  type StreamPart,
  Tensor,
  TridentError,
} from './support/trident.js'

let server: Server
let model: Model

beforeAll(async () => {
  server = await createServer({ backendDirectory: testBackends })
  model = await loadRepeat(server)
})
afterAll(() => server.close())

const indexOf = (part: StreamPart) => (part.index!.data as Int32Array)[0]!

async function collect<T>(stream: AsyncIterable<T>): Promise<T[]> {
  const parts: T[] = []
  for await (const part of stream) parts.push(part)
  return parts
}

const upTo = (count: number) => Array.from({ length: count }, (_, i) => i)

describe('a stream', () => {
  it('gives every response in order, each with all outputs', async () => {
    const parts = await collect(model.stream(repeat(20, 1.5, 2.5)))
    expect(parts.map(indexOf)).toEqual(upTo(20))
    for (const part of parts) {
      expect(Object.keys(part).sort()).toEqual(['index', 'output'])
      expect(part.output).toBeInstanceOf(Tensor)
      expect(part.output).toMatchObject({ datatype: 'FP32', shape: [2] })
      expect(part.output!.data).toEqual(Float32Array.of(1.5, 2.5))
    }
  })

  it('has no item for a final flag that comes alone (3.8.1)', async () => {
    expect(await collect(model.stream(repeat(0, 1)))).toEqual([])
    expect(await collect(model.stream(repeat(1, 1)))).toHaveLength(1)
    const parameters = { final: 'with' }
    expect(await collect(model.stream(repeat(3, 1), { parameters }))).toHaveLength(3)
  })

  it('works the same when the backend keeps the request to the end', async () => {
    const parameters = { release: 'late' }
    const parts = await collect(model.stream(repeat(5, 1), { parameters }))
    expect(parts.map(indexOf)).toEqual(upTo(5))
  })

  it('gives the parameters of each response', async () => {
    const parts = await collect(model.stream(repeat(3, 1)))
    expect(parts.map((part) => parametersOf(part))).toEqual([{ left: 2 }, { left: 1 }, { left: 0 }])
    expect(parametersOf({})).toEqual({})
  })

  it('gives only the outputs asked for', async () => {
    const parts = await collect(model.stream(repeat(2, 1), { outputs: ['index'] }))
    expect(parts.map((part) => Object.keys(part))).toEqual([['index'], ['index']])
  })

  it('has read its inputs when stream() returns', async () => {
    const inputs = repeat(3, 7)
    const stream = model.stream(inputs)
    inputs.input[0] = 8
    inputs.count[0] = 100
    const parts = await collect(stream)
    expect(parts.map((part) => [...(part.output!.data as Float32Array)])).toEqual([[7], [7], [7]])
  })

  it('reads inputs in shared memory in place', async () => {
    using region = SharedMemory.create(`/stream-${process.pid}`, { byteSize: 4096 })
    region.write(0, Float32Array.of(3, 4))
    const input = region.tensor('FP32', [2])
    const parts = await collect(model.stream({ input, count: Int32Array.of(2) }))
    for (const part of parts) expect(part.output!.data).toEqual(Float32Array.of(3, 4))
    expect(parts).toHaveLength(2)
  })

  it('of texts and of large tensors', async () => {
    const ofText = await loadRepeat(server, 'text', {
      ...repeatConfig,
      input: [{ name: 'input', dataType: 'TYPE_STRING', dims: [-1] }, repeatConfig.input![1]!],
      output: [{ name: 'output', dataType: 'TYPE_STRING', dims: [-1] }],
    })
    const count = Int32Array.of(2)
    for (const part of await collect(ofText.stream({ input: ['ä', '', 'three'], count }))) {
      expect(part.output!.toStrings()).toEqual(['ä', '', 'three'])
    }
    const large = new Float32Array(300_000).fill(0.5)
    const parts = await collect(model.stream({ input: large, count: Int32Array.of(3) }))
    expect(parts).toHaveLength(3)
    const arrays = new Set(parts.map((part) => (part.output!.data as Float32Array).buffer))
    expect(arrays.size).toBe(3) // each has memory of its own
    for (const part of parts) expect(part.output!.data).toEqual(large)
  })

  it('gives one response of a model that is not decoupled', async () => {
    const identity = await loadIdentity(server, 'identity')
    const data = Float32Array.of(1, 2, 3, 4)
    const parts = await collect(identity.stream({ INPUT0: data }))
    expect(parts).toHaveLength(1)
    expect(parts[0]!.OUTPUT0!.data).toEqual(data)
    expect((await identity.infer({ INPUT0: data })).OUTPUT0!.data).toEqual(data)
  })

  it('comes out of an ensemble with a decoupled step', async () => {
    const map = (...names: string[]) => Object.fromEntries(names.map((name) => [name, name]))
    const step = {
      modelName: 'repeat',
      modelVersion: -1,
      inputMap: map('input', 'count'),
      outputMap: map('output', 'index'),
    }
    const { input, output } = repeatConfig
    const ensemble = await loadRepeat(server, 'ensemble', {
      platform: 'ensemble',
      input: input!,
      output: output!,
      ensembleScheduling: { step: [step] },
    })
    const parts = await collect(ensemble.stream(repeat(10, 2)))
    expect(parts.map(indexOf)).toEqual(upTo(10))
    await expectFailure(() => ensemble.infer(repeat(1, 1)), 'UNSUPPORTED', 'stream()')
    for await (const _ of ensemble.stream(endless())) break
    await ensemble.unload() // when its request has ended
  })

  it('counts as one request', async () => {
    const other = await loadRepeat(server, 'counted')
    await collect(other.stream(repeat(10, 1)))
    const statistics = await other.statistics()
    expect(statistics.inference_stats.success.count).toBe(1)
    // One row for each response, and one for the flag that ends them.
    expect(Object.keys(statistics.response_stats).map(Number)).toEqual(upTo(11))
    expect(statistics.response_stats['9']!.success.count).toBe(1)
    expect(statistics.response_stats['10']!.empty_response.count).toBe(1)
    expect(statistics.copy_stats.count).toBeGreaterThanOrEqual(20) // out of native memory
  })
})

describe('many at once', () => {
  it('each have their own responses in order', async () => {
    const counts = Array.from({ length: 200 }, (_, i) => i % 50)
    const streams = await Promise.all(
      counts.map((count, i) => collect(model.stream(repeat(count, i)))),
    )
    streams.forEach((parts, i) => {
      expect(parts.map(indexOf)).toEqual(upTo(counts[i]!))
      for (const part of parts) expect(part.output!.data).toEqual(Float32Array.of(i))
    })
  })

  it('calls of next may wait together', async () => {
    const stream = model.stream(repeat(3, 1), { parameters: { delay_ms: 1 } })
    const steps = await Promise.all(upTo(5).map(() => stream.next()))
    expect(steps.map(({ done }) => done)).toEqual([false, false, false, true, true])
    expect(steps.slice(0, 3).map(({ value }) => indexOf(value as StreamPart))).toEqual(upTo(3))
  })
})

describe('a response that is an error (3.8.6)', () => {
  const parameters = { fail_at: 1 }

  it('rejects, and ends the stream', async () => {
    const stream = model.stream(endless(), { parameters })
    expect(indexOf((await stream.next()).value!)).toBe(0)
    const error = await expectFailure(() => stream.next(), 'INTERNAL', 'response 1 is to fail')
    expect(error.model).toBe('repeat')
    expect(error.stack).toContain('stream.test')
    expect(await stream.next()).toEqual({ done: true, value: undefined })
  })

  it("is an item with errors: 'yield', and the backend goes on", async () => {
    const parts = await collect(model.stream(repeat(4, 1), { parameters, errors: 'yield' }))
    expect(parts).toHaveLength(4)
    expect(parts[1]).toBeInstanceOf(TridentError)
    expect(parts[1]).toMatchObject({ code: 'INTERNAL', model: 'repeat' })
    expect([parts[0]!, parts[2]!, parts[3]!].map((part) => indexOf(part as StreamPart))).toEqual([
      0, 2, 3,
    ])
  })

  it('comes after those before it when the backend forgets the final flag', async () => {
    const stream = model.stream(repeat(2, 1), { parameters: { final: 'never' } })
    expect(indexOf((await stream.next()).value!)).toBe(0)
    expect(indexOf((await stream.next()).value!)).toBe(1)
    await expectFailure(() => stream.next(), 'INTERNAL', 'final response')
  })
})

describe('what can not be', () => {
  it('infer, inferSync and prepare of a decoupled model name stream()', async () => {
    const parts = ["'repeat'", 'stream()']
    await expectFailure(() => model.infer(repeat(1, 1)), 'UNSUPPORTED', ...parts)
    await expectFailure(() => model.inferSync(repeat(1, 1)), 'UNSUPPORTED', ...parts)
    await expectFailure(() => model.prepare({ inputs: repeat(1, 1) }), 'UNSUPPORTED', ...parts)
    await collect(model.stream(repeat(1, 1))) // nor afterwards, when the shapes are known
    await expectFailure(() => model.infer(repeat(1, 1)), 'UNSUPPORTED', ...parts)
  })

  it('a request that does not fit is thrown at once', async () => {
    const wrong = { input: Float32Array.of(1) }
    await expectFailure(
      () => model.stream({ ...wrong, more: wrong.input }),
      'INVALID_ARG',
      "'more'",
    )
    expect(await failureOf(() => model.stream(null as never))).toBeInstanceOf(TypeError)
    await expectFailure(() => collect(model.stream(wrong)), 'INVALID_ARG')
  })

  it('options of a wrong type or range', async () => {
    const wrong = (options: object, type: new (...made: never[]) => Error, text: RegExp) => {
      expect(() => model.stream(repeat(1, 1), options)).toThrow(text)
      expect(() => model.stream(repeat(1, 1), options)).toThrow(type)
    }
    wrong({ outputs: { index: new Int32Array(1) } }, TypeError, /array of names/)
    wrong({ highWaterMark: 0 }, RangeError, /highWaterMark/)
    wrong({ stallTimeout: '1' }, TypeError, /stallTimeout/)
    wrong({ stallTimeout: 2 ** 31 }, RangeError, /stallTimeout/)
    wrong({ errors: 'ignore' }, TypeError, /'throw' or 'yield'/)
    wrong({ highwatermark: 1 }, TypeError, /did you mean 'highWaterMark'/)
    await expectFailure(
      () => model.stream(repeat(1, 1), { outputs: ['no'] }),
      'INVALID_ARG',
      "'no'",
    )
    await expect(() => model.infer(repeat(1, 1), { highWaterMark: 1 } as never)).rejects.toThrow(
      TypeError,
    )
  })
})
