// How functions are called, and when their requests are answered.
import { afterEach, describe, expect, it, vi } from 'vitest'
import { readCallable } from '../../dist/esm/function-models/callable.js'
import { type BenchOptions, FunctionBench } from './support/function-bench.js'
import { batch, type RequestContext, requests, sample, Tensor } from './support/trident.js'

const options: BenchOptions = {
  maxBatchSize: 8,
  inputs: { x: ['FP32', 1] },
  outputs: { y: ['FP32', 1] },
}
const streaming = { ...options, decoupled: true }
const x = (...data: number[]) => ({
  x: new Tensor('FP32', Float32Array.from(data), [data.length, 1]),
})
const y = (...data: number[]) => ({
  y: new Tensor('FP32', Float32Array.from(data), [data.length, 1]),
})
type Inputs = ReturnType<typeof x>
const double = ({ x }: Inputs) => ({ y: x.data.map((value) => 2 * value) })
const load = (callable: unknown, of = options) => new FunctionBench(of).load(callable)

/** A promise that a test settles. */
function later<T>() {
  let resolve!: (value: T) => void
  let reject!: (reason: unknown) => void
  const promise = new Promise<T>((...settle) => {
    ;[resolve, reject] = settle
  })
  return { promise, resolve, reject }
}
afterEach(() => {
  vi.useRealTimers()
})

const turn = () => new Promise((resolve) => setImmediate(resolve))

describe('a function of one request', () => {
  it('is called once for each, and answers before execute returns unless it is async', async () => {
    const bench = await load(double)
    const execution = bench.execute(x(1), x(2, 3))
    expect(bench.ended.has(execution)).toBe(true)
    expect(bench.answers[execution]).toEqual([[y(2)], [y(4, 6)]])
  })

  it('fails its own request only', async () => {
    const bench = await load(({ x }: Inputs) => {
      if (x.data[0] === 1) throw new Error('not this one')
      return { y: x.data }
    })
    const [first, second] = await bench.answersTo(bench.execute(x(1), x(2)))
    expect(first).toMatchObject([{ code: 'INTERNAL' }])
    expect(second).toEqual([y(2)])
  })

  it('of a batch run side by side when they are async, and are answered as they settle', async () => {
    const waits = [later<object>(), later<object>(), later<object>()]
    const bench = await load(({ x }: Inputs) => waits[x.data[0]!]?.promise ?? { y: x.data })
    const execution = bench.execute(x(0), x(1), x(2), x(7))
    expect(bench.answers[execution]!.map((of) => of.length)).toEqual([0, 0, 0, 1])
    waits[2]!.resolve(y(20))
    await turn()
    expect(bench.answers[execution]![2]).toEqual([y(20)])
    expect(bench.ended.size).toBe(0)
    waits[0]!.reject(new Error('no'))
    waits[1]!.resolve(y(10))
    const answers = await bench.answersTo(execution)
    expect(answers[0]).toMatchObject([{ code: 'INTERNAL' }])
    expect(answers[1]).toEqual([y(10)])
  })

  it('learns of its request', async () => {
    let seen: RequestContext | undefined
    const bench = await load((inputs: Inputs, context: RequestContext) => {
      seen = context
      expect(context.request).toMatchObject({
        id: 'id',
        parameters: { key: 'value' },
        sequence: null,
        batchSize: 2,
        requestedOutputs: ['y'],
      })
      return double(inputs)
    })
    const [answers] = await bench.answersTo(bench.execute(x(1, 2)))
    expect(answers).toEqual([y(2, 4)])
    expect(seen).toMatchObject({ model: 'f', version: 1, instance: 'f_0_0' })
    expect(seen!.config.maxBatchSize).toBe(8)
  })
})

