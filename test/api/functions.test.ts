// server.bind: functions as models of a server.
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import * as digits from './support/digits.js'
import { expectFailure, failureOf } from './support/expect.js'
import {
  type BindConfig,
  batch,
  createServer,
  fillOptionals,
  type Model,
  padTo,
  type RequestContext,
  requests,
  type Server,
  sample,
  Tensor,
  TridentError,
} from './support/trident.js'

let server: Server
beforeAll(async () => {
  server = await createServer()
})
afterAll(() => server.close())

const vector = { datatype: 'FP32', shape: [-1] } as const
const tensors = { inputs: { x: vector }, outputs: { y: vector } }
const x = Float32Array.of(1, 2, 3)
let models = 0
const newName = () => `function_${models++}`

type Inputs = Record<string, Tensor<'FP32'>>
const double = ({ x }: Inputs) => ({ y: x!.data.map((value) => 2 * value) })

function bind(fn: unknown, config: object = {}): Promise<Model> {
  return server.bind<BindConfig>({ name: newName(), ...tensors, ...config }, fn as never)
}

async function answerOf(model: Model, inputs: object = { x }): Promise<number[]> {
  return [...((await model.infer(inputs as never)).y!.data as Float32Array)]
}

/** A promise that a test settles. */
function later<T = void>() {
  let resolve!: (value: T) => void
  const promise = new Promise<T>((settle) => {
    resolve = settle
  })
  return { promise, resolve }
}

