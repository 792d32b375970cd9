// Wrappers around functions: batches, items, and inputs as functions need them.
import { describe, expect, it } from 'vitest'
import { type BenchOptions, FunctionBench } from './support/function-bench.js'
import {
  batch,
  fillOptionals,
  firstValue,
  groupByValues,
  padTo,
  requests,
  sample,
  Tensor,
} from './support/trident.js'

type Tensors = Record<string, Tensor>
const options: BenchOptions = {
  maxBatchSize: 16,
  inputs: { x: ['FP32', -1], mode: ['BYTES', 1], scale: ['INT64', 1] },
  outputs: { y: ['FP32', -1] },
  config: { input: undefined },
}
delete options.config
const floats = (shape: number[], ...data: number[]) =>
  new Tensor('FP32', Float32Array.from(data), shape)
const scale = (...values: bigint[]) =>
  new Tensor('INT64', BigInt64Array.from(values), [values.length, 1])
const mode = (...values: string[]) => new Tensor('BYTES', values, [values.length, 1])
const dataOf = (tensor: Tensor | undefined) => [...(tensor!.data as Float32Array)]

async function run(callable: unknown, ...requests: Tensors[]) {
  const bench = await new FunctionBench(options).load(callable)
  expect(bench.failure).toBeNull()
  const answers = await bench.answersTo(bench.execute(...requests))
  return answers.map(([answer]) => answer)
}

describe('batch', () => {
  it('stacks in one copy, and none for one request', async () => {
    const seen: Tensors[] = []
    const echo = batch((inputs) => {
      seen.push({ ...inputs })
      return { y: inputs.x! }
    })
    const one = { x: floats([2, 1], 1, 2), mode: mode('a', 'b') }
    const other = { x: floats([1, 1], 3), mode: mode('c') }
    expect(await run(echo, one, other)).toEqual([{ y: one.x }, { y: other.x }])
    expect(seen[0]!.x).toEqual(floats([3, 1], 1, 2, 3))
    expect(seen[0]!.mode!.toStrings()).toEqual(['a', 'b', 'c'])
    await run(
      requests((list) => {
        const [given] = list
        return [{ y: given!.inputs.x! }]
      }),
      one,
    )
    expect(seen).toHaveLength(1)
  })

  it('says which inputs do not go together', async () => {
    const echo = batch(({ x }) => ({ y: x! }))
    const [ragged] = await run(echo, { x: floats([1, 1], 1) }, { x: floats([1, 2], 1, 2) })
    expect(ragged).toMatchObject({
      message: expect.stringMatching(/input 'x'.*\[1,1\] and \[1,2\].*padTo/),
    })
    const [lacking] = await run(
      echo,
      { x: floats([1, 1], 1) },
      { x: floats([1, 1], 1), scale: scale(1n) },
    )
    expect(lacking).toMatchObject({
      message: expect.stringMatching(/input 'scale'.*fillOptionals/),
    })
  })

  it('may be async', async () => {
    const answers = await run(
      batch(async ({ x }) => ({ y: x! })),
      { x: floats([1, 1], 5) },
    )
    expect(answers).toEqual([{ y: floats([1, 1], 5) }])
  })
})

describe('sample', () => {
  it('calls for each item, side by side', async () => {
    let running = 0
    let most = 0
    const fn = sample(async ({ x, mode }) => {
      expect(x!.shape).toEqual([2])
      expect(mode!.shape).toEqual([1])
      most = Math.max(most, ++running)
      await null
      running--
      return { y: (x!.data as Float32Array).map((value) => -value) }
    })
    const inputs = { x: floats([2, 2], 1, 2, 3, 4), mode: mode('a', 'b') }
    expect(await run(fn, inputs)).toEqual([{ y: floats([2, 2], -1, -2, -3, -4) }])
    expect(most).toBe(2)
  })

  it('items of different shapes are an error', async () => {
    const fn = sample(({ x }) => ({ y: new Float32Array(x!.data[0] as number) }))
    const [answer] = await run(fn, { x: floats([2, 1], 1, 2) })
    expect(answer).toMatchObject({
      message: expect.stringMatching(/items of one shape, found \[1\] and \[2\]/),
    })
  })

  it('one that fails is the request that fails, also while others go on', async () => {
    const fn = sample(({ x }) => {
      if (x!.data[0] === 2) throw new Error('two')
      return Promise.reject(new Error('one'))
    })
    const [answer] = await run(fn, { x: floats([2, 1], 1, 2) })
    expect(answer).toMatchObject({ message: expect.stringMatching(/Error: two/) })
  })
})