describe('cancellation', () => {
  it('answers at once, aborts the signal and drops what comes later', async () => {
    const wait = later<object>()
    let signal: AbortSignal | undefined
    const bench = await load((_: Inputs, context: RequestContext) => {
      signal = context.signal
      return wait.promise
    })
    const execution = bench.execute(x(1), x(2))
    bench.cancel(execution, 1)
    expect(bench.answers[execution]).toMatchObject([[], [{ code: 'CANCELLED' }]])
    expect(signal!.aborted).toBe(true)
    expect(signal!.reason).toMatchObject({ name: 'TridentError', code: 'CANCELLED' })
    wait.resolve(y(1))
    const answers = await bench.answersTo(execution)
    expect(answers).toMatchObject([[y(1)], [{ code: 'CANCELLED' }]])
  })

  it('of a batch: when nobody waits for any of it', async () => {
    let signal: AbortSignal | undefined
    const bench = await load(
      batch((_, context) => {
        signal = context.signal
        return new Promise(() => {})
      }),
    )
    const execution = bench.execute(x(1), x(2))
    bench.cancel(execution, 0)
    expect(bench.answers[execution]).toEqual([[], []])
    expect(signal!.aborted).toBe(false)
    bench.cancel(execution, 1)
    const cancelled = [{ code: 'CANCELLED' }]
    expect(await bench.answersTo(execution)).toMatchObject([cancelled, cancelled])
    expect(signal!.aborted).toBe(true)
  })

  it('ends a generator, whose finally runs', async () => {
    for (const kind of ['sync', 'async']) {
      let ended = 0
      async function* slow() {
        try {
          for (;;) yield y(1)
        } finally {
          ended++
        }
      }
      function* fast() {
        try {
          for (;;) yield y(1)
        } finally {
          ended++
        }
      }
      const bench = await load(kind === 'sync' ? fast : slow, streaming)
      bench.patience = 2 ** 30
      const execution = bench.execute(x(1))
      while (bench.answers[execution]![0]!.length === 0) await turn()
      bench.cancel(execution)
      const [answers] = await bench.answersTo(execution)
      expect(answers).toMatchObject([y(1), { code: 'CANCELLED' }])
      while (ended === 0) await turn()
      expect(ended).toBe(1)
    }
  })

  it('a generator that fails at its end does no harm', async () => {
    async function* serve() {
      try {
        yield y(1)
      } finally {
        await Promise.reject(new Error('at the end'))
      }
    }
    const bench = await load(serve, streaming)
    bench.patience = 2 ** 30
    const execution = bench.execute(x(1))
    await turn()
    bench.cancel(execution)
    const [answers] = await bench.answersTo(execution)
    expect(answers).toMatchObject([y(1), { code: 'CANCELLED' }])
    await turn()
  })
})

describe('the time an execution may take', () => {
  const limited = { ...options, config: { execution_timeout_microseconds: '2000' } }
  const overdue = { code: 'UNAVAILABLE', message: expect.stringMatching(/model 'f'.*\(2000\)/) }

  it('what never settles is given up, and the next execution runs', async () => {
    let signal: AbortSignal | undefined
    const bench = await load(({ x }: Inputs, context: RequestContext) => {
      signal ??= context.signal
      return x.data[0] === 1 ? new Promise(() => {}) : { y: x.data }
    }, limited)
    const execution = bench.execute(x(1), x(2))
    expect(await bench.answersTo(execution)).toEqual([[overdue], [y(2)]])
    expect(signal!.reason).toMatchObject({ code: 'UNAVAILABLE' })
    expect(await bench.answersTo(bench.execute(x(2)))).toEqual([[y(2)]])
  })

  it('is counted from the call, and may be longer than any timer', async () => {
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'performance'] })
    const longest = 2 ** 31 - 1
    const config = { execution_timeout_microseconds: String(1000 * (longest + 10)) }
    const bench = await load(
      () => {
        vi.advanceTimersByTime(4)
        return new Promise(() => {})
      },
      { ...options, config },
    )
    const execution = bench.execute(x(1))
    vi.advanceTimersByTime(longest + 5)
    expect(bench.ended.has(execution)).toBe(false)
    vi.advanceTimersByTime(1)
    expect(bench.answers[execution]).toMatchObject([[{ code: 'UNAVAILABLE' }]])
  })

  it('a batch is given up as a whole', async () => {
    const bench = await load(
      batch(() => new Promise(() => {})),
      limited,
    )
    expect(await bench.answersTo(bench.execute(x(1), x(2)))).toEqual([[overdue], [overdue]])
  })
})

describe('requests that have ended before the function is called', () => {
  const kinds = {
    plain: double,
    batch: batch(double),
    async: batch(async (of: Inputs) => double(of)),
  }

  it.each(Object.entries(kinds))('are left out: %s', async (_, fn) => {
    const bench = await load(fn)
    const execution = bench.execute(null, x(1), null, x(2))
    expect(await bench.answersTo(execution)).toEqual([[], [y(2)], [], [y(4)]])
    bench.cancel(execution, 0)
  })

  it.each(Object.entries(kinds))('need no call: %s', async (_, fn) => {
    const bench = await load(fn)
    expect(bench.ended).toContain(bench.execute(null, null))
  })

  it('one whose inputs are no text of theirs fails by itself', async () => {
    const bench = await load(
      ({ s }: { s: Tensor<'BYTES'> }) => ({ y: Float32Array.of(s.toStrings().length) }),
      {
        ...options,
        inputs: { s: ['BYTES', 1] },
      },
    )
    const tensor = (...bytes: number[]) => ['s', 13, [1, 1], Uint8Array.from(bytes).buffer]
    const execution = bench.executeNative([tensor(9), tensor(1, 0, 0, 0, 97)])
    const [bad, good] = await bench.answersTo(execution)
    expect(bad).toMatchObject([{ code: expect.any(String) }])
    expect(good).toMatchObject([{ y: expect.any(Tensor) }])
  })
})