describe('a function', () => {
  it('is a model', async () => {
    const model = await server.bind({ name: 'double', ...tensors }, double as never)
    expect(await answerOf(model)).toEqual([2, 4, 6])
    expect(model.version).toBe(1)
    expect(model.inputs).toEqual([{ name: 'x', datatype: 'FP32', shape: [-1], optional: false }])
    expect(await model.ready()).toBe(true)
    expect(await server.index()).toContainEqual(
      expect.objectContaining({ name: 'double', version: '1', state: 'READY' }),
    )
    expect((await model.config()).backend).toBe('javascript')
  })

  it.each([
    ['sync', double],
    ['async', async (inputs: Inputs) => double(inputs)],
    ['an object', { execute: double }],
    ['a wrapped one', batch(double as never)],
    ['of requests', requests((list) => list.map(({ inputs }) => double(inputs as Inputs)))],
    [
      'a handler',
      {
        preprocess: ({ x }: Inputs) => x!.data,
        inference: (data: Float32Array) => ({ y: data.map((v) => 2 * v) }),
      },
    ],
    [
      'a class',
      class {
        factor = 0
        async initialize() {
          this.factor = 2
        }
        execute({ x }: Inputs) {
          return { y: x!.data.map((value) => this.factor * value) }
        }
      },
    ],
  ])('may be %s', async (_, fn) => {
    expect(await answerOf(await bind(fn))).toEqual([2, 4, 6])
  })

  it('answers a thread that waits', async () => {
    const model = await bind(double)
    expect([...(model.inferSync({ x }).y!.data as Float32Array)]).toEqual([2, 4, 6])
    const async = await bind(async (inputs: Inputs) => double(inputs))
    await expectFailure(() => async.inferSync({ x }), 'UNSUPPORTED', 'use infer')
    expect(await answerOf(async)).toEqual([2, 4, 6])
  })

  it('takes and gives every datatype', async () => {
    const model = await server.bind(
      {
        name: newName(),
        inputs: {
          text: { datatype: 'BYTES', shape: [-1] },
          big: { datatype: 'INT64', shape: [1] },
          flag: { datatype: 'BOOL', shape: [1] },
        },
        outputs: {
          text: { datatype: 'BYTES', shape: [-1] },
          big: { datatype: 'INT64', shape: [1] },
          flag: { datatype: 'BOOL', shape: [1] },
        },
      },
      (({ text, big, flag }: Record<string, Tensor>) => ({
        text: text!.toStrings().map((word) => word.toUpperCase()),
        big: BigInt64Array.of((big!.data[0] as bigint) + 1n),
        flag: Uint8Array.of(1 - (flag!.data[0] as number)),
      })) as never,
    )
    const { text, big, flag } = await model.infer({
      text: ['a', 'bc', ''],
      big: BigInt64Array.of(2n ** 60n),
      flag: Uint8Array.of(1),
    } as never)
    expect((text as Tensor).toStrings()).toEqual(['A', 'BC', ''])
    expect([...(big!.data as BigInt64Array), ...(flag!.data as Uint8Array)]).toEqual([
      2n ** 60n + 1n,
      0,
    ])
  })

  it('gets large inputs and gives large outputs', async () => {
    const model = await bind(double)
    const large = Float32Array.from({ length: 2 ** 18 }, (_, i) => i)
    const { y } = await model.infer({ x: large })
    expect(y!.data).toEqual(large.map((value) => 2 * value))
  })

  it('learns of its request', async () => {
    let seen: unknown
    const model = await bind((inputs: Inputs, { request }: RequestContext) => {
      const { id, parameters, requestedOutputs, sequence, batchSize, timeout } = request
      seen = { id, parameters, requestedOutputs, sequence, batchSize, timeout }
      return double(inputs)
    })
    await model.infer({ x }, {
      requestId: 'mine',
      parameters: { text: 'a', count: 5, big: 7n, on: true },
      outputs: ['y'],
    } as never)
    expect(seen).toEqual({
      id: 'mine',
      parameters: { text: 'a', count: 5n, big: 7n, on: true },
      requestedOutputs: ['y'],
      sequence: null,
      batchSize: 1,
      timeout: 0,
    })
  })

  it('has a life of its own in each instance', async () => {
    const calls: string[] = []
    class Life {
      id = ''
      initialize({ instance, config }: { instance: string; config: { name?: string } }) {
        this.id = instance
        calls.push(`begin ${config.name}`)
      }
      execute({ x }: Inputs) {
        return { y: x!.data }
      }
      finalize() {
        calls.push('end')
      }
    }
    const model = await bind(Life, { instanceGroup: [{ count: 3, kind: 'KIND_CPU' }] })
    expect(calls).toEqual(Array(3).fill(`begin ${model.name}`))
    await model.unload()
    expect(calls.slice(3)).toEqual(['end', 'end', 'end'])
    await expectFailure(() => server.model(model.name), 'NOT_FOUND', model.name)
  })

  it('one for each instance', async () => {
    const gates = [later(), later()]
    const give = (value: number) => async () => {
      gates[value]!.resolve()
      await Promise.all(gates.map(({ promise }) => promise)) // both run at once
      return { y: Float32Array.of(value) }
    }
    const model = await bind([give(0), give(1)])
    const answers = await Promise.all([answerOf(model), answerOf(model)])
    expect(answers.flat().sort()).toEqual([0, 1])
  })
})