describe('firstValue', () => {
  const fn = batch(
    firstValue('scale', ({ x, scale }) => {
      expect(scale?.shape ?? [1]).toEqual([1])
      const factor = Number(scale?.data[0] ?? 1)
      return { y: (x!.data as Float32Array).map((value) => factor * value) }
    }),
  )
  const x = floats([1, 1], 2)

  it('gives one value for all', async () => {
    const answers = await run(fn, { x, scale: scale(3n) }, { x, scale: scale(3n) })
    expect(answers).toEqual([{ y: floats([1, 1], 6) }, { y: floats([1, 1], 6) }])
    expect(await run(fn, { x })).toEqual([{ y: x }])
  })

  it('refuses a batch with others', async () => {
    const answers = await run(fn, { x, scale: scale(3n) }, { x, scale: scale(4n) })
    const message = expect.stringMatching(/input 'scale' of model 'f': expected one value/)
    expect(answers[0]).toMatchObject({ code: 'INVALID_ARG', message })
    expect(answers[1]).toEqual(answers[0])
  })
})

describe('groupByValues', () => {
  const calls: number[][] = []
  const serve = groupByValues(
    ['scale', 'mode'],
    firstValue(['scale', 'mode'], async ({ x, scale, mode }) => {
      calls.push(dataOf(x))
      const sign = mode?.toStrings()[0] === 'minus' ? -1 : 1
      const factor = sign * Number(scale!.data[0])
      return { y: (x!.data as Float32Array).map((value) => factor * value) }
    }),
  )

  it('calls for each set of values and puts the items back in order', async () => {
    const answers = await run(
      batch(serve),
      { x: floats([3, 1], 1, 2, 3), scale: scale(1n, 2n, 1n), mode: mode('plus', 'plus', 'plus') },
      { x: floats([2, 1], 4, 5), scale: scale(2n, 1n), mode: mode('plus', 'minus') },
    )
    expect(answers).toEqual([{ y: floats([3, 1], 1, 4, 3) }, { y: floats([2, 1], 8, -5) }])
    expect(calls).toEqual([[1, 3], [2, 4], [5]])
  })

  it('needs items of one shape from all groups', async () => {
    const fn = batch(
      groupByValues('scale', ({ x, scale }) => ({
        y: new Tensor('FP32', new Float32Array(x!.shape[0]! * Number(scale!.data[0])), [
          x!.shape[0]!,
          Number(scale!.data[0]),
        ]),
      })),
    )
    const [answer] = await run(fn, { x: floats([2, 1], 1, 2), scale: scale(1n, 2n) })
    expect(answer).toMatchObject({
      message: expect.stringMatching(/items of one shape from each of 2/),
    })
  })
})

describe('fillOptionals', () => {
  const scaled = ({ x, scale }: Tensors) => {
    const rows = x!.shape[0]!
    expect(scale!.shape).toEqual([rows, 1])
    return {
      y: (x!.data as Float32Array).map((value, i) => value * Number(scale!.data[i])),
    }
  }

  it('fills what requests have left out', async () => {
    const fn = batch(fillOptionals({ scale: BigInt64Array.of(10n) }, scaled as never))
    const answers = await run(
      fn,
      { x: floats([2, 1], 1, 2) },
      { x: floats([1, 1], 3), scale: scale(2n) },
    )
    expect(answers).toEqual([{ y: floats([2, 1], 10, 20) }, { y: floats([1, 1], 6) }])
  })

  it('also of functions of one request', async () => {
    const fn = fillOptionals({ scale: BigInt64Array.of(10n) }, scaled as never)
    expect(await run(fn, { x: floats([2, 1], 1, 2) })).toEqual([{ y: floats([2, 1], 10, 20) }])
  })

  it('says what is wrong with a default', async () => {
    for (const [defaults, message] of [
      [{ scale: Float32Array.of(1) }, /default of input 'scale' of model 'f': expected INT64/],
      [{ scale: new BigInt64Array(2) }, /default of input 'scale'.*1 elements, got 2/],
      [{ other: Float32Array.of(1) }, /default of input 'other'.*no such input/],
    ] as const) {
      const fn = batch(fillOptionals(defaults as never, scaled as never))
      const [answer] = await run(fn, { x: floats([1, 1], 1) })
      expect(answer).toMatchObject({ message: expect.stringMatching(message) })
    }
  })
})