describe('generators', () => {
  const three = function* ({ x }: Inputs) {
    for (let i = 0; i < 3; i++) yield { y: x.data.map((value) => value + i) }
  }

  it('each value is a response; what they return is the last one', async () => {
    const bench = await load(three, streaming)
    const [answers] = await bench.answersTo(bench.execute(x(1)))
    expect(answers).toEqual([y(1), y(2), y(3), 'end'])
    const returning = await load(function* (inputs: Inputs) {
      yield* three(inputs)
      return y(9)
    }, streaming)
    const [more] = await returning.answersTo(returning.execute(x(1)))
    expect(more).toEqual([y(1), y(2), y(3), y(9)])
  })

  it('async ones, and functions that return generators', async () => {
    const bench = await load(async function* (inputs: Inputs) {
      yield* three(inputs)
    }, streaming)
    expect(await bench.answersTo(bench.execute(x(1)))).toEqual([[y(1), y(2), y(3), 'end']])
    for (const give of [three, async (inputs: Inputs) => three(inputs)]) {
      const plain = await load((inputs: Inputs) => give(inputs), streaming)
      expect(await plain.answersTo(plain.execute(x(1)))).toEqual([[y(1), y(2), y(3), 'end']])
    }
  })

  it('wait for a reader who has not taken enough', async () => {
    let given = 0
    const bench = await load(function* () {
      for (; given < 40; given++) yield y(given)
    }, streaming)
    bench.patience = 2 ** 30
    const execution = bench.execute(x(1))
    for (let i = 1; i <= 3; i++) {
      await turn()
      expect(bench.answers[execution]![0]).toHaveLength(i)
      bench.drained(execution)
    }
    bench.patience = 0
    bench.drained(execution)
    const [answers] = await bench.answersTo(execution)
    expect(answers).toHaveLength(41)
  })

  it('go on when the reader takes nothing for as long as it may', async () => {
    const bench = await load(three, streaming)
    bench.patience = 1
    const [answers] = await bench.answersTo(bench.execute(x(1)))
    expect(answers).toEqual([y(1), y(2), y(3), 'end'])
  })

  it.each([
    ['of one request', (of: () => Generator) => of],
    ['of a batch', (of: () => Generator) => batch(of)],
  ])('end when their requests have ended by themselves: %s', async (_, wrap) => {
    let ended = false
    const endless = function* () {
      try {
        for (;;) yield y(1)
      } finally {
        ended = true
      }
    }
    const bench = await load(wrap(endless), streaming)
    bench.patience = -1
    expect(await bench.answersTo(bench.execute(x(1)))).toEqual([[y(1)]])
    expect(ended).toBe(true)
  })

  it('let the event loop turn', async () => {
    let turns = 0
    const count = () => {
      turns++
      if (turns < 3) setImmediate(count)
    }
    setImmediate(count)
    const bench = await load(async function* () {
      while (turns < 3) yield y(1)
    }, streaming)
    await bench.answersTo(bench.execute(x(1)))
    expect(turns).toBe(3)
  })

  it('that throw, or yield what is wrong, end with the error', async () => {
    const throwing = await load(function* () {
      yield y(1)
      throw new Error('enough')
    }, streaming)
    const [answers] = await throwing.answersTo(throwing.execute(x(1)))
    expect(answers).toMatchObject([y(1), { message: expect.stringMatching(/Error: enough/) }])

    let ended = false
    const wrong = await load(function* () {
      try {
        yield y(1)
        yield { z: 1 }
      } finally {
        ended = true
      }
    }, streaming)
    const [others] = await wrong.answersTo(wrong.execute(x(1)))
    expect(others).toMatchObject([
      y(1),
      { message: expect.stringMatching(/unexpected output 'z'/) },
    ])
    expect(ended).toBe(true)
  })

  it('need a model that is decoupled', async () => {
    const bench = await load(three)
    const message = expect.stringContaining('modelTransactionPolicy: { decoupled: true }')
    expect(await bench.answersTo(bench.execute(x(1)))).toMatchObject([[{ message }]])
  })

  it('of batches: each value is split', async () => {
    const bench = await load(
      batch(function* ({ x }) {
        yield { y: x!.data }
        yield { y: x!.data }
      }),
      streaming,
    )
    const answers = await bench.answersTo(bench.execute(x(1), x(2, 3)))
    expect(answers).toEqual([
      [y(1), y(1), 'end'],
      [y(2, 3), y(2, 3), 'end'],
    ])
  })

  it('of requests: who has nothing in a value gets no response', async () => {
    const bench = await load(
      requests(async function* () {
        yield [y(1), undefined]
        yield [undefined, y(2)]
        return [y(3), undefined]
      }),
      streaming,
    )
    const answers = await bench.answersTo(bench.execute(x(1), x(1)))
    expect(answers).toEqual([
      [y(1), y(3)],
      [y(2), 'end'],
    ])
  })
})