describe('bind', () => {
  it('again replaces the model; what fails to begin does not', async () => {
    const name = newName()
    const of = (factor: number) => ({
      execute: ({ x }: Inputs) => ({ y: x!.data.map((value) => factor * value) }),
    })
    const model = await server.bind({ name, ...tensors }, of(2) as never)
    expect(await answerOf(model)).toEqual([2, 4, 6])
    await server.bind({ name, ...tensors }, of(3) as never)
    expect(await answerOf(model)).toEqual([3, 6, 9])
    const failing = { ...of(4), initialize: () => Promise.reject(new Error('no weights')) }
    const error = await expectFailure(
      () => server.bind({ name, ...tensors }, failing as never),
      'INTERNAL',
      'no weights',
    )
    expect(error.cause).toMatchObject({ stack: expect.stringMatching(/functions\.test/) })
    expect(await answerOf(model)).toEqual([3, 6, 9])
  })

  it('while requests are under way: those end with the former function', async () => {
    const name = newName()
    const gate = later()
    const model = await server.bind({ name, ...tensors }, (async (inputs: Inputs) => {
      await gate.promise
      return double(inputs)
    }) as never)
    const former = answerOf(model)
    await server.bind({ name, ...tensors }, ((inputs: Inputs) => ({ y: inputs.x!.data })) as never)
    expect(await answerOf(model)).toEqual([1, 2, 3])
    gate.resolve()
    expect(await former).toEqual([2, 4, 6])
  })

  it('works in every model control mode', async () => {
    for (const modelControl of ['none', 'poll', 'explicit'] as const) {
      const other = await createServer({ modelRepository: digits.modelRepository, modelControl })
      const model = await other.bind({ name: 'f', ...tensors }, double as never)
      expect(await answerOf(model)).toEqual([2, 4, 6])
      await other.unloadModel('f')
      await other.close()
    }
  })

  it.each([
    ['no configuration', undefined, double],
    ['no name', tensors, double],
    ['no inputs', { name: 'f', outputs: {} }, double],
    ['no outputs', { name: 'f', inputs: {} }, double],
    ['a list of inputs', { name: 'f', inputs: [], outputs: {} }, double],
    ["Triton's inputs", { name: 'f', ...tensors, input: [] }, double],
    ['a backend', { name: 'f', ...tensors, backend: 'identity' }, double],
    ['a parameter of its own', { name: 'f', ...tensors, parameters: { function: {} } }, double],
    ['isolation', { name: 'f', ...tensors, isolation: 'process' }, double],
    [
      'an unknown key of a tensor',
      { name: 'f', ...tensors, inputs: { x: { ...vector, dims: [1] } } },
      double,
    ],
    [
      'an unknown datatype',
      { name: 'f', ...tensors, inputs: { x: { datatype: 'FLOAT', shape: [1] } } },
      double,
    ],
    ['no shape', { name: 'f', ...tensors, inputs: { x: { datatype: 'FP32' } } }, double],
    [
      'a shape of texts',
      { name: 'f', ...tensors, inputs: { x: { datatype: 'FP32', shape: ['1'] } } },
      double,
    ],
    [
      'an optional output',
      { name: 'f', ...tensors, outputs: { y: { ...vector, optional: true } } },
      double,
    ],
    [
      'a flag that is none',
      { name: 'f', ...tensors, inputs: { x: { ...vector, optional: 1 } } },
      double,
    ],
    ['no function', { name: 'f', ...tensors }, undefined],
    ['no functions', { name: 'f', ...tensors }, []],
    ['something else', { name: 'f', ...tensors }, [double, 'execute']],
  ])('refuses %s with a TypeError', async (_, config, fn) => {
    await expect(server.bind(config as never, fn as never)).rejects.toThrow(TypeError)
    await expectFailure(() => server.model('f'), 'NOT_FOUND')
  })

  it('refuses sizes that are none, and functions for other instances', async () => {
    const inputs = { x: { datatype: 'FP32', shape: [-2] } }
    const sizes = server.bind({ name: 'f', ...tensors, inputs } as never, double as never)
    await expect(sizes).rejects.toThrow(RangeError)
    const groups = { instanceGroup: [{ count: 3 }] }
    await expect(bind([double, double], groups)).rejects.toThrow('2 functions for 3 instances')
  })

  it('refuses what the core does not know, as it was spelled', async () => {
    await expectFailure(() => bind(double, { maxBatchSise: 1 }), 'INVALID_ARG', "'maxBatchSise'")
  })

  it('is refused by a server that is closed', async () => {
    const other = await createServer()
    await other.close()
    const late = () => other.bind({ name: 'f', ...tensors }, double as never)
    await expectFailure(late, 'UNAVAILABLE', 'closed')
  })
})

