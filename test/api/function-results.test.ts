// What functions give, checked against what their models promise.
import { runInNewContext } from 'node:vm'
import { describe, expect, it } from 'vitest'
import { type BenchOptions, FunctionBench } from './support/function-bench.js'
import { batch, requests, SharedMemory, sample, Tensor, TridentError } from './support/trident.js'

const fp32 = (...data: number[]) => new Tensor('FP32', Float32Array.from(data), [1, data.length])
const plain: BenchOptions = {
  inputs: { x: ['FP32', 1, -1] },
  outputs: { y: ['FP32', 1, -1], n: ['INT64', 1] },
}
const good = { y: Float32Array.of(1, 2), n: BigInt64Array.of(2n) }

/** The only answer to one request. */
async function answerOf(options: BenchOptions, callable: unknown, x = fp32(1, 2)) {
  const bench = await new FunctionBench(options).load(callable)
  expect(bench.failure).toBeNull()
  const [answers] = await bench.answersTo(bench.execute({ x }))
  expect(answers).toHaveLength(1)
  return answers![0]
}

async function complaintAbout(value: unknown, options = plain): Promise<string> {
  const direct = await answerOf(options, () => value)
  const later = await answerOf(options, async () => value)
  expect(later).toEqual(direct)
  expect(direct).toMatchObject({ code: 'INTERNAL' })
  return (direct as { message: string }).message
}

describe('outputs', () => {
  it('may be tensors, or elements where they leave one shape', async () => {
    const y = new Tensor('FP32', Float32Array.of(1, 2), [1, 2])
    for (const outputs of [good, { ...good, y }, { ...good, extra: undefined }]) {
      expect(await answerOf(plain, () => outputs)).toMatchObject({
        y: { shape: [1, 2], data: good.y },
        n: { shape: [1], data: good.n },
      })
    }
  })

  it.each([undefined, null, 5, 'text', [good], good.y, fp32(1)])('%o is nothing', async (value) => {
    expect(await complaintAbout(value)).toMatch(/model 'f': expected an object of outputs by name/)
  })

  it.each([
    ['an unknown one', { ...good, z: good.y }, "unexpected output 'z'; expected 'y', 'n'"],
    ['a missing one', { y: good.y }, "output 'n' of model 'f': expected a value, found 'y' only"],
    ['none', {}, "output 'y' of model 'f': expected a value, found no outputs"],
    [
      'the wrong array',
      { ...good, y: Float64Array.of(1, 2) },
      "output 'y' of model 'f': expected FP32 (a Float32Array), found Float64Array",
    ],
    ['numbers', { ...good, y: [1, 2] }, 'expected FP32 (a Float32Array), found Array'],
    [
      'the wrong datatype',
      { ...good, y: new Tensor('FP64', Float64Array.of(1), [1, 1]) },
      'expected FP32 (a Float32Array), found a tensor of FP64',
    ],
    [
      'the wrong rank',
      { ...good, y: new Tensor('FP32', good.y, [2]) },
      "output 'y' of model 'f': expected shape [1,-1], found [2]",
    ],
    [
      'the wrong dimension',
      { ...good, y: new Tensor('FP32', good.y, [2, 1]) },
      'expected shape [1,-1], found [2,1]',
    ],
    ['the wrong count', { ...good, n: new BigInt64Array(3) }, 'shape [1] has 1 elements, got 3'],
  ])('%s is told', async (_, value, message) => {
    expect(await complaintAbout(value)).toContain(message)
  })

  it('of strings', async () => {
    const options: BenchOptions = { inputs: plain.inputs!, outputs: { text: ['BYTES', -1] } }
    const answer = await answerOf(options, () => ({ text: ['a', new Uint8Array([66])] }))
    expect((answer as { text: Tensor }).text.toStrings()).toEqual(['a', 'B'])
    expect(await complaintAbout({ text: [5] }, options)).toContain("output 'text' of model 'f'")
    expect(await complaintAbout({ text: good.y }, options)).toContain('array of strings')
  })

  it('that were not asked for may be missing', async () => {
    const options = { ...plain, requested: ['y'] }
    expect(await answerOf(options, () => ({ y: good.y }))).toHaveProperty('y')
  })

  it('in memory that may go or change its size are refused', async () => {
    const gone = Float32Array.of(1, 2)
    structuredClone(gone.buffer, { transfer: [gone.buffer] })
    expect(await complaintAbout({ ...good, y: gone })).toContain('detached')
    const resizable = new (ArrayBuffer as never as new (n: number, o: object) => ArrayBuffer)(8, {
      maxByteLength: 16,
    })
    const y = new Float32Array(resizable)
    expect(await complaintAbout({ ...good, y })).toContain('resizable')
  })

  it('of a region are refused', async () => {
    const region = SharedMemory.create(`/function-results-${process.pid}`, { byteSize: 64 })
    const y = region.tensor('FP32', [1, 2])
    expect(await complaintAbout({ ...good, y })).toContain('found a region tensor')
    region.close()
  })

  it('have the shape that the model has before its reshape', async () => {
    const output = [{ name: 'y', data_type: 'TYPE_FP32', dims: [2], reshape: { shape: [2, 1] } }]
    const options = { inputs: plain.inputs!, config: { output }, requested: ['y'] }
    expect(await answerOf(options, () => ({ y: good.y }))).toMatchObject({ y: { shape: [2, 1] } })
  })

  it('of a batch have as many items as the inputs', async () => {
    const options: BenchOptions = {
      maxBatchSize: 8,
      inputs: { x: ['FP32', -1] },
      outputs: { y: ['FP32', -1] },
    }
    const x = new Tensor('FP32', new Float32Array(6), [3, 2])
    const answer = (value: unknown) => answerOf(options, () => ({ y: value }), x)
    expect(await answer(new Float32Array(9))).toMatchObject({ y: { shape: [3, 3] } })
    const message = expect.stringContaining('expected shape [3,-1], found [2,2]')
    expect(await answer(new Tensor('FP32', new Float32Array(4), [2, 2]))).toMatchObject({ message })
    expect(await answer(new Float32Array(4))).toMatchObject({ code: 'INTERNAL' })
  })
})

