import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import * as digits from './support/digits.js'
import { expectFailure } from './support/expect.js'
import { testBackends } from './support/repeat.js'
import {
  BatchSlots,
  createServer,
  type Model,
  type Server,
  SharedMemory,
} from './support/trident.js'
import { Gate, loadWitness } from './support/witness.js'

let counter = 0
const newKey = () => `/trident-slots-${process.pid}-${counter++}`

const digitsLayout = (count: number) =>
  ({
    inputs: { image: { datatype: 'FP32', shape: [1, 8, 8] } },
    outputs: { logits: { datatype: 'FP32', shape: [10] } },
    count,
  }) as const
const numbers = (count: number, offset = 0) =>
  ({ inputs: { x: { datatype: 'INT32', shape: [3] } }, count, offset }) as const

function digitSlots(count: number) {
  const layout = digitsLayout(count)
  const region = SharedMemory.create(newKey(), { byteSize: BatchSlots.byteSize(layout) })
  return { region, slots: region.batchSlots(layout) }
}

function expectDigit(found: Float32Array, index: number): void {
  const recorded = digits.recordedOf(index)
  expect(found.length).toBe(10)
  for (let k = 0; k < 10; k++) expect(Math.abs(found[k]! - recorded[k]!)).toBeLessThan(1e-4)
}

describe('a layout', () => {
  it('has the items of a tensor side by side, the tensors on cache lines', () => {
    const layout = digitsLayout(3)
    expect(BatchSlots.byteSize(layout)).toBe(3 * 256 + 3 * 40)
    expect(BatchSlots.byteSize({ ...layout, offset: 1 })).toBe(64 + 3 * 256 + 3 * 40)
    using region = SharedMemory.create(newKey(), { byteSize: 4096 })
    const slots = region.batchSlots({ ...layout, offset: 70 })
    expect(slots.byteSize).toBe(128 + 3 * 256 + 3 * 40)
    expect(slots).toMatchObject({ count: 3, available: 3 })
    for (let i = 0; i < 3; i++) {
      const { inputs, outputs, index } = slots.take()
      expect(index).toBe(i)
      expect(inputs.image).toMatchObject({
        datatype: 'FP32',
        shape: [1, 1, 8, 8],
        offset: 128 + i * 256,
      })
      expect(outputs.logits).toMatchObject({ shape: [1, 10], offset: 128 + 3 * 256 + i * 40 })
    }
  })

  it('must fit its region, and says what it needs', async () => {
    using region = SharedMemory.create(newKey(), { byteSize: 3 * 296 - 1 })
    await expectFailure(() => region.batchSlots(digitsLayout(3)), 'INVALID_ARG', '888', '887')
    region.batchSlots(digitsLayout(2))
    region.close()
    await expectFailure(() => region.batchSlots(digitsLayout(1)), 'UNAVAILABLE', 'closed')
  })

  it('is refused when it makes no sense', async () => {
    const good = digitsLayout(2)
    const text = { text: { datatype: 'BYTES', shape: [1] } } as never
    await expectFailure(() => BatchSlots.byteSize({ ...good, inputs: text }), 'INVALID_ARG', 'text')
    const both = { image: { datatype: 'FP32', shape: [1] } } as const
    await expectFailure(() => BatchSlots.byteSize({ ...good, outputs: both }), 'INVALID_ARG')
    await expectFailure(() => BatchSlots.byteSize({ ...good, inputs: {} }), 'INVALID_ARG')
    const empty = { image: { datatype: 'FP32', shape: [0] } } as const
    await expectFailure(() => BatchSlots.byteSize({ ...good, inputs: empty }), 'INVALID_ARG', '[0]')
    await expectFailure(() => BatchSlots.byteSize({ ...good, count: 2 ** 50 }), 'INVALID_ARG')
    for (const count of [0, -1, 1.5, Number.NaN]) {
      expect(() => BatchSlots.byteSize({ ...good, count })).toThrow(RangeError)
    }
    const deepest = { image: { datatype: 'FP32', shape: new Array(31).fill(1) } } as const
    expect(BatchSlots.byteSize({ ...good, inputs: deepest, outputs: {} })).toBe(8)
    const tooDeep = { image: { datatype: 'FP32', shape: new Array(32).fill(1) } } as const
    expect(() => BatchSlots.byteSize({ ...good, inputs: tooDeep })).toThrow(/32 dimensions/)
    const variable = { image: { datatype: 'FP32', shape: [-1] } } as const
    expect(() => BatchSlots.byteSize({ ...good, inputs: variable })).toThrow(RangeError)
    expect(() => BatchSlots.byteSize({ ...good, offset: -1 })).toThrow(RangeError)
    for (const wrong of [null, 5, {}, { ...good, inputs: null }, { ...good, inputs: { a: 1 } }]) {
      expect(() => BatchSlots.byteSize(wrong as never)).toThrow(TypeError)
    }
    expect(() => BatchSlots.byteSize({ ...good, slots: 2 } as never)).toThrow(/'slots'/)
  })
})