describe('what goes wrong is told, and the next request is served', () => {
  const serve =
    (fn: (inputs: Inputs, context: RequestContext) => unknown) =>
    (inputs: Inputs, context: RequestContext) =>
      inputs.x!.data[0] === 1 ? fn(inputs, context) : double(inputs)

  it.each<[string, (inputs: Inputs, context: RequestContext) => unknown, string, string]>([
    [
      'throws',
      () => {
        throw new RangeError('too far')
      },
      'INTERNAL',
      'RangeError: too far',
    ],
    ['rejects', () => Promise.reject(new TridentError('NOT_FOUND', 'gone')), 'NOT_FOUND', 'gone'],
    ['gives nothing', () => {}, 'INTERNAL', 'found nothing'],
    ['gives nothing later', async () => {}, 'INTERNAL', 'found nothing'],
    ['gives the wrong output', () => ({ z: x }), 'INTERNAL', "unexpected output 'z'"],
    ['gives no output', () => ({}), 'INTERNAL', "output 'y'"],
    ['gives the wrong datatype', () => ({ y: new Int32Array(3) }), 'INTERNAL', 'expected FP32'],
    [
      'gives the wrong shape',
      () => ({ y: new Tensor('FP32', x, [1, 3]) }),
      'INTERNAL',
      'expected shape [-1], found [1,3]',
    ],
    [
      'changes its input',
      (inputs) => {
        inputs.x!.data[1] = 7
        return double(inputs)
      },
      'INVALID_ARG',
      "'x'",
    ],
    [
      'calls an unknown model',
      (_, context) => context.infer('no_such_model', { x } as never),
      'NOT_FOUND',
      'no_such_model',
    ],
  ])('%s', async (_, fn, code, message) => {
    const model = await bind(serve(fn))
    const error = (await failureOf(() => model.infer({ x }))) as TridentError
    expect(error).toBeInstanceOf(TridentError)
    expect({ code: error.code, message: error.message }).toEqual({
      code,
      message: expect.stringContaining(message),
    })
    expect(error.model).toBe(model.name)
    expect(await answerOf(model, { x: Float32Array.of(5) })).toEqual([10])
  })

  it('has the stack of the function', async () => {
    const model = await bind(function failing() {
      throw new Error('here')
    })
    const error = await expectFailure(() => model.infer({ x }), 'INTERNAL', 'Error: here')
    expect(error.message).not.toContain('    at ')
    expect((error.cause as Error).stack).toMatch(/Error: here\n {4}at .*failing.*functions\.test/)
  })

  it('changes a large input', async () => {
    const model = await bind(
      serve((inputs) => {
        inputs.x!.data[0] = -1
        return double(inputs)
      }),
    )
    const large = new Float32Array(2 ** 16).fill(1)
    await expectFailure(() => model.infer({ x: large }), 'INVALID_ARG', "'x'")
    expect(large[0]).toBe(1)
    expect(await answerOf(model, { x: Float32Array.of(5) })).toEqual([10])
  })

  it('never settles', async () => {
    const model = await bind(
      serve(() => new Promise(() => {})),
      {
        executionTimeoutMicroseconds: 20_000,
      },
    )
    await expectFailure(() => model.infer({ x }), 'UNAVAILABLE', model.name, '20000')
    expect(await answerOf(model, { x: Float32Array.of(5) })).toEqual([10])
  })

  it('yields after it was cancelled', async () => {
    const ended = later()
    const yielded = later()
    const model = await bind(async function* (_: Inputs, { signal }: RequestContext) {
      try {
        yield { y: x }
        await new Promise((resolve) => signal.addEventListener('abort', resolve))
        yield { y: x }
      } finally {
        ended.resolve()
      }
    })
    const stream = model.stream({ x })
    await stream.next()
    yielded.resolve()
    await stream.return()
    await ended.promise
    const next = model.stream({ x })
    expect((await next.next()).value!.y!.data).toEqual(x)
    await next.return()
  })

  it('keeps an input longer than it may', async () => {
    let kept: Tensor | undefined
    const model = await bind((inputs: Inputs) => {
      kept = inputs.x
      return double(inputs)
    })
    await model.infer({ x: new Float32Array(2 ** 18) })
    expect([0, 2 ** 18]).toContain(kept!.data.length) // gone, or a copy of its own
  })

  it('carries an input off to another owner', async () => {
    const model = await bind(({ x }: Inputs) => {
      const data = x!.data
      const y = data.slice()
      structuredClone(data.buffer, { transfer: [data.buffer as ArrayBuffer] })
      return { y }
    })
    for (const length of [4, 2 ** 18]) {
      const inputs = { x: new Float32Array(length).fill(1) }
      const [answer] = await Promise.allSettled([answerOf(model, inputs)])
      // A copy is the function's to give away; a view is not.
      if (answer.status === 'fulfilled') expect(answer.value).toEqual([...inputs.x])
      else expect(answer.reason).toMatchObject({ code: 'INVALID_ARG' })
      expect(inputs.x).toHaveLength(length)
    }
  })
})