describe('what a function throws', () => {
  const thrown = async (error: unknown) => {
    const direct = (await answerOf(plain, () => {
      throw error
    })) as { code: string; message: string }
    expect(await answerOf(plain, () => Promise.reject(error))).toEqual(direct)
    return direct
  }

  it('is INTERNAL with its message and stack', async () => {
    const { code, message } = await thrown(new RangeError('too far'))
    expect(code).toBe('INTERNAL')
    expect(message).toMatch(/^model 'f': RangeError: too far\n {4}at .*function-results\.test/)
  })

  it('keeps the code of a TridentError, of any copy of the package', async () => {
    const foreign = Object.assign(new Error('no such user'), {
      name: 'TridentError',
      code: 'NOT_FOUND',
    })
    for (const error of [new TridentError('NOT_FOUND', 'no such user'), foreign]) {
      const { code, message } = await thrown(error)
      expect(code).toBe('NOT_FOUND')
      expect(message).toMatch(/^no such user\n {4}at /)
    }
  })

  it('has the stack of its cause', async () => {
    const { message } = await thrown(new Error('outer', { cause: new Error('inner') }))
    expect(message).toMatch(
      /^model 'f': Error: outer\n {4}at [\s\S]*caused by: Error: inner\n {4}at /,
    )
  })

  it('may be anything', async () => {
    expect(await thrown('a text')).toEqual({
      code: 'INTERNAL',
      message: "model 'f' threw 'a text'",
    })
    expect((await thrown(undefined)).message).toBe("model 'f' threw undefined")
    expect((await thrown(new Error('nul \0 in it'))).message).toContain('nul \\0 in it')
    expect((await thrown(runInNewContext('new TypeError("elsewhere")'))).message).toMatch(
      /TypeError: elsewhere/,
    )
    const hostile = Object.defineProperty(new Error(), 'message', {
      get() {
        throw new Error('hostile')
      },
    })
    expect((await thrown(hostile)).message).toBe("model 'f' threw what can't be read")
  })
})

describe('wrapped functions', () => {
  const options: BenchOptions = {
    maxBatchSize: 8,
    inputs: { x: ['FP32', 2] },
    outputs: { y: ['FP32', 2] },
  }
  const x = (items: number) => new Tensor('FP32', new Float32Array(2 * items), [items, 2])
  const messages = async (callable: unknown) => {
    const bench = await new FunctionBench(options).load(callable)
    const answers = await bench.answersTo(bench.execute({ x: x(1) }, { x: x(2) }))
    return answers.map(([answer]) => (answer as { message: string }).message)
  }

  it('batch: as many items as the batch', async () => {
    const message = "output 'y' of model 'f': expected shape [3,2], found [2,2]"
    const value = { y: new Tensor('FP32', new Float32Array(4), [2, 2]) }
    expect(await messages(batch(() => value))).toEqual([message, message])
  })

  it('requests: a list with a result for each', async () => {
    const message = "model 'f': expected a list of 2 results, found"
    expect(await messages(requests(() => [{}]))).toEqual([`${message} 1`, `${message} 1`])
    expect(await messages(requests(() => undefined))).toEqual([
      `${message} nothing`,
      `${message} nothing`,
    ])
  })

  it('requests: a wrong result is that of its request', async () => {
    const bench = await new FunctionBench(options).load(
      requests((list) => list.map(({ inputs }, i) => (i === 0 ? {} : { y: inputs.x!.data }))),
    )
    const [first, second] = await bench.answersTo(bench.execute({ x: x(1) }, { x: x(2) }))
    expect(first).toEqual([{ code: 'INTERNAL', message: expect.stringContaining("output 'y'") }])
    expect(second).toEqual([{ y: expect.objectContaining({ shape: [2, 2] }) }])
  })

  it('sample: each item without the batch dimension', async () => {
    const message = "output 'y' of model 'f': expected shape [2], found [1,2]"
    const value = { y: new Tensor('FP32', new Float32Array(2), [1, 2]) }
    expect(await messages(sample(() => value))).toEqual([message, message])
  })
})