describe('slots', () => {
  it('go round in order, so that those in use are neighbours', () => {
    using region = SharedMemory.create(newKey(), { byteSize: 4096 })
    const slots = region.batchSlots(numbers(4))
    const [a, b, c] = [slots.take(), slots.take(), slots.take()]
    expect([a, b, c].map(({ index }) => index)).toEqual([0, 1, 2])
    a.release()
    b.release()
    expect(slots.available).toBe(3)
    const [d, e] = [slots.take(), slots.take()]
    expect([d, e].map(({ index }) => index)).toEqual([3, 0]) // not 0 and 1 again
    c.release()
    expect([slots.take(), slots.take()].map(({ index }) => index)).toEqual([1, 2])
    expect(slots.available).toBe(0)
  })

  it('begin anew when none is in use', () => {
    using region = SharedMemory.create(newKey(), { byteSize: 4096 })
    const slots = region.batchSlots(numbers(4))
    for (let i = 0; i < 6; i++) {
      using slot = slots.take()
      expect(slot.index).toBe(0)
    }
  })

  it('are refused when all are taken, and waited for in order', async () => {
    using region = SharedMemory.create(newKey(), { byteSize: 4096 })
    const slots = region.batchSlots(numbers(2))
    const held = [await slots.acquire(), slots.take()]
    await expectFailure(() => slots.take(), 'UNAVAILABLE', '2 batch slots')
    const got: string[] = []
    const wait = (who: string) =>
      slots.acquire().then((slot) => {
        got.push(`${who}${slot.index}`)
        return slot
      })
    const waiting = ['a', 'b', 'c'].map(wait)
    await Promise.resolve()
    expect(got).toEqual([])
    held[1]!.release()
    await waiting[0]
    await expectFailure(() => slots.take(), 'UNAVAILABLE') // who waits is first
    held[0]!.release()
    await waiting[1]
    ;(await waiting[0]!).release()
    await waiting[2]
    expect(got).toEqual(['a1', 'b0', 'c1'])
    ;(await waiting[1]!).release()
    expect(slots.available).toBe(1)
  })

  it('can be waited for with a signal', async () => {
    using region = SharedMemory.create(newKey(), { byteSize: 4096 })
    const slots = region.batchSlots(numbers(1))
    const held = slots.take()
    const controller = new AbortController()
    const first = slots.acquire({ signal: controller.signal })
    const second = slots.acquire()
    const failed = expectFailure(() => first, 'CANCELLED', 'slot')
    controller.abort()
    await failed
    held.release()
    expect((await second).index).toBe(0)
    await expectFailure(() => slots.acquire({ signal: AbortSignal.abort() }), 'CANCELLED')
    await expect(slots.acquire({ signal: 5 } as never)).rejects.toThrow(TypeError)
    await expect(slots.acquire({ sginal: undefined } as never)).rejects.toThrow(/'signal'/)
  })

  it('are over after their release', async () => {
    using region = SharedMemory.create(newKey(), { byteSize: 4096 })
    const slots = region.batchSlots(numbers(2))
    const slot = slots.take()
    slot.release()
    const uses = [
      () => slot.release(),
      () => slot.inputs,
      () => slot.outputs,
      () => slot.view('x'),
      () => slot.read('x'),
      () => slot.write('x', new Int32Array(3)),
    ]
    for (const use of uses) await expectFailure(use, 'UNAVAILABLE', 'released')
    slot[Symbol.dispose]()
    expect(slots.available).toBe(2)
  })

  it('are over with their region', async () => {
    const region = SharedMemory.create(newKey(), { byteSize: 4096 })
    const slots = region.batchSlots(numbers(1))
    const slot = slots.take()
    const waiting = [slots.acquire(), slots.acquire()]
    const failed = waiting.map((promise) => expectFailure(() => promise, 'UNAVAILABLE', 'closed'))
    region.close()
    await Promise.all(failed)
    await expectFailure(() => slots.take(), 'UNAVAILABLE', 'closed')
    await expectFailure(() => slots.acquire(), 'UNAVAILABLE', 'closed')
    await expectFailure(() => slot.inputs, 'UNAVAILABLE', 'closed')
    await expectFailure(() => slot.view('x'), 'UNAVAILABLE', 'closed')
    slot.release()
  })

  it('of a read-only region are only read', async () => {
    using region = SharedMemory.create(newKey(), { byteSize: 4096 })
    using reading = SharedMemory.open(region.key, { readOnly: true })
    const slots = region.batchSlots(numbers(2))
    const seen = reading.batchSlots(numbers(2))
    const [mine, theirs] = [slots.take(), seen.take()]
    mine.write('x', Int32Array.of(1, 2, 3))
    expect([...theirs.read('x')]).toEqual([1, 2, 3])
    await expectFailure(() => theirs.write('x', new Int32Array(3)), 'INVALID_ARG', 'read-only')
    await expectFailure(() => theirs.view('x'), 'UNSUPPORTED', 'read-only')
  })

  it('lie where the region begins, aligned or not', () => {
    using region = SharedMemory.create(newKey(), { byteSize: 4096 })
    using part = SharedMemory.open(region.key, { offset: 3 })
    const slot = part.batchSlots(numbers(2)).take()
    slot.write('x', Int32Array.of(1, 2, 3))
    expect([...slot.view('x')]).toEqual([1, 2, 3])
    expect([...region.view().slice(3, 15)].filter(Boolean)).toEqual([1, 2, 3])
  })

  it('are written and read, with and without a copy', () => {
    using region = SharedMemory.create(newKey(), { byteSize: 4096 })
    const slots = region.batchSlots(numbers(3, 100))
    const [first, second] = [slots.take(), slots.take()]
    first.write('x', Int32Array.of(1, 2, 3))
    second.view('x').set([4, 5, 6])
    expect([...region.view().slice(128, 152)].filter(Boolean)).toEqual([1, 2, 3, 4, 5, 6])
    expect([...first.view('x')]).toEqual([1, 2, 3])
    expect([...second.read('x')]).toEqual([4, 5, 6])
    const target = new Int32Array(3)
    expect(first.read('x', target)).toBe(target)
    expect([...target]).toEqual([1, 2, 3])
    expect(() => first.write('x', new Int32Array(4))).toThrow(RangeError)
    expect(() => first.write('x', new Float32Array(3) as never)).toThrow(/Int32Array.*Float32Array/)
    expect(() => first.read('x', new Uint8Array(12) as never)).toThrow(TypeError)
    expect(() => first.view('y' as never)).toThrow(/'y'.*x/)
  })
})

