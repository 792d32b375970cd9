import { afterAll, beforeAll, expect, expectTypeOf, it } from 'vitest'
import * as digits from './support/digits.js'
import { expectFailure } from './support/expect.js'
import { loadIdentity } from './support/identity.js'
import { transferAway } from './support/transfer.js'
import { createServer, type Model, type Server, Tensor } from './support/trident.js'

let server: Server
let model: Model

beforeAll(async () => {
  server = await createServer({ modelRepository: digits.modelRepository, modelControl: 'explicit' })
  model = await server.loadModel('digits')
})
afterAll(() => server.close())

it('gives what infer gives, bit for bit', async () => {
  for (let i = 0; i < 20; i++) {
    const image = digits.imageOf(i)
    const { logits } = await model.infer({ image })
    expect(model.inferSync({ image }).logits).toEqual(logits)
  }
})

it('executes on this thread when nothing else runs', async () => {
  const before = await model.statistics()
  model.inferSync({ image: digits.imageOf(0) })
  const after = await model.statistics()
  expect(after.inference_stats.success.count).toBe(before.inference_stats.success.count + 1)
  expect(after.execution_count).toBe(before.execution_count + 1)
})

it('waits for its turn behind requests already made', async () => {
  const slow = await loadIdentity(server, 'slow', { executeDelayMs: 30 })
  const order: string[] = []
  const first = slow.infer({ INPUT0: Float32Array.of(1, 1, 1, 1) }).then(() => order.push('infer'))
  const { OUTPUT0 } = slow.inferSync({ INPUT0: Float32Array.of(2, 2, 2, 2) })
  order.push('inferSync')
  expect([...(OUTPUT0!.data as Float32Array)]).toEqual([2, 2, 2, 2])
  await first
  expect(order).toEqual(['inferSync', 'infer']) // the promise settles in a later turn
  const { inference_stats } = await slow.statistics()
  expect(inference_stats.success.count).toBe(2)
})

it('writes into the array given', () => {
  const target = new Float32Array(12)
  const { logits } = model.inferSync({ image: digits.imageOf(5) }, { outputs: { logits: target } })
  expect((logits.data as Float32Array).buffer).toBe(target.buffer)
  expect(logits.shape).toEqual([1, 10])
  expect(target.subarray(0, 10)).toEqual(model.inferSync({ image: digits.imageOf(5) }).logits!.data)
  expect([...target.subarray(10)]).toEqual([0, 0])
})

it('gives up after its timeout, and the late answer harms nothing', async () => {
  const slow = await loadIdentity(server, 'slower', { executeDelayMs: 150 })
  const target = new Float32Array(4)
  const run = () =>
    slow.inferSync(
      { INPUT0: Float32Array.of(1, 2, 3, 4) },
      { timeout: 20, outputs: { OUTPUT0: target } },
    )
  await expectFailure(run, 'UNAVAILABLE', 'timeout', 'slower', '20 ms')
  transferAway(target)
  const { OUTPUT0 } = await slow.infer({ INPUT0: Float32Array.of(5, 6, 7, 8) })
  expect([...(OUTPUT0!.data as Float32Array)]).toEqual([5, 6, 7, 8])
})

it('fails with the stack of the caller', async () => {
  function theUsersFunction(): void {
    model.inferSync({ image: digits.imageOf(0) }, { outputs: { logits: new Float32Array(3) } })
  }
  const error = await expectFailure(theUsersFunction, 'INVALID_ARG', 'logits')
  expect(error.stack).toContain('theUsersFunction')
})

it('refuses a signal', () => {
  const { signal } = new AbortController()
  expect(() => model.inferSync({ image: digits.imageOf(0) }, { signal })).toThrow(TypeError)
})

it('writes an output of no elements into an array of none', async () => {
  const loose = await loadIdentity(server, 'loose', { dims: [-1] })
  const inputs = { INPUT0: new Tensor('FP32', new Float32Array(0), [0]) }
  const targets = [new Float32Array(0), new Float32Array(new SharedArrayBuffer(0))]
  for (const OUTPUT0 of targets) {
    const options = { outputs: { OUTPUT0 } }
    expect(loose.inferSync(inputs, options).OUTPUT0.shape).toEqual([0])
    expect((await loose.infer(inputs, options)).OUTPUT0.shape).toEqual([0])
    using run = loose.prepare({ inputs, ...options })
    expect(run.sync().OUTPUT0?.shape).toEqual([0])
  }
})

it('gives the types of the tensors that were given for outputs', () => {
  const logits = new Tensor('FP32', new Float32Array(10), [1, 10])
  const result = model.inferSync({ image: digits.imageOf(5) }, { outputs: { logits } })
  expectTypeOf(result.logits.data).toEqualTypeOf<Float32Array>()
  expect(result.logits.data).toBe(logits.data)
})