describe('cancellation', () => {
  it('is seen by the function', async () => {
    const begun = later()
    const aborted = later<unknown>()
    const model = await bind((_: Inputs, { signal }: RequestContext) => {
      signal.addEventListener('abort', () => aborted.resolve(signal.reason))
      begun.resolve()
      return new Promise(() => {})
    })
    const controller = new AbortController()
    const answer = failureOf(() => model.infer({ x }, { signal: controller.signal }))
    await begun.promise
    controller.abort()
    expect(await answer).toMatchObject({ code: 'CANCELLED' })
    expect(await aborted.promise).toMatchObject({ code: 'CANCELLED' })
    const { inference_stats } = await model.statistics()
    expect(inference_stats.success.count).toBe(0)
  })

  it('frees the instance', async () => {
    let calls = 0
    const begun = later()
    const model = await bind((inputs: Inputs) => {
      begun.resolve()
      return calls++ === 0 ? new Promise(() => {}) : double(inputs)
    })
    const controller = new AbortController()
    const answer = failureOf(() => model.infer({ x }, { signal: controller.signal }))
    await begun.promise
    controller.abort()
    await answer
    expect(await answerOf(model)).toEqual([2, 4, 6])
  })
})

describe('streams', () => {
  const count = function* ({ x }: Inputs) {
    for (let i = 0; i < x!.data[0]!; i++) yield { y: Float32Array.of(i) }
  }

  async function all(model: Model, length: number): Promise<number[]> {
    const found: number[] = []
    for await (const { y } of model.stream({ x: Float32Array.of(length) })) {
      found.push((y as Tensor).data[0] as number)
    }
    return found
  }

  it.each([
    ['a generator', count],
    [
      'an async generator',
      async function* (inputs: Inputs) {
        for (const part of count(inputs)) {
          await null
          yield part
        }
      },
    ],
    ['a method', { execute: count }],
  ])('%s gives any number of responses', async (_, fn) => {
    const model = await bind(fn)
    expect((await model.config()).modelTransactionPolicy?.decoupled).toBe(true)
    for (const length of [0, 1, 5, 300]) {
      expect(await all(model, length)).toEqual(Array.from({ length }, (_, i) => i))
    }
    await expectFailure(() => model.infer({ x }), 'UNSUPPORTED', 'stream()')
  })

  it('goes no faster than its reader', async () => {
    let given = 0
    const model = await bind(function* () {
      for (; given < 1000; given++) yield { y: Float32Array.of(given) }
    })
    const stream = model.stream({ x }, { highWaterMark: 4 })
    for (let i = 0; i < 100; i++) {
      expect(((await stream.next()).value!.y as Tensor).data[0]).toBe(i)
      expect(given).toBeLessThan(i + 10)
    }
    await stream.return()
  })

  it('ends with what the generator throws', async () => {
    const model = await bind(function* () {
      yield { y: x }
      throw new Error('enough')
    })
    const stream = model.stream({ x })
    await stream.next()
    await expectFailure(() => stream.next(), 'INTERNAL', 'Error: enough')
  })
})