describe('padTo', () => {
  const seen: Tensors[] = []
  const echo = (inputs: Tensors) => {
    seen.push(inputs)
    return { y: inputs.x! }
  }
  const one = { x: floats([1, 2], 1, 2) }
  const other = { x: floats([2, 3], 3, 4, 5, 6, 7, 8) }

  it('fills up to the largest', async () => {
    const answers = await run(batch(padTo({ x: -1 }, echo as never)), one, other)
    expect(answers).toEqual([{ y: floats([1, 3], 1, 2, -1) }, { y: other.x }])
  })

  it('fills up to a shape', async () => {
    const fn = batch(padTo({ x: { value: 0, shape: [4] } }, echo as never))
    expect(await run(fn, one)).toEqual([{ y: floats([1, 4], 1, 2, 0, 0) }])
    const small = batch(padTo({ x: { value: 0, shape: [2] } }, echo as never))
    const message = expect.stringMatching(
      /input 'x' of model 'f': expected at most 2 in dimension 0/,
    )
    const tooLarge = { code: 'INVALID_ARG', message }
    expect(await run(small, other)).toMatchObject([tooLarge])
    expect(await run(small, one, other, one)).toMatchObject([{ y: one.x }, tooLarge, { y: one.x }])
  })

  it('of more dimensions, of strings and of 64-bit integers', async () => {
    const shapes: [Tensor, Tensor, unknown][] = [
      [
        floats([1, 2, 1, 2], 1, 2, 3, 4),
        floats([1, 1, 2, 3], 1, 2, 3, 4, 5, 6),
        floats(
          [2, 2, 2, 3],
          1,
          2,
          9,
          9,
          9,
          9,
          3,
          4,
          9,
          9,
          9,
          9,
          1,
          2,
          3,
          4,
          5,
          6,
          9,
          9,
          9,
          9,
          9,
          9,
        ),
      ],
      [
        new Tensor('INT64', BigInt64Array.of(1n), [1, 1]),
        new Tensor('INT64', BigInt64Array.of(2n, 3n), [1, 2]),
        new Tensor('INT64', BigInt64Array.of(1n, 9n, 2n, 3n), [2, 2]),
      ],
    ]
    for (const [first, second, expected] of shapes) {
      await run(batch(padTo({ x: 9 }, echo as never)), { x: first }, { x: second })
      expect(seen.pop()!.x).toEqual(expected)
    }
    const texts = [new Tensor('BYTES', ['a'], [1, 1]), new Tensor('BYTES', ['b', 'c'], [1, 2])]
    const [x, longer] = texts as unknown as [Tensor, Tensor]
    await run(batch(padTo({ x: '-' }, echo as never)), { x }, { x: longer })
    expect(seen.pop()!.x!.toStrings()).toEqual(['a', '-', 'b', 'c'])
  })

  it('goes with the other helpers', async () => {
    const fn = batch(
      fillOptionals(
        { scale: BigInt64Array.of(1n) },
        padTo({ x: 0 }, groupByValues('scale', echo as never) as never),
      ),
    )
    const answers = await run(fn, { ...one, scale: scale(2n) }, other)
    expect(answers).toEqual([{ y: floats([1, 3], 1, 2, 0) }, { y: other.x }])
  })
})

describe('what is wrong with a helper', () => {
  it('is a TypeError at once', () => {
    const fn = () => ({})
    const wrong: (() => unknown)[] = [
      () => firstValue(5 as never, fn),
      () => firstValue('x', 5 as never),
      () => firstValue('x', batch(fn) as never),
      () => groupByValues(['x', 5 as never], fn),
      () => groupByValues('x', function* () {}),
      () => fillOptionals(5 as never, fn),
      () => padTo(5 as never, fn),
      () => padTo({ x: { value: null as never } }, fn),
      () => padTo({ x: { value: 0, shape: ['a'] as never } }, fn),
    ]
    for (const call of wrong) expect(call).toThrow(TypeError)
  })
})
