// Functions that ask other models of their server.
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { expectFailure, failureOf } from './support/expect.js'
import {
  type BindConfig,
  batch,
  createServer,
  type Model,
  type RequestContext,
  type Server,
  type Tensor,
} from './support/trident.js'

let server: Server
beforeAll(async () => {
  server = await createServer()
})
afterAll(() => server.close())

const vector = { datatype: 'FP32', shape: [-1] } as const
type Inputs = Record<string, Tensor<'FP32'>>
type Fn = (inputs: Inputs, context: RequestContext) => unknown
let models = 0
const newName = (stem: string) => `${stem}_${models++}`

function bind(name: string, fn: unknown, config: object = {}): Promise<Model> {
  const tensors = { inputs: { x: vector }, outputs: { y: vector } }
  return server.bind<BindConfig>({ name, ...tensors, ...config }, fn as never)
}

async function answerOf(model: Model, x: number[] | Float32Array): Promise<number[]> {
  const { y } = await model.infer({ x: Float32Array.from(x) } as never)
  return [...(y!.data as Float32Array)]
}

const times =
  (factor: number) =>
  ({ x }: Inputs) => ({ y: x!.data.map((value) => factor * value) })

async function ask(context: RequestContext, name: string, x: unknown): Promise<Tensor<'FP32'>> {
  return (await context.infer(name, { x } as never)).y as Tensor<'FP32'>
}

describe('calls', () => {
  it('one after the other, in parallel, conditionally, in loops', async () => {
    const [double, negate] = [newName('double'), newName('negate')]
    await bind(double, times(2), { instanceGroup: [{ count: 2, kind: 'KIND_CPU' }] })
    await bind(negate, times(-1))
    const model = await bind(newName('pipeline'), (async ({ x }, context) => {
      const [a, b] = await Promise.all([ask(context, double, x), ask(context, double, x)])
      let y = a
      for (let i = 0; i < 3; i++) y = await ask(context, double, y)
      if (b.data[0]! > 10) y = await ask(context, negate, y)
      return { y }
    }) satisfies Fn)
    expect(await answerOf(model, [1, 2])).toEqual([16, 32])
    expect(await answerOf(model, [6])).toEqual([-96])
  })

  it('of a function that is not async', async () => {
    const name = newName('half')
    await bind(name, times(0.5))
    const model = await bind(newName('sync'), (({ x }, context) =>
      context.inferSync(name, { x: x! } as never)) satisfies Fn)
    expect(await answerOf(model, [4])).toEqual([2])
    expect([
      ...(model.inferSync({ x: Float32Array.of(6) } as never).y!.data as Float32Array),
    ]).toEqual([3])
  })

  it('of a batch, and of streams', async () => {
    const name = newName('countdown')
    await bind(name, function* ({ x }: Inputs) {
      for (let i = x!.data[0]!; i > 0; i--) yield { y: Float32Array.of(i) }
    })
    const model = await bind(
      newName('sum'),
      batch(async (_, context) => {
        let sum = 0
        for await (const { y } of context.stream(name, { x: Float32Array.of(4) } as never)) {
          sum += (y as Tensor<'FP32'>).data[0]!
        }
        return { y: Float32Array.of(sum) }
      }),
    )
    expect(await answerOf(model, [0])).toEqual([10])
  })

  it('large tensors go on in place', async () => {
    const name = newName('same')
    const large = { ...vector, shape: [65536] }
    const config = { inputs: { x: large }, outputs: { y: large } }
    const inner = await bind(name, (({ x }) => ({ y: x! })) satisfies Fn, config)
    const outer = await bind(
      newName('outer'),
      (async ({ x }, context) => {
        const y = await ask(context, name, x)
        expect(y.data.buffer).toBeInstanceOf(SharedArrayBuffer)
        return { y: await ask(context, name, y) }
      }) satisfies Fn,
      config,
    )
    const data = Float32Array.from({ length: 65536 }, (_, i) => i)
    const copies = async () => (await inner.statistics()).copy_stats.count
    const atFirst = await copies()
    await answerOf(inner, data)
    const fromOutside = (await copies()) - atFirst
    expect(fromOutside).toBe(2) // what infer was given, and what the function gave
    expect(await answerOf(outer, data)).toEqual([...data])
    const fromInside = (await copies()) - fromOutside - atFirst
    expect(fromInside).toBe(2 * (fromOutside - 1)) // two calls, neither of which copies its input
  })

  it('an input may go on when its execution has ended: its memory stays for who reads it', async () => {
    const name = newName('slow')
    let open!: () => void
    const opened = new Promise<void>((resolve) => {
      open = resolve
    })
    const seen: number[] = []
    await bind(name, (async ({ x }) => {
      await opened
      seen.push(x!.data[0]!, x!.data.at(-1)!)
      return { y: Float32Array.of(2) }
    }) satisfies Fn)
    let call: Promise<unknown> | undefined
    const ended = new Promise<void>((resolve) => {
      const serve: Fn = ({ x }, context) => {
        call = ask(context, name, x)
        setImmediate(resolve)
        return { y: Float32Array.of(1) }
      }
      void bind('hasty', serve).then((model) => {
        answer = answerOf(model, new Float32Array(2 ** 18).fill(3))
      })
    })
    let answer: Promise<number[]> | undefined
    await ended
    open()
    await call
    expect(await answer).toEqual([1])
    expect(seen).toEqual([3, 3])
  })
})