describe('wrapped functions', () => {
  it('batch sees all that is executed together', async () => {
    const sizes: number[] = []
    const model = await bind(
      batch((inputs) => {
        sizes.push(inputs.x!.shape[0]!)
        return double(inputs as Inputs)
      }),
      { maxBatchSize: 8 },
    )
    const requests = Array.from({ length: 8 }, (_, i) =>
      model.infer({ x: new Tensor('FP32', Float32Array.of(i, 1), [1, 2]) }),
    )
    const answers = await Promise.all(requests)
    expect(answers.map(({ y }) => [...(y!.data as Float32Array)])).toEqual(
      answers.map((_, i) => [2 * i, 2]),
    )
    expect(sizes).toEqual([8])
    const { execution_count, inference_count } = await model.statistics()
    expect([execution_count, inference_count]).toEqual([1, 8])
  })

  it('batch may not change what it sees either', async () => {
    let changes = true
    const model = await bind(
      batch((inputs) => {
        const outputs = double(inputs as Inputs)
        if (changes) (inputs as Inputs).x!.data[1] = -1
        return outputs
      }),
      { maxBatchSize: 8 },
    )
    const infer = () => model.infer({ x: new Tensor('FP32', Float32Array.of(1, 2), [1, 2]) })
    await Promise.all([1, 2].map(() => expectFailure(infer, 'INVALID_ARG', "input 'x'")))
    changes = false
    const answers = await Promise.all([infer(), infer()])
    expect(answers.map(({ y }) => [...(y!.data as Float32Array)])).toEqual([
      [2, 4],
      [2, 4],
    ])
  })

  it('sample sees items', async () => {
    const model = await bind(
      sample(({ x }) => {
        expect(x!.shape).toEqual([2])
        return double({ x } as Inputs)
      }),
      { maxBatchSize: 8 },
    )
    const items = new Tensor('FP32', Float32Array.of(1, 2, 3, 4), [2, 2])
    const { y } = await model.infer({ x: items })
    expect(y).toEqual(new Tensor('FP32', Float32Array.of(2, 4, 6, 8), [2, 2]))
  })

  it('ragged inputs and inputs left out go together', async () => {
    const calls: number[][] = []
    const model = await server.bind(
      {
        name: newName(),
        maxBatchSize: 8,
        inputs: {
          x: { ...vector, allowRaggedBatch: true },
          scale: { datatype: 'FP32', shape: [1], optional: true },
        },
        outputs: { y: vector },
      },
      batch(
        fillOptionals(
          { scale: Float32Array.of(1) },
          padTo({ x: 0 }, (({ x, scale }: Inputs) => {
            calls.push([...x!.shape])
            const [, width] = x!.shape as [number, number]
            return { y: x!.data.map((value, i) => value * scale!.data[Math.floor(i / width)]!) }
          }) as never) as never,
        ) as never,
      ) as never,
    )
    const ask = (scale: number | null, ...data: number[]) =>
      model.infer({
        x: new Tensor('FP32', Float32Array.from(data), [1, data.length]),
        ...(scale !== null && { scale: new Tensor('FP32', Float32Array.of(scale), [1, 1]) }),
      } as never)
    const answers = await Promise.all([ask(null, 1), ask(null, 1, 2, 3)])
    expect(answers.map(({ y }) => [...(y!.data as Float32Array)])).toEqual([
      [1, 0, 0],
      [1, 2, 3],
    ])
    expect(calls).toEqual([[2, 3]])
    const { y } = await ask(10, 1, 2)
    expect([...(y!.data as Float32Array)]).toEqual([10, 20])
  })
})