describe('a batch in slots', () => {
  let server: Server
  let model: Model
  beforeAll(async () => {
    server = await createServer({
      modelRepository: digits.modelRepository,
      modelControl: 'explicit',
    })
    model = await server.loadModel('digits')
  })
  afterAll(() => server.close())

  const counts = async () => {
    const { copy_stats, execution_count } = await model.statistics()
    return { copies: copy_stats.count, executions: execution_count }
  }

  type DigitSlot = ReturnType<ReturnType<typeof digitSlots>['slots']['take']>

  /** One request per image, in this order, all of one turn. */
  async function ask(slots: readonly DigitSlot[], firstImage: number): Promise<void> {
    for (const [i, slot] of slots.entries()) slot.write('image', digits.imageOf(firstImage + i))
    await Promise.all(slots.map((slot) => model.infer(slot.inputs, { outputs: slot.outputs })))
    for (const [i, slot] of slots.entries()) expectDigit(slot.read('logits'), firstImage + i)
  }

  it('is executed without a copy', async () => {
    const { region, slots } = digitSlots(48)
    using _closed = region
    const before = await counts()
    for (let round = 0; round < 3; round++) {
      const taken = Array.from({ length: 16 }, () => slots.take())
      await ask(taken, round * 16)
      for (const slot of taken) slot.release()
    }
    const after = await counts()
    expect(after).toEqual({ copies: before.copies, executions: before.executions + 3 })
  })

  it('is executed without a copy in any order of its requests', async () => {
    const { region, slots } = digitSlots(8)
    using _closed = region
    const before = await counts()
    const taken = Array.from({ length: 8 }, () => slots.take())
    const shuffled = [5, 2, 7, 0, 1, 6, 4, 3].map((i) => taken[i]!)
    await ask(shuffled, 100)
    const after = await counts()
    expect(after).toEqual({ copies: before.copies, executions: before.executions + 1 })
  })

  it('is copied once where it is no block', async () => {
    const { region, slots } = digitSlots(8)
    using _closed = region
    const before = await counts()
    const taken = Array.from({ length: 8 }, () => slots.take())
    const apart = [0, 2, 3, 6].map((i) => taken[i]!)
    await ask(apart, 7)
    const after = await counts()
    // Each request's input gathered, each request's output scattered.
    expect(after).toEqual({ copies: before.copies + 4 + 4, executions: before.executions + 1 })
  })

  it('is answered wherever its region begins', async () => {
    const layout = digitsLayout(4)
    const byteSize = BatchSlots.byteSize(layout)
    using whole = SharedMemory.create(newKey(), { byteSize: byteSize + 4099 })
    using part = SharedMemory.open(whole.key, { offset: 4099 })
    const slots = part.batchSlots(layout)
    await ask([slots.take(), slots.take(), slots.take()], 40)
  })

  it('serves many clients with few slots', async () => {
    const { region, slots } = digitSlots(8)
    using _closed = region
    await Promise.all(
      Array.from({ length: 100 }, async (_, image) => {
        using slot = await slots.acquire()
        slot.view('image').set(digits.imageOf(image))
        const { logits } = await model.infer(slot.inputs, { outputs: slot.outputs })
        expect(logits).toBe(slot.outputs.logits)
        expectDigit(slot.view('logits'), image)
      }),
    )
    expect(slots.available).toBe(8)
  })
})