describe('what goes wrong', () => {
  it('an error of the inner model is that of the outer, unless it is caught', async () => {
    const name = newName('failing')
    await bind(name, () => {
      throw new RangeError('deep inside')
    })
    const outer = await bind(newName('outer'), (async ({ x }, context) => ({
      y: await ask(context, name, x),
    })) satisfies Fn)
    const error = await expectFailure(() => answerOf(outer, [1]), 'INTERNAL', 'deep inside')
    expect((error.cause as Error).stack).toMatch(/caused by: .*deep inside/)
    const careful = await bind(newName('careful'), (async ({ x }, context) => {
      try {
        return { y: await ask(context, name, x) }
      } catch {
        return { y: Float32Array.of(-1) }
      }
    }) satisfies Fn)
    expect(await answerOf(careful, [1])).toEqual([-1])
  })

  it('a model that waits for itself is told so', async () => {
    const [a, b] = [newName('a'), newName('b')]
    const call =
      (name: string): Fn =>
      async ({ x }, context) => ({ y: await ask(context, name, x) })
    const alone = await bind(a, call(a))
    const error = await expectFailure(() => answerOf(alone, [1]), 'UNAVAILABLE', 'wait for itself')
    expect(error.message).toContain(`${a} -> ${a}`)

    await bind(a, call(b))
    const model = await bind(b, call(a))
    const longer = await expectFailure(() => answerOf(model, [1]), 'UNAVAILABLE', 'wait for itself')
    expect(longer.message).toMatch(new RegExp(`${a}.*${b}|${b}.*${a}`))
    await bind(a, times(1))
    expect(await answerOf(model, [5])).toEqual([5])
  })

  it('recursion goes as deep as there are instances', async () => {
    const name = newName('depth')
    const model = await bind(
      name,
      (async ({ x }, context) => {
        const left = x!.data[0]!
        if (left === 0) return { y: Float32Array.of(0) }
        const inner = await ask(context, name, Float32Array.of(left - 1))
        return { y: Float32Array.of(inner.data[0]! + 1) }
      }) satisfies Fn,
      { instanceGroup: [{ count: 3, kind: 'KIND_CPU' }] },
    )
    expect(await answerOf(model, [2])).toEqual([2])
    await expectFailure(() => answerOf(model, [3]), 'UNAVAILABLE', 'wait for itself')
    expect(await answerOf(model, [2])).toEqual([2])
  })

  it('an ensemble needs the models of its steps', async () => {
    const [step, ensemble] = [newName('step'), newName('ensemble')]
    const model = await bind(step, (async ({ x }, context) => ({
      y: await ask(context, ensemble, x),
    })) satisfies Fn)
    const tensor = (name: string) => [{ name, dataType: 'TYPE_FP32' as const, dims: [-1] }]
    await server.loadModel({
      name: ensemble,
      files: { '1/unused': new Uint8Array(0) },
      config: {
        platform: 'ensemble',
        input: tensor('x'),
        output: tensor('y'),
        ensembleScheduling: {
          step: [
            { modelName: step, modelVersion: -1, inputMap: { x: 'x' }, outputMap: { y: 'y' } },
          ],
        },
      },
    })
    await expectFailure(() => answerOf(model, [1]), 'UNAVAILABLE', 'wait for itself')
  })
})

describe('cancellation', () => {
  it('goes on to what a request has asked for', async () => {
    const name = newName('endless')
    let begin!: () => void
    const begun = new Promise<void>((resolve) => {
      begin = resolve
    })
    let inner: AbortSignal | undefined
    await bind(name, ((_, { signal }) => {
      inner = signal
      signal.addEventListener('abort', () => {})
      begin()
      return new Promise(() => {})
    }) satisfies Fn)
    let seen: unknown
    const outer = await bind(newName('outer'), (async ({ x }, context) => {
      seen = await failureOf(() => ask(context, name, x))
      throw seen
    }) satisfies Fn)
    const controller = new AbortController()
    const answer = failureOf(() =>
      outer.infer({ x: Float32Array.of(1) } as never, { signal: controller.signal }),
    )
    await begun
    controller.abort()
    expect(await answer).toMatchObject({ code: 'CANCELLED' })
    while (!inner!.aborted || seen === undefined)
      await new Promise((resolve) => setImmediate(resolve))
    expect(seen).toMatchObject({ code: 'CANCELLED' })
  })

  it('a function that was given up asks nobody any more', async () => {
    const name = newName('other')
    await bind(name, times(1))
    let late: unknown
    const outer = await bind(
      newName('outer'),
      (async ({ x }, context) => {
        const given = x!.data.slice()
        await new Promise((resolve) => context.signal.addEventListener('abort', resolve))
        late = await failureOf(() => ask(context, name, given))
        return { y: given }
      }) satisfies Fn,
      { executionTimeoutMicroseconds: 1000 },
    )
    await expectFailure(() => answerOf(outer, [1]), 'UNAVAILABLE', 'execution_timeout_microseconds')
    while (late === undefined) await new Promise((resolve) => setImmediate(resolve))
    expect(late).toMatchObject({ code: 'CANCELLED' })
  })
})