describe('a thread that waits for the answer', () => {
  it('gets UNSUPPORTED from functions that answer later', async () => {
    const message = expect.stringContaining('use infer')
    for (const callable of [async () => y(1), batch(async () => y(1))]) {
      const bench = await load(callable)
      bench.standsStill = true
      const answers = await bench.answersTo(bench.execute(x(1)))
      expect(answers).toMatchObject([[{ code: 'UNSUPPORTED', message }]])
    }
    const sync = await load(double)
    sync.standsStill = true
    expect(await sync.answersTo(sync.execute(x(1)))).toEqual([[y(2)]])
  })
})

describe('objects and classes', () => {
  it('have a life: initialize, execute, finalize', async () => {
    const calls: string[] = []
    class Model {
      factor = 0
      async initialize({ model, instance, directory }: Record<string, unknown>) {
        calls.push(`initialize ${model} ${instance} '${directory}'`)
        this.factor = 3
      }
      execute({ x }: Inputs) {
        return { y: x.data.map((value) => this.factor * value) }
      }
      finalize() {
        calls.push('finalize')
      }
    }
    for (const callable of [Model, new Model()]) {
      const bench = await load(callable)
      expect(await bench.answersTo(bench.execute(x(1)))).toEqual([[y(3)]])
      await bench.finalize()
      expect(bench.finalized).toBe(true)
      expect(calls.splice(0)).toEqual(["initialize f f_0_0 ''", 'finalize'])
    }
  })

  it('a method may be a wrapped function', async () => {
    class Model {
      factor = 2
      execute = batch(({ x }) => ({ y: (x!.data as Float32Array).map((v) => this.factor * v) }))
    }
    const bench = await load(Model)
    expect(await bench.answersTo(bench.execute(x(1), x(2)))).toEqual([[y(2)], [y(4)]])
    const object = {
      factor: 5,
      execute: sample(function (this: { factor: number }, { x }) {
        return { y: Float32Array.of(this.factor * (x!.data[0] as number)) }
      }),
    }
    const other = await load(object)
    expect(await other.answersTo(other.execute(x(1, 2)))).toEqual([[y(5, 10)]])
  })

  it('handlers: preprocess, inference and postprocess, each with what the one before gave', async () => {
    for (const later of [false, true]) {
      const step = (value: unknown) => (later ? Promise.resolve(value) : value)
      const bench = await load({
        offset: 1,
        preprocess(this: { offset: number }, { x }: Inputs) {
          return step(x.data[0]! + this.offset)
        },
        inference: (value: number) => step(value * 10),
        postprocess: (value: number) => ({ y: Float32Array.of(value) }),
      })
      expect(await bench.answersTo(bench.execute(x(1)))).toEqual([[y(20)]])
    }
    const bare = await load({ inference: double })
    expect(await bare.answersTo(bare.execute(x(1)))).toEqual([[y(2)]])
  })

  it('that fail to begin say why', async () => {
    class Failing {
      initialize() {
        return Promise.reject(new Error('no weights'))
      }
      execute() {}
    }
    const bench = await load(Failing)
    expect(bench.failure).toMatch(/^INTERNAL: model 'f': Error: no weights\n {4}at /)
    class Throwing {
      constructor() {
        throw new TypeError('at once')
      }
      execute() {}
    }
    expect((await load(Throwing)).failure).toContain('TypeError: at once')
    class Nothing {}
    expect((await load(Nothing)).failure).toContain('(class Nothing) has either a function execute')
  })

  it('what is no callable is a TypeError', () => {
    const read = (value: unknown) => () => readCallable(value, 'it')
    for (const wrong of [
      undefined,
      null,
      5,
      'execute',
      {},
      { execute: 5 },
      { execute() {}, inference() {} },
    ]) {
      expect(read(wrong)).toThrow(TypeError)
    }
    expect(read({ inference: batch(() => {}) })).toThrow('use execute instead')
    expect(() => batch(batch(() => {}) as never)).toThrow(TypeError)
    expect(() => sample(function* () {})).toThrow(TypeError)
    expect(() => batch(5 as never)).toThrow(TypeError)
  })

  it('a batch input is refused', async () => {
    const bench = await load(double, { ...options, config: { batch_input: [{}] } })
    expect(bench.failure).toMatch(/^UNSUPPORTED: model 'f': functions get no batch inputs/)
  })
})