describe('a slot whose request still runs when it is released', () => {
  const layout = {
    inputs: { input: { datatype: 'FP32', shape: [2] } },
    outputs: { output: { datatype: 'FP32', shape: [2] } },
    count: 1,
  } as const
  let server: Server
  let model: Model
  beforeAll(async () => {
    server = await createServer({ backendDirectory: testBackends, inlineBudget: 0 })
    model = await loadWitness(server, 'held', { instanceGroup: [{ count: 2, kind: 'KIND_CPU' }] })
  })
  afterAll(() => server.close())

  type Slots = ReturnType<typeof SharedMemory.prototype.batchSlots<typeof layout.inputs>>

  /** The slot's request waits at `gate`, nobody waits for the request any more. */
  async function expectHeldBack(slots: Slots, gate: Gate): Promise<void> {
    expect(slots.available).toBe(0)
    await expectFailure(() => slots.take(), 'UNAVAILABLE', '1 batch slots')
    let acquired = false
    const waiting = slots.acquire().then((slot) => {
      acquired = true
      return slot
    })
    const { output } = await model.infer({ input: Float32Array.of(5, 6) }) // the other instance
    expect(output!.data).toEqual(Float32Array.of(5, 6))
    expect(acquired).toBe(false)
    gate.open()
    using slot = await waiting
    expect(slot.index).toBe(0)
  }

  it('is held back after an abort', async () => {
    using region = SharedMemory.create(newKey(), { byteSize: 4096 })
    using gate = new Gate()
    const slots = region.batchSlots(layout)
    const slot = slots.take()
    const controller = new AbortController()
    const { signal } = controller
    const { parameters } = gate
    const { inputs, outputs } = slot
    const answer = model.infer(inputs, { outputs, signal, parameters })
    await gate.arrived()
    controller.abort()
    await expectFailure(() => answer, 'CANCELLED')
    slot.release()
    await expectHeldBack(slots, gate)
    expect(slots.available).toBe(1)
    // And what nobody may use any more is refused.
    await expectFailure(() => model.infer(inputs, { outputs }), 'UNAVAILABLE', 'slot 0', 'released')
  })

  it('is held back after a timeout, of infer and inferSync', async () => {
    using region = SharedMemory.create(newKey(), { byteSize: 4096 })
    const slots = region.batchSlots(layout)
    for (const call of ['infer', 'inferSync'] as const) {
      using gate = new Gate()
      const slot = slots.take()
      const { inputs, outputs } = slot
      const { parameters } = gate
      const ask = () => model[call](inputs, { outputs, timeout: 250, parameters })
      await expectFailure(ask, 'UNAVAILABLE', '250 ms')
      slot.release()
      await gate.arrived()
      await expectHeldBack(slots, gate)
      expect(slots.available).toBe(1)
    }
  })

  it('comes back at once when the request had not left', async () => {
    using region = SharedMemory.create(newKey(), { byteSize: 4096 })
    const slots = region.batchSlots(layout)
    const slot = slots.take()
    const controller = new AbortController()
    const { inputs, outputs } = slot
    const answer = model.infer(inputs, { outputs, signal: controller.signal })
    controller.abort()
    await expectFailure(() => answer, 'CANCELLED')
    slot.release()
    expect(slots.available).toBe(1)
  })

  it('comes back when its request fails or is refused', async () => {
    using region = SharedMemory.create(newKey(), { byteSize: 4096 })
    const slots = region.batchSlots(layout)
    const broken = await loadWitness(server, 'broken', {
      parameters: { refuse: { stringValue: 'not today' } },
    })
    {
      using slot = slots.take()
      await expectFailure(() => broken.infer(slot.inputs), 'INTERNAL', 'not today')
      const wrong = { priority: 'high' } as never
      await expect(broken.infer(slot.inputs, wrong)).rejects.toThrow(TypeError)
      await expectFailure(() => broken.infer({ wrong: slot.inputs.input }), 'INVALID_ARG', 'wrong')
    }
    expect(slots.available).toBe(1)
  })

  it('is held back while a prepared request is bound to it', async () => {
    using region = SharedMemory.create(newKey(), { byteSize: 4096 })
    const slots = region.batchSlots(layout)
    const slot = slots.take()
    slot.view('input').set([3, 4])
    const run = model.prepare({ inputs: slot.inputs, outputs: slot.outputs })
    run.sync()
    await run.async()
    expect([...slot.view('output')]).toEqual([3, 4])
    slot.release()
    expect(slots.available).toBe(0)
    run.close()
    expect(slots.available).toBe(1)
  })
})
